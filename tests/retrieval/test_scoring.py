"""What the trainer watches each epoch. The parts are tested against references in tests/eval."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from retrieval.scoring import other_patients, retrieval_scores, superclass_labels

CODES = [{"NORM": 100.0, "SR": None}, {"IMI": 15.0}, {"NORM": None}, {"ASMI": 100.0, "LVH": 50.0}]


def test_superclasses_count_whatever_the_likelihood():
    assert superclass_labels(CODES).astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 1],
    ]
    assert superclass_labels([]).shape == (0, 5)


def test_unknown_patients_are_all_others():
    assert other_patients(["1", None, "2"], [None, "1", "2"]).tolist() == [
        [True, False, True],
        [True, True, True],
        [True, True, False],
    ]


def test_a_tower_that_tells_the_classes_votes_perfectly():
    angles = np.array([0.0, 1.5, 0.1, 1.6])
    pages = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = retrieval_scores(
        pages, pages, CODES, ["1", "2", "3", "4"], gallery_vectors=pages, gallery_statements=CODES, k=2
    )
    assert found["recall_at_1"] == found["recall_at_10"] == 1.0
    assert found["vote_auroc"] > 0.9


def test_own_ecg_and_own_patient_do_not_vote_for_themselves():
    pages = np.eye(4)
    alone = retrieval_scores(pages, pages, CODES, [None] * 4, k=1)
    with_self = retrieval_scores(
        pages, pages, CODES, [None] * 4, gallery_vectors=pages, gallery_statements=CODES, k=1
    )
    same = retrieval_scores(
        pages,
        pages,
        CODES,
        list("abcd"),
        gallery_vectors=pages,
        gallery_statements=CODES,
        gallery_patients=list("abcd"),
        k=1,
    )
    assert with_self["vote_auroc"] == pytest.approx(1.0)
    assert alone["vote_auroc"] == same["vote_auroc"] < 0.5


def test_it_needs_numpy_alone():
    probe = "import sys, retrieval.scoring; print(sorted({'torch', 'scipy', 'sklearn', 'pandas'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
