"""What verifying finds in the words, in a move under way, and across patients."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from index import Gallery
from index.errors import BadSearch
from tests.index.gallery_samples import filled, new_gallery, sample_case, unit

ROWS = unit(20)

ALTERATIONS = [
    ("DELETE FROM words WHERE rowid = 5", "words of case 'case-00004' are not those"),
    ("UPDATE words SET report = 'normal' WHERE rowid = 5", "words of case 'case-00004' are not those"),
    ("INSERT INTO words (rowid, report) VALUES (99, 'a')", "1 rows of words belong to no case"),
    ("UPDATE words_content SET c0 = 'normal' WHERE id = 5", "words of case 'case-00004' are not those"),
    ("DELETE FROM words_data WHERE id > 10", "table words of cases.db is damaged"),
    ("UPDATE words_data SET block = zeroblob(length(block)) WHERE id > 10", "table words of cases.db is damaged"),
    ("UPDATE words_docsize SET sz = x'7f' WHERE id = 5", "table words of cases.db is damaged"),
    ("INSERT INTO retired VALUES ((SELECT sha(case_id) FROM cases WHERE number = 5))", "'case-00004' bears an id"),
    ("UPDATE cases SET report = 'x' WHERE number IN (3, 5, 19)", "case 'case-00018' is not what was added"),
    ("INSERT INTO next_vectors VALUES (3, x'00', x'00')", "no move to one is under way"),
    ("INSERT INTO next_vectors VALUES (99, x'00', x'00')", "1 rows of next_vectors belong to no case"),
    ("INSERT INTO meta VALUES ('next_dim', 'six')", "table meta of cases.db lacks"),
]


@pytest.mark.parametrize(("change", "words"), ALTERATIONS)
def test_verify_names_what_was_altered(tmp_path, change, words):
    path = filled(tmp_path / "g", ROWS)
    with closing(sqlite3.connect(path / "cases.db")) as database:
        database.create_function("sha", 1, lambda case_id: hashlib.sha256(case_id.encode()).digest())
        database.execute(change)
        database.commit()
    with Gallery.open(path) as gallery:
        report = gallery.verify()
    assert not report.ok
    assert any(words in problem for problem in report.problems), report.problems


def test_compacting_makes_damaged_words_anew(tmp_path):
    path = filled(tmp_path / "g", ROWS)
    with closing(sqlite3.connect(path / "cases.db")) as database:
        database.execute("UPDATE words_data SET block = zeroblob(length(block)) WHERE id > 10")
        database.commit()
    with Gallery.open(path, read_only=False) as gallery:
        assert not gallery.verify().ok
        gallery.compact()
        assert gallery.verify().ok
        assert len(gallery.search_words("sinus", 50)) == 20


def near_by_hand(rows: np.ndarray, patients: list[str | None], near_from: float) -> dict[tuple[int, int], float]:
    scores = np.round(rows.astype(np.float64) @ rows.astype(np.float64).T, 7)
    return {
        (a, b): float(scores[a, b])
        for a in range(len(rows))
        for b in range(a + 1, len(rows))
        if scores[a, b] >= near_from and None not in (patients[a], patients[b]) and patients[a] != patients[b]
    }


@pytest.mark.parametrize("near_from", [0.3, 0.9, 0.9999, 1.0])
@pytest.mark.parametrize("block", [3, 16, 4096])
def test_near_duplicates_across_patients(tmp_path, monkeypatch, near_from, block):
    monkeypatch.setattr("index.duplicates._BLOCK", block)
    rng = np.random.default_rng(4)
    rows = unit(15, 8, seed=2)[rng.integers(0, 15, 40)] + rng.choice([0, 1e-3, 0.2], (40, 1)) * unit(40, 8, seed=3)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    patients = [None if n % 9 == 0 else f"p{n % 4}" for n in range(40)]
    ids = [f"{n * 13 % 40:02d}" for n in range(40)]
    with new_gallery(tmp_path / "g", 8) as gallery:
        gallery.add([sample_case(n, case_id=ids[n], patient_key=patients[n]) for n in range(40)], rows)
        report = gallery.verify(near=near_from)
    expected = near_by_hand(rows, patients, near_from)
    assert 0 < len(expected) < 780
    pairs = [(-score, *sorted((ids[a], ids[b]))) for (a, b), score in expected.items()]
    assert [(-d.score, d.case_id, d.other_id) for d in report.near_duplicates] == sorted(pairs)
    assert (report.ok, report.near_from, report.near_count) == (True, near_from, len(expected))


def test_they_are_looked_for_unasked_in_galleries_of_moderate_size(tmp_path, monkeypatch):
    rows = np.repeat(unit(2), 2, axis=0)
    with new_gallery(tmp_path / "g") as gallery:
        gallery.add([sample_case(n, patient_key=f"p{n % 3}") for n in range(4)], rows)
        report = gallery.verify()
        assert report.near_from == 0.9999
        assert [(d.case_id, d.other_id) for d in report.near_duplicates] == [
            ("case-00000", "case-00001"),
            ("case-00002", "case-00003"),
        ]
        assert gallery.verify(near=None).near_from is None
        monkeypatch.setattr("index.verify.MOST_COMPARED", 3)
        assert gallery.verify().near_from is None
        assert gallery.verify(near=0.5).near_count >= 2
        with pytest.raises(BadSearch, match=r"near-duplicates is 1\.5"):
            gallery.verify(near=1.5)


def test_many_pairs_are_counted_and_the_nearest_listed(tmp_path, monkeypatch):
    monkeypatch.setattr("index.duplicates.MOST_PAIRS", 5)
    with new_gallery(tmp_path / "g") as gallery:
        gallery.add([sample_case(n, patient_key=f"p{n}") for n in range(20)], np.repeat(unit(1), 20, axis=0))
        report = gallery.verify()
    assert report.near_count == 190
    assert [d.other_id for d in report.near_duplicates] == [f"case-0000{n}" for n in range(1, 6)]
