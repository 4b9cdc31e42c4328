"""The split: parts, hash, and the refusal to mix patients."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eval.split import split_by_fold
from retrieval.corpora.ptbxl import PtbXl
from retrieval.errors import CorpusError
from tests.eval.corpus import MemoryCorpus, make_rows


def test_folds_go_to_their_parts_and_absent_files_are_counted():
    split = split_by_fold(MemoryCorpus(make_rows(16, 4, 6), absent={1, 2, 17, 26}))
    assert [len(part.rows) for part in split.parts] == [14, 3, 5]
    assert [part.absent for part in split.parts] == [2, 1, 1]
    assert {row.fold for row in split.gallery.rows} == set(range(1, 9))
    assert {row.fold for row in split.queries.rows} == {10}


@pytest.mark.parametrize(("moved", "fold"), [(0, 10), (0, 9), (21, 3), (21, 9)])
def test_a_patient_on_both_sides_is_refused(moved, fold):
    rows = make_rows(16, 4, 6)
    rows.append(replace(rows[moved], ecg_id=99, fold=fold))
    with pytest.raises(CorpusError, match=f"patient {rows[moved].patient_key} stands in fold"):
        split_by_fold(MemoryCorpus(rows))


def test_a_patient_is_refused_even_when_the_second_ecg_has_no_file():
    rows = make_rows(16, 4, 6)
    rows.append(replace(rows[0], ecg_id=99, fold=10))
    with pytest.raises(CorpusError, match="on such a split"):
        split_by_fold(MemoryCorpus(rows, absent={99}))


def test_an_empty_side_is_refused():
    rows = make_rows(16, 4, 6)
    with pytest.raises(CorpusError, match="6 records of fold 10"):
        split_by_fold(MemoryCorpus(rows, absent={row.ecg_id for row in rows if row.fold == 10}))


def test_the_hash_tells_what_was_measured():
    rows = make_rows(16, 4, 6)
    split = split_by_fold(MemoryCorpus(rows))
    assert split.sha256 == split_by_fold(MemoryCorpus(rows[::-1])).sha256
    assert split.sha256 != split.without([5]).sha256
    assert split.without([5]).gallery.absent == 1
    assert split.sha256 != split_by_fold(MemoryCorpus([replace(rows[0], patient_key="77"), *rows[1:]])).sha256


@pytest.mark.realdata
def test_ptbxl_is_disjoint(shared):
    split = split_by_fold(PtbXl.open(shared / "ptbxl"))
    assert len(split.queries.rows) > 2000
    assert not set(split.queries.patients) & set(split.gallery.patients + split.validation.patients)
