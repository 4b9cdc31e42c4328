"""What each part of the recipe brings: short runs that differ from one another in one thing, on PTB-XL's fold 9.

``python -m eval.bench.ablation training/recipes/ablation.yaml --out runs/ablation [--rows "base;no teacher"]`` trains
a row after the other and prints a Markdown table. Each row is a run in a folder of its own: stopped, the same command
goes on. What is measured is the model after its last step; no epoch is chosen.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from eval.metrics.ranking import average_precision, ndcg_at, rank_by_score
from eval.relevance import inverse_frequency, statement_matrix, weighted_jaccard
from eval.tasks.votes import prompts
from retrieval.corpora.ptbxl import RATE
from retrieval.ecg.encodings import Encoding
from retrieval.ecg.page import PAPER
from retrieval.scoring import (
    SUPERCLASSES,
    Bools,
    Floats,
    cosine,
    expected_recall,
    macro_auroc,
    other_patients,
    superclass_labels,
    vote_auroc,
)
from training.augment import Variation, varied_page
from training.case_list import TrainingCase
from training.measure import embed_cases, embed_texts
from training.progress import Told
from training.recipe import Recipe, load_recipe
from training.run import train_recipe
from training.teacher import TEXT
from training.text_tower import load_tokenizer
from training.texts import TextStream
from training.trainer import Trainer

Changes = Mapping[str, Any]
FROM_NOTHING: Changes = {"start": "", "epochs": 5}
ROWS: dict[str, Changes] = {
    "base": {},
    "base, seed 2": {"seed": 2},
    "base, seed 3": {"seed": 3},
    "no teacher": {"stage.teacher": 0.0},
    "nor its text tower": {"stage.teacher": 0.0, "teacher": ""},
    "no statement head": {"stage.statements": 0.0},
    "no contrast": {"stage.contrastive": 0.0},
    "signal decoder beside": {"stage.signal": 20.0},
    "soft positives (overlap)": {"stage.positives": "overlap"},
    "mixed positives": {"stage.positives": "mixed"},
    "SigLIP": {"stage.positives": "siglip"},
    "pages with like pages (neighbours)": {"stage.neighbours": 1.0},
    "findings by name (terms)": {"stage.terms": 1.0},
    "all patches": {"image.patch_drop": 0.0},
    "clean pages only": {"stage.strength": 0.0},
    "page, from nothing": FROM_NOTHING,
    "GASF, from nothing": {**FROM_NOTHING, "encoding": Encoding("gasf")},
    "RP, from nothing": {**FROM_NOTHING, "encoding": Encoding("rp")},
    "MTF, from nothing": {**FROM_NOTHING, "encoding": Encoding("mtf")},
    "GASF+RP+MTF, from nothing": {**FROM_NOTHING, "encoding": Encoding("gasf+rp+mtf")},
}
"""Rows by name: settings of the recipe; ``epochs`` and those behind ``stage.`` are of its only stage."""
WORN = Variation(spoiled=1.0)
NEIGHBOURS = 20
COLUMNS = (
    *("vote", "pairs R@1", "pairs R@10", "prompted", "nDCG@10", "superclass mAP"),
    *("vote, worn page", "pairs R@10, worn page"),
)
MEASURED = "measured.json"


def main() -> None:
    """Train what is not trained yet, measure, print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("recipe", type=Path, help="of one stage")
    ask.add_argument("--out", type=Path, required=True, help="where each row has its folder")
    ask.add_argument("--rows", default=";".join(ROWS), help="names, parted by semicolons; all without it")
    told = ask.parse_args()
    names = [name.strip() for name in told.rows.split(";")]
    if unknown := [name for name in names if name not in ROWS]:
        ask.error(f"there is no row '{unknown[0]}'; there are: {'; '.join(ROWS)}")
    recipe = load_recipe(told.recipe)
    _line(["row", *COLUMNS])
    _line(["---", *["---:"] * len(COLUMNS)])
    for name in names:
        found = measured(changed(recipe, ROWS[name]), told.out / _slug(name))
        _line([name, *(f"{found[column]:.3f}" if column in found else "–" for column in COLUMNS)])


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """A recipe of one stage with some settings changed."""
    (stage,) = recipe.stages
    own = {name.removeprefix("stage."): value for name, value in changes.items() if name.startswith("stage.")}
    stage = dataclasses.replace(stage, **own, **({"epochs": changes["epochs"]} if "epochs" in changes else {}))
    image = {name.removeprefix("image."): value for name, value in changes.items() if name.startswith("image.")}
    plain = {name: value for name, value in changes.items() if "." not in name and name != "epochs"}
    tower = dataclasses.replace(recipe.image, **image)
    return dataclasses.replace(recipe, stages=(stage,), image=tower, **plain)


