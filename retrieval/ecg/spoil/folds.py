"""Paper that was folded, crumpled or rolled up: it is displaced, and it is shaded along its folds."""

from __future__ import annotations

import cv2
import numpy as np

from retrieval.ecg.spoil.fields import Plane, coarse, fractal, noise, shade, smoothstep, tone_on
from retrieval.ecg.spoil.scene import Scene, View

NODES = 192
MAX_CURL_SLOPE = (0.15, 0.3, 0.45)
"""Steepest slope of a curled page, by strength."""


def crease(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """One to three sharp folds across the page."""
    height, width = scene.page.shape[:2]
    for _ in range(int(rng.integers(1, strength + 1))):
        # As people fold: across or along, hardly ever askew.
        heading = rng.choice([0.0, 90.0], p=[0.7, 0.3]) + rng.normal(0, 2 + 3 * strength)
        normal = np.array([np.cos(np.deg2rad(heading)), np.sin(np.deg2rad(heading))], np.float32)
        at = rng.uniform(0.15, 0.85, 2) * (width, height)
        _bend_at(scene, normal, float(at @ normal), float(rng.uniform(0.1, 0.25) * strength))
        _shade_fold(scene, rng, normal, float(at @ normal), strength)
        _wear(scene, rng, normal, at, strength)


def _bend_at(scene: Scene, normal: np.ndarray, at: float, move_mm: float) -> None:
    """Paper leans towards the fold from both sides: it looks shorter there."""
    x, y = scene.dent_nodes()
    far = (x * normal[0] + y * normal[1] - np.float32(at)) / np.float32(12 * scene.mm)
    pull = far * np.exp(-far * far) * np.float32(2.3 * move_mm * scene.mm)
    scene.dent(np.stack([pull * normal[0], pull * normal[1]], axis=-1).astype(np.float32))


def _shade_fold(scene: Scene, rng: np.random.Generator, normal: np.ndarray, at: float, strength: int) -> None:
    rows, columns = coarse(scene.page, NODES * 2)
    height, width = scene.page.shape[:2]
    x = (np.arange(columns, dtype=np.float32) + 0.5)[None, :] * np.float32(width / columns)
    y = (np.arange(rows, dtype=np.float32) + 0.5)[:, None] * np.float32(height / rows)
    far = (x * normal[0] + y * normal[1] - np.float32(at)) / np.float32(scene.mm)
    side = np.tanh(far * 2) * rng.choice([-1.0, 1.0])
    wide = np.float32(rng.uniform(4, 15))
    deep = np.float32(rng.uniform(0.03, 0.055) * strength)
    shine = np.float32(0.985) - np.float32(0.6) * deep  # the bright side keeps its grid
    line = np.float32(rng.uniform(0.02, 0.06) * strength) * np.exp(-((far / 0.5) ** 2))
    gain = shine + deep * (side * np.exp(-np.abs(far) / wide) - 0.3 * np.exp(-np.abs(far) / 2.5)) - line
    shade(scene.page, gain.astype(np.float32))


def _wear(scene: Scene, rng: np.random.Generator, normal: np.ndarray, at: np.ndarray, strength: int) -> None:
    """Along a fold the print flakes off in places."""
    if rng.random() > 0.25 * strength:
        return
    reach = float(np.hypot(*scene.page.shape[:2]))
    along = np.array([-normal[1], normal[0]])
    lengths = rng.exponential(1.0, 2 * int(reach / (2.2 * scene.mm))).reshape(-1, 2) * (1.2, 3.2)
    stops = np.cumsum(lengths.ravel() * scene.mm) - reach
    wander = np.cumsum(rng.normal(0, 0.08 * scene.mm, len(stops)))
    points = at + stops[:, None] * along + wander[:, None] * normal
    tone = tone_on(scene.page, (228.0, 225.0, 220.0))
    thick = max(1, round(0.07 * strength * scene.mm))
    pieces = [np.rint(16 * points[i : i + 2]).astype(np.int32) for i in range(1, len(points) - 1, 2)]
    cv2.polylines(scene.page, pieces, False, tone, thick, cv2.LINE_AA, 4)


def wrinkle(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """Paper that was crumpled and smoothed out, over all of it or in one region."""
    shape = coarse(scene.page, NODES)
    slopes = _facets(rng, shape, int(rng.integers(12, 30) * (0.5 + 0.5 * strength)))
    slopes += 0.5 * np.stack([fractal(rng, shape, 7), fractal(rng, shape, 7)], axis=-1)
    if rng.random() < 0.6:
        slopes *= (0.2 + 0.8 * smoothstep(noise(rng, shape, 2.5), -0.5, 1.0))[:, :, None]
    light = rng.uniform(0, 2 * np.pi)
    lit = slopes[:, :, 0] * np.float32(np.cos(light)) + slopes[:, :, 1] * np.float32(np.sin(light))
    # The brightest facet is paper that faces the light; the others lose by it.
    along_x, along_y = (
        cv2.Sobel(slopes[:, :, 0], -1, 1, 0, scale=0.25),
        cv2.Sobel(slopes[:, :, 1], -1, 0, 1, scale=0.25),
    )
    ridges = np.tanh(along_x + along_y)  # convex folds are worn bright, hollows are dark
    gain = np.clip(lit, -2.5, 1.5) * np.float32(0.022 * strength) + np.float32(1 - 0.025 * strength)
    shade(scene.page, (gain + np.float32(0.03 * strength) * ridges).astype(np.float32))
    scene.dent(_displacement(scene, slopes, float(rng.uniform(0.08, 0.16) * strength)))


def _facets(rng: np.random.Generator, shape: tuple[int, int], count: int) -> Plane:
    """Slopes ``[rows, columns, 2]`` of crumpled paper: flat facets, each nearest to its own centre, sharp between."""
    apart = np.ones(shape, np.uint8)
    apart[rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)] = 0
    _, nearest = cv2.distanceTransformWithLabels(apart, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    leaning = rng.standard_normal((count + 1, 2), dtype=np.float32)
    # Facets are not quite flat: each is a little softer towards its rim than a polygon would be.
    return np.asarray(
        cv2.GaussianBlur(leaning[np.asarray(nearest, np.int64)], (0, 0), float(rng.uniform(0.7, 1.4))), np.float32
    )


def _displacement(scene: Scene, slopes: Plane, spread_mm: float) -> Plane:
    """Where a facet leans, it looks shorter: shifts in px along its slope, of the given spread."""
    nodes_x, nodes_y = scene.dent_nodes()
    size = (nodes_x.shape[1], nodes_y.shape[0])
    field = np.asarray(cv2.resize(cv2.GaussianBlur(slopes, (0, 0), 3.0), size, interpolation=cv2.INTER_AREA))
    return field * np.float32(spread_mm * scene.mm / (float(np.std(field)) + 1e-6))


def curl(scene: Scene, rng: np.random.Generator, strength: int) -> None:
    """A sheet that does not lie flat: an edge stands up, or the middle bulges."""
    view = scene.view or View()
    view.curl_heading = float(rng.choice([0.0, 90.0], p=[0.75, 0.25]) + rng.normal(0, 8))
    view.flat_at = float(rng.uniform(-0.3, 0.3))
    skewed = float(rng.uniform(-0.5, 0.5))
    ends = np.array([-0.5, 0.5]) - view.flat_at
    # The steeper end decides, so that no part of the page hides another even from a camera that leans by 30 degrees.
    steepest = float(np.abs(ends * (2 + 3 * skewed * ends)).max())
    bow = float(rng.uniform(0.5, 1.0) * MAX_CURL_SLOPE[strength - 1] * rng.choice([-1.0, 1.0])) / steepest
    view.curl = (bow, skewed * bow)
    scene.view = view
    _shade_curl(scene, view, rng, strength)


def _shade_curl(scene: Scene, view: View, rng: np.random.Generator, strength: int) -> None:
    """Light falls from one side, so that a slope is brighter or darker than the flat part."""
    rows, columns = coarse(scene.page, 32)
    height, width = scene.page.shape[:2]
    longer = max(width, height)
    x = ((np.arange(columns) + 0.5) / columns - 0.5)[None, :] * (width / longer)
    y = ((np.arange(rows) + 0.5) / rows - 0.5)[:, None] * (height / longer)
    heading = np.deg2rad(view.curl_heading)
    u = x * np.cos(heading) + y * np.sin(heading) - view.flat_at
    slope = u * (2 * view.curl[0] + 3 * view.curl[1] * u)
    gain = 1 + rng.uniform(-0.7, 0.7) * slope - 0.015 * strength
    shade(scene.page, np.clip(gain, 0.6, 1.05).astype(np.float32))
