"""What FAISS is asked to compare exactly: the rows of each block that may be answered."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.blocks import Block, Matrix, Numbers, Rows
from index.choice import SCAN_SHARE

Mask = NDArray[np.bool_]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Scan:
    """The rows of a block that may be answered.

    Args:
        block: the block.
        start: which row its first is.
        mask: ``[n]`` of the block; all where None.
    """

    block: Block
    start: int
    mask: Mask | None

    @cached_property
    def available(self) -> int:
        """How many rows may be answered."""
        return len(self.block.numbers) if self.mask is None else int(np.count_nonzero(self.mask))

    def nearest(self, queries: Matrix, fetch: int) -> tuple[Scores, Numbers]:
        """The nearest rows of each query ``[q, min(fetch, available)]``: float32 scores, descending, and rows."""
        fetch = min(fetch, self.available)
        scores, positions = self.block.index.search(queries, fetch, params=self._for_search)
        return scores, positions + self.start

    def above(self, query: Matrix, floor: float) -> Numbers:
        """All rows whose float32 score for a query ``[dim]`` is above ``floor``."""
        _, _, positions = self.block.index.range_search(query[None], floor, params=self._for_range)
        return positions + self.start

    @cached_property
    def _for_search(self) -> Any:
        if self.mask is not None and self.available <= SCAN_SHARE * len(self.mask):
            return _parameters("IDSelectorArray", np.flatnonzero(self.mask))  # only these rows are looked at
        return self._for_range

    @cached_property
    def _for_range(self) -> Any:
        if self.mask is None:
            return None
        return _parameters("IDSelectorBitmap", np.packbits(self.mask, bitorder="little"))


def scans_of(rows: Rows, allowed: Mask | None) -> list[Scan]:
    """The scans that see every row that may be answered, by ``allowed`` ``[n]`` and for not being deleted."""
    masks = [mask for mask in (rows.alive, allowed) if mask is not None]
    whole = np.logical_and.reduce(masks) if masks else None
    scans = []
    for start, block in zip(rows.starts, rows.blocks, strict=True):
        part = None if whole is None else whole[start : start + len(block.numbers)]
        scans.append(Scan(block, start, None if part is None or part.all() else part))
    return [scan for scan in scans if scan.available]


def _parameters(selector: str, values: NDArray[Any]) -> Any:
    """Search parameters that hold on to the selector and the array that FAISS keeps a bare pointer to."""
    faiss: Any = importlib.import_module("faiss")  # its stubs do not know the arguments that it adds in Python
    chosen = getattr(faiss, selector)(values)
    return faiss.SearchParameters(sel=chosen)
