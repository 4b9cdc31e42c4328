"""Ways in which a file is damaged: cut, flipped, overwritten, shuffled, padded. Each is a function of a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rng = np.random.Generator
HEADER = 256


def cut(data: bytes, rng: Rng) -> bytes:
    """Keep a part from the start, often nearly all of it."""
    share = rng.uniform(0.0, 1.0) if rng.random() < 0.7 else rng.uniform(0.97, 1.0)
    return data[: max(1, int(len(data) * share))]


def flip_bits(data: bytes, rng: Rng) -> bytes:
    """Turn over 1 to 200 bits anywhere."""
    return _flip(data, rng, len(data), int(np.exp(rng.uniform(0, np.log(200)))))


def edit_header(data: bytes, rng: Rng) -> bytes:
    """Overwrite 1 to 12 bytes among the first, where sizes and types stand."""
    edited = bytearray(data)
    for at in rng.integers(0, min(len(data), HEADER), int(rng.integers(1, 13))):
        edited[at] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))
    return bytes(edited)


def change_numbers(data: bytes, rng: Rng) -> bytes:
    """Replace digits of text by others, or 2 and 4 byte integers by extremes where there are no digits."""
    edited = bytearray(data)
    digits = [at for at, byte in enumerate(data[: 4 * HEADER]) if 48 <= byte <= 57]
    if len(digits) > 8:
        for at in rng.choice(digits, min(6, len(digits)), replace=False):
            edited[at] = 48 + int(rng.integers(10))
        return bytes(edited)
    size = int(rng.choice([2, 4]))
    at = int(rng.integers(0, max(1, min(len(data), HEADER) - size)))
    edited[at : at + size] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4)])[
        :size
    ]
    return bytes(edited)


def swap_chunks(data: bytes, rng: Rng) -> bytes:
    """Exchange two stretches of equal length."""
    size = max(1, int(len(data) * rng.uniform(0.01, 0.3)))
    first, second = sorted(int(at) for at in rng.integers(0, max(1, len(data) - 2 * size), 2))
    second += size
    middle = data[first + size : second]
    return data[:first] + data[second : second + size] + middle + data[first : first + size] + data[second + size :]


def blot(data: bytes, rng: Rng) -> bytes:
    """Overwrite a stretch with zeros, with ones, or with noise."""
    size = max(1, int(len(data) * rng.uniform(0.001, 0.4)))
    at = int(rng.integers(0, max(1, len(data) - size)))
    filling = (bytes(size), b"\xff" * size, rng.bytes(size))[int(rng.integers(3))]
    return data[:at] + filling + data[at + size :]


def insert(data: bytes, rng: Rng) -> bytes:
    """Push noise between two bytes, or repeat a stretch."""
    at, size = int(rng.integers(0, len(data))), int(rng.integers(1, 5000))
    extra = rng.bytes(size) if rng.random() < 0.5 else data[at : at + size]
    return data[:at] + extra + data[at:]


def lose(data: bytes, rng: Rng) -> bytes:
    """Take a stretch out of the middle, as a broken copy does."""
    size = max(1, int(len(data) * rng.uniform(0.0001, 0.2)))
    at = int(rng.integers(0, max(1, len(data) - size)))
    return data[:at] + data[at + size :]


def _flip(data: bytes, rng: Rng, reach: int, number: int) -> bytes:
    flipped = bytearray(data)
    for at in rng.integers(0, reach, number):
        flipped[at] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


DAMAGES: tuple[Callable[[bytes, Rng], bytes], ...] = (
    cut,
    flip_bits,
    edit_header,
    change_numbers,
    swap_chunks,
    blot,
    insert,
    lose,
)
