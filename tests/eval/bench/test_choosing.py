"""Bundles are compared on fold 9, a column to each; fold 10 is not looked at."""

from __future__ import annotations

import pytest

from eval.bench.choosing import compare, table
from retrieval.errors import CorpusError
from tests.eval.corpus import MemoryCorpus, make_rows
from tests.eval.made_up_bundle import LeakingBundle, RandomBundle

pytestmark = pytest.mark.slow


def test_the_better_bundle_is_seen_to_be_better(monkeypatch) -> None:
    corpus = MemoryCorpus(make_rows(120, 60, 40, seed=3))
    bundles = [RandomBundle(), LeakingBundle(corpus, "statements"), LeakingBundle(corpus, "report", "f" * 64)]
    plain = corpus.recording

    def unless_asked_of_fold_10(row):
        if row.fold == 10:
            raise CorpusError("fold 10 is not looked at")
        return plain(row)

    monkeypatch.setattr(corpus, "recording", unless_asked_of_fold_10)
    names = ["random", "statements", "report"]
    measures = compare(corpus, bundles, names, None)
    assert table(measures, names).startswith("| fold 9 | random | statements | report |\n|---|---:|---:|---:|\n")
    for metric, setting, better in (("nDCG@10", "page to case", "statements"), ("R@10", "page to report", "report")):
        found = [m for m in measures if m.metric == metric and m.setting.startswith(setting)]
        assert found
        assert all(m.scores[better].value > m.scores["random"].value for m in found)
    assert max(m.scores["report"].queries for m in measures) == 60, "the ECGs of fold 9 ask"
