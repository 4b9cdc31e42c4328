"""Read real pictures as people send them, and judge what the intake made of each.

Run by hand: ``python -m eval.bench.intake_ways FOLDER... [--workers 2] [--out ways.json] [--ways "on black,..."]``.

The pictures and their truth are those of ``eval.bench.intake_parts``. Each is turned, shown in a mirror, shrunk and
compressed as messengers do, stretched, shown in a program for viewing, in an article or on a sheet of its own, marked
with a highlighter and a pen, copied, stamped, blurred, sharpened; and the leads are looked for where they are then.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.bench.intake_parts import pixels_of, straight_files, table, verdict_on
from eval.bench.truth import PictureTruth, load_truth

Rgb = NDArray[np.uint8]
Points = NDArray[np.float64]
Picture = tuple[Rgb, PictureTruth]
Way = Callable[[Rgb, PictureTruth], Picture]
DARK, LIGHT = (45, 45, 45), (238, 238, 238)
MARKED = 4
"""Leads of a page that someone marked."""


def moved(truth: PictureTruth, to: Callable[[Points], Points], size: tuple[int, int], share: Points) -> PictureTruth:
    """The truth of a picture of ``size`` whose points lie elsewhere now, ``share`` (x, y) of the pixels to a mm."""
    leads = tuple(replace(lead, box=to(lead.box)) for lead in truth.leads)
    x, y = np.array(truth.px_per_mm) * share
    return replace(truth, leads=leads, size=size, corners=to(truth.corners), px_per_mm=(float(x), float(y)))


def by_matrix(pixels: Rgb, truth: PictureTruth, matrix: Points, size: tuple[int, int]) -> Picture:
    """A picture turned or turned over: ``matrix`` ``[2, 3]`` keeps lengths."""
    x, y = truth.px_per_mm
    share = np.array([y / x, x / y]) if abs(matrix[0, 1]) > 0.9 else np.ones(2)
    done = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(40, 60, 80))
    return np.asarray(done, np.uint8), moved(truth, lambda at: at @ matrix[:, :2].T + matrix[:, 2], size, share)


def turned(degrees: float) -> Way:
    """Counter-clockwise, on a picture that is large enough."""

    def way(pixels: Rgb, truth: PictureTruth) -> Picture:
        height, width = pixels.shape[:2]
        matrix = np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0), np.float64)
        across, along = np.abs(matrix[0, :2])
        size = round(width * across + height * along), round(width * along + height * across)
        matrix[:, 2] += (np.array(size) - [width, height]) / 2
        return by_matrix(pixels, truth, matrix, size)

    return way


def mirrored(pixels: Rgb, truth: PictureTruth) -> Picture:
    """Left and right exchanged."""
    width = pixels.shape[1]
    matrix = np.array([[-1.0, 0.0, width - 1], [0.0, 1.0, 0.0]])
    return by_matrix(pixels, truth, matrix, (width, pixels.shape[0]))


def stretched(across: float, down: float) -> Way:
    """So many times as wide and as high."""

    def way(pixels: Rgb, truth: PictureTruth) -> Picture:
        height, width = pixels.shape[:2]
        size = round(width * across), round(height * down)
        share = np.array(size) / [width, height]
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        return small, moved(truth, lambda at: at * share, size, share)

    return way


def sent(longest: int, quality: int) -> Way:
    """As a messenger sends it: shrunk, and compressed once more."""

    def way(pixels: Rgb, truth: PictureTruth) -> Picture:
        share = min(1.0, longest / max(pixels.shape[:2]))
        small, now = stretched(share, share)(pixels, truth)
        return compressed(small, quality), now

    return way


def compressed(pixels: Rgb, quality: int) -> Rgb:
    """Through JPEG."""
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def placed(pixels: Rgb, truth: PictureTruth, canvas: Rgb, left: int, top: int) -> Picture:
    """The picture on something larger."""
    height, width = pixels.shape[:2]
    canvas[top : top + height, left : left + width] = pixels
    size = canvas.shape[1], canvas.shape[0]
    return canvas, moved(truth, lambda at: at + np.array([left, top]), size, np.ones(2))


def printed(
    canvas: Rgb, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int], wide: int = 1
) -> None:
    """Write a line of print."""
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, wide, cv2.LINE_AA)


def in_a_viewer(pixels: Rgb, truth: PictureTruth) -> Picture:
    """On the screen of a workplace: a menu above, a list of studies beside, a line of facts below."""
    share = 1500 / pixels.shape[1]
    page, now = stretched(share, share)(pixels, truth)
    canvas = np.full((page.shape[0] + 220, 1920, 3), DARK, np.uint8)
    canvas[:60] = 60
    for number, word in enumerate(("File", "View", "Measure", "Compare", "Print", "Help")):
        printed(canvas, word, (20 + 130 * number, 40), 0.7, LIGHT, 2)
    for number in range(9):
        printed(canvas, f"Study {1200 + 7 * number}  12-lead", (20, 130 + 60 * number), 0.55, LIGHT)
        cv2.line(canvas, (10, 145 + 60 * number), (350, 145 + 60 * number), (110, 110, 110), 1)
    printed(canvas, "25 mm/s   10 mm/mV   0.05-150 Hz", (400, page.shape[0] + 190), 0.7, LIGHT, 2)
    return placed(page, now, canvas, 390, 100)


def in_an_article(pixels: Rgb, truth: PictureTruth) -> Picture:
    """As a figure between lines of text, with a letter and a legend."""
    share = 1000 / pixels.shape[1]
    page, now = stretched(share, share)(pixels, truth)
    canvas = np.full((page.shape[0] + 560, 1240, 3), 252, np.uint8)
    text = "the patient was admitted with chest pain radiating to the left arm and dyspnoea since"
    for number in range(5):
        printed(canvas, text, (90, 70 + 36 * number), 0.72, (20, 20, 20))
        legend = "Figure 2. Twelve-lead electrocardiogram on admission. Note the changes in leads II, III"
        printed(canvas, legend[7 * number :], (90, page.shape[0] + 380 + 36 * number), 0.72, (20, 20, 20))
    printed(canvas, "A", (90, 300), 1.4, (20, 20, 20), 2)
    return placed(page, now, canvas, 120, 320)


def on_a_sheet(pixels: Rgb, truth: PictureTruth) -> Picture:
    """On an upright sheet under a letterhead."""
    share = 1300 / pixels.shape[1]
    page, now = stretched(share, share)(pixels, truth)
    canvas = np.full((max(2000, page.shape[0] + 300), 1414, 3), 255, np.uint8)
    printed(canvas, "St. Example Hospital  Department of Cardiology", (60, 90), 1.0, (20, 20, 20), 2)
    for number in range(4):
        printed(
            canvas, "Name: ______________   Date of birth: ____________", (60, 160 + 40 * number), 0.7, (20, 20, 20)
        )
    return placed(page, now, canvas, 57, min(330, canvas.shape[0] - page.shape[0] - 1))


def marked(pixels: Rgb, truth: PictureTruth) -> Picture:
    """Two leads under a highlighter, one with a ring around its middle, and an arrow to one."""
    done = pixels.copy()
    wide = max(2, round(0.6 * truth.px_per_mm[0]))
    for place, number in enumerate(np.random.default_rng(1).permutation(len(truth.leads))[:MARKED]):
        box = truth.leads[number].box
        middle, reach = box.mean(axis=0), np.ptp(box, axis=0) * [0.48, 0.4]
        (left, top), (right, bottom) = (middle - reach).astype(int), (middle + reach).astype(int)
        at = round(middle[0]), round(middle[1])
        if place % 3 == 0:
            part = done[top:bottom, left:right]
            part[:] = (part * (np.array([255, 250, 90]) / 255)).astype(np.uint8)
        elif place == 1:
            cv2.ellipse(
                done, at, ((right - left) // 3, (bottom - top) // 2), 0, 0, 360, (220, 20, 20), wide, cv2.LINE_AA
            )
        else:
            cv2.arrowedLine(done, (left, top), at, (20, 20, 200), wide, cv2.LINE_AA, tipLength=0.2)
    return done, truth


def copied(pixels: Rgb, truth: PictureTruth) -> Picture:
    """A photocopy: no colour, and a ruling that is nearly gone."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)
    dark, light = np.percentile(gray, (1, 60))
    gray = np.clip(1.25 * (gray - dark) / max(light - dark, 1.0), 0, 1) * 255
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2), truth


