"""Texts without ECGs: what they are, how they are drawn, and what a stage that reads nothing else learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from retrieval.ecg.statements import STATEMENTS, synonyms
from retrieval.errors import BadArgument
from tests.retrieval.corpora.test_ptbxl import line, write_database
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training.checkpoint import Place, read_state
from training.progress import Told
from training.recipe import ReportSpec, Stage
from training.reports import TERM_COPIES, TextCase, load_texts, text_order, two_texts
from training.trainer import Trainer

pytestmark = [pytest.mark.train, pytest.mark.slow]

SAID = ("{'SR': 0.0, 'AFIB': 100.0}", "{'NORM': 100.0}", "{'IMI': 15.0, 'SR': 0.0}", "{'CLBBB': 100.0}")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Reports of folds 1 to 9, without a single record; one says nothing that we know."""
    folder = tmp_path_factory.mktemp("table")
    lines = [
        line(i, strat_fold=str(1 + i % 9), scp_codes=SAID[i % 4], report=f"befund {SAID[i % 4][2:5]} {i}")
        for i in range(1, 81)
    ]
    return write_database(folder, [*lines, line(99, strat_fold="1", scp_codes="{'ZZZ': 100.0}")])


@pytest.fixture
def told():
    return Told(Console(quiet=True))


def recipe_of(bert, table, *stages, **changes):
    spec = ReportSpec(str(table), "1-8", batch=16)
    return tiny_recipe(bert, stages=stages, reports=spec, **changes)


def test_every_report_and_every_statements_own_words(table):
    cases = load_texts(ReportSpec(str(table), "1-8"), 1)
    reports, terms = cases[: -TERM_COPIES * len(STATEMENTS)], cases[-TERM_COPIES * len(STATEMENTS) :]
    assert len(reports) == len([i for i in range(1, 81) if i % 9 != 8])
    assert {code for case in terms for code in case.statements} == set(STATEMENTS)
    assert reports[0].texts[0].startswith("befund")
    assert all(len(case.texts) >= 2 for case in reports)
    german = next(case for case in terms if "AFIB" in case.statements).texts
    assert set(synonyms("AFIB", "de")) <= set(german)
    assert load_texts(ReportSpec(str(table), "1-8"), 1, terms=False) == reports


@given(st.integers(1, 6), st.integers(0, 2**32))
def test_two_texts_of_a_case_differ_where_they_can(count, seed):
    case = TextCase({}, tuple(f"text {i}" for i in range(count)))
    left, right = two_texts(case, np.random.default_rng(seed))
    assert {left, right} <= set(case.texts)
    assert (left != right) == (count > 1)


@given(st.integers(1, 200), st.integers(2, 64), st.integers(0, 100))
def test_an_epoch_of_texts_takes_none_twice_where_there_are_enough(count, batch, seed):
    order = text_order(count, batch, (seed,))
    assert order.shape == (max(1, count // batch), batch)
    if count >= batch:
        assert len(np.unique(order)) == order.size


def test_a_stage_of_reports_alone_learns_what_they_say(bert, table, tmp_path, told):
    stage = Stage("words", 8, reports=1.0, unlocked_layers=1, learning_rate=3e-3)
    trainer = Trainer(recipe_of(bert, table, stage), tmp_path, told)
    trainer.run()
    rows = (tmp_path / "log.jsonl").read_text().splitlines()
    assert '"report_auroc"' not in rows[0]  # simulated ECGs are its validation: no fold, no reports
    assert trainer.material.unseen_texts == ()


def test_the_statement_head_reads_reports_that_it_never_saw(bert, table, tmp_path, told):
    stage = Stage("words", 10, reports=1.0, unlocked_layers=1, learning_rate=3e-3)
    trainer = Trainer(recipe_of(bert, table, stage), tmp_path, told)
    unseen = load_texts(ReportSpec(str(table), "9"), 1, terms=False)
    judged = tuple(TextCase(case.statements, case.texts[:1]) for case in unseen * 8)
    trainer.material = replace(trainer.material, unseen_texts=judged)
    trainer.bank = trainer.text_bank(stage)
    before = trainer.read_reports()
    trainer.run()
    assert trainer.read_reports() > max(0.9, before)


def test_stopped_after_its_layers_were_locked_again_equals_uninterrupted(bert, table, tmp_path, told):
    """The layers that the first stage taught stay in the state of the second, which does not train them."""
    stages = (
        Stage("words", 1, reports=1.0, unlocked_layers=1),
        Stage("align", 2, contrastive=1.0, statements=1.0, reports=0.5),
    )
    recipe = recipe_of(bert, table, *stages)
    Trainer(recipe, tmp_path / "whole", told).run()
    for stop in (Place(0, 0, 3), Place(1, 0, 2)):
        folder = tmp_path / f"stop {stop.stage}"
        Trainer(recipe, folder, told).run(stop_after=lambda place, stop=stop: place == stop)
        Trainer(recipe, folder, told).run()
        whole, resumed = read_state(tmp_path / "whole")["model"], read_state(folder)["model"]
        assert [name for name in whole if "transformer.encoder.layer.1." in name]
        assert whole.keys() == resumed.keys()
        assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_stage_that_reads_reports_needs_some(bert):
    with pytest.raises(BadArgument, match="stage words learns from reports, and the recipe names none"):
        tiny_recipe(bert, stages=(Stage("words", 1, reports=1.0),))
    with pytest.raises(BadArgument, match="the batch of reports is 1"):
        ReportSpec("somewhere", batch=1)
