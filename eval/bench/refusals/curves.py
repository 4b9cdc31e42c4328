"""Pictures of curves that are no 12-lead ECG: charts of all kinds, other recordings, single leads."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.bench.refusals.brush import (
    BLACK,
    Rgb,
    Rng,
    any_colour,
    box,
    curve,
    graph_paper,
    line,
    paper,
    rule,
    wander,
    words,
    write,
)


def bar_chart(rng: Rng) -> Rgb:
    """Bars over an axis."""
    sheet = _axes(rng, grid=bool(rng.random() < 0.5))
    high, wide = sheet.shape[:2]
    number = int(rng.integers(4, 30))
    step = (wide - 160) / number
    colour = any_colour(rng)
    for i in range(number):
        x, top = 90 + i * step, high - 80 - rng.uniform(0.05, 0.95) * (high - 160)
        box(sheet, (x, top), (x + 0.7 * step, high - 80), colour)
    return sheet


def line_chart(rng: Rng) -> Rgb:
    """One to five curves between axes."""
    sheet = _axes(rng, grid=bool(rng.random() < 0.7))
    high, wide = sheet.shape[:2]
    for _ in range(int(rng.integers(1, 6))):
        y = high / 2 - wander(rng, 300) * (high / 2 - 110)
        curve(sheet, np.linspace(90, wide - 70, 300), y, any_colour(rng), int(rng.integers(1, 4)))
    return sheet


def scatter_chart(rng: Rng) -> Rgb:
    """Points between axes, with a line through them."""
    sheet = _axes(rng, grid=bool(rng.random() < 0.5))
    high, wide = sheet.shape[:2]
    x = rng.uniform(100, wide - 90, 200)
    y = high - 100 - (x - 100) / wide * high * 0.7 + rng.normal(0, 50, 200)
    for at in zip(x, y, strict=True):
        cv2.circle(sheet, (int(at[0]), int(at[1])), 4, any_colour(rng), -1, cv2.LINE_AA)
    line(sheet, (100, high - 100), (wide - 90, high * 0.25), (200, 30, 30), 2)
    return sheet


def share_prices(rng: Rng) -> Rgb:
    """Candlesticks over days."""
    sheet = _axes(rng, grid=True)
    high, wide = sheet.shape[:2]
    price = high / 2 - wander(rng, 90, 3) * (high / 2 - 130)
    for i, (start, stop) in enumerate(pairwise(price)):
        x = 100 + i * (wide - 180) / 90
        colour = (30, 140, 60) if stop < start else (190, 40, 40)
        line(sheet, (x, min(start, stop) - 14), (x, max(start, stop) + 14), colour)
        box(sheet, (x - 3, start), (x + 3, stop), colour)
    return sheet


def small_charts(rng: Rng) -> Rgb:
    """Three rows of four line charts, each in its frame with numbers: a page's layout without its meaning."""
    sheet = paper(rng, (255, 255, 255))
    high, wide = sheet.shape[:2]
    width, height = wide / 4, high / 3
    for row, column in np.ndindex(3, 4):
        left, top = column * width + 40, row * height + 20
        right, bottom = (column + 1) * width - 12, (row + 1) * height - 36
        box(sheet, (left, top), (right, bottom), BLACK, 1)
        y = (top + bottom) / 2 - wander(rng, 150, 15) * (bottom - top) * 0.42
        curve(sheet, np.linspace(left, right, 150), y, any_colour(rng), 2)
        write(sheet, words(rng, 1), (left + 6, top + 4), 13)
        for number in range(4):
            write(sheet, f"{number * 10}", (left + number * (right - left) / 4, bottom + 4), 11)
    return sheet


