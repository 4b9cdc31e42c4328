"""Read every picture and PDF under a folder and print what the intake made of each, with silent errors counted.

Run by hand: ``python -m eval.bench.intake_scans FOLDER [--truth TRUTH.csv] [--sheets OUT]``.

``TRUTH.csv`` is kept by hand beside the pictures: ``file,layout,px_per_mm_x,px_per_mm_y`` (``refuse`` as layout for
what is no 12-lead page; an empty scale is not judged). A silent error is a wrong layout or a scale off by more than
2 % that comes with a certainty of at least 0.5. ``--sheets`` writes the canonical pages to look at; they are made
from the pictures and belong where those belong.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadInput
from retrieval.intake import Intake, read

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pdf"})
CERTAIN = 0.5
SCALE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Truth:
    """What a person saw on a page."""

    layout: str
    px_per_mm: tuple[float | None, float | None]


@dataclass(frozen=True)
class Outcome:
    """One file: what was read, or why it was refused, and how long that took."""

    file: Path
    intake: Intake | None
    refusal: str
    seconds: float


def read_truth(path: Path) -> dict[str, Truth]:
    """The truth file as a mapping from file name."""
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["file"]: Truth(row["layout"], (_number(row["px_per_mm_x"]), _number(row["px_per_mm_y"])))
            for row in csv.DictReader(file)
        }


def _number(text: str) -> float | None:
    return float(text) if text.strip() else None


def judge(outcome: Outcome, truth: Truth) -> str:
    """``right``, ``wrong, said so``, ``silent error``, ``refused`` (an ECG) or ``rightly refused``."""
    if outcome.intake is None or outcome.intake.report is None:
        return "rightly refused" if truth.layout == "refuse" else "refused"
    report = outcome.intake.report
    scales = zip((report.px_per_mm_x, report.px_per_mm_y), truth.px_per_mm, strict=True)
    true = [known is None or abs(found / known - 1) <= SCALE_TOLERANCE for found, known in scales]
    if report.layout == truth.layout and all(true):
        return "right"
    return "silent error" if report.certainty >= CERTAIN else "wrong, said so"


def run(folder: Path) -> Iterable[Outcome]:
    """Read each file under ``folder`` in the order of names."""
    for file in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        start = time.perf_counter()
        try:
            intake, refusal = read(file), ""
        except BadInput as error:
            intake, refusal = None, f"{error.kind}: {error}"
        yield Outcome(file, intake, refusal, time.perf_counter() - start)


def line(outcome: Outcome, verdict: str) -> str:
    """One row of the table."""
    if outcome.intake is None or outcome.intake.report is None:
        return f"{outcome.file.name:18} refused  {outcome.refusal}  {outcome.seconds:.1f} s  {verdict}"
    report = outcome.intake.report
    return (
        f"{outcome.file.name:18} {report.layout:8} {report.px_per_mm_x:7.3f} {report.px_per_mm_y:7.3f} px/mm "
        f"{report.rotation_deg:6.1f} deg  certainty {report.certainty:.2f}  "
        f"assumed {','.join(report.assumed) or '-'}  {outcome.seconds:.1f} s  {verdict}"
    )


def contact_sheets(outcomes: list[Outcome], folder: Path, per_sheet: int = 18) -> None:
    """Write the canonical pages, three abreast, to ``folder/sheet-N.png``."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    pages = [np.pad(outcome.intake.page.pixels, 2, constant_values=128) for outcome in outcomes if outcome.intake]
    for number, first in enumerate(range(0, len(pages), per_sheet)):
        part: list[NDArray[np.uint8]] = pages[first : first + per_sheet]
        part += [np.full_like(pages[0], 128)] * (-len(part) % 3)
        rows = [np.hstack(part[i : i + 3]) for i in range(0, len(part), 3)]
        Image.fromarray(np.vstack(rows)).save(folder / f"sheet-{number}.png")


def main(arguments: list[str] | None = None) -> None:
    """Run over a folder and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--sheets", type=Path)
    options = parser.parse_args(arguments)
    truth = read_truth(options.truth) if options.truth else {}
    outcomes, verdicts = [], Counter[str]()
    for outcome in run(options.folder):
        known = truth.get(outcome.file.name)
        verdict = judge(outcome, known) if known else ("refused" if outcome.intake is None else "read")
        sys.stdout.write(line(outcome, verdict) + "\n")
        outcomes.append(outcome)
        verdicts[verdict] += 1
    sys.stdout.write(", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()) + "\n")
    if options.sheets:
        contact_sheets(outcomes, options.sheets)


if __name__ == "__main__":
    main()
