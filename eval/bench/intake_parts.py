"""Read parts of real pictures, two of them in one, and their negatives, and judge what the intake made of each.

Run by hand: ``python -m eval.bench.intake_parts FOLDER... [--workers 2] [--out parts.json]``.

People crop: the end of the rows, their beginning, the first row of leads is not in the picture; or two ECGs are. And
monitors show light traces on a dark ground. The pictures and their truth are those of ``eval.bench.intake_scans``, as
far as they lie straight; a lead of which less than a third is left is not asked for. The pitch is not judged: a
person measured it in the middle of the whole page. Of two pictures in one, one below the other, either may be read.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.bench.boxes import TrueLead, agreement
from eval.bench.intake_scans import CERTAIN, SUFFIXES
from eval.bench.pages.renderers import print_page
from eval.bench.truth import PictureTruth, load_truth
from retrieval.ecg.recording import LEADS
from retrieval.errors import NotAnEcg
from retrieval.intake import IntakeReport
from retrieval.intake.image_reader import read_image
from retrieval.intake.page.reading import read_page

Rgb = NDArray[np.uint8]
Window = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""
STRAIGHT = 0.02
"""Tilt of the first row, as rise over run, up to which a picture counts as lying straight."""
LEFT_OVER = 1 / 3
SHARES = {
    "first three quarters": (0.0, 0.72),
    "last three quarters": (0.28, 1.0),
    "first half": (0.0, 0.47),
    "last half": (0.53, 1.0),
}
"""Which part of the rows is in the picture; beside them it goes on as it was."""
VERDICTS = ("right", "nearly", "wrong, said", "wrong, silent", "refused")


def part_of_truth(truth: PictureTruth, window: Window) -> PictureTruth:
    """What is right of a part of a picture: leads cut at its edges, without those of which too little is left."""
    left, top, right, bottom = window
    moved, low, high = np.array([left, top]), np.array([0, 0]), np.array([right - left, bottom - top])
    leads = []
    for lead in truth.leads:
        box = np.clip(lead.box - moved, low, high)
        if (np.ptp(box, axis=0) >= LEFT_OVER * np.ptp(lead.box, axis=0)).all():
            leads.append(TrueLead(lead.lead, lead.row, box))
    corners = np.clip(truth.corners - moved, low, high)
    return replace(truth, size=(right - left, bottom - top), leads=tuple(leads), corners=corners)


def windows(truth: PictureTruth) -> Iterator[tuple[str, Window]]:
    """The parts of a picture."""
    width, height = truth.size
    begin, end = truth.corners[:2, 0]
    for name, (first, last) in SHARES.items():
        left = 0 if first == 0.0 else round(begin + first * (end - begin))
        right = width if last == 1.0 else round(begin + last * (end - begin))
        yield name, (left, 0, right, height)
    if truth.layout.startswith("3x4+"):
        second = min(float(lead.box[:2, 1].mean()) for lead in truth.leads if lead.row == 1)
        yield "without the first row", (0, round(second), width, height)


def verdict_on(pixels: Rgb, truth: PictureTruth) -> str:
    """The verdict on a picture; one of the leads that nobody asks for is no lead more."""
    try:
        _, report, _ = read_page(pixels)
    except NotAnEcg:
        return "refused"
    least = LEFT_OVER * min(np.ptp(lead.box[:, 0]) for lead in truth.leads if lead.lead in LEADS)
    kept = tuple(lead for lead in report.leads if np.ptp(np.array(lead.box)[:, 0]) >= least)
    return judged_report(replace(report, leads=kept), truth)


def judged_report(report: IntakeReport, truth: PictureTruth) -> str:
    """As ``judge``, whatever the pitch."""
    wanted = [lead for lead in truth.leads if lead.lead in LEADS]
    places = agreement(report.leads, wanted, truth.px_per_mm)
    if places.all_right and report.layout in (truth.layout, *truth.also):
        return "right"
    if places.all_placed:
        return "nearly"
    return "wrong, silent" if report.certainty >= CERTAIN else "wrong, said"


def verdict_on_two(pixels: Rgb, truths: Sequence[PictureTruth]) -> str:
    """The better of the verdicts on what was read, held against each of the two."""
    try:
        _, report, _ = read_page(pixels)
    except NotAnEcg:
        return "refused"
    return min((judged_report(report, truth) for truth in truths), key=VERDICTS.index)


def pixels_of(file: Path, truth: PictureTruth) -> Rgb:
    """The picture at the size that was measured."""
    pixels = print_page(file, truth).pixels if file.suffix.lower() == ".pdf" else read_image(file)
    return np.asarray(cv2.resize(pixels, truth.size, interpolation=cv2.INTER_AREA), np.uint8)


def judged(pair: tuple[Path, Path], truths: dict[str, PictureTruth]) -> list[tuple[str, str, str]]:
    """File, kind and verdict of all parts of a picture, and of it with another below."""
    file, other = pair
    truth = truths[file.name]
    pixels = pixels_of(file, truth)
    found = [(file.name, "whole", verdict_on(pixels, truth))]
    for name, (left, top, right, bottom) in windows(truth):
        part = np.ascontiguousarray(pixels[top:bottom, left:right])
        found.append((file.name, name, verdict_on(part, part_of_truth(truth, (left, top, right, bottom)))))
    found.append((file.name, "negative", verdict_on(255 - pixels, truth)))
    second = truths[other.name]
    wide = min(truth.size[0], second.size[0])
    pages = [_as_wide(one, wide) for one in (pixels, pixels_of(other, second))]
    both = _scaled(truth, wide / truth.size[0]), _scaled(second, wide / second.size[0], pages[0].shape[0])
    found.append((file.name, "two in one", verdict_on_two(np.asarray(np.vstack(pages), np.uint8), both)))
    return found


def _scaled(truth: PictureTruth, times: float, down: float = 0.0) -> PictureTruth:
    leads = tuple(replace(lead, box=lead.box * times + [0.0, down]) for lead in truth.leads)
    x, y = truth.px_per_mm
    return replace(truth, leads=leads, px_per_mm=(x * times, y * times))


def _as_wide(pixels: Rgb, width: int) -> Rgb:
    size = width, round(pixels.shape[0] * width / pixels.shape[1])
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def straight_files(folders: list[Path], truths: dict[str, PictureTruth]) -> list[Path]:
    """The files with a truth of their own that show an ECG which lies straight."""
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    return [
        file for file in files if file.name in truths and truths[file.name].is_of(file) and _lies(truths[file.name])
    ]


def _lies(truth: PictureTruth) -> bool:
    rise, run = (truth.corners[1] - truth.corners[0])[::-1]
    return truth.layout != "refuse" and run > 0 and abs(rise) <= STRAIGHT * run


def table(rows: list[tuple[str, str, str]]) -> str:
    """How many of each kind were right, nearly right, wrong and refused."""
    kinds = list(dict.fromkeys(kind for _, kind, _ in rows))
    lines = [f"| part | pictures | {' | '.join(VERDICTS)} |", f"|---|{'---:|' * (len(VERDICTS) + 1)}"]
    for kind in kinds:
        counts = Counter(verdict for _, mine, verdict in rows if mine == kind)
        lines.append(f"| {kind} | {counts.total()} | {' | '.join(str(counts[name]) for name in VERDICTS)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Judge the pictures under the folders and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    truths = load_truth()
    files = straight_files(options.folders, truths)
    pairs = list(zip(files, files[1:] + files[:1], strict=True))
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        rows = [row for found in pool.imap(partial(judged, truths=truths), pairs) for row in found]
    sys.stdout.write(table(rows))
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
