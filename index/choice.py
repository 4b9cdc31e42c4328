"""How a search runs and when files are written anew, by size: every number that decides it, in one table.

==========================  =============================================  ======================================
what                        up to the number below                         beyond it
==========================  =============================================  ======================================
``EXACT_UP_TO_VALUES``      exact: every vector is compared                approximate, where one was prepared
``SCAN_SHARE``              exact: only the rows that a filter leaves      the index, which passes over the others
``SMALL_BYTES``             any change writes the cache anew               few changes lie beside the cache
``CHANGED_SHARE``           added and deleted rows lie beside the cache    the cache is written anew
``UNINDEXED_SHARE``         rows added since are scanned beside the index  they are put into the index
``RETRAIN_GROWTH``          added rows join the lists there are            the lists are made anew
==========================  =============================================  ======================================
"""

from __future__ import annotations

from typing import Literal

from index.blocks import Rows

Method = Literal["exact", "approximate", "auto"]

EXACT_UP_TO_VALUES = 10**8
"""Rows times dim. One query compares so many, 400 MB, in about 40 ms on one processor of a busy machine."""
SCAN_SHARE = 0.05
SMALL_BYTES = 2**26
CHANGED_SHARE = 0.05
UNINDEXED_SHARE = 0.05
RETRAIN_GROWTH = 2.0
RECALL_GOAL = 0.99
RECALL_MARGIN = 0.004
"""Added to the goal when parameters are looked for: the measured share is one of a sample of queries."""
LEAST_ROWS_PER_LIST = 39
"""Below so many training rows for each list FAISS itself warns."""
TRAINING_ROWS_PER_LIST = 64


def method_for(rows: int, dim: int, wanted: Method = "auto") -> Method:
    """``exact`` or ``approximate``: as wanted, and by size where that is ``auto``."""
    if wanted != "auto":
        return wanted
    return "exact" if rows * dim <= EXACT_UP_TO_VALUES else "approximate"


def is_small(rows: int, dim: int) -> bool:
    """Whether vectors are few enough to be copied and written at any change."""
    return 4 * rows * dim <= SMALL_BYTES


def worth_writing(rows: Rows) -> bool:
    """Whether the cache file is to be written anew for these rows."""
    base = len(rows.blocks[0].numbers)
    if not rows.mapped or is_small(base, rows.dim):
        return True
    deleted = 0 if rows.alive is None else len(rows.numbers) - len(rows)
    return len(rows.numbers) - base + deleted > CHANGED_SHARE * base


def lists_for(rows: int) -> int:
    """How many lists an inverted file of so many rows has: about 4 sqrt(rows), a power of two.

    The lower end of FAISS's guidelines up to a million rows, and few enough that each has its training rows.
    """
    most = max(1, rows // LEAST_ROWS_PER_LIST)
    wanted = 1
    while wanted * 2 <= min(most, 4 * rows**0.5):
        wanted *= 2
    return wanted
