"""A run on waveforms teaches one on pages: it hands over its text tower, and pages come to lie where it puts them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from rich.console import Console

from retrieval.ecg.encodings import Encoding
from retrieval.ecg.encodings.packed import pack
from retrieval.ecg.page import PAPER
from retrieval.errors import BadArgument
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training.measure import embed_cases
from training.progress import Told
from training.recipe import ImageTower, Stage, recipe_of_run
from training.teacher import Teacher
from training.trainer import Trainer

pytestmark = [pytest.mark.train, pytest.mark.slow]

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


def of_waveforms(bert, **changes):
    return tiny_recipe(bert, encoding=Encoding("signal"), image=ImageTower("nearbeat_resnet1d"), **changes)


@pytest.fixture(scope="module")
def taught(bert, tmp_path_factory):
    """The folder of a finished run on waveforms, and its trainer."""
    folder = tmp_path_factory.mktemp("teacher")
    trainer = Trainer(of_waveforms(bert), folder, Told(Console(quiet=True)))
    trainer.run()
    return folder, trainer


@pytest.fixture
def told():
    return Told(Console(quiet=True))


def test_the_recipe_of_a_run_is_read_back(bert, taught):
    wanted = of_waveforms(bert)
    assert replace(recipe_of_run(taught[0]), threads=1, workers=0) == wanted


def test_its_vectors_of_waveforms_are_those_of_its_own_images(taught):
    teacher = Teacher(taught[0], CPU)
    signals = [case.signal - np.median(case.signal, axis=1, keepdims=True) for case in taught[1].material.validation]
    ink = (PAPER - np.stack([pack(signal) for signal in signals]).astype(np.float32)) / PAPER
    with torch.inference_mode():
        own = F.normalize(teacher.visual(torch.from_numpy(ink)[:, None]), dim=-1)
    direct = teacher.vectors(torch.from_numpy(np.stack(signals)), "float32")
    assert torch.allclose(own, direct, atol=1e-3)


def test_the_text_tower_and_the_statement_head_are_handed_over(bert, taught, tmp_path, told):
    trainer = Trainer(tiny_recipe(bert, teacher=str(taught[0])), tmp_path, told)
    state = Teacher(taught[0], CPU).state
    for name, value in trainer.model.state_dict().items():
        if name.startswith(("clip.text.", "statements.", "clip.logit_scale")):
            assert torch.equal(value, state[name]), name


def test_pages_come_to_lie_where_the_teacher_puts_their_waveforms(bert, taught, tmp_path, told):
    stages = (Stage("follow", 6, teacher=1.0, learning_rate=3e-3, strength=0.0),)
    trainer = Trainer(tiny_recipe(bert, stages=stages, teacher=str(taught[0])), tmp_path, told)
    signals = np.stack(
        [case.signal - np.median(case.signal, axis=1, keepdims=True) for case in trainer.material.cases]
    )
    wanted = Teacher(taught[0], CPU).vectors(torch.from_numpy(signals), "float32").numpy()

    def nearness():
        trainer.model.eval()
        return float((embed_cases(trainer.model, trainer.material.cases, CPU) * wanted).sum(axis=1).mean())

    before = nearness()
    trainer.run()
    assert nearness() > before + 0.2


def test_what_is_no_teacher_is_refused(bert, taught, tmp_path, told):
    with pytest.raises(BadArgument, match=r"holds no best\.pt"):
        Trainer(tiny_recipe(bert, teacher=str(tmp_path)), tmp_path / "a", told)
    other = tmp_path / "pages"
    Trainer(tiny_recipe(bert, stages=(Stage("align", 1, contrastive=1.0),)), other, told).run()
    with pytest.raises(BadArgument, match="is a run of nearbeat_vit_nano; it must read waveforms"):
        Teacher(other, CPU)
    with pytest.raises(BadArgument, match="does not fit this recipe"):
        Trainer(tiny_recipe(bert, teacher=str(taught[0]), dim=16), tmp_path / "b", told)
    (tmp_path / "best.pt").touch()
    (tmp_path / "recipe.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(BadArgument, match="lacks stages, corpora"):
        Teacher(tmp_path, CPU)


def test_a_teacher_that_saw_what_is_held_out_is_refused(bert, taught, tmp_path, told):
    with pytest.raises(BadArgument, match="was taught AFIB, which this recipe holds out"):
        Trainer(tiny_recipe(bert, teacher=str(taught[0]), held_out=("AFIB",)), tmp_path, told)


def test_a_stage_that_follows_a_teacher_needs_one(bert):
    with pytest.raises(BadArgument, match="stage follow learns from a teacher, and the recipe names none"):
        tiny_recipe(bert, stages=(Stage("follow", 1, teacher=1.0),))
