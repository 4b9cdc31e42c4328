"""What scanners, copiers and fax machines do to a page."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.ecg.spoil.fields import add_grain, fade_to, grain, noise, shade, smoothstep, to_uint8
from retrieval.ecg.spoil.scene import Scene

QUALITY = ((80, 95), (55, 85), (30, 65))
"""JPEG quality, by strength."""
LEAST_LEFT, LEAST_INKED = 60, 0.002
"""Levels of 255 between the darkest and the lightest of a copy, and share of a fax that is black, below which nothing
of the strokes is left."""
FAX_PX_PER_MM = (204 / 25.4, 98 / 25.4)
"""Resolution of a fax in standard mode, across and along the page (ITU-T T.4)."""


def skew(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A page that lies askew on the glass."""
    scene.skew = float(rng.uniform(-1, 1)) * (1.0, 2.5, 5.0)[strength - 1]


def crop(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A scan that ends before the page does, on some of its sides."""
    cut = rng.uniform(0, (0.01, 0.025, 0.05)[strength - 1], 4)
    spare = rng.uniform(0, 0.02, 4)
    scene.frame = np.where(rng.random(4) < 0.6, -cut, spare)


def glass(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """The scanner's lid round the page: white, or black now and then."""
    light = float(rng.uniform(232, 253)) if rng.random() < 0.8 else float(rng.uniform(25, 50))
    red, blue = rng.uniform(-3, 3, 2)
    scene.backdrop = (light + float(red), light, light + float(blue))


def optics(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A scanner's slight blur and noise."""
    spread = float(rng.uniform(0.3, 1.0)) * 0.07 * strength * scene.mm
    if spread > 0.25:
        scene.picture = np.asarray(cv2.GaussianBlur(scene.picture, (0, 0), spread), np.uint8)
    add_grain(scene.picture, grain(rng, scene.picture.shape, 1.5 * strength * float(rng.uniform(0.3, 1.0))))


def toner(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Streaks along the feed, patches that took too little toner, and specks of it elsewhere."""
    height, width = scene.picture.shape[:2]
    _streaks(scene, rng, strength)
    if rng.random() < 0.3 * strength:
        shape = (max(2, height // 6), max(2, width // 6))
        patches = smoothstep(noise(rng, shape, float(rng.uniform(6, 14))), 1.6 - 0.3 * strength, 2.4 - 0.3 * strength)
        share = np.float32((0.3, 0.45, 0.6)[strength - 1]) * patches
        red, green, blue = np.broadcast_to(np.median(scene.picture[::8, ::8], axis=(0, 1)), 3)
        fade_to(scene.picture, share, (float(red), float(green), float(blue)))
    _specks(scene, rng, strength)


def _streaks(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Lines and bands along one direction, by one row of gains."""
    picture = scene.picture
    along_x = rng.random() < 0.5
    length = picture.shape[0] if along_x else picture.shape[1]
    gains = 1 - np.float32(0.02 * strength) * smoothstep(noise(rng, (2, length), 10)[0], 0.2, 1.2)
    for _ in range(int(rng.integers(0, 1 + 2 * strength))):
        at = int(rng.integers(length))
        wide = max(1, round(rng.exponential(0.25) * scene.mm))
        gains[at : at + wide] *= rng.uniform(1 - 0.16 * strength, 0.95)
    shade(picture, np.stack([gains, gains], axis=1 if along_x else 0))


def _specks(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    picture = scene.picture
    height, width = picture.shape[:2]
    count = int(rng.poisson(height * width / scene.mm**2 * 0.0006 * strength**2))
    centres = rng.uniform(0, 1, (count, 2)) * (width, height)
    sizes = rng.exponential(0.1, count) * scene.mm
    for (x, y), size, dark in zip(centres, sizes, rng.integers(20, 120, count), strict=True):
        shade_of = (int(dark),) * (3 if picture.ndim == 3 else 1)
        cv2.circle(picture, (round(16 * x), round(16 * y)), max(8, round(16 * size)), shade_of, -1, cv2.LINE_AA, 4)


def gray_copy(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A black and white copy: no colour, and a steeper curve, in which a pale grid thins out or a dark one stays.

    A page so bleached that its copy would be blank stays gray.
    """
    picture = scene.picture
    gray = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    steep = 1 + float(rng.uniform(0.2, 0.9)) * strength
    middle = float(rng.uniform(0.45, 0.7))
    steps = np.arange(256) / 255
    curve = 1 / (1 + np.exp(-4 * steep * (steps - middle)))
    black, white = curve[0], curve[-1] - (curve[-1] - curve[200]) * 0.3
    copied = cv2.LUT(gray, to_uint8(255 * (curve - black) / (white - black)))
    gray = copied if np.ptp(copied) >= LEAST_LEFT else gray
    scene.picture = np.asarray(gray if picture.ndim == 2 else cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), np.uint8)


def fax(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """One bit a pixel at 204 x 98 dpi: a pale grid vanishes or breaks into dots, thin strokes break.

    Of a page so bleached that nothing would be left, what is darker than halfway to its ink is sent.
    """
    picture = scene.picture
    gray = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape[:2]
    sides = (width, height)
    sent = tuple(max(16, min(n, round(n / scene.mm * dpi))) for n, dpi in zip(sides, FAX_PX_PER_MM, strict=True))
    small = np.asarray(cv2.resize(gray, sent, interpolation=cv2.INTER_AREA), np.uint8)
    add_grain(small, grain(rng, small.shape, 3.0 * strength))
    paper = float(np.median(small[::4, ::4]))
    share = rng.uniform((0.66, 0.6, 0.52)[strength - 1], (0.74, 0.78, 0.82)[strength - 1])
    _, bits = cv2.threshold(small, paper * share, 255, cv2.THRESH_BINARY)
    if float((bits == 0).mean()) < LEAST_INKED:
        _, bits = cv2.threshold(small, (paper + float(np.quantile(small, LEAST_INKED))) / 2, 255, cv2.THRESH_BINARY)
    if strength == 3 and rng.random() < 0.5:
        # A line lost on the way is filled with the one before it.
        lost = rng.integers(1, bits.shape[0], max(1, bits.shape[0] // 150))
        bits[lost] = bits[lost - 1]
    page = cv2.resize(bits, sides, interpolation=cv2.INTER_NEAREST)
    scene.picture = np.asarray(page if picture.ndim == 2 else cv2.cvtColor(page, cv2.COLOR_GRAY2RGB), np.uint8)


def jpeg(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Compress and decompress once."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*QUALITY[strength - 1], endpoint=True))]
    picture = scene.picture
    packed = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", packed, quality)
    if not done:
        raise RuntimeError(f"OpenCV could not compress a picture of the shape {picture.shape} as JPEG")
    flag = cv2.IMREAD_GRAYSCALE if picture.ndim == 2 else cv2.IMREAD_COLOR_RGB
    scene.picture = np.asarray(cv2.imdecode(data, flag), np.uint8)
