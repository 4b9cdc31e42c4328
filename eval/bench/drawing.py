"""Milliseconds per page of 2200 x 1700 pixels, ours and other libraries' in one run, and canonical pages a second.

``python -m eval.bench.drawing`` prints two Markdown tables; ``--pictures FOLDER`` writes what each drew, to be looked
at. The other libraries are imported where they are installed (``pip install cairocffi skia-python matplotlib``).

The page is a letter sheet at 200 dpi, 3 x 4 leads with a rhythm strip of ten SIMULATED seconds at 500 Hz on a pink
grid, with lead names, pulses and a header. All draw the same plan, page after page of different ECGs, in turns, on
one thread, with their ruled paper kept. CPU time is given, which other programs on the machine disturb least.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from eval.bench import drawers
from eval.bench.drawers import Draw, Pixels
from retrieval.ecg import ruling
from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.ecg.plan import PagePlan, plan_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import simulate
from retrieval.ecg.vector import pdf_pages, svg_page

DPI = 200
STYLE = PageStyle(
    px_per_mm=DPI / 25.4,
    sheet_mm=(11 * 25.4, 8.5 * 25.4),
    row_mm=42.0,
    header=("SIMULATED - made by a program, no patient",),
)
Other = Callable[[PagePlan], Draw]
OTHERS: dict[str, Other] = {
    "OpenCV": drawers.opencv,
    "OpenCV, not smoothed": partial(drawers.opencv, smooth=False),
    "matplotlib (Agg)": drawers.matplotlib,
    "Pillow, three times as large and reduced": drawers.pillow,
    "Pillow, not smoothed": partial(drawers.pillow, smooth=False),
    "cairo (cairocffi)": drawers.cairo,
    "Skia, stroked paths": drawers.skia,
    "Skia, points": partial(drawers.skia, by_points=True),
}


@dataclass
class Drawer:
    """One way of drawing the page, and its CPU times in ms."""

    name: str
    page: Callable[[Recording], Pixels]
    times: list[float] = field(default_factory=list)

    def draw(self, recording: Recording) -> Pixels:
        """Draw and take the time."""
        start = time.process_time()
        pixels = self.page(recording)
        self.times.append(1000 * (time.process_time() - start))
        return pixels


def ready(recording: Recording) -> tuple[list[Drawer], list[str]]:
    """The drawers that can be had, and the names of those that cannot."""
    plan = plan_page(recording, STYLE)
    canvas = np.empty((*drawers.shape_px(plan), 3), np.uint8)
    found = [
        Drawer("**NearBeat**, memory used again", lambda ecg: draw_page(ecg, STYLE, out=canvas).pixels),
        Drawer("**NearBeat**, new memory for each page", lambda ecg: draw_page(ecg, STYLE).pixels),
        Drawer("**NearBeat**, ruling drawn anew as well", _with_ruling),
    ]
    missing = []
    for name, other in OTHERS.items():
        try:
            draw = other(plan)
        except ImportError:
            missing.append(name)
        else:
            found.append(Drawer(name, partial(_planned, draw)))
    return found, missing


def _planned(draw: Draw, recording: Recording) -> Pixels:
    return draw(plan_page(recording, STYLE))


def _with_ruling(recording: Recording) -> Pixels:
    ruling.forget()
    return draw_page(recording, STYLE).pixels


def pages_table(found: list[Drawer], missing: list[str], recordings: Sequence[Recording], repeat: int) -> None:
    """Time all drawers in turns and print the table."""
    first = {drawer.name: drawer.draw(recordings[0]).copy() for drawer in found}
    for drawer in found:
        drawer.times.clear()
    for turn in range(repeat):
        for drawer in found:
            drawer.draw(recordings[turn % len(recordings)])
    ours = first[found[0].name]
    print_row(["drawer", "ms, median", "ms, best", "mean difference from ours, of 255", "ink, of ours"])
    print_row(["---"] * 5)
    for drawer in found:
        pixels = first[drawer.name]
        apart = np.abs(pixels.astype(np.int16) - ours).mean()
        print_row([drawer.name, *_times(drawer.times), f"{apart:.2f}", f"{_ink(pixels) / _ink(ours):.2f}"])
    for name in missing:
        print_row([name, "not installed", "", "", ""])


def _ink(pixels: Pixels) -> float:
    return float((255 - pixels.max(axis=2).astype(np.float32)).sum())


def _times(times: list[float]) -> tuple[str, str]:
    return f"{statistics.median(times):.1f}", f"{min(times):.1f}"


def others_table(recordings: Sequence[Recording], repeat: int) -> None:
    """Canonical pages, SVG and PDF."""
    kinds: dict[str, Callable[[Recording], object]] = {
        "canonical page, 512 x 256": canonical_page,
        "SVG": lambda ecg: svg_page(plan_page(ecg, STYLE)),
        "PDF": lambda ecg: pdf_pages([plan_page(ecg, STYLE)]),
    }
    print_row(["drawn by NearBeat", "ms, median", "ms, best", "a second, on one core"])
    print_row(["---"] * 4)
    for name, draw in kinds.items():
        times = []
        for turn in range(repeat):
            start = time.process_time()
            draw(recordings[turn % len(recordings)])
            times.append(1000 * (time.process_time() - start))
        print_row([name, *_times(times), f"{1000 / statistics.median(times):,.0f}"])


def print_row(cells: Sequence[str]) -> None:
    """A row of a Markdown table."""
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=41, help="timed pages of each")
    parser.add_argument("--pictures", type=Path, help="folder for what each drew")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    recordings = [simulate(seed, rate=500.0).recording for seed in range(5)]
    found, missing = ready(recordings[0])
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        for number, drawer in enumerate(found):
            picture = Image.fromarray(np.ascontiguousarray(drawer.draw(recordings[0])))
            picture.save(options.pictures / f"{number}.png")
    pages_table(found, missing, recordings, options.repeat)
    sys.stdout.write("\n")
    others_table(recordings, options.repeat)


if __name__ == "__main__":
    main()
