"""Read real pictures and PDFs and judge what the intake made of each against what a person measured.

Run by hand: ``python -m eval.bench.intake_scans FOLDER... [--sheets OUT] [--show OUT] [--json OUT.json]``.

The truth is that of ``eval/bench/truth``, by file name; a picture with another sha256 than that of the one measured
is told apart. ``right``: the pitch within 2 % both ways, the layout, and every lead's box (``box_right``: its ends
within 6 mm, its middle within 5 mm across or a quarter of the distance of rows). ``nearly``: the pitch within 5 % and
every lead named at its place. Else ``refused``, or wrong: ``wrong, silent`` when it comes with a certainty of at
least 0.5, ``wrong, said`` below. ``--sheets`` writes the canonical pages to look at, ``--show`` each picture with the
true boxes (green) and those found (red); both are made from the pictures and belong where those belong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.bench.boxes import Agreement, agreement, corner_error_mm
from eval.bench.truth import PictureTruth, load_truth
from retrieval.ecg.recording import LEADS
from retrieval.errors import BadInput
from retrieval.intake import Intake, IntakeReport, read
from retrieval.intake.result import Quad

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pdf", ".heic"})
CERTAIN = 0.5
RIGHT_PITCH = 0.02
NEARLY_PITCH = 0.05
GOOD = ("right", "nearly", "rightly refused")


@dataclass(frozen=True)
class Outcome:
    """One file: what was read, or why it was refused, and how long that took."""

    file: Path
    intake: Intake | None
    refusal: str
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """The judgement on one picture; figures are ``None`` where there is nothing to compare.

    Args:
        verdict: one of those above, or ``"rightly refused"``.
        pitch_error: the larger of both directions, as a share.
        corner_mm: mean error of the four corners of the field of traces.
        places: the leads.
    """

    verdict: str
    pitch_error: float | None = None
    corner_mm: float | None = None
    places: Agreement | None = None


def judge(report: IntakeReport | None, truth: PictureTruth) -> Verdict:
    """Judge a report (``None`` when the picture was refused) against the truth."""
    if report is None:
        return Verdict("rightly refused" if truth.layout == "refuse" else "refused")
    report = in_pixels_of(report, truth.size)
    pitch = max(
        abs(found / known - 1)
        for found, known in zip((report.px_per_mm_x, report.px_per_mm_y), truth.px_per_mm, strict=True)
    )
    wanted = [lead for lead in truth.leads if lead.lead in LEADS]
    places = agreement(report.leads, wanted, truth.px_per_mm)
    named = truth.layout == "refuse" or report.layout in (truth.layout, *truth.also)
    if pitch <= RIGHT_PITCH and named and places.all_right:
        verdict = "right"
    elif pitch <= NEARLY_PITCH and places.all_placed:
        verdict = "nearly"
    else:
        verdict = "wrong, silent" if report.certainty >= CERTAIN else "wrong, said"
    corners = None if report.corners is None else np.asarray(report.corners, np.float64)
    return Verdict(verdict, pitch, corner_error_mm(corners, truth.corners, truth.px_per_mm), places)


def in_pixels_of(report: IntakeReport, size: tuple[int, int]) -> IntakeReport:
    """The report in pixels of a picture of ``size``: a PDF may be rendered at another resolution than measured."""
    if report.picture[0] in (0, size[0]):
        return report
    scale = size[0] / report.picture[0]
    leads = tuple(replace(lead, box=_scaled(lead.box, scale)) for lead in report.leads)
    return replace(
        report,
        px_per_mm_x=report.px_per_mm_x * scale,
        px_per_mm_y=report.px_per_mm_y * scale,
        corners=None if report.corners is None else _scaled(report.corners, scale),
        leads=leads,
        picture=size,
    )


def _scaled(quad: Quad, scale: float) -> Quad:
    a, b, c, d = ((x * scale, y * scale) for x, y in quad)
    return a, b, c, d


def run(folders: Iterable[Path]) -> Iterable[Outcome]:
    """Read each file under the folders in the order of names."""
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
            start = time.perf_counter()
            try:
                intake, refusal = read(file), ""
            except BadInput as error:
                intake, refusal = None, f"{error.kind}: {error}"
            yield Outcome(file, intake, refusal, time.perf_counter() - start)


HEAD = "| picture | verdict | layout | px/mm | pitch error | leads right | corners | certainty | assumed | s |"


def line(outcome: Outcome, verdict: Verdict | None) -> str:
    """One row of the table."""
    name, said = outcome.file.name, "not judged" if verdict is None else verdict.verdict
    report = outcome.intake.report if outcome.intake else None
    if report is None:
        return f"| {name} | {said} | | | | | | | {outcome.refusal} | {outcome.seconds:.1f} |"
    judged = "| | |"
    if verdict and verdict.places and verdict.pitch_error is not None and verdict.corner_mm is not None:
        places = verdict.places
        extra = f" +{places.extra}" if places.extra else ""
        judged = f"| {verdict.pitch_error:.1%} | {places.right}/{places.leads}{extra} | {verdict.corner_mm:.1f} mm |"
    return (
        f"| {name} | {said} | {report.layout} | {report.px_per_mm_x:.2f} {report.px_per_mm_y:.2f} {judged} "
        f"{report.certainty:.2f} | {', '.join(report.assumed)} | {outcome.seconds:.1f} |"
    )


def totals(verdicts: Iterable[str]) -> str:
    """The counts, and the share of right or nearly."""
    counts = Counter(verdicts)
    number = max(1, sum(counts.values()))
    good = sum(counts[name] for name in GOOD)
    shares = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return f"{number} judged: {shares}; right or nearly {good / number:.0%}, silent {counts['wrong, silent']}"


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


def show(outcome: Outcome, truth: PictureTruth, folder: Path) -> None:
    """Write the picture with the true boxes in green and those found in red to ``folder``."""
    import cv2
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    picture = cv2.resize(_pixels(outcome.file), truth.size, interpolation=cv2.INTER_AREA)
    thick = max(1, truth.size[0] // 900)
    report = outcome.intake.report if outcome.intake else None
    found = () if report is None else in_pixels_of(report, truth.size).leads
    marks = [(lead.lead, lead.box, (0, 150, 0)) for lead in truth.leads]
    marks += [(lead.lead, np.asarray(lead.box, np.float64), (220, 0, 0)) for lead in found]
    for name, box, colour in marks:
        corners = np.rint(np.asarray(box)).astype(np.int32)
        cv2.polylines(picture, [corners], True, colour, thick, cv2.LINE_AA)
        at = (int(corners[0, 0]) + 4 + 40 * (colour[0] > 0) * thick, max(14, int(corners[0, 1]) + 14))
        cv2.putText(picture, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45 * thick, colour, thick, cv2.LINE_AA)
    Image.fromarray(picture).save(folder / f"{outcome.file.stem}.png")


def _pixels(file: Path) -> NDArray[np.uint8]:
    from retrieval.intake.image_reader import read_image
    from retrieval.intake.pdf_reader import render_pages

    return next(render_pages(file))[0] if file.suffix.lower() == ".pdf" else read_image(file)


def _known(outcome: Outcome, truths: dict[str, PictureTruth]) -> PictureTruth | None:
    truth = truths.get(outcome.file.name)
    if truth and not truth.is_of(outcome.file):
        sys.stderr.write(f"'{outcome.file.name}' is not the picture that was measured (other sha256); not judged\n")
        return None
    return truth


def main(arguments: list[str] | None = None) -> None:
    """Run over the folders and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--truth", type=Path, nargs="*", default=(), help="other truth files than the package's own")
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--show", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    truths = load_truth(*options.truth)
    outcomes, rows, said = [], [], []
    sys.stdout.write(f"{HEAD}\n|{' --- |' * (HEAD.count('|') - 1)}\n")
    for outcome in run(options.folders):
        truth = _known(outcome, truths)
        verdict = judge(outcome.intake.report if outcome.intake else None, truth) if truth else None
        sys.stdout.write(line(outcome, verdict) + "\n")
        sys.stdout.flush()
        outcomes.append(outcome)
        if truth and verdict:
            said.append((outcome.file.parent.name, verdict.verdict))
            rows.append({"file": outcome.file.name, **asdict(verdict)})
            if options.show:
                show(outcome, truth, options.show)
    for group in sorted({group for group, _ in said}):
        sys.stdout.write(f"\n{group}: {totals(name for mine, name in said if mine == group)}\n")
    if len(said):
        sys.stdout.write(f"\nall: {totals(name for _, name in said)}\n")
    if options.sheets:
        contact_sheets(outcomes, options.sheets)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