def stamped(pixels: Rgb, truth: PictureTruth) -> Picture:
    """A word in gray across the page."""
    height, width = pixels.shape[:2]
    word = np.zeros((height, width), np.uint8)
    size = width / 420
    place = round(0.18 * width), round(0.68 * height)
    cv2.putText(word, "COPY", place, cv2.FONT_HERSHEY_SIMPLEX, size, (255,), round(4 * size), cv2.LINE_AA)
    word = cv2.warpAffine(word, cv2.getRotationMatrix2D((width / 2, height / 2), 25, 1), (width, height))
    share = 0.35 * word[..., None] / 255
    return (pixels * (1 - share) + 120 * share).astype(np.uint8), truth


def blurred(pixels: Rgb, truth: PictureTruth) -> Picture:
    """Out of focus: 1.3 pixels of a picture of 1,400."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.3 * pixels.shape[1] / 1400), np.uint8), truth


def sharpened(pixels: Rgb, truth: PictureTruth) -> Picture:
    """As telephones do, and more."""
    soft = cv2.GaussianBlur(pixels, (0, 0), 2.0).astype(np.float64)
    return np.clip(pixels + 1.5 * (pixels - soft), 0, 255).astype(np.uint8), truth


def in_blue(pixels: Rgb, truth: PictureTruth) -> Picture:
    """Traces and print in blue ink."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)
    share = np.clip((150 - gray) / 100, 0, 1)[..., None]
    return (pixels * (1 - share) + np.array([40, 60, 170]) * share).astype(np.uint8), truth


