"""What a camera does to a page: where it stands, its lens, its focus, its shake and its sensor."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.ecg.spoil.fields import add_grain, coarse, grain, noise, smoothstep, to_uint8
from retrieval.ecg.spoil.scene import Scene, View

MAX_LEAN_DEG = (10.0, 20.0, 30.0)
"""How far the page leans away from the camera, by strength."""


def perspective(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A page that leans up to 30 degrees away from a camera two to three page widths off."""
    view = scene.view or View()
    lean = float(rng.uniform(0.3, 1.0)) * MAX_LEAN_DEG[strength - 1]
    heading = rng.uniform(0, 2 * np.pi)
    view.lean_x, view.lean_y = lean * float(np.cos(heading)), lean * float(np.sin(heading))
    view.roll = float(rng.uniform(-1, 1)) * 1.5 * strength
    view.away = float(rng.uniform(2.0, 3.0))
    scene.view = view


def framing(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """How the photographer framed it: desk on all sides, or so close that the page's margins are cut."""
    if rng.random() < 0.35:
        scene.frame = rng.uniform(-0.012 * strength, 0.0, 4)
    else:
        scene.frame = rng.uniform(0.005, 0.02 + 0.02 * strength, 4)


def lens(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Barrel or pincushion distortion."""
    scene.lens = float(rng.uniform(0.3, 1.0) * (0.012, 0.025, 0.05)[strength - 1] * rng.choice([1.0, 1.0, -1.0]))


def blur(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Out of focus: everywhere, or more at one end of a page that leans."""
    spread = float(rng.uniform(0.5, 1.0)) * (0.12, 0.22, 0.4)[strength - 1] * scene.mm
    picture = scene.picture
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.35, spread)), np.uint8)
    if rng.random() < 0.6:
        scene.picture = soft
        return
    shape = coarse(picture, 24)
    share = smoothstep(noise(rng, shape, 1.5), -0.8, 0.8)
    share = np.asarray(cv2.resize(share, picture.shape[1::-1]), np.float32)
    scene.picture = np.asarray(cv2.blendLinear(soft, picture, share, 1 - share), np.uint8)


def motion(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A hand that shook while the shutter was open."""
    length = float(rng.uniform(0.4, 1.0)) * (0.3, 0.6, 1.1)[strength - 1] * scene.mm
    heading = rng.uniform(0, np.pi)
    reach = np.array([np.cos(heading), np.sin(heading)]) * length / 2
    size = 2 * int(np.ceil(length / 2)) + 3
    middle = np.array([size // 2, size // 2])
    kernel = np.zeros((size, size), np.uint8)
    ends = [tuple(int(v) for v in np.rint((middle + way * reach) * 16)) for way in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], (255,), 1, cv2.LINE_AA, 4)
    share = kernel.astype(np.float32) / kernel.sum()
    scene.picture = np.asarray(cv2.filter2D(scene.picture, -1, share, borderType=cv2.BORDER_REPLICATE), np.uint8)


def sensor_noise(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Noise of the sensor, grain by grain and in faint blotches of colour."""
    spread = float(rng.uniform(0.4, 1.0)) * (3.0, 6.0, 10.0)[strength - 1]
    picture = scene.picture
    add_grain(picture, grain(rng, picture.shape, spread))
    height, width = picture.shape[:2]
    rough = grain(rng, ((height + 5) // 6, (width + 5) // 6, *picture.shape[2:]), 0.5 * spread)
    blotches = cv2.resize(rough.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    add_grain(picture, blotches.astype(np.int8))


def moire(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A photo of a screen: its pixels beat with those of the sensor, in bands that follow every bend."""
    step = 6
    height, width = scene.picture.shape[:2]
    xs, ys = np.arange(-1, width // step + 2) * step, np.arange(-1, height // step + 2) * step
    nodes = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype(np.float64)
    seen = scene.chain.backward(nodes).reshape(len(ys), len(xs), 2)
    ratio = 1 + rng.choice([-1, 1]) * rng.uniform(0.02, 0.07)
    deep = (0.04, 0.08, 0.14)[strength - 1] * rng.uniform(0.6, 1.0)
    place = nodes.reshape(seen.shape)
    # The screen's phase less the sensor's is the beat: the rest is finer than a pixel of the picture.
    for axis in (0, 1):
        beat = 256 * (ratio * seen[:, :, axis] - place[:, :, axis] + rng.uniform(0, 1))
        if axis or rng.random() < 0.6:
            _band(scene.picture, beat.astype(np.float32), step, float(deep) * (0.6 + 0.4 * axis))


def _band(picture: np.ndarray, beat: np.ndarray, step: int, deep: float) -> None:
    height, width = picture.shape[:2]
    size = (beat.shape[1] * step, beat.shape[0] * step)
    edge = step + step // 2
    phase = np.asarray(cv2.resize(beat, size))[edge : edge + height, edge : edge + width].astype(np.int32)
    turns = np.arange(256) / 256 * 2 * np.pi
    # Red, green and blue stripes lie beside each other, so their bands do too.
    tables = [to_uint8(200 * (1 - deep * (0.5 + 0.5 * np.cos(turns + shift)))) for shift in (0.0, 2.1, 4.2)]
    wrapped = phase.astype(np.uint8)
    if picture.ndim == 2:
        gain = cv2.LUT(wrapped, tables[0])
    else:
        gain = cv2.merge([cv2.LUT(wrapped, table) for table in tables])
    picture[...] = cv2.multiply(picture, gain, scale=1 / 200)
