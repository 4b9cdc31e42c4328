"""What a bundle loses by the form in which it is shipped: ONNX with rounded weights, against the run's own weights.

``python -m eval.bench.shipped_form --ptbxl FOLDER --run RUN [--bundle BUNDLE]`` prints
the headline rows of tasks 1 to 4 on fold 10, with torch in float32, with the bundle, and the difference, as Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from eval.bootstrap import PatientBootstrap
from eval.measures import Measure
from eval.split import Split, split_by_fold
from eval.systems import CHECKED, System
from eval.tasks.cases import case_measures
from eval.tasks.reports import report_measures
from eval.tasks.texts import text_measures
from eval.tasks.votes import vote_measures
from retrieval.corpora.ptbxl import PtbXl, PtbXlRow
from retrieval.ecg.page import Gray, canonical_page
from retrieval.towers.bundle import Bundle, page_input
from training.model import NearBeatModel
from training.start import finished_run

Vectors = NDArray[np.float32]
Encoder = Callable[[Sequence[Gray]], Vectors]
TextEncoder = Callable[[Sequence[str]], Vectors]
PAGES_AT_ONCE = 64


def main() -> None:
    """Encode the folds twice, measure twice, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ptbxl", type=Path, required=True, help="the folder that holds ptbxl_database.csv")
    parser.add_argument("--run", type=Path, required=True, help="the folder of the training run")
    parser.add_argument("--bundle", type=Path, default=None, help="the bundle; that of the run without it")
    options = parser.parse_args()
    corpus = PtbXl.open(options.ptbxl)
    split = split_by_fold(corpus)
    bundle = Bundle.load(options.bundle or options.run / "bundle")
    towers = Weights(options.run, bundle)
    first = measured(corpus, split, towers.encode_pages, towers.encode_texts)
    second = measured(corpus, split, bundle.encode_pages, bundle.encode_texts)
    _row(["measure", "as trained", "as shipped", "change in points"])
    _row(["---", "---:", "---:", "---:"])
    worst = 0.0
    for before, after in zip(first, second, strict=True):
        scale = 1 if before.unit == "place" else 100  # shares and areas are from 0 to 1
        ours, shipped = (scale * line.scores[CHECKED].value for line in (before, after))
        worst = min(worst, shipped - ours)
        _row([f"{before.setting}: {before.metric}", f"{ours:.2f}", f"{shipped:.2f}", f"{shipped - ours:+.2f}"])
    sys.stdout.write(f"\nThe largest loss is {-worst:.2f} points.\n")


class Weights:
    """A run's best weights in torch, float32; the bundle only cuts texts into tokens."""

    def __init__(self, run: Path, bundle: Bundle) -> None:
        recipe, state = finished_run(run, "run")
        self.model = NearBeatModel(recipe, run / "text").float().eval()
        self.model.load_state_dict(state, strict=False)
        self.bundle = bundle

    @torch.inference_mode()
    def encode_pages(self, pages: Sequence[Gray]) -> Vectors:
        """Unit rows ``[n, dim]``."""
        found = []
        for start in range(0, len(pages), PAGES_AT_ONCE):
            ink = np.concatenate([page_input(page) for page in pages[start : start + PAGES_AT_ONCE]])
            found.append(self.model.pages(torch.from_numpy(ink)).embedding)
        return torch.cat(found).numpy()

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit rows ``[n, dim]``, one text at a time, as the bundle does it."""
        tower = self.model.text_tower
        found = [F.normalize(tower(torch.from_numpy(self.bundle.tokens(text))), dim=-1) for text in texts]
        return torch.cat(found).numpy()


def measured(corpus: PtbXl, split: Split, encode: Encoder, texts: TextEncoder) -> list[Measure]:
    """The headline lines of tasks 1 to 4 with one pair of encoders."""

    def pages(rows: Sequence[PtbXlRow]) -> Vectors:
        return encode([canonical_page(corpus.recording(row)).pixels for row in rows])

    systems = [System(CHECKED, *(pages(part.rows) for part in split.parts), encode_texts=texts)]
    bootstrap = PatientBootstrap(split.queries.patients, 0)
    tasks = (case_measures, report_measures, text_measures, vote_measures)
    return [line for task in tasks for line in task(split, systems, bootstrap) if line.headline]


def _row(cells: list[str]) -> None:
    sys.stdout.write("| " + " | ".join(cells) + " |\n")


if __name__ == "__main__":
    main()
