"""Cases of different patients whose vectors are all but the same, found by comparing every pair."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from index.case import NearDuplicate
from index.ranking import DECIMALS, rounding_margin

MOST_PAIRS = 1000
"""Pairs that are listed; all are counted."""
_BLOCK = 2048

Matrix = NDArray[np.float32]


def near_duplicates(connection: sqlite3.Connection, dim: int, near_from: float) -> tuple[list[NearDuplicate], int]:
    """The pairs of cases of different, known patients with a cosine similarity of at least ``near_from``.

    A case whose patient is not known makes no pair: it may be the same patient's. Damaged vectors are passed over,
    which the caller reports.

    Returns:
        The nearest pairs, ``MOST_PAIRS`` at most, by descending score and then by ids; and how many there are.
    """
    ids, patients, matrix = _read(connection, dim)
    best: list[tuple[float, str, str]] = []
    count = 0
    for score, one, other in _pairs(matrix, patients, near_from):
        count += 1
        first, second = sorted((ids[one], ids[other]))
        best.append((-score, first, second))
        if len(best) > 4 * MOST_PAIRS:
            best = heapq.nsmallest(MOST_PAIRS, best)
    return [NearDuplicate(a, b, -score) for score, a, b in heapq.nsmallest(MOST_PAIRS, best)], count


def _read(connection: sqlite3.Connection, dim: int) -> tuple[list[str], NDArray[np.int64], Matrix]:
    """The ids, patients as numbers and vectors ``[n, dim]`` of the cases that may make a pair."""
    sql = (
        "SELECT c.case_id, c.patient_key, v.vector FROM cases c JOIN vectors v USING (number) "
        "WHERE c.patient_key IS NOT NULL ORDER BY c.number"
    )
    ids: list[str] = []
    keys: dict[str, int] = {}
    patients: list[int] = []
    vectors = bytearray()
    for case_id, patient, vector in connection.execute(sql):
        if isinstance(vector, bytes) and len(vector) == 4 * dim:
            ids.append(case_id)
            patients.append(keys.setdefault(patient, len(keys)))
            vectors += vector
    return ids, np.array(patients, np.int64), np.frombuffer(vectors, "<f4").reshape(len(ids), dim)


def _pairs(matrix: Matrix, patients: NDArray[np.int64], near_from: float) -> Iterator[tuple[float, int, int]]:
    """The score and rows of each pair: a product in float32 with its proven margin, and float64 for what is left."""
    floor = near_from - rounding_margin(matrix.shape[1])
    for start in range(0, len(matrix), _BLOCK):
        rows = matrix[start : start + _BLOCK]
        for other_start in range(start, len(matrix), _BLOCK):
            others = matrix[other_start : other_start + _BLOCK]
            near = np.argwhere(rows @ others.T >= floor) + np.array([start, other_start])
            for one, other in near.tolist():
                if one < other and patients[one] != patients[other]:
                    score = _score(matrix[one], matrix[other])
                    if score >= near_from:
                        yield score, one, other


def _score(one: Matrix, other: Matrix) -> float:
    product = float((one.astype(np.float64) * other).sum())
    return min(1.0, max(-1.0, round(product, DECIMALS)))
