"""The inputs of ``eval.bench.intake_refusals`` in their order: each can be made again from the seed and its name."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from eval.bench.refusals.brush import Rgb, Rng
from eval.bench.refusals.curves import CURVES
from eval.bench.refusals.damage import DAMAGES
from eval.bench.refusals.pictures import PICTURES
from eval.bench.refusals.traps import FILES, PLACES
from eval.bench.refusals.whole_files import FORMATS, Sample, sample

NO_ECG, DAMAGED, TRAP = "picture without an ECG", "damaged file", "trap"
PICTURE_SHARE = 0.48
"""Of the inputs that are not traps, about as many pictures as damaged files."""
SAMPLE_SEEDS = 5
"""Different ECGs that are damaged."""


@dataclass(frozen=True)
class Input:
    """One input: ``make`` writes it into an empty folder and gives its path.

    ``whole`` names the sound file that a damaged one was made from: a format and the seed of its ECG.
    """

    name: str
    group: str
    kind: str
    make: Callable[[Path], Path]
    whole: tuple[str, int] | None = None


def inputs(number: int, seed: int = 0) -> list[Input]:
    """``number`` inputs, or a few more: pictures, damaged files and all traps that fit."""
    traps = _traps()[: max(1, number // 3)]
    pictures = round((number - len(traps)) * PICTURE_SHARE)
    damaged = number - len(traps) - pictures
    makers = [*PICTURES, *CURVES]
    made = [_picture(makers[i % len(makers)], i // len(makers), seed) for i in range(pictures)]
    formats = list(FORMATS)
    # The two counters run against one another, so that every format meets every damage.
    made += [
        _damaged(formats[i % len(formats)], (i + i // len(formats)) % len(DAMAGES), i, seed) for i in range(damaged)
    ]
    return made + traps


def write_whole(folder: Path, form: str, seed: int, damage: Callable[[bytes], bytes] = bytes) -> Path:
    """Write a sound file and what must stand beside it; ``damage`` is done to the file itself."""
    one, stem = _sample(seed), "ecg"
    this = FORMATS[form]
    for suffix, write in this.beside:
        (folder / f"{stem}{suffix}").write_bytes(write(one).replace(b"{stem}", stem.encode()))
    path = folder / f"{stem}{this.suffix}"
    path.write_bytes(damage(this.write(one).replace(b"{stem}", stem.encode())))
    return path


def _picture(maker: Callable[[Rng], Rgb], number: int, seed: int) -> Input:
    name = f"{maker.__name__}-{number}"
    return Input(name, NO_ECG, maker.__name__.replace("_", " "), partial(_write_picture, maker, name, seed))


def _write_picture(maker: Callable[[Rng], Rgb], name: str, seed: int, folder: Path) -> Path:
    """As PNG or as JPEG of any quality, as such pictures come."""
    from PIL import Image

    rng = _rng(name, seed)
    image, packed = Image.fromarray(maker(rng)), io.BytesIO()
    suffix = ".png" if rng.random() < 0.5 else ".jpg"
    if suffix == ".png":
        image.save(packed, "PNG", compress_level=1)
    else:
        image.save(packed, "JPEG", quality=int(rng.integers(40, 96)))
    path = folder / f"{name}{suffix}"
    path.write_bytes(packed.getvalue())
    return path


def _damaged(form: str, damage: int, number: int, seed: int) -> Input:
    own = seed + number % SAMPLE_SEEDS
    name = f"{form}-{DAMAGES[damage].__name__}-{number}"

    def make(folder: Path) -> Path:
        rng = _rng(name, seed)
        return write_whole(folder, form, own, lambda data: DAMAGES[damage](data, rng))

    return Input(name, DAMAGED, form, make, (form, own))


def _traps() -> list[Input]:
    files = [Input(name, TRAP, name, partial(_write_file, name)) for name in FILES]
    places = [Input(ascii(name)[:40], TRAP, ascii(name)[:40], partial(_make_place, name)) for name in PLACES]
    # One after the other of both lists, so that a short run meets both.
    mixed = [one for pair in zip(files, places, strict=False) for one in pair]
    return [*mixed, *files[len(places) :], *places[len(files) :]]


def _write_file(name: str, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(FILES[name](_sample(0)))
    return path


def _make_place(name: str, folder: Path) -> Path:
    path = folder / name
    PLACES[name](path)
    return path


_samples: dict[int, Sample] = {}


def _sample(seed: int) -> Sample:
    if seed not in _samples:
        _samples[seed] = sample(seed)
    return _samples[seed]


def _rng(name: str, seed: int) -> Rng:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
