"""How many pages a core spoils, by kind, strength and size, and how many a training loader makes.

    python -m eval.bench.spoiling --pages 60

Times are of the thread alone (``time.thread_time``), OpenCV on one thread, medians over pages with their own seeds:
what a worker of a training loader does. The last lines say how many pages a second the loader's cores make together.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import simulate
from retrieval.ecg.spoil import EFFECTS, RECIPES, Recipe, recipe_of
from training.augment import Variation, varied_page, vary_signal

RATE = 100.0
SHEET_SEED = 40
Page = NDArray[np.uint8]


def page_sizes(recording: Recording) -> dict[str, Page]:
    """A canonical page, and a drawn one at two sizes that scans and photos have."""
    drawn = draw_page(recording, PageStyle(px_per_mm=8.0)).pixels
    sizes: dict[str, Page] = {"512x256 gray": canonical_page(recording).pixels}
    for width, height in ((1100, 850), (2200, 1700)):
        sizes[f"{width}x{height}"] = np.asarray(
            cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    return sizes


def median_ms(recipe: Recipe, page: Page, strength: int, pages: int) -> float:
    """Median time of the thread over so many runs, each with its own seed, after one to warm up."""
    number = pages if page.ndim == 2 else max(5, pages // 4)
    recipe.spoil(page, np.random.default_rng(0), strength)
    spent = []
    for seed in range(number):
        start = time.thread_time()
        recipe.spoil(page, np.random.default_rng(seed), strength)
        spent.append(time.thread_time() - start)
    return 1000 * float(np.median(spent))


def kind_rows(sizes: dict[str, Page], pages: int) -> Iterator[Sequence[str]]:
    """A row for each kind and strength: milliseconds and pages per second and core, by size."""
    yield ["kind", "strength", *(f"{name}: {unit}" for name in sizes for unit in ("ms", "pages/s"))]
    for kind, recipe in RECIPES.items():
        for strength in (1, 2, 3):
            cells = [kind, str(strength)]
            for page in sizes.values():
                ms = median_ms(recipe, page, strength, pages)
                cells += [f"{ms:.1f}", f"{1000 / ms:.0f}"]
            yield cells


def effect_rows(sizes: dict[str, Page], pages: int) -> Iterator[Sequence[str]]:
    """A row for each effect at strength 2: milliseconds by size."""
    yield ["effect", *(f"{name}: ms" for name in sizes)]
    for name in EFFECTS:
        yield [name, *(f"{median_ms(recipe_of(name), page, 2, pages):.1f}" for page in sizes.values())]


def loader_rate(recording: Recording, pages: int, variation: Variation) -> float:
    """Mean pages per second and core of a training loader that varies the signal, draws the page and spoils it."""
    signal = recording.signal

    def one(number: int) -> object:
        rng = np.random.default_rng(number)
        return varied_page(vary_signal(signal, RATE, rng, variation.strength), RATE, rng, variation)

    one(0)
    start = time.thread_time()
    for number in range(pages):
        one(number)
    return pages / (time.thread_time() - start)


def contact_sheet(recording: Recording, file: Path) -> None:
    """Write a picture of every kind (down) at every strength (across), in 160 colours."""
    page = draw_page(recording, PageStyle(px_per_mm=4.0)).pixels
    wide, high = 292, 168
    sheet = np.full((high * len(RECIPES), wide * 3, 3), 255, np.uint8)
    for row, (kind, recipe) in enumerate(RECIPES.items()):
        for strength in (1, 2, 3):
            picture = recipe.spoil(page, np.random.default_rng(SHEET_SEED + 10 * row + strength), strength).pixels
            scale = min((wide - 4) / picture.shape[1], (high - 4) / picture.shape[0])
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            top, left = row * high, (strength - 1) * wide
            sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
            at = (left + 4, top + high - 8)
            cv2.putText(sheet, f"{kind} {strength}", at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (170, 0, 60), 1, cv2.LINE_AA)
    Image.fromarray(sheet).quantize(160, dither=Image.Dither.NONE).save(file, optimize=True)


def calibration_ms(page: Page) -> float:
    """One remapping of a page by OpenCV alone, the median of 40: how fast this core is just now."""
    height, width = page.shape[:2]
    where = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32) + np.float32(0.3)
    fixed, shares = cv2.convertMaps(where, np.empty(0, np.float32), cv2.CV_16SC2)
    spent = []
    for _ in range(40):
        start = time.thread_time()
        cv2.remap(page, fixed, shares, cv2.INTER_LINEAR)
        spent.append(time.thread_time() - start)
    return 1000 * float(np.median(spent))


def _table(rows: Iterator[Sequence[str]]) -> None:
    for number, row in enumerate(rows):
        sys.stdout.write("| " + " | ".join(row) + " |\n")
        if number == 0:
            sys.stdout.write("|---" * len(row) + "|\n")
        sys.stdout.flush()


def main() -> None:
    """Print the tables and the arithmetic of a loader."""
    parser = argparse.ArgumentParser(description="How many pages a core spoils; prints Markdown tables.")
    parser.add_argument("--pages", type=int, default=60, help="canonical pages a row; larger ones a quarter of it")
    parser.add_argument("--cores", type=int, default=16, help="cores of the loader in the arithmetic")
    parser.add_argument("--effects", action="store_true", help="each effect by itself too")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet to this file instead of measuring")
    options = parser.parse_args()
    cv2.setNumThreads(0)
    recording = simulate(5, rate=RATE).recording
    if options.sheet:
        contact_sheet(recording, options.sheet)
        return
    sizes = page_sizes(recording)
    alone = calibration_ms(sizes["1100x850"])
    sys.stdout.write(f"One cv2.remap of a 1100x850 RGB page by itself takes {alone:.1f} ms here and now.\n\n")
    _table(kind_rows(sizes, options.pages))
    if options.effects:
        _table(effect_rows(sizes, options.pages))
    for what, variation in (
        ("as training draws them", Variation()),
        ("every one spoiled", Variation(spoiled=1.0)),
        ("none spoiled", Variation(spoiled=0.0)),
    ):
        rate = loader_rate(recording, 8 * options.pages, variation)
        sys.stdout.write(
            f"Training pages, {what}: {rate:.0f} pages/s a core, {options.cores * rate:.0f} on {options.cores}: "
            f"a device that takes fewer never waits.\n"
        )


if __name__ == "__main__":
    main()
