"""What people put on a page: a stamp, handwriting, a staple."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.ecg.spoil.fields import Pixels, Tone, multiply_tone, noise, smoothstep, tone_on
from retrieval.ecg.spoil.scene import Scene

STAMP_TONES: tuple[Tone, ...] = ((60, 50, 150), (170, 30, 50), (40, 40, 50), (90, 50, 130), (30, 110, 70))
PEN_TONES: tuple[Tone, ...] = ((25, 40, 130), (25, 25, 30), (170, 25, 35), (30, 60, 160), (80, 80, 85))
STAMP_TEXTS = (
    ("RECEIVED", "12 NOV"),
    ("COPY",),
    ("CARDIOLOGY", "WARD 4"),
    ("SEEN", "DR ........"),
    ("ARCHIVE", "0417"),
)


def stamp(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A rubber stamp: framed words, unevenly inked, somewhat askew; at 3 it lies across the traces."""
    wide, high = rng.uniform(30, 44) * scene.mm, rng.uniform(13, 19) * scene.mm
    size = int(np.hypot(wide, high)) + 2
    left, top = _place(scene, rng, size, strength)
    part = scene.page[max(0, top) : top + size, max(0, left) : left + size]
    if not part.size:
        return
    shape = _stamped(rng, size, wide, high)[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]]
    uneven = smoothstep(noise(rng, (part.shape[0], part.shape[1]), 8), -1.6, 0.6)
    share = shape.astype(np.float32) / 255 * uneven * np.float32((0.45, 0.65, 0.85)[strength - 1])
    multiply_tone(part, share, STAMP_TONES[int(rng.integers(len(STAMP_TONES)))])


def _place(scene: Scene, rng: np.random.Generator, size: int, strength: int) -> tuple[int, int]:
    """Left and top of something ``size`` px large: near the rim, or anywhere at strength 3."""
    height, width = scene.page.shape[:2]
    at = rng.uniform(0.0, 1.0, 2)
    if strength < 3:
        side = int(rng.integers(2))
        at[side] = at[side] * 0.2 if rng.random() < 0.5 else 1 - at[side] * 0.2
    return round(at[0] * width - size / 2), round(at[1] * height - size / 2)


def _stamped(rng: np.random.Generator, size: int, wide: float, high: float) -> Pixels:
    """The stamp's shape, 255 where it inks, in the middle of a square."""
    mask = np.zeros((size, size), np.uint8)
    thick = max(1, round(high / 18))
    corner = (round((size - wide) / 2 + thick), round((size - high) / 2 + thick))
    cv2.rectangle(mask, corner, (size - corner[0], size - corner[1]), (255,), thick, cv2.LINE_AA)
    words = STAMP_TEXTS[int(rng.integers(len(STAMP_TEXTS)))]
    for number, word in enumerate(words):
        font = cv2.FONT_HERSHEY_DUPLEX
        (length, rise), _ = cv2.getTextSize(word, font, 1.0, 1)
        scale = min(0.82 * wide / length, 0.62 * high / len(words) / rise)
        base = (size - high) / 2 + high * (number + 0.5) / len(words) + rise * scale / 2
        at = (round((size - length * scale) / 2), round(base))
        cv2.putText(mask, word, at, font, scale, (255,), thick, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), float(rng.normal(0, 9)), 1.0)
    return np.asarray(cv2.warpAffine(mask, turn, (size, size)), np.uint8)


