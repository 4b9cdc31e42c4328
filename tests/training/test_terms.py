"""Findings by name: which are drawn, what answers them, and that a run learns to find by them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from rich.console import Console

from retrieval.ecg.encodings import Encoding
from retrieval.ecg.statements import STATEMENTS, synonyms
from retrieval.scoring import auroc
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training.cases import TARGETS, load_corpus, statement_targets
from training.loader import PageDataset, batches
from training.measure import embed_cases, embed_texts
from training.progress import Told
from training.recipe import CorpusSpec, ImageTower, Stage
from training.step import backward
from training.terms import TermBatch, Terms
from training.trainer import Trainer

pytestmark = pytest.mark.train

CODES = list(STATEMENTS)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


def test_every_statement_and_superclass_has_names_and_what_is_held_out_none():
    everything = Terms().texts
    assert {"Vorhofflimmern", "hypertrophy", "Myokardinfarkt"} <= set(everything)
    fewer = Terms(["AFIB"]).texts
    assert set(everything) - set(fewer) >= set(synonyms("AFIB", "de"))
    assert "Myokardinfarkt" in fewer


def test_only_what_some_page_shows_is_drawn_rare_or_not():
    targets = statement_targets([{"AFIB": None}] * 30 + [{"IMI": 80.0, "SR": None}])
    drawn = Terms().draw(targets, 4000, np.random.default_rng(0))
    names, counts = np.unique(np.array(TARGETS)[drawn.columns], return_counts=True)
    assert set(names) == {"AFIB", "IMI", "SR", "superclass MI"}
    assert counts.min() > 900
    assert all(word in Terms().texts for word in drawn.words)
    assert not Terms(["AFIB"]).draw(targets[:30], 8, np.random.default_rng(0)).words


def test_the_loss_by_hand(bert, tmp_path):
    recipe = tiny_recipe(bert, stages=(Stage("terms", 1, terms=1.0),))
    objective = Trainer(recipe, tmp_path, Told(Console(quiet=True))).objective
    batch = next(iter(objective_batches(objective)))
    rng = np.random.default_rng(1)
    pages, texts = (torch.from_numpy(rng.normal(size=(8, 32))).float() for _ in range(2))
    targets = objective.targets[batch.case].numpy()
    columns = rng.choice(np.flatnonzero(targets.any(axis=0)), 8)
    got = objective.of_terms(batch, pages, TermBatch([""] * 8, columns), texts)["terms"].item()
    scale = float(objective.model.clip.logit_scale.detach().exp())
    wanted = 0.0
    for column, text in zip(columns, texts.numpy().astype(float), strict=True):
        logits = scale * pages.numpy() @ text
        share = logits - np.log(np.exp(logits).sum())
        wanted -= share[targets[:, column] > 0].mean() / len(columns)
    assert got == pytest.approx(wanted, rel=1e-4)


def objective_batches(objective):
    cases = list(range(8))
    dataset = PageDataset(_cases(objective), np.array(cases), (3, 0, 0), 0.0)
    return batches(dataset, 8, 0, 0)


def _cases(objective):
    return load_corpus(objective.recipe.corpora[0], objective.recipe.seed).cases


@pytest.mark.slow
def test_a_run_learns_to_find_by_a_bare_term(bert, tmp_path):
    """On waveforms, which a small network learns in seconds: what it was shown, found by names alone."""
    stages = (Stage("terms", 30, terms=1.0, learning_rate=3e-3, strength=0.0),)
    waveforms = {"encoding": Encoding("signal"), "image": ImageTower("nearbeat_resnet1d")}
    corpora = (CorpusSpec("simulated", cases=64),)
    trainer = Trainer(
        tiny_recipe(bert, stages=stages, validation=None, corpora=corpora, batch=16, **waveforms),
        tmp_path,
        Told(Console(quiet=True)),
    )
    trainer.run()
    cases = trainer.material.cases
    vectors = embed_cases(trainer.model, cases, CPU, Encoding("signal"))
    stated = statement_targets(cases.statements()) > 0
    often = [code for code in CODES if 8 <= stated[:, CODES.index(code)].sum() <= 56]
    names = [synonyms(code, "en")[0] for code in often]
    terms = embed_texts(trainer.model, names, trainer.text_bank(stages[0]), CPU)
    areas = [auroc(stated[:, CODES.index(code)], vectors @ term) for code, term in zip(often, terms, strict=True)]
    assert np.mean(areas) > 0.75


@pytest.mark.slow
def test_in_parts_the_loss_is_the_same(bert, tmp_path):
    """With nothing dropped at random and the trunk frozen, a batch in parts has the terms loss of the whole."""
    stages = (Stage("terms", 1, terms=1.0, contrastive=1.0),)
    told = []
    for size in (0, 4):
        recipe = tiny_recipe(bert, stages=stages, pages_at_once=size, validation=None)
        trainer = Trainer(recipe, tmp_path / str(size), Told(Console(quiet=True)))
        trainer.model.eval()
        batch = next(iter(objective_batches(trainer.objective)))
        bank = trainer.text_bank(stages[0])
        told.append(backward(trainer.objective, stages[0], batch, None, bank)["terms"])
    assert told[0] == pytest.approx(told[1], rel=1e-3)
