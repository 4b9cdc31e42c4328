"""ECGs that are all but the same: groups of near-identical vectors, among a million without comparing every pair.

Two unit vectors of cosine similarity ``s`` lie ``sqrt(2 - 2 s)`` apart, and no farther along any direction. So both
fall into the same or neighbouring cells of that width along the three directions in which the vectors spread most,
and only those cells are compared. No pair is missed.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

NEAR = 0.9999
"""Cosine similarity from which on two ECGs count as one."""
DIRECTIONS = 3
_BLOCK = 2048

Matrix = NDArray[np.float32]


class _Groups:
    """Which positions belong together (union and find)."""

    def __init__(self) -> None:
        self.above: dict[int, int] = {}

    def top(self, one: int) -> int:
        while (up := self.above.get(one, one)) != one:
            one = up
        return one

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.top(one), self.top(other)))
        self.above[second] = self.above[first] = first
        self.above[one] = self.above[other] = first

    def lists(self) -> list[list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for one in sorted(self.above):
            found[self.top(one)].append(one)
        return [found[first] for first in sorted(found)]


def near_identical(vectors: Matrix, near: float = NEAR) -> list[list[int]]:
    """Groups of positions that hang together by pairs of at least that similarity, each in rising order.

    Args:
        vectors: unit rows ``[n, dim]``; may lie in a file (``numpy.memmap``).
        near: the similarity.
    """
    groups = _Groups()
    if len(vectors) > 1:
        for cell, others in _cells(vectors, _directions(vectors), math.sqrt(2 - 2 * near), groups).pairs():
            _join_near(vectors, cell, others, near, groups)
    return groups.lists()


def _directions(vectors: Matrix) -> NDArray[np.float64]:
    """The directions ``[dim, 3]`` of the greatest spread."""
    total, squares = np.zeros(vectors.shape[1]), np.zeros((vectors.shape[1],) * 2)
    for start in range(0, len(vectors), _BLOCK):
        rows = np.asarray(vectors[start : start + _BLOCK], dtype=np.float64)
        total += rows.sum(axis=0)
        squares += rows.T @ rows
    mean = total / len(vectors)
    return np.linalg.eigh(squares / len(vectors) - np.outer(mean, mean))[1][:, -DIRECTIONS:]


def _cells(vectors: Matrix, directions: NDArray[np.float64], width: float, groups: _Groups) -> _Cells:
    """The cell of each position; of equal vectors only the first is in one, and the others are joined to it."""
    places = np.empty((len(vectors), directions.shape[1]), dtype=np.int64)
    digests = np.empty(len(vectors), dtype=np.uint64)
    for start in range(0, len(vectors), _BLOCK):
        rows = np.asarray(vectors[start : start + _BLOCK])
        places[start : start + len(rows)] = np.floor(rows.astype(np.float64) @ directions / width)
        for here, row in enumerate(rows, start):
            digests[here] = int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "little")
    _, first, which = np.unique(digests, return_index=True, return_inverse=True)
    alone = first[which] == np.arange(len(vectors))
    for here in np.flatnonzero(~alone).tolist():
        known = int(first[which[here]])
        alone[here] = not np.array_equal(vectors[here], vectors[known])
        if not alone[here]:
            groups.join(known, here)
    members = np.flatnonzero(alone)
    return _Cells.of(places[members], members)


@dataclass(frozen=True)
class _Cells:
    """Positions by cell: arrays and no lists, so that a million of them are small.

    Args:
        keys: ``[cells]`` the cells that hold any, each as one number, rising.
        starts: ``[cells + 1]`` where the members of each begin.
        members: positions, cell by cell.
        steps: what to add to a key to come to half of the cells around it.
    """

    keys: NDArray[np.int64]
    starts: NDArray[np.int64]
    members: NDArray[np.int64]
    steps: tuple[int, ...]

    @classmethod
    def of(cls, places: NDArray[np.int64], members: NDArray[np.int64]) -> _Cells:
        """From the places ``[n, directions]`` of the members."""
        around = int(np.abs(places).max()) + 1  # one more on each side, so that no step leads round a corner
        base = (2 * around + 1) ** np.arange(places.shape[1], dtype=np.int64)
        numbers = (places + around) @ base
        order = np.argsort(numbers, kind="stable")
        keys, starts = np.unique(numbers[order], return_index=True)
        steps = [np.array(step) @ base for step in product((-1, 0, 1), repeat=places.shape[1])]
        half = tuple(int(step) for step in steps if step > 0)
        return cls(keys, np.append(starts, len(order)).astype(np.int64), members[order], half)

    def pairs(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Each cell, and all of it and of half of its neighbours, so that every pair of cells comes once."""
        for i, key in enumerate(self.keys.tolist()):
            wanted = key + np.array(self.steps, dtype=np.int64)
            found = np.searchsorted(self.keys, wanted)
            there = [k for k, one in zip(found.tolist(), wanted.tolist(), strict=True) if self._is(k, one)]
            others = np.concatenate([self._of(i), *(self._of(k) for k in there)])
            if len(others) > 1:
                yield self._of(i), others

    def _is(self, i: int, key: int) -> bool:
        return i < len(self.keys) and int(self.keys[i]) == key

    def _of(self, i: int) -> NDArray[np.int64]:
        return self.members[self.starts[i] : self.starts[i + 1]]


def _join_near(
    vectors: Matrix, cell: NDArray[np.int64], others: NDArray[np.int64], near: float, groups: _Groups
) -> None:
    for start in range(0, len(cell), _BLOCK):
        mine = np.asarray(vectors[cell[start : start + _BLOCK]], dtype=np.float64)
        for begin in range(0, len(others), _BLOCK):
            theirs = np.asarray(vectors[others[begin : begin + _BLOCK]], dtype=np.float64)
            for one, other in np.argwhere(mine @ theirs.T >= near).tolist():
                if cell[start + one] != others[begin + other]:
                    groups.join(int(cell[start + one]), int(others[begin + other]))
