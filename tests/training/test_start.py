"""A run that starts from another's image tower."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from rich.console import Console

from retrieval.errors import BadArgument
from tests.training.tiny import run_whole_and_parted, tiny_recipe, write_tiny_bert
from training.export import Facts
from training.progress import Told
from training.recipe import ImageTower, Stage
from training.run import data_lines
from training.start import PAGE_SIDE, finished_run
from training.trainer import Trainer

pytestmark = [pytest.mark.train, pytest.mark.slow]

ALIGN = (Stage("align", 1, contrastive=1.0),)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def before(bert, tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("before")
    Trainer(tiny_recipe(bert, name="before", stages=ALIGN), folder, Told(Console(quiet=True))).run()
    return folder


@pytest.fixture
def told():
    return Told(Console(quiet=True))


def test_image_tower_and_decoder_start_where_the_other_run_ended_and_nothing_else_does(bert, before, tmp_path, told):
    trainer = Trainer(tiny_recipe(bert, seed=8, stages=ALIGN, start=str(before)), tmp_path / "a", told)
    fresh = Trainer(tiny_recipe(bert, seed=8, stages=ALIGN), tmp_path / "b", told).model.state_dict()
    _, state = finished_run(before, "start")
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, (state if name.startswith(PAGE_SIDE) else fresh)[name]), name
    assert any(not torch.equal(state[name], value) for name, value in fresh.items() if name.startswith(PAGE_SIDE))


def test_a_stopped_run_goes_on_from_its_own_state(bert, before, tmp_path, told):
    recipe = tiny_recipe(bert, stages=ALIGN, start=str(before))
    run_whole_and_parted(recipe, tmp_path, told)


def test_the_card_names_it(bert, before, tmp_path, told):
    trainer = Trainer(tiny_recipe(bert, stages=ALIGN, start=str(before)), tmp_path, told)
    assert "before 0.1.0, a run on pages: its image tower to start from" in Facts(data_lines(trainer), {}).data


def test_what_does_not_fit_is_refused(bert, before, tmp_path, told):
    def started(name, **changes):
        return Trainer(tiny_recipe(bert, **{"start": str(before)} | changes), tmp_path / name, told)

    with pytest.raises(BadArgument, match=r"the start \S+ holds no best\.pt"):
        started("a", start=str(tmp_path))
    with pytest.raises(BadArgument, match="is a run of nearbeat_vit_nano on encoding page; this recipe trains near"):
        started("b", image=ImageTower("nearbeat_cnn"))
    with pytest.raises(BadArgument, match="does not fit this recipe"):
        started("c", dim=16)
    with pytest.raises(BadArgument, match="was taught AFIB, which this recipe holds out"):
        started("d", held_out=("AFIB",))
