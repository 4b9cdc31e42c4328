"""Draw pages, spoil them, read them back, and judge what was read against what was drawn.

Run by hand: ``python -m eval.bench.intake_pages [--pages 2000] [--workers 2] [--out pages.jsonl] [--table pages.md]
[--prints FOLDER]``.

Our own drawer in every layout, order, speed, gain, ruling and resolution, spoiled by our recipes at three strengths;
effects that neither tuning nor training saw; augraphy; pages of two other renderers; each in a row of its own. The
seeds lie below 100,000, and nothing is tuned on them. A run that was cut off goes on where it was: scores are
appended to ``--out``, a JSON line a page. augraphy, ecg-plot and dicom-ecg-plot are optional: ``pip install augraphy
ecg-plot dicom-ecg-plot matplotlib``; rows of what is not installed are left out and named. ``--prints`` adds a table
of real PDF prints (those of ``eval/bench/truth/prints.json``); it stays apart from that of simulated pages.

Judged of each page: the pitch both ways, in the middle of the field; the corners of the field of traces; the layout;
each lead's box (``eval.bench.boxes``); print that the mask keeps (of the pixels of print that lie over 0.4 mm from a
trace); trace that the mask keeps (within one pixel of the flat page, 0.17 mm). Shares are of all pages of a row, so a
refusal counts as a miss. Silent is what is wrong with a certainty of at least 0.5.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from eval.bench.pages.judging import score
from eval.bench.pages.plan import ROWS, Row, make, missing, spoil_as, tasks
from eval.bench.pages.renderers import print_page
from eval.bench.pages.tables import Score, table
from eval.bench.truth import load_truth

PRINT_ROWS = (
    Row("print", "clean", "", 0, 1),
    Row("print", "recipe", "scan", 2, 1),
    Row("print", "recipe", "photo", 2, 1),
)


def one(task: tuple[int, int]) -> Score:
    """Draw, spoil, read and judge one page."""
    row, page = task
    clean, picture = make(row, page)
    found = score(picture.pixels, clean, picture.forward, picture.shows)
    drawn = {"layout": clean.layout, "order": clean.order, "px_per_mm": clean.px_per_mm, "speed": clean.speed}
    return {"row": row, "page": page, "drawn": drawn, **asdict(found)}


def one_print(file: Path) -> list[Score]:
    """The rows of one real print."""
    clean = print_page(file, load_truth()[file.name])
    scores = []
    for i, row in enumerate(PRINT_ROWS):
        picture = spoil_as(row, clean, np.random.default_rng([81, i, int.from_bytes(file.stem.encode()) % 2**31]))
        found = score(picture.pixels, clean, picture.forward, picture.shows)
        scores.append({"row": i, "file": file.name, **asdict(found)})
    return scores


def done_before(out: Path) -> list[Score]:
    """Scores of an earlier run; a line that was cut off is left out."""
    if not out.exists():
        return []
    lines = out.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def run(left: list[tuple[int, int]], out: Path, workers: int) -> Iterator[Score]:
    """Score what is left, appending each to ``out``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with out.open("a", encoding="utf-8") as file, multiprocessing.get_context("spawn").Pool(workers, quiet) as pool:
        for n, found in enumerate(pool.imap_unordered(one, left), start=1):
            file.write(json.dumps(found) + "\n")
            file.flush()
            if sys.stderr.isatty() or n % 50 == 0:
                spent = time.monotonic() - start
                sys.stderr.write(
                    f"{n} of {len(left)} pages, {spent:.0f} s, {spent / n * (len(left) - n):.0f} s to go\n"
                )
            yield found


def quiet() -> None:
    """One thread a process: the processes are what runs side by side."""
    cv2.setNumThreads(1)


def report(scores: list[Score]) -> str:
    """The tables of simulated pages."""
    ours = [s for s in scores if ROWS[s["row"]].source == "drawn" and ROWS[s["row"]].way != "augraphy"]
    tuned = [s for s in ours if ROWS[s["row"]].way == "recipe"]
    names = sorted({s["drawn"]["layout"] for s in ours})
    kinds = dict.fromkeys(row.kind for row in ROWS if row.way == "recipe" and row.source == "drawn")
    totals = [
        *((f"{kind}, all strengths", [s for s in tuned if ROWS[s["row"]].kind == kind]) for kind in kinds),
        ("scan, paper and fax", [s for s in tuned if not ROWS[s["row"]].is_photo]),
        ("photo and screen", [s for s in tuned if ROWS[s["row"]].is_photo]),
        ("all pages", scores),
    ]
    parts = [
        table("rows", ((row.name, [s for s in scores if s["row"] == i]) for i, row in enumerate(ROWS))),
        table("together", totals),
        table("layout", ((name, [s for s in ours if s["drawn"]["layout"] == name]) for name in names)),
        "Scale (speed and gains) as drawn: " + _scale(scores),
    ]
    if missing():
        parts.append(f"Not installed, so without their rows: {', '.join(missing())}.")
    return "\n\n".join(parts) + "\n"


def _scale(scores: Iterable[Score]) -> str:
    read = [s for s in scores if s["pitch_error"] is not None]
    return f"{100 * sum(s['scale_right'] for s in read) / max(1, len(read)):.1f} % of the pages that were read."


def prints(folder: Path, workers: int) -> str:
    """The table of real prints."""
    files = [file for file in sorted(folder.glob("*.pdf")) if file.name in load_truth()]
    with multiprocessing.get_context("spawn").Pool(workers, quiet) as pool:
        scores = [s for some in pool.imap(one_print, files) for s in some]
    return table(
        "real prints", ((row.name, [s for s in scores if s["row"] == i]) for i, row in enumerate(PRINT_ROWS))
    )


def main(arguments: list[str] | None = None) -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("intake_pages.jsonl"))
    parser.add_argument("--table", type=Path)
    parser.add_argument("--prints", type=Path)
    options = parser.parse_args(arguments)
    wanted = list(tasks(options.pages))
    scores = [s for s in done_before(options.out) if (s["row"], s["page"]) in set(wanted)]
    done = {(s["row"], s["page"]) for s in scores}
    left = [task for task in wanted if task not in done]
    if left:
        scores += run(left, options.out, options.workers)
    text = report(scores)
    if options.prints:
        text += "\n" + prints(options.prints, options.workers) + "\n"
    sys.stdout.write(text)
    if options.table:
        options.table.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
