"""Prints, scans and photos against a gallery of PTB-XL folds 1-8: what comes back, in figures.

``python -m eval.bench.first_look --ptbxl FOLDER --gallery GALLERY --prints FOLDER --scans FOLDER`` prints Markdown.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from index.errors import NearBeatError
from retrieval.corpora.ptbxl import PtbXl, PtbXlRow
from retrieval.ecg.page import canonical_page
from retrieval.ecg.statements import superclasses
from retrieval.engine import Engine, open_gallery
from retrieval.intake import read

K = 10


def main() -> None:
    """Measure the prints against their own records, then tell what the scans' neighbours are."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ptbxl", "gallery", "prints", "scans"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    with open_gallery(args.gallery) as engine:
        prints(engine, PtbXl.open(args.ptbxl), sorted(args.prints.glob("*.pdf")))
        scans(engine, sorted(args.scans.rglob("*.*")))


def prints(engine: Engine, corpus: PtbXl, files: list[Path]) -> None:
    """The same ECG as somebody else's print and as our own clean page."""
    rows = {row.ecg_id: row for row in corpus.rows}
    towers = engine.towers
    cosine, shared, printed, clean, chance = [], [], [], [], []
    prevalence = engine_superclasses(engine)
    for file in files:
        row = rows[int(re.findall(r"\d+", file.stem)[0])]
        page = canonical_page(corpus.recording(row))
        scan = read(file).page
        vectors = towers.encode_pages([page.pixels, scan.pixels])
        cosine.append(float(vectors[0] @ vectors[1]))
        from_print, from_page = (engine.query(p, K).hits for p in (scan, page))
        shared.append(len({h.case_id for h in from_print} & {h.case_id for h in from_page}) / K)
        printed.append(precision(row, from_print))
        clean.append(precision(row, from_page))
        chance.append(np.mean([bool(found & superclasses(row.statements)) for found in prevalence]))
    line(
        f"* {len(files)} prints. Cosine of a print and the page of its record: median {np.median(cosine):.3f}, "
        f"least {min(cosine):.3f}."
    )
    line(f"* Of ten neighbours, {np.mean(shared) * K:.1f} are the same for the print and for the page.")
    line(
        f"* Neighbours with a superclass in common: print {np.mean(printed):.3f}, page {np.mean(clean):.3f}, "
        f"chance {np.mean(chance):.3f} (mean of {len(files)})."
    )


def engine_superclasses(engine: Engine) -> list[frozenset[str]]:
    """The superclasses of each case of the gallery."""
    gallery = engine.gallery
    return [superclasses(case.statements) for case in gallery.cases(gallery.ids())]


def precision(row: PtbXlRow, hits: tuple) -> float:
    """Share of hits with a superclass in common with the record."""
    own = superclasses(row.statements)
    return float(np.mean([bool(own & superclasses(hit.statements)) for hit in hits]))


def scans(engine: Engine, files: list[Path]) -> None:
    """How often each superclass stands among the neighbours, by the folder or the class in the file's name."""
    found: dict[str, list[Counter[str]]] = defaultdict(list)
    refused = []
    for file in files:
        try:
            hits = engine.query(file, K).hits
        except NearBeatError as error:
            refused.append(f"{file.name}: {error}")
            continue
        label = re.sub(r"\(.*", "", file.stem) if "(" in file.stem else file.parent.name
        found[label].append(Counter(c for hit in hits for c in superclasses(hit.statements)))
    names = ("NORM", "MI", "STTC", "CD", "HYP")
    line(
        "\n| pages | n | " + " | ".join(f"{name} among ten" for name in names) + " |\n|---|---|" + "---|" * len(names)
    )
    share = Counter(c for case in engine_superclasses(engine) for c in case)
    total = len(engine.gallery)
    line("| *share in the gallery* | | " + " | ".join(f"*{10 * share[name] / total:.1f}*" for name in names) + " |")
    for label, counts in sorted(found.items()):
        means = [np.mean([count[name] for count in counts]) for name in names]
        line(f"| {label} | {len(counts)} | " + " | ".join(f"{mean:.1f}" for mean in means) + " |")
    line(f"\nRefused: {len(refused)}. " + "; ".join(refused))


def line(text: str) -> None:
    """A line of Markdown."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
