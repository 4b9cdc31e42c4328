"""A process that is killed in the middle of a change: ``python -m tests.index.contract.cut_off PLACE WHAT``.

All rows are written, and nothing is committed. In a folder it dies before SQLite's transaction ends.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from index.milvus import ledger
from index.places import in_milvus, open_at
from tests.index.contract.backends import DIM
from tests.index.gallery_samples import sample_case, unit


def die(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def half(store: Any, state: Any) -> None:
    """The first part of a commit that has two."""
    first = ledger.record_rows(ledger.COMMIT, state, "x" * (ledger.PIECE + 1))[:1]
    store.insert(store.ledger, first)
    die()


def main(place: str, what: str) -> None:
    with open_at(place, read_only=False) as gallery:
        if in_milvus(place):
            gallery.add([], unit(1, DIM)[:0])
            with gallery._session.writing():  # type: ignore[attr-defined]  # the claim is taken, its commit made
                pass
            ledger.write_commit = half if what == "half a commit" else die
        else:
            import index.store

            index.store.raise_generation = die
        cases = [sample_case(number) for number in range(100, 140)]
        if what == "delete":
            gallery.delete(["case-00001", "case-00002"])
        elif what == "replace":
            gallery.replace([sample_case(1, report="anew")], unit(1, DIM))
        else:
            gallery.add(cases, unit(len(cases), DIM, seed=3))


if __name__ == "__main__":
    main(*sys.argv[1:])