def handwriting(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Notes in pen: a line or two of cursive, figures, a ring round a beat, an underline, an arrow."""
    height, width = scene.page.shape[:2]
    for _ in range(strength):
        tone = tone_on(scene.page, PEN_TONES[int(rng.integers(len(PEN_TONES)))])
        high = rng.uniform(3.0, 5.0) * scene.mm
        near_rim = strength < 3 and rng.random() < 0.7
        y = height * (rng.choice([0.05, 0.95]) if near_rim else rng.uniform(0.1, 0.9))
        at = np.array([width * rng.uniform(0.03, 0.75), y])
        lines = _sentence(rng, high, int(rng.integers(1, 2 + strength)))
        if rng.random() < 0.3 * strength:
            lines.append(_gesture(rng, high))
        slant = np.array([[1.0, 0.0], [-0.25, 1.0]])
        placed = [np.rint(16 * (line @ slant + at)).astype(np.int32) for line in lines]
        thick = max(1, round(rng.uniform(0.3, 0.45) * scene.mm))
        cv2.polylines(scene.page, placed, False, tone, thick, cv2.LINE_AA, 4)


def _sentence(rng: np.random.Generator, high: float, words: int) -> list[np.ndarray]:
    """Cursive that nobody can read: a pen that runs to the right and up and down, letter by letter."""
    lines, x = [], 0.0
    for _ in range(words):
        word = _word(rng, high, int(rng.integers(3, 9)))
        lines.append(word + np.array([x, rng.normal(0, 0.08 * high)]))
        x += float(word[-1, 0]) + 1.1 * high
    return lines


def _word(rng: np.random.Generator, high: float, letters: int) -> np.ndarray:
    """Each letter is one swing: its reach (x-height, ascender or descender), its width and how far it loops back."""
    steps = 12
    t = np.tile(np.arange(steps) / steps, letters)
    which = np.repeat(np.arange(letters), steps)
    reach = rng.choice([0.5, 0.55, 1.1, -0.55], letters, p=[0.45, 0.25, 0.2, 0.1]) * rng.uniform(0.85, 1.15, letters)
    wide = rng.uniform(0.4, 0.8, letters)
    loop = rng.uniform(0.02, 0.24, letters)
    start = np.concatenate([[0.0], np.cumsum(wide)[:-1]])
    x = start[which] + wide[which] * t - loop[which] * np.sin(2 * np.pi * t)
    y = -reach[which] * (0.5 - 0.5 * np.cos(2 * np.pi * t))
    tremble = rng.normal(0, 0.012, (len(t), 2))
    return high * (np.column_stack([x, y]) + tremble)


def _gesture(rng: np.random.Generator, high: float) -> np.ndarray:
    """A ring, an underline, a tick or an arrow, as a hand draws it."""
    kind = int(rng.integers(4))
    if kind == 0:
        turn = np.linspace(-0.3, 2 * np.pi + rng.uniform(0, 0.6), 40)
        radius = high * rng.uniform(1.5, 3.5) * (1 + 0.06 * np.sin(2 * turn + rng.uniform(0, 6)))
        return np.column_stack([1.3 * radius * np.cos(turn), radius * np.sin(turn) + 4 * high])
    if kind == 1:
        x = np.linspace(0, rng.uniform(5, 10), 12)
        return high * np.column_stack([x, 0.6 + np.cumsum(rng.normal(0, 0.05, 12))])
    if kind == 2:
        return high * (np.array([[-2.0, -0.6], [-1.5, 0.3], [-0.2, -1.8]]) + rng.normal(0, 0.08, (3, 2)))
    tip = rng.uniform([2.0, 2.0], [6.0, 5.0])
    barb = tip / np.hypot(*tip)
    side = np.array([-barb[1], barb[0]])
    return high * np.array([[0.5, 0.5], tip, tip - barb + 0.5 * side, tip, tip - barb - 0.5 * side])


def staple(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A staple through a corner or, at 3, through the page; the paper is dented and rusty round its feet."""
    height, width = scene.page.shape[:2]
    inner = rng.uniform(6, 9 + 14 * (strength - 1)) * scene.mm
    corner = rng.integers(0, 2, 2)
    at = np.array([width - inner if corner[0] else inner, height - inner if corner[1] else inner])
    heading = np.deg2rad(rng.choice([0.0, 45.0, -45.0]) + rng.normal(0, 8))
    reach = np.array([np.cos(heading), np.sin(heading)]) * rng.uniform(5.0, 6.5) * scene.mm
    thick = max(1, round(0.7 * scene.mm))
    ends = [tuple(int(v) for v in np.rint(16 * (at + way * reach))) for way in (-1, 1)]
    off = round(16 * 0.45 * scene.mm)
    below = [(x + off, y + off) for x, y in ends]
    cv2.line(scene.page, below[0], below[1], tone_on(scene.page, (150, 148, 145)), thick, cv2.LINE_AA, 4)
    _rust(scene, rng, at, reach, strength)
    cv2.line(scene.page, ends[0], ends[1], tone_on(scene.page, (112, 114, 120)), thick, cv2.LINE_AA, 4)
    shine = max(1, thick // 3)
    raised = [(x - off // 4, y - off // 4) for x, y in ends]
    cv2.line(scene.page, raised[0], raised[1], tone_on(scene.page, (225, 226, 230)), shine, cv2.LINE_AA, 4)
    cv2.line(scene.mask("hidden"), ends[0], ends[1], (255,), thick, cv2.LINE_8, 4)


def _rust(scene: Scene, rng: np.random.Generator, at: np.ndarray, reach: np.ndarray, strength: int) -> None:
    for way in (-1, 1):
        x, y = at + way * reach
        size = rng.uniform(0.5, 0.5 + 0.9 * strength) * scene.mm
        half = int(3 * size) + 1
        left, top = max(0, round(x) - half), max(0, round(y) - half)
        part = scene.page[top : round(y) + half, left : round(x) + half]
        if not part.size:
            continue
        rows, columns = (np.arange(n, dtype=np.float32) for n in part.shape[:2])
        far = (columns[None, :] + left - np.float32(x)) ** 2 + (rows[:, None] + top - np.float32(y)) ** 2
        multiply_tone(part, 0.7 * np.exp(-far / np.float32(2 * size * size)), (150, 95, 55))