def framed(pixels: Rgb, truth: PictureTruth) -> Picture:
    """On black, as an open scanner leaves it."""
    height, width = pixels.shape[:2]
    edge = round(0.06 * width)
    return placed(pixels, truth, np.zeros((height + 2 * edge, width + 2 * edge, 3), np.uint8), edge, edge)


WAYS: dict[str, Way] = {
    "upside down": turned(180),
    "on its left side": turned(90),
    "on its right side": turned(-90),
    "leaning 7°": turned(7),
    "leaning 12° the other way": turned(-12),
    "in a mirror": mirrored,
    "sent with 800 pixels": sent(800, 40),
    "sent with 640 pixels": sent(640, 60),
    "squeezed to 0.7 of its width": stretched(0.7, 1.0),
    "squeezed to 0.7 of its height": stretched(1.0, 0.7),
    "in a viewer": in_a_viewer,
    "in an article": in_an_article,
    "on an upright sheet": on_a_sheet,
    "marked with highlighter and pen": marked,
    "photocopied": copied,
    "stamped": stamped,
    "blurred": blurred,
    "sharpened": sharpened,
    "in blue ink": in_blue,
    "on black": framed,
}


def judged(file: Path, truths: dict[str, PictureTruth], ways: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """File, way and verdict of a picture as it is and in each way."""
    truth = truths[file.name]
    pixels = pixels_of(file, truth)
    found = [(file.name, "as it is", verdict_on(pixels, truth))]
    for name in ways:
        picture, now = WAYS[name](pixels, truth)
        found.append((file.name, name, verdict_on(np.ascontiguousarray(picture), now)))
    return found


def main(arguments: list[str] | None = None) -> None:
    """Judge the pictures under the folders and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ways", default=",".join(WAYS), help="separated by commas; all by default")
    options = parser.parse_args(arguments)
    truths = load_truth()
    judge = partial(judged, truths=truths, ways=tuple(options.ways.split(",")))
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        rows = [row for found in pool.imap(judge, straight_files(options.folders, truths)) for row in found]
    sys.stdout.write(table(rows))
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
