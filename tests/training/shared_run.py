"""A run with every loss, and its step written down plainly: for one process and for several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from tests.retrieval.corpora.test_ptbxl import line, write_database
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training.checkpoint import Place
from training.progress import Told
from training.recipe import CorpusSpec, ImageTower, Recipe, ReportSpec, Stage
from training.step import backward
from training.trainer import Trainer

SAID = ("{'SR': 0.0, 'AFIB': 100.0}", "{'NORM': 100.0}", "{'IMI': 15.0, 'SR': 0.0}", "{'CLBBB': 100.0}")


def shared_recipe(folder: Path, **changes: object) -> Recipe:
    """Every loss in two stages, and nothing dropped at random: that is each process's own."""
    lines = [line(i, strat_fold="1", scp_codes=SAID[i % 4], report=f"befund {i % 7}") for i in range(1, 41)]
    (folder / "bert").mkdir()
    settings: dict[str, object] = {
        "image": ImageTower("nearbeat_vit_nano", 0.0, 0.0),
        "corpora": (CorpusSpec("simulated", cases=24),),
        "validation": None,
        "reports": ReportSpec(str(write_database(folder, lines)), "1", batch=8),
        "stages": (
            Stage("read", 1, signal=5.0, statements=1.0, learning_rate=1e-3),
            stage_of_all("align"),
        ),
    }
    return tiny_recipe(write_tiny_bert(folder / "bert"), **(settings | changes))


def stage_of_all(name: str) -> Stage:
    """One with the losses that stand on whole batches, on single pages and on texts."""
    stage = Stage(name, 1, contrastive=1.0, neighbours=1.0, statements=1.0, signal=5.0)
    return replace(stage, reports=0.5, unlocked_layers=1)


def in_parts(folder: Path, **changes: object) -> Recipe:
    stage = stage_of_all("all")
    tower = ImageTower("nearbeat_vit_nano", drop_path=0.3, patch_drop=0.25)
    return shared_recipe(folder, stages=(stage,), image=tower, pages_at_once=3, **changes)


def in_one_graph(trainer, pages, texts) -> dict[str, float]:
    """The step written down plainly: each part of three pages through the tower, everything kept."""
    objective, stage = trainer.objective, trainer.recipe.stages[0]
    answers = [objective.read_pages(stage, part) for part in pages.parts(3)]
    vectors = torch.cat([answer.vectors for answer in answers])
    words = objective.read_texts(pages.words, trainer.bank)
    parts = objective.of_vectors(stage, pages, vectors, words)
    decoded = torch.cat([answer.decoded for answer in answers])
    parts |= objective.of_signals(pages, decoded, objective.known_samples(pages))
    parts |= objective.of_reports(texts, objective.read_texts(texts.words, trainer.bank))
    objective.weighted(stage, parts).backward()
    return {name: float(value.detach()) for name, value in parts.items()}


def compare(recipe: Recipe, folder: Path) -> None:
    trainer = Trainer(recipe, folder, Told(Console(quiet=True)))
    model, stage = trainer.model, recipe.stages[0]
    trainer.bank = trainer.text_bank(stage)
    pages, texts = next(iter(trainer.plan.epoch(Place())[1]))
    model.train()
    model.clip.text.transformer.eval()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    results = []
    for way in (
        lambda: backward(trainer.objective, stage, pages, texts, trainer.bank),
        lambda: in_one_graph(trainer, pages, texts),
    ):
        model.load_state_dict(start)
        model.zero_grad()
        torch.manual_seed(11 + trainer.ranks.rank)
        told = way()
        results.append((told, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}, torch.rand(1)))
        results[-1][1].update({n: b.clone() for n, b in model.named_buffers()})
    (told, got, drawn), (wanted_told, wanted, wanted_drawn) = results
    assert told.keys() == {"contrastive", "neighbours", "statements", "signal", "reports"}
    assert told == pytest.approx(wanted_told, rel=1e-5)
    assert got.keys() == wanted.keys()
    assert any("text.transformer.encoder.layer.1" in name for name in got)
    for name, value in wanted.items():
        torch.testing.assert_close(got[name], value, atol=2e-6, rtol=2e-4, msg=lambda m, n=name: f"{n}: {m}")
    # The second pass left the random stream where one pass leaves it.
    assert torch.equal(drawn, wanted_drawn)
