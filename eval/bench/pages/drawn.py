"""Simulated ECGs drawn by our own drawer in every style, by a seed."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from eval.bench.pages.clean import CleanPage, Mask, PlacedLead
from retrieval.ecg.drawing import GRIDS, PageStyle, draw_page
from retrieval.ecg.layouts import LAYOUTS
from retrieval.ecg.recording import LEADS
from retrieval.ecg.simulator import simulate
from retrieval.ecg.simulator.simulate import SimulatedCase

DPI = (72, 100, 150, 200, 300, 400)
DPI_SHARE = (0.08, 0.2, 0.32, 0.24, 0.12, 0.04)
MOST_PIXELS = 12e6
INKS = ((25, 25, 35), (0, 0, 0), (30, 30, 90), (60, 60, 60))
SURNAMES = ("Aalto", "Bianchi", "Ceylan", "Dubois", "Eriksen", "Farkas", "Gruber", "Hakim", "Ito", "Jansen")
GIVEN = ("Maria", "Omar", "Lena", "Jan", "Aiko", "Piotr", "Sofia", "Tomas")
TEXT_CLEAR_MM = 0.4
"""Print closer than this to a trace cannot be told from it at the resolution of a scan, and is not judged."""


def drawn_page(seed: int, ruled: bool = True, least_dpi: int = 0) -> CleanPage:
    """A simulated ECG on a page of a style drawn by chance; the same seed gives the same page.

    Args:
        seed: of the ECG and of the style.
        ruled: a page without ruling where ``False``.
        least_dpi: the lowest resolution that is drawn, as a fax has one of its own.
    """
    rng = np.random.default_rng([77, seed])
    case = simulate(seed)
    style = draw_style(rng, case, ruled, least_dpi)
    style = replace(style, px_per_mm=min(style.px_per_mm, _largest(style)))
    page = draw_page(case.recording, style)
    traces = page.mask("traces", least=0.5)
    near = _widened(page.mask("traces"), TEXT_CLEAR_MM * style.px_per_mm)
    leads = tuple(PlacedLead(c.lead, c.row, c.x_mm, c.width_mm, c.baseline_mm) for c in page.cells)
    return CleanPage(
        pixels=page.pixels,
        px_per_mm=page.px_per_mm,
        layout=page.layout,
        leads=leads,
        row_mm=style.row_mm,
        order=style.order,
        speed=style.speed,
        gain=style.gain,
        chest_gain=style.chest_gain or style.gain,
        text=page.mask("text", least=0.3) & ~near,
        traces=traces,
    )


def _largest(style: PageStyle) -> float:
    """The scale at which a page has about as many pixels as a telephone's picture."""
    length = (style.seconds or 10.0) * style.speed + 40.0
    height = style.row_mm * len(LAYOUTS[style.layout].rows) + 40.0
    return float(np.sqrt(MOST_PIXELS / (length * height)))


def _widened(mask: Mask, pixels: float) -> Mask:
    side = 2 * round(pixels) + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def draw_style(rng: np.random.Generator, case: SimulatedCase, ruled: bool, least_dpi: int) -> PageStyle:
    """A style by chance: every layout alike, the rest as often as it is met or oftener.

    What a reader cannot know is not asked of it: another order or rhythm lead than usual has its names printed,
    another speed or gain a pulse or the scale in print.
    """
    layout = str(rng.choice(list(LAYOUTS)))
    limb = layout != "6x1-chest"
    order = "cabrera" if limb and rng.random() < 0.15 else "standard"
    rhythm = str(rng.choice(["II", "V1", str(rng.choice(LEADS))], p=[0.6, 0.3, 0.1]))
    speed = 50.0 if rng.random() < 0.2 else 25.0
    gain, chest = ((10.0, None), (5.0, None), (20.0, None), (10.0, 5.0))[rng.choice(4, p=[0.7, 0.1, 0.1, 0.1])]
    pulse = str(rng.choice(["left", "right", "none"], p=[0.6, 0.2, 0.2]))
    usual = speed == 25.0 and gain == 10.0 and chest is None
    grid = str(rng.choice(list(GRIDS))) if ruled else "none"
    dpi = DPI[rng.choice(len(DPI), p=DPI_SHARE)]
    return PageStyle(
        layout=layout,
        px_per_mm=max(dpi, least_dpi) / 25.4,
        speed=speed,
        gain=gain,
        chest_gain=chest,
        row_mm=float(rng.uniform(15, 24) if layout == "12x1" else rng.uniform(20, 38)),
        grid=grid,
        dotted=ruled and bool(rng.random() < 0.25),
        lead_names=bool(rng.random() < 0.92) or order == "cabrera" or rhythm != "II" or layout.startswith("6x1"),
        pulse=pulse,
        header=_header(rng),
        interpretation=_interpretation(rng, case.report_en),
        scale_text=bool(rng.random() < 0.6) or (pulse == "none" and not usual),
        separators=bool(rng.random() < 0.4),
        trace=INKS[rng.choice(len(INKS))],
        trace_mm=float(rng.uniform(0.25, 0.5)),
        rhythm=rhythm,
        order=order,
        timing="simultaneous" if rng.random() < 0.2 else "sequential",
        seconds=5.0 if speed == 50.0 and rng.random() < 0.6 else None,
    )


def _header(rng: np.random.Generator) -> tuple[str, ...]:
    name = f"{rng.choice(SURNAMES)}, {rng.choice(GIVEN)}"
    lines = (
        f"{name}   ID {rng.integers(10**6, 10**8)}",
        f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(1950, 2026)}   "
        f"{rng.integers(24):02d}:{rng.integers(60):02d}   {'FM'[rng.integers(2)]}",
        f"Vent. rate {rng.integers(40, 150)} BPM   QRS {rng.integers(70, 160)} ms",
        f"PR {rng.integers(110, 240)} ms   QT/QTc {rng.integers(320, 480)}/{rng.integers(360, 500)} ms",
    )
    return lines[: rng.integers(0, 5)]


def _interpretation(rng: np.random.Generator, report: str) -> tuple[str, ...]:
    """The report in lines of up to 40 letters, on half of the pages."""
    if rng.random() < 0.5:
        return ()
    lines = [""]
    for word in report.split():
        if len(lines[-1]) + len(word) > 40:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return tuple(line for line in lines[:5] if line)
