"""What the figures show: numbers by hand, and pictures that hold what they claim."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from eval.baselines import random_vectors
from eval.bootstrap import PatientBootstrap
from eval.details import reliability_of, statement_scores
from eval.figures import draw_figures, robustness
from eval.pictures import LOOKS
from eval.plan import Options, Task
from eval.protocol import Result, evaluate
from eval.split import split_by_fold
from eval.systems import CHECKED, System, chance
from retrieval.ecg.page import canonical_page
from retrieval.errors import ExtraMissing
from tests.eval.corpus import MemoryCorpus, make_rows
from tests.eval.made_up_bundle import LeakingBundle

pytestmark = pytest.mark.slow

PNG = b"\x89PNG\r\n\x1a\n"


@contextmanager
def quiet(title):
    yield lambda done, total: None


@pytest.fixture(scope="module")
def split():
    return split_by_fold(MemoryCorpus(make_rows()))


@pytest.fixture(scope="module")
def result() -> Result:
    from eval.plan import _robustness  # the task itself; the others show nothing

    corpus = MemoryCorpus(make_rows())
    tasks: list[Task] = [_robustness]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("eval.pictures.Picture.read", lambda picture: canonical_page(picture.recording).pixels)
        options = Options(draws=20, robust_ecgs=20, workers=1)
        return evaluate(corpus, LeakingBundle(corpus, "statements"), options, progress_bar=quiet, tasks=tasks)


def test_scores_of_a_statement_by_hand(split):
    rng = np.random.default_rng(0)
    system = System(CHECKED, *(random_vectors(len(part.rows), 64, rng) for part in split.parts))
    nobody = chance(*(len(part.rows) for part in split.parts))
    scores = statement_scores(split, system, nobody, PatientBootstrap(split.queries.patients, 20))
    by_code = {one.code: one for one in scores}
    assert set(by_code) >= {"NORM", "IMI", "SR", "PVC"}
    assert (by_code["NORM"].kind, by_code["PVC"].kind, by_code["SR"].kind) == ("diagnostic", "form", "rhythm")
    norm = by_code["NORM"]
    assert norm.queries == sum("NORM" in codes for codes in split.queries.statements) == norm.mean_ap.queries
    assert norm.gallery == sum("NORM" in codes for codes in split.gallery.statements)
    share = norm.gallery / len(split.gallery.rows)
    assert norm.chance == pytest.approx(share, abs=0.05)
    assert norm.mean_ap.value == pytest.approx(norm.chance, abs=0.05)


def test_a_vote_of_the_prevalence_is_as_often_right(split):
    nobody = replace(chance(*(len(part.rows) for part in split.parts)), name=CHECKED)
    found = reliability_of(split, nobody, PatientBootstrap(split.queries.patients, 50))
    assert found is not None
    assert sum(one.votes for one in found.bins) == 5 * len(split.queries.rows)
    assert found.error < 0.05
    predicted = [one.predicted for one in found.bins]
    assert predicted == sorted(predicted)
    for one in found.bins:
        low, high = one.observed.interval
        assert low <= one.observed.value <= high
        assert abs(one.observed.value - one.predicted) < 0.1


def test_a_vote_that_is_too_sure_of_itself_shows(split):
    def first_statement(part):
        table = np.zeros((len(part.rows), 64))
        table[np.arange(len(part.rows)), [len(row.report) % 3 for row in part.rows]] = 1
        return table

    system = System(CHECKED, *(first_statement(part) for part in split.parts))
    found = reliability_of(split, system, PatientBootstrap(split.queries.patients, 0))
    by_hand = sum(one.votes * abs(one.predicted - one.observed.value) for one in found.bins)
    assert found.error == pytest.approx(by_hand / sum(one.votes for one in found.bins))


def test_every_figure_is_written_as_picture_and_as_drawing(result, tmp_path):
    figures = draw_figures(result, tmp_path / "out")
    assert [figure.task for figure in figures] == [1, 1, 4, 5]
    assert len({figure.title for figure in figures}) == 4
    for figure in figures:
        picture, drawing = (tmp_path / "out" / file for file in figure.files)
        assert picture.read_bytes()[:8] == PNG
        assert "<svg" in drawing.read_text()[:600]
        assert any(character.isdigit() for character in figure.caption)
    text = (tmp_path / "out" / figures[0].files[1]).read_text()
    assert ">NORM (" in text  # Letters, not outlines: they can be searched and read aloud.
    assert "mean average precision" in text


def test_the_same_result_gives_the_same_bytes(result, tmp_path):
    for folder in ("one", "other"):
        draw_figures(result, tmp_path / folder)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes(), file.name


def test_the_robustness_curve_draws_the_measured_values(result):
    drawn = robustness(result)
    assert drawn is not None
    curve = next(line for line in drawn.canvas.axes[0].lines if len(line.get_xdata()) == 4)
    values = {m.setting: m.scores[CHECKED].value for m in result.measures if m.metric == "page to case nDCG@10"}
    names = ["clean picture", *(f"photo, strength {i}" for i in (1, 2, 3))]
    np.testing.assert_allclose(curve.get_ydata(), [100 * values[name] for name in names])
    assert f"20 ECGs of fold 10 as pictures, read back by intake (0 of {20 * len(LOOKS)} refused" in drawn.caption


def test_what_was_not_measured_is_not_drawn(result, tmp_path):
    few = replace(result, measures=())
    assert [figure.task for figure in draw_figures(few, tmp_path)] == [1, 1, 4]


def test_without_scikit_learn_it_says_what_to_install(result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(ExtraMissing, match=r"nearbeat\[eval\]"):
        draw_figures(result, tmp_path)
    assert not list(tmp_path.iterdir())
