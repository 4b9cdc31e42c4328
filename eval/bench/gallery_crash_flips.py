"""Is any damage to the gallery's caches believed? Bytes are flipped and files cut short, and the answers compared.

Run by hand: ``python -m eval.bench.gallery_crash_flips [--seed 1] [--large 4000] [--samples 400]``.

Each byte of the caches of a small gallery is flipped, and the files are cut at each length; of a large gallery's the
places are drawn from every region, its first and last bytes among them. What is answered must be what was answered
before: the damage is *caught* where the file was not used, *harmless* where it was used and everything is the same.
Each is also put through ``verify``. Of ``cases.db`` bits are flipped at random too: a case or an answer that differs
must be refused, or named by ``verify``.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from eval.bench.gallery_crash_phases import Size, clumped, started
from eval.bench.gallery_crash_states import unit
from index import Gallery
from index.case import Neighbour
from index.choice import Method
from index.errors import GalleryError

FILES: dict[str, Method] = {"vectors.faiss": "exact", "approximate.faiss": "approximate"}
CAUGHT, HARMLESS, BELIEVED = "caught", "harmless", "believed"


@dataclass(frozen=True)
class Damage:
    """A file with one byte changed, or cut at a length."""

    file: str
    place: int
    bit: int = 0
    cut: bool = False

    def of(self, whole: bytes) -> bytes:
        """The damaged bytes."""
        if self.cut:
            return whole[: self.place]
        return whole[: self.place] + bytes([whole[self.place] ^ 1 << self.bit]) + whole[self.place + 1 :]


class Subject:
    """A gallery whose files are damaged and put back one after another.

    Args:
        folder: the gallery.
        index: how it is searched.
    """

    def __init__(self, folder: Path, index: Method) -> None:
        self.folder = folder
        self.index: Method = index
        self._files = {file.name: file.read_bytes() for file in folder.iterdir()}
        self.answers = self._answers()[1]

    def size(self, file: str) -> int:
        """Bytes of a file."""
        return len(self._files[file])

    def outcome(self, damage: Damage) -> str:
        """What becomes of a damage: ``CAUGHT``, ``HARMLESS`` or ``BELIEVED``."""
        place = self.folder / damage.file
        place.write_bytes(damage.of(self._files[damage.file]))
        try:
            told, answers = self._answers()
        except GalleryError:
            return CAUGHT
        finally:
            for name, content in self._files.items():
                (self.folder / name).write_bytes(content)
        if told:
            # What is built again answers as before; without its index the gallery answers exactly.
            rebuilt = damage.file == "vectors.faiss" and answers != self.answers
            return BELIEVED if rebuilt else CAUGHT
        return HARMLESS if answers == self.answers else BELIEVED

    def _answers(self) -> tuple[bool, list[object]]:
        """Whether something was told, and what is answered."""
        with Gallery.open(self.folder, index=self.index) as gallery:
            ids = gallery.ids()
            vectors = gallery.vectors()
            queries = np.concatenate([vectors[:20], unit(20, 9)])
            near: list[list[Neighbour]] = gallery.search(queries, 10)
            said = gallery.search_words("befund normal", 99)
            told = bool(gallery.notices) or not gallery.verify(near=None).ok
            return told, [near, ids, vectors.tobytes(), said, gallery.cases(ids)]


def everywhere(file: str, size: int) -> Iterator[Damage]:
    """Every byte with one bit flipped, and every shorter length."""
    for place in range(size):
        yield Damage(file, place, place * 5 % 8)
        yield Damage(file, place, cut=True)


def sampled(file: str, size: int, samples: int, rng: Random) -> Iterator[Damage]:
    """Places from as many regions of equal size as there are samples, and the first and last 32 bytes."""
    ends = {*range(32), *range(size - 32, size)}
    regions = {rng.randrange(size * n // samples, size * (n + 1) // samples) for n in range(samples)}
    for place in sorted(ends | regions):
        yield Damage(file, place, rng.randrange(8))
        yield Damage(file, place, cut=True)


def _counted(subject: Subject, damages: Iterator[Damage]) -> tuple[Counter[str], list[Damage]]:
    counts: Counter[str] = Counter()
    believed = []
    for damage in damages:
        outcome = subject.outcome(damage)
        counts[("cut " if damage.cut else "flipped ") + outcome] += 1
        if outcome == BELIEVED:
            believed.append(damage)
    return counts, believed


def table(seed: int, large: int, samples: int, folder: Path) -> tuple[str, bool]:
    """The Markdown table, and whether nothing was believed."""
    rng = Random(seed)  # noqa: S311
    heads = [
        "file",
        "bytes",
        "where",
        "flipped: caught",
        "harmless",
        "believed",
        "cut: caught",
        "harmless",
        "believed",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" + "---|" + "---:|" * 6]
    good = True
    for subject, file, damages, where in _subjects(large, samples, folder, rng):
        counts, believed = _counted(subject, damages)
        cells = [counts[f"{how} {what}"] for how in ("flipped", "cut") for what in (CAUGHT, HARMLESS, BELIEVED)]
        lines.append(f"| {file} | {subject.size(file):,} | {where} | " + " | ".join(map(str, cells)) + " |")
        lines += [f"<!-- believed: {damage} -->" for damage in believed]
        good = good and not believed
        sys.stderr.write(lines[-1] + "\n")
    return "\n".join(lines), good


def _subjects(
    large: int, samples: int, folder: Path, rng: Random
) -> Iterator[tuple[Subject, str, Iterator[Damage], str]]:
    started(folder / "small", Size(cases=10, step=2, waveform=50))
    small = Subject(folder / "small" / "g", "exact")
    yield small, "vectors.faiss", everywhere("vectors.faiss", small.size("vectors.faiss")), "every byte"
    size = small.size("cases.db")
    yield small, "cases.db", sampled("cases.db", size, samples, rng), "drawn"
    clumped(folder / "large", Size(indexed=large))
    with Gallery.open(folder / "large" / "g", read_only=False, index="approximate") as gallery:
        gallery.prepare_index()
    for file, index in FILES.items():
        subject = Subject(folder / "large" / "g", index)
        yield subject, file, sampled(file, subject.size(file), samples, rng), "drawn"


def main(arguments: list[str]) -> int:
    """Print the table; 1 where damage was believed."""
    parser = argparse.ArgumentParser(prog="python -m eval.bench.gallery_crash_flips", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--large", type=int, default=4000, help="cases of the large gallery")
    parser.add_argument("--samples", type=int, default=400, help="places drawn from a file, beside its ends")
    given = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="nearbeat-flips-"))
    try:
        text, good = table(given.seed, given.large, given.samples, folder)
    finally:
        shutil.rmtree(folder)
    sys.stdout.write(text + "\n")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
