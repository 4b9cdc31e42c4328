"""A random bundle reaches chance in every line of every task; one that knows the answer does not pass for random."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

from eval.pictures import LOOKS
from eval.plan import Options
from eval.protocol import evaluate
from eval.systems import CHANCE, CHECKED
from retrieval.ecg.page import canonical_page
from tests.eval.corpus import MemoryCorpus, make_rows
from tests.eval.made_up_bundle import LeakingBundle, RandomBundle

pytestmark = pytest.mark.slow

SPREADS = 4.0
"""How many standard deviations a line may lie from chance; some 200 lines are looked at."""
INSIDE = 0.88
"""Share of the lines whose interval must hold chance; 0.95 of independent ones would."""


@contextmanager
def quiet(title):
    yield lambda done, total: None


@pytest.fixture(scope="module")
def corpus():
    return MemoryCorpus(make_rows(150, 30, 120, seed=3))


@pytest.fixture(autouse=True)
def pages_as_drawn(monkeypatch):
    """Two looks that intake would read without a fault (real ones take seconds a page); no searches among reports."""
    monkeypatch.setattr("eval.pictures.Picture.read", lambda self: canonical_page(self.recording).pixels)
    monkeypatch.setattr("eval.plan.LOOKS", LOOKS[:2])
    monkeypatch.setattr("eval.text_search.report_searches", lambda: ([], []))


def lines_of(corpus, bundle):
    options = Options(draws=100, robust_ecgs=100, workers=1)
    return evaluate(corpus, bundle, options, progress_bar=quiet).measures


def is_at_chance(line):
    """Whether the bundle lies about chance, and whether its own interval holds it."""
    ours, chance = line.scores[CHECKED], line.scores[CHANCE]
    # Where no query was a hit, no draw of them has one: then the spread is that of so many coins.
    coins = np.sqrt(max(chance.value * (1 - chance.value), 0) / ours.queries) if line.unit == "%" else 0.0
    spread = max(np.nanstd(ours.minus(chance).draws), coins)
    # A median over a hundred queries moves by whole places.
    slack = 0.2 * chance.value if line.unit == "place" else 1e-9
    low, high = ours.interval
    near = abs(ours.value - chance.value) <= SPREADS * spread + slack
    return near, low - slack <= chance.interval[1] and chance.interval[0] <= high + slack


def compared(lines):
    return [line for line in lines if CHECKED in line.scores and CHANCE in line.scores]


def test_a_random_bundle_is_chance_in_every_line(corpus):
    lines = compared(lines_of(corpus, RandomBundle()))
    assert {line.task for line in lines} == {1, 2, 3, 4, 5, 7}
    verdicts = {line.key: is_at_chance(line) for line in lines}
    assert len(verdicts) == len(lines)
    assert not [key for key, (near, _) in verdicts.items() if not near]
    assert np.mean([inside for _, inside in verdicts.values()]) >= INSIDE


@pytest.mark.parametrize(
    ("what", "caught"),
    [
        (
            "statements",
            ["task1 | page to case | nDCG@10", "neighbour vote, superclass", "superclass vote macro AUROC"],
        ),
        ("report", ["page to report, within device, dedup", "report to page, overall, raw", "page to report R@10"]),
    ],
)
def test_a_bundle_that_knows_the_answer_is_caught(corpus, what, caught):
    lines = compared(lines_of(corpus, LeakingBundle(corpus, what)))
    far = [line.key for line in lines if not any(is_at_chance(line))]
    for words in caught:
        assert any(words in key for key in far), (words, far)
