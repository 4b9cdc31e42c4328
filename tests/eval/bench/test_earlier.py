"""An earlier version reads the same pictures, in its own processes and from its own checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.bench.earlier import EarlierReader

READER = """
from dataclasses import dataclass
from typing import Any
from retrieval.errors import NotAnEcg
@dataclass
class Page:
    pixels: Any
def read_page(rgb):
    if rgb.max() == 0:
        raise NotAnEcg("black")
    if rgb.max() == 9:
        raise RuntimeError("broken")
    return Page(255 - rgb), "report"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    page = tmp_path / "retrieval" / "intake" / "page"
    page.mkdir(parents=True)
    for folder in (page, page.parent, page.parent.parent):
        (folder / "__init__.py").write_text("")
    (tmp_path / "retrieval" / "errors.py").write_text("class NotAnEcg(Exception):\n    pass\n")
    (page / "__init__.py").write_text(READER)
    return tmp_path


def picture(value: int) -> np.ndarray:
    return np.full((4, 5, 3), value, np.uint8)


def test_pages_come_back_in_order_and_refusals_are_none(checkout: Path) -> None:
    values = [0, 100, 20, 30, 0, 50, 60]
    with EarlierReader(checkout, 2) as reader:
        pages = reader.read([picture(value) for value in values])
    assert [None if page is None else int(page[0, 0, 0]) for page in pages] == [None, 155, 235, 225, None, 205, 195]


def test_a_version_that_breaks_ends_the_bench(checkout: Path) -> None:
    with EarlierReader(checkout, 1) as reader, pytest.raises(RuntimeError, match="broke on page 1"):
        reader.read([picture(10), picture(9)])


def test_a_folder_without_a_version_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="git worktree add"):
        EarlierReader(tmp_path, 1)
