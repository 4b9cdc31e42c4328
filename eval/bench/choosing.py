"""Compare bundles as they are chosen: PTB-XL's fold 9 asks, folds 1 to 8 answer; fold 10 is not looked at.

``python -m eval.bench.choosing --ptbxl ptb-xl BUNDLE... [--cache FOLDER] [--all]``: the tasks of the protocol that
are measured on clean pages (docs/evaluation.md), with fold 9 in the place of fold 10, a column to each bundle.
Intervals would be wide: differences of a point or two say nothing. The vote's k is chosen on the fold it is measured
on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from eval.bootstrap import PatientBootstrap
from eval.embedding import embed_pages
from eval.measures import Measure
from eval.protocol import systems_of
from eval.split import Corpus, Split, split_by_fold
from eval.tasks.cases import case_measures
from eval.tasks.reports import report_measures
from eval.tasks.texts import text_measures
from eval.tasks.votes import vote_measures
from retrieval.corpora.ptbxl import PtbXl
from retrieval.towers.bundle import Bundle


def compare(corpus: Corpus, bundles: Sequence[Bundle], names: Sequence[str], cache: Path | None) -> list[Measure]:
    """The measures of tasks 1 to 4, fold 9 asking; the scores of each bundle stand under its name.

    Args:
        corpus: PTB-XL, whole or in part.
        bundles: the towers.
        names: of the bundles, in their order.
        cache: folder in which vectors are kept.

    Raises:
        CorpusError: when a patient stands on both sides of the split, or a side is empty.
    """
    split = split_by_fold(corpus)
    split = Split(split.gallery, split.validation, split.validation)
    rows = [row for part in (split.gallery, split.validation) for row in part.rows]
    embedded, pixels = embed_pages(corpus, rows, bundles, cache, lambda _done, _all: None)
    split = split.without({row.ecg_id for row in rows} - {int(ecg_id) for ecg_id in pixels.ids})
    systems = systems_of(split, dict(zip(names, bundles, strict=True)), embedded, None, cache)
    bootstrap = PatientBootstrap(split.queries.patients, 0)
    return [
        measure
        for measured in (case_measures, report_measures, text_measures, vote_measures)
        for measure in measured(split, systems, bootstrap)
    ]


def table(measures: Sequence[Measure], names: Sequence[str]) -> str:
    """A row to each measure, a column to each bundle."""
    lines = [f"| fold 9 | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for measure in measures:
        cells = [measure.scores[name].value if name in measure.scores else float("nan") for name in names]
        share = [f"{100 * value:.1f} %" if measure.unit == "%" else f"{value:.3f}" for value in cells]
        lines.append(f"| {measure.setting}, {measure.metric} | {' | '.join(share)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--ptbxl", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--all", action="store_true", help="slices by device, age and sex as well")
    given = parser.parse_args(arguments)
    names = [str(folder) for folder in given.bundles]
    measures = compare(PtbXl.open(given.ptbxl), [Bundle.load(folder) for folder in given.bundles], names, given.cache)
    shown = [measure for measure in measures if given.all or measure.headline]
    sys.stdout.write(table(shown, names))


if __name__ == "__main__":
    main()
