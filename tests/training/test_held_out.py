"""What a recipe holds out is seen by nothing that trains, and the bundle says so."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from retrieval.errors import BadArgument
from tests.retrieval.corpora.test_ptbxl import line, write_database
from tests.training.tiny import tiny_recipe
from training.case_list import KeptCases, TrainingCase, without_statements
from training.export import Facts, _card
from training.material import load_material
from training.progress import Told
from training.recipe import ReportSpec

pytestmark = pytest.mark.train


def case(number, codes):
    return TrainingCase(
        f"c{number}", np.zeros((12, 4), np.float32), dict.fromkeys(codes), (f"text {number}",), f"p{number}"
    )


CODES = st.lists(st.sets(st.sampled_from(["SR", "AFIB", "IMI", "PVC"])), max_size=12)


@given(CODES, st.sets(st.sampled_from(["SR", "AFIB", "IMI", "PVC"])))
def test_what_is_left_is_whole_and_in_order(stated, held):
    everything = [case(i, codes) for i, codes in enumerate(stated)]
    left = without_statements(KeptCases(everything), held)
    wanted = [one for one in everything if not held & set(one.statements)]
    assert list(left) == wanted == list(left[:])
    assert list(left.statements()) == [one.statements for one in wanted]
    assert list(left.patient_keys()) == [one.patient_key for one in wanted]
    assert list(left.texts()) == [one.texts for one in wanted]


def test_no_case_no_report_and_no_term_states_it(tmp_path):
    said = ("{'SR': 0.0, 'AFIB': 100.0}", "{'NORM': 100.0}", "{'IMI': 15.0}")
    table = write_database(tmp_path, [line(i, strat_fold="1", scp_codes=said[i % 3]) for i in range(1, 31)])
    recipe = tiny_recipe(tmp_path, reports=ReportSpec(str(table), "1-8", 8), held_out=("AFIB", "IMI"))
    material = load_material(recipe, Told(Console(quiet=True)))
    everything = load_material(tiny_recipe(tmp_path), Told(Console(quiet=True)))
    assert 0 < len(material.cases) < len(everything.cases)
    for stated in (*material.cases.statements(), *(one.statements for one in material.text_cases)):
        assert not {"AFIB", "IMI"} & set(stated)
    assert any("NORM" in one.statements for one in material.text_cases)
    assert len(material.validation) == len(everything.validation)


def test_the_card_names_them(tmp_path):
    for name in ("image.onnx", "text.onnx", "tokenizer.json"):
        (tmp_path / name).touch()
    assert _card(tiny_recipe(tmp_path, held_out=("AFIB",)), tmp_path, Facts((), {}), True)["held_out_statements"] == [
        "AFIB"
    ]
    assert "held_out_statements" not in _card(tiny_recipe(tmp_path), tmp_path, Facts((), {}), True)


def test_a_code_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(BadArgument, match="held_out names 'ATRIAL'"):
        tiny_recipe(tmp_path, held_out=("ATRIAL",))