def spectrogram(rng: Rng) -> Rgb:
    """A map of colours over time and frequency."""
    power = np.abs(rng.normal(size=(60, 140))) * np.linspace(1.5, 0.2, 60)[:, None]
    power[20:24, 30:110] += 2.0
    small = (np.clip(power / 3, 0, 1) * 255).astype(np.uint8)
    colours = cv2.applyColorMap(cv2.resize(small, (1120, 600)), cv2.COLORMAP_JET)
    sheet = cv2.copyMakeBorder(colours, 40, 80, 80, 40, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    return np.asarray(sheet, np.uint8)


def loudness(rng: Rng) -> Rgb:
    """A sound's wave, as an editor of sounds draws it."""
    sheet = np.full((500, 1400, 3), 245, np.uint8)
    envelope = np.abs(wander(rng, 1300, 31)) * 200 + 4
    for x, reach in enumerate(envelope, start=50):
        line(sheet, (x, 250 - reach * rng.random()), (x, 250 + reach * rng.random()), (40, 90, 200))
    return sheet


def earthquake(rng: Rng) -> Rgb:
    """A drum's day: some twenty rows of restless lines with a burst."""
    sheet = paper(rng)
    high, wide = sheet.shape[:2]
    rows = int(rng.integers(14, 30))
    for row in range(rows):
        y = 40 + row * (high - 80) / rows + rng.normal(0, 1.5, wide - 80)
        if rng.random() < 0.2:
            at = int(rng.integers(0, wide - 300))
            y[at : at + 200] += rng.normal(0, 25, 200)[: len(y) - at] * np.exp(-np.arange(200) / 60)[: len(y) - at]
        curve(sheet, np.arange(40, wide - 40), y, BLACK, 1)
    return sheet


def brain_waves(rng: Rng) -> Rgb:
    """An EEG: many channels of irregular waves under one another, with names at the left."""
    sheet = paper(rng, (255, 255, 255))
    high, wide = sheet.shape[:2]
    channels = int(rng.integers(15, 24))
    for x in np.arange(90, wide - 20, (wide - 110) / 10):
        line(sheet, (x, 20), (x, high - 20), (200, 200, 210))
    t = np.linspace(0, 10, wide - 110)
    for channel in range(channels):
        base = 40 + channel * (high - 70) / channels
        waves = sum(rng.uniform(1, 5) * np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in (2, 5, 9, 10.5, 22))
        write(sheet, words(rng, 1)[:3].title(), (20, base - 8), 13)
        curve(sheet, np.arange(90, wide - 20), base + waves + rng.normal(0, 1.5, len(t)), BLACK, 1)
    return sheet


def one_lead(rng: Rng) -> Rgb:
    """A rhythm strip of one lead on ruled paper, or two below one another: an ECG, but not of twelve leads."""
    sheet, px = graph_paper(rng)
    high, wide = sheet.shape[:2]
    rows = int(rng.integers(1, 3))
    for row in range(rows):
        beats = _beats(rng, wide - 60, px)
        curve(sheet, np.arange(30, wide - 30), high * (row + 1) / (rows + 1) - beats * px, BLACK, 2)
    return sheet


def fever_chart(rng: Rng) -> Rgb:
    """A ward's chart: temperature and pulse in steps of half a day over squared paper, rows of numbers below."""
    sheet = paper(rng, (255, 255, 255))
    high, wide = sheet.shape[:2]
    step = wide / int(rng.integers(28, 50))
    rule(sheet, step, (190, 210, 230))
    for colour in ((190, 30, 30), (30, 30, 170)):
        x = np.arange(step, wide - step, step)
        curve(sheet, x, high * 0.35 - wander(rng, len(x), 3) * high * 0.2, colour, 2)
    for y in np.arange(high * 0.65, high - 20, 2 * step):
        for x in np.arange(step, wide - 2 * step, 3 * step):
            write(sheet, str(rng.integers(60, 180)), (x, y), max(11, int(step * 0.6)))
    return sheet


def curves_on_graph_paper(rng: Rng) -> Rgb:
    """A pupil's graphs: three to five smooth curves on millimetre paper, one above the other."""
    sheet, px = graph_paper(rng)
    high, wide = sheet.shape[:2]
    rows = int(rng.integers(3, 6))
    x = np.arange(40, wide - 40)
    for row in range(rows):
        base = high * (row + 0.6) / rows
        wave = np.sin(x / wide * 2 * np.pi * rng.uniform(1, 14)) * rng.uniform(3, 9) * px
        curve(sheet, x, base - wave + wander(rng, len(x), 61) * 2 * px, any_colour(rng, 120), 2)
    return sheet


def ruled_rows_of_noise(rng: Rng) -> Rgb:
    """Four rows of plain noise on an ECG's paper: a broken recorder, nothing that a heart did."""
    sheet, px = graph_paper(rng)
    high, wide = sheet.shape[:2]
    x = np.arange(30, wide - 30)
    for row in range(4):
        curve(sheet, x, high * (row + 0.6) / 4 + rng.normal(0, 2.5 * px, len(x)), BLACK, 1)
    return sheet


def flat_lines(rng: Rng) -> Rgb:
    """Three to six straight lines on ruled paper: electrodes that were never put on."""
    sheet, _ = graph_paper(rng)
    high, wide = sheet.shape[:2]
    rows = int(rng.integers(3, 7))
    for row in range(rows):
        y = high * (row + 0.6) / rows
        line(sheet, (30, y), (wide - 30, y), BLACK, 2)
    return sheet


def _axes(rng: Rng, *, grid: bool) -> Rgb:
    """A chart's frame: title, axes, numbers, and a grid where asked for."""
    sheet = paper(rng, (255, 255, 255))
    high, wide = sheet.shape[:2]
    if grid:
        for part in np.linspace(0, 1, int(rng.integers(5, 14))):
            line(sheet, (80, 80 + part * (high - 160)), (wide - 60, 80 + part * (high - 160)), (215, 215, 215))
            line(sheet, (80 + part * (wide - 140), 80), (80 + part * (wide - 140), high - 80), (215, 215, 215))
    line(sheet, (80, 80), (80, high - 80), BLACK, 2)
    line(sheet, (80, high - 80), (wide - 60, high - 80), BLACK, 2)
    write(sheet, words(rng, 5).title(), (wide * 0.3, 24), 28)
    for part in np.linspace(0, 1, 6):
        write(sheet, f"{100 * part:.0f}", (36, high - 90 - part * (high - 160)), 16)
        write(sheet, f"{2000 + 5 * part:.0f}", (80 + part * (wide - 180), high - 66), 16)
    return sheet


def _beats(rng: Rng, width: int, px: float) -> NDArray[np.float64]:
    """Heartbeats in millimetres above the baseline, one value per pixel."""
    beat = np.mod(np.arange(width) / px, float(rng.uniform(15, 28)))
    return (
        1.2 * np.exp(-(((beat - 4) / 1.4) ** 2))
        + 10.0 * np.exp(-(((beat - 8) / 0.5) ** 2))
        - 2.0 * np.exp(-(((beat - 9) / 0.5) ** 2))
        + 2.5 * np.exp(-(((beat - 13) / 1.8) ** 2))
    )


CURVES = (
    bar_chart,
    line_chart,
    scatter_chart,
    share_prices,
    small_charts,
    spectrogram,
    loudness,
    earthquake,
    brain_waves,
    one_lead,
    fever_chart,
    curves_on_graph_paper,
    ruled_rows_of_noise,
    flat_lines,
)
