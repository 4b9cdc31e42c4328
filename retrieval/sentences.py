"""Sentences and their vectors, so that a term that is asked again and again is encoded once.

A search for a finding encodes the sentence as typed and its usual terms (``retrieval.rewording``); these terms are
few, and the text tower takes longer than all else in a search.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

__all__ = ["KnownSentences"]

MOST = 2_048
"""Sentences kept: some MB of vectors."""
Vectors = NDArray[np.float32]


class KnownSentences:
    """An encoder that keeps the vectors of the sentences asked last, in memory alone; threads may share it.

    Args:
        encode: sentences to unit rows ``[n, dim]``, each row by its own sentence alone.
        most: sentences kept, 1 or more.
    """

    def __init__(self, encode: Callable[[Sequence[str]], Vectors], most: int = MOST) -> None:
        self._encode = encode
        self._most = most
        self._rows: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = Lock()

    def __call__(self, sentences: Sequence[str]) -> Vectors:
        """The rows ``[n, dim]`` of the sentences; those not known yet are encoded together."""
        if not sentences:
            return self._encode(())
        with self._lock:
            known = {text: self._rows[text] for text in sentences if text in self._rows}
        # Encoded without the lock: two threads at once may encode the same sentence twice, and neither waits.
        new = [text for text in dict.fromkeys(sentences) if text not in known]
        if new:
            known.update(zip(new, self._encode(new), strict=True))
        self._keep({text: known[text] for text in sentences})
        return np.stack([known[text] for text in sentences])

    def _keep(self, rows: dict[str, Vectors]) -> None:
        with self._lock:
            for text, row in rows.items():
                self._rows[text] = row.copy() if text not in self._rows else self._rows[text]
                self._rows.move_to_end(text)
            while len(self._rows) > self._most:
                self._rows.popitem(last=False)
