"""The gallery as one of the engines of :mod:`eval.bench.gallery_search`, and raw FAISS over its own lists."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from eval.bench.gallery_rivals import Flat, Matrix, emptied, site_of
from index import Case, Filter, Gallery
from index.approximate_file import APPROXIMATE
from index.choice import Method

BUNDLE = "0" * 64
_AT_ONCE = 10_000


class NearBeat:
    """A gallery of cases with a short report, searched exactly or approximately."""

    def __init__(self, folder: Path, method: Method) -> None:
        self.name = f"NearBeat, {method}"
        self.method: Method = method
        self.place = folder / method
        self.recall: float | None = None
        self.gallery: Gallery | None = None

    def build(self, rows: Matrix) -> None:
        """Make it, on the disk."""
        self.gallery = Gallery.create(emptied(self.place), bundle_name="toy", bundle_sha256=BUNDLE, dim=rows.shape[1])
        self.add(rows, 0)
        self.close()
        with Gallery.open(self.place, read_only=False, index=self.method) as gallery:
            self.recall = gallery.prepare_index()

    def open(self) -> None:
        """Open what was made."""
        self.gallery = Gallery.open(self.place, read_only=False, index=self.method)

    def search(self, queries: Matrix, k: int, site: int | None) -> list[list[int]]:
        """The nearest rows of each query."""
        where = None if site is None else Filter(site=str(site))
        return [[int(hit.case_id) for hit in hits] for hits in self._open.search(queries, k=k, where=where)]

    def add(self, rows: Matrix, first: int) -> None:
        """Add rows, durably."""
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            self._open.add([case_of(first + start + place) for place in range(len(part))], part)

    def size(self) -> int:
        """Bytes on the disk."""
        return sum(file.stat().st_size for file in self.place.iterdir())

    def close(self) -> None:
        """Let go of it."""
        if self.gallery is not None:
            self.gallery.close()
            self.gallery = None

    @property
    def _open(self) -> Gallery:
        if self.gallery is None:
            raise RuntimeError("the gallery is closed")
        return self.gallery


class SameLists(Flat):
    """FAISS alone over the lists that the gallery has made, with its parameters: what ranking and filters add to it.

    Built after the gallery that is searched approximately. Its neighbours are those of the lists' few bits a value,
    not compared again.
    """

    name = "FAISS, the gallery's lists"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.source = folder / "approximate"
        self.probes = 1

    def build(self, rows: Matrix) -> None:
        """Make it, on the disk."""
        with Gallery.open(self.source) as gallery, gallery._session.reading() as connection:
            value = connection.execute("SELECT value FROM meta WHERE key = 'approximate'").fetchone()
        if value is None:
            super().build(rows)
            return
        self.probes = json.loads(value[0])["tuning"]["probes"]
        self.file.write_bytes((self.source / APPROXIMATE).read_bytes())

    def search(self, queries: Matrix, k: int, site: int | None) -> list[list[int]]:
        """The nearest rows of each query."""
        found = super().search(queries, k, site)
        # The gallery's lists hold case numbers, which count from 1.
        return [[number - 1 for number in hits] for hits in found] if self._lists else found

    def _parameters(self, site: int | None) -> Any:
        if not self._lists:
            return super()._parameters(site)
        loose: Any = faiss
        if site is None:
            return loose.SearchParametersIVF(nprobe=self.probes)
        chosen = np.zeros(self.index.ntotal + 1, bool)
        chosen[1 + np.flatnonzero(site_of(np.arange(self.index.ntotal)) == site)] = True
        selector = loose.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))
        return loose.SearchParametersIVF(sel=selector, nprobe=self.probes)

    def add(self, rows: Matrix, first: int) -> None:
        """Add rows, durably."""
        if not self._lists:
            super().add(rows, first)
            return
        self.index.add_with_ids(np.ascontiguousarray(rows), np.arange(first + 1, first + 1 + len(rows)))
        faiss.write_index(self.index, str(self.file))

    @property
    def _lists(self) -> bool:
        return isinstance(self.index, faiss.IndexIVF)


def case_of(row: int) -> Case:
    """A case whose id is the number of its row."""
    return Case(
        f"{row:08d}",
        f"sinus rhythm, report {row}",
        {"NORM": 100.0},
        patient_key=str(row),
        site=str(int(site_of(row))),
        age=float(20 + row % 70),
    )


def megabytes(name: str) -> float:
    """A line of what Linux knows of this process' memory."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"/proc/self/status has no line {name}; this part of the benchmark needs Linux")


def watch_own(done: threading.Event, most: list[float]) -> None:
    """Note the most memory that this process has for itself, files that are mapped not counted."""
    while not done.wait(0.05):
        most[0] = max(most[0], megabytes("RssAnon"))


def main() -> None:
    """Build a gallery from an ``.npy`` file but for its last rows; print seconds and the most memory as JSON."""
    rows, spare, folder = np.load(sys.argv[1], mmap_mode="r"), int(sys.argv[2]), Path(sys.argv[3])
    done, most = threading.Event(), [0.0]
    watch = threading.Thread(target=watch_own, args=(done, most), daemon=True)
    watch.start()
    start = time.perf_counter()
    NearBeat(folder, "auto").build(rows[: len(rows) - spare])
    seconds = time.perf_counter() - start
    done.set()
    watch.join()
    # Not getrusage: that counts what the process was before it became this one.
    found = {"seconds": seconds, "peak_mb": megabytes("VmHWM"), "own_mb": most[0]}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