def measured(recipe: Recipe, folder: Path) -> dict[str, float]:
    """The figures of a row, trained where they are not there yet."""
    kept = folder / MEASURED
    if not kept.is_file():
        trainer = train_recipe(recipe, folder, Told(Console(stderr=True)))
        kept.write_text(json.dumps(figures(trainer), indent=1), encoding="utf-8")
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def figures(trainer: Trainer) -> dict[str, float]:
    """Of the model as it stands, by the names of `COLUMNS`; worn pages only where the tower reads pages."""
    model, cases, recipe = trainer.model.eval(), trainer.material.validation, trainer.recipe
    pad = int(model.text_tower.config.pad_token_id)
    stream = TextStream(load_tokenizer(trainer.folder / TEXT), recipe.text, pad, False)
    reports = embed_texts(model, [case.texts[0] for case in cases], stream, trainer.device)
    sentences = [prompts("superclass", name) for name in SUPERCLASSES]
    named = np.stack([embed_texts(model, said, stream, trainer.device).mean(axis=0) for said in sentences])
    clean = embed_cases(model, cases, trainer.device, recipe.encoding)
    vote, first, tenth = _found(clean, reports, cases)
    labels = superclass_labels([case.statements for case in cases])
    prompted = macro_auroc(labels, cosine(clean, named / np.linalg.norm(named, axis=1, keepdims=True)))
    values = [vote, first, tenth, prompted, *_graded(clean, cases)]
    if recipe.encoding.is_page:
        worn = _worn(trainer, cases)
        values += [_vote(worn, clean, cases), expected_recall(worn, reports, _patients(cases), 10)]
    return dict(zip(COLUMNS, values, strict=False))


def _found(pages: Floats, reports: Floats, cases: Sequence[TrainingCase]) -> tuple[float, float, float]:
    recalls = [expected_recall(pages, reports, _patients(cases), k) for k in (1, 10)]
    return _vote(pages, pages, cases), recalls[0], recalls[1]


def _vote(asked: Floats, pages: Floats, cases: Sequence[TrainingCase]) -> float:
    """The neighbour vote of the fold's own clean pages; nobody's own ECGs vote."""
    labels = superclass_labels([case.statements for case in cases])
    return vote_auroc(asked, pages, labels, labels, k=NEIGHBOURS, allowed=_others(cases))


def _graded(pages: Floats, cases: Sequence[TrainingCase]) -> tuple[float, float]:
    """nDCG@10 by statements and macro mAP by superclass, of the fold's pages among its own."""
    allowed, statements = _others(cases), [case.statements for case in cases]
    ranking, stated = rank_by_score(cosine(pages, pages), allowed), statement_matrix(statements)
    gains = weighted_jaccard(stated, stated, inverse_frequency(stated)) * allowed
    classes, found = superclass_labels(statements), []
    for carries in classes.T:
        rows = np.flatnonzero(carries & (allowed & carries).any(axis=1))
        if rows.size:  # somebody else is of this class
            found.append(average_precision(ranking.rows(rows), carries & allowed[rows]).mean())
    return float(np.nanmean(ndcg_at(ranking, gains))), float(np.mean(found))


def _others(cases: Sequence[TrainingCase]) -> Bools:
    patients = _patients(cases)
    return other_patients(patients, patients) & ~np.eye(len(cases), dtype=np.bool_)


def _patients(cases: Sequence[TrainingCase]) -> list[str | None]:
    return [case.patient_key for case in cases]


@torch.inference_mode()
def _worn(trainer: Trainer, cases: Sequence[TrainingCase]) -> Floats:
    """Vectors of one worn page of each case, the same in every row."""
    rows = []
    for number, case in enumerate(cases):
        page, _ = varied_page(case.signal, RATE, np.random.default_rng([7, number]), WORN)
        ink = torch.from_numpy((PAPER - page.astype(np.float32)) / PAPER)[None, None]
        rows.append(trainer.model.pages(ink.to(trainer.device)).embedding.cpu())
    return torch.cat(rows).numpy()


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())


def _line(cells: list[str]) -> None:
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
