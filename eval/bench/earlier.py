"""Pages read by an earlier version of NearBeat, in processes that import it from its own checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
CHILD = """
import sys
import numpy as np
from retrieval.errors import NotAnEcg
from retrieval.intake.page import read_page
for line in sys.stdin:
    path = line.rstrip("\\n")
    try:
        np.save(path, read_page(np.load(path))[0].pixels)
        print("read", flush=True)
    except NotAnEcg:
        print("refused", flush=True)
"""


class EarlierReader:
    """Reads pages with the code in ``checkout``; use it in a ``with`` block, at whose end its processes are gone.

    Args:
        checkout: folder of a version whose ``retrieval.intake.page.read_page`` gives a tuple, the page first.
        workers: pages that are read at a time.
    """

    def __init__(self, checkout: Path, workers: int) -> None:
        if not (checkout / "retrieval" / "intake" / "page").is_dir():
            raise SystemExit(
                f"{checkout} holds no version of NearBeat; make one with: git worktree add FOLDER COMMIT"
            )
        here = {**os.environ, "PYTHONPATH": str(checkout)}
        self._children = [
            subprocess.Popen(
                [sys.executable, "-c", CHILD],
                env=here,
                cwd=checkout,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(workers)
        ]

    def __enter__(self) -> EarlierReader:
        """Give the reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        for child in self._children:
            child.kill()
            child.wait()

    def read(self, pictures: Sequence[Pixels]) -> list[Pixels | None]:
        """The canonical page of each picture, ``None`` where it was refused."""
        number = len(self._children)
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(number) as threads:
            shares = [range(i, len(pictures), number) for i in range(number)]
            begun = [
                threads.submit(self._share, child, share, pictures, Path(folder))
                for child, share in zip(self._children, shares, strict=True)
            ]
            pages = {i: page for share in begun for i, page in share.result()}
        return [pages[i] for i in range(len(pictures))]

    def _share(
        self, child: subprocess.Popen[str], share: range, pictures: Sequence[Pixels], folder: Path
    ) -> list[tuple[int, Pixels | None]]:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the earlier version was started without pipes")
        out: list[tuple[int, Pixels | None]] = []
        for i in share:
            file = folder / f"{i}.npy"
            np.save(file, pictures[i])
            child.stdin.write(f"{file}\n")
            child.stdin.flush()
            told = child.stdout.readline().strip()
            if told not in ("read", "refused"):
                raise RuntimeError(f"the earlier version broke on page {i}, with {child.poll()} as its exit code")
            out.append((i, np.load(file) if told == "read" else None))
            file.unlink()
        return out
