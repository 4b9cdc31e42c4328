"""Work on two parts of a page at a time, where a processor is free: libraries that do the work let go of Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2

Part = TypeVar("Part")
Made = TypeVar("Made")
MOST = 2


def threads() -> int:
    """As many threads as OpenCV has, but no more than two: where pages are read beside each other it has one."""
    return min(MOST, cv2.getNumThreads())


def side_by_side(work: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
    """What ``work`` makes of each part, in their order, the same on one thread as on two; none is kept once given."""
    if threads() < MOST:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(MOST) as pool:
        yield from pool.map(work, parts)
