"""The loop as a whole: it learns, it resumes exactly, it refuses a leaking split."""

from __future__ import annotations

import json
import shutil

import pytest

pytest.importorskip("torch")

import torch
from open_clip.loss import ClipLoss, SigLipLoss
from rich.console import Console

from retrieval.errors import BadArgument, CorpusError
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training.checkpoint import STATE, Place, read_state
from training.measure import standing
from training.minutes import Minutes, read_minutes
from training.progress import Told
from training.recipe import CorpusSpec, Stage
from training.start import BEST
from training.trainer import LOG, Trainer

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def told():
    return Told(Console(quiet=True))


@pytest.fixture(scope="module")
def uninterrupted(bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    Trainer(tiny_recipe(bert), folder, Told(Console(quiet=True))).run()
    return folder


@pytest.mark.parametrize(
    "stop",
    [Place(0, 0, 2), Place(1, 0, 3), Place(1, 1, 4)],
    ids=["in stage 1", "in stage 2", "end of the last epoch"],
)
def test_stopped_and_resumed_equals_uninterrupted(bert, uninterrupted, tmp_path, told, stop):
    Trainer(tiny_recipe(bert), tmp_path, told).run(stop_after=lambda place: place == stop)
    assert read_state(tmp_path)["place"] == {"stage": stop.stage, "epoch": stop.epoch, "step": stop.step}
    Trainer(tiny_recipe(bert), tmp_path, told).run()

    whole, resumed = read_state(uninterrupted), read_state(tmp_path)
    assert resumed["place"] == whole["place"]
    assert whole["model"].keys() == resumed["model"].keys()
    for name, value in whole["model"].items():
        assert torch.equal(value, resumed["model"][name]), name


def test_every_stage_lowers_its_loss(bert, tmp_path, told):
    stages = (Stage("align", 6, contrastive=1.0, statements=1.0, signal=5.0, learning_rate=3e-3),)
    trainer = Trainer(tiny_recipe(bert, stages=stages), tmp_path, told)
    seen: list[dict[str, float]] = []
    step = trainer._step
    trainer._step = lambda *args: seen.append(step(*args)) or seen[-1]  # type: ignore[method-assign]
    trainer.run()
    for name in ("contrastive", "statements", "signal"):
        first, last = (sum(row[name] for row in part) for part in (seen[:4], seen[-4:]))
        assert last < first, name


def test_minutes_of_all_starts_are_added_and_a_finished_run_adds_none(tmp_path, monkeypatch):
    clock = iter(range(0, 6000, 60))
    monkeypatch.setattr("training.minutes.time.monotonic", lambda: float(next(clock)))
    assert read_minutes(tmp_path) is None
    first = Minutes(tmp_path)
    first.lap()
    first.lap()
    Minutes(tmp_path).lap()
    Minutes(tmp_path)
    assert read_minutes(tmp_path) == pytest.approx(3)


def test_what_is_kept_is_of_the_last_stage_that_aligns(bert, tmp_path):
    stages = (Stage("first", 1, contrastive=1.0), Stage("second", 1, contrastive=1.0, positives="mixed"))
    trainer = Trainer(tiny_recipe(bert, stages=stages), tmp_path, Told(Console(quiet=True)))
    scores = iter([0.9, 0.1])  # the first stage's epoch is the better one
    trainer.validate = lambda: {"vote_auroc": next(scores), "recall_at_10": 0.0}
    trainer.run()
    assert torch.load(tmp_path / BEST, weights_only=True)["stage"] == "second"


def test_log_and_best_are_written(uninterrupted):
    rows = [json.loads(line) for line in (uninterrupted / LOG).read_text().splitlines()]
    assert [(row["stage"], row["epoch"]) for row in rows] == [("read", 1), ("align", 1), ("align", 2)]
    best = torch.load(uninterrupted / BEST, weights_only=True)
    assert standing(best) == max(standing(row) for row in rows if "vote_auroc" in row)
    assert not list(uninterrupted.glob("*.tmp"))
    assert (read_minutes(uninterrupted) or 0) > 0


def test_the_frozen_trunk_stays_as_it_was(bert, uninterrupted):
    state = read_state(uninterrupted)["model"]
    assert not [name for name in state if name.startswith("clip.text.transformer.encoder")]
    assert [name for name in state if name.startswith("clip.text.proj")]


def test_unlocked_layers_train(bert, tmp_path, told):
    stages = (Stage("align", 1, contrastive=1.0, unlocked_layers=1),)
    trainer = Trainer(tiny_recipe(bert, stages=stages), tmp_path, told)
    before = {n: p.detach().clone() for n, p in trainer.model.clip.text.transformer.named_parameters()}
    trainer.run()
    changed = {n for n, p in trainer.model.clip.text.transformer.named_parameters() if not torch.equal(p, before[n])}
    assert changed
    assert all("layer.1." in name for name in changed)


@pytest.mark.parametrize("positives", ["clip", "siglip"])
def test_losses_of_open_clip_train_and_are_its_own(bert, tmp_path, told, positives):
    """The part that the log tells is what open_clip's class says of the same vectors."""
    stages = (Stage("align", 4, contrastive=1.0, positives=positives, learning_rate=3e-3),)
    trainer = Trainer(tiny_recipe(bert, stages=stages, validation=None), tmp_path, told)
    clip = trainer.model.clip
    images, texts = (torch.nn.functional.normalize(torch.randn(8, 32), dim=1) for _ in range(2))
    pages = next(iter(trainer.plan.epoch(Place())[1]))[0]
    got = trainer.objective.of_vectors(stages[0], pages, images, texts)["contrastive"]
    scale = clip.logit_scale.exp()
    wanted = (
        ClipLoss()(images, texts, scale)
        if positives == "clip"
        else SigLipLoss()(images, texts, scale, clip.logit_bias)
    )
    torch.testing.assert_close(got, wanted)
    if positives == "siglip":
        assert (round(scale.item(), 3), clip.logit_bias.item()) == (10, -10)
    seen: list[float] = []
    step = trainer._step
    trainer._step = lambda *args: seen.append(step(*args)["contrastive"]) or {"contrastive": seen[-1]}  # type: ignore[method-assign]
    trainer.run()
    assert sum(seen[-4:]) < sum(seen[:4])


def test_a_patient_on_both_sides_is_refused(bert, tmp_path, told):
    recipe = tiny_recipe(bert, validation=CorpusSpec("simulated", cases=4, seed=1_000_030))
    with pytest.raises(CorpusError, match="2 patients"):
        Trainer(recipe, tmp_path, told)


def test_a_folder_of_another_recipe_is_refused(bert, uninterrupted, told):
    with pytest.raises(BadArgument, match="another recipe"):
        Trainer(tiny_recipe(bert, seed=4), uninterrupted, told)


def test_a_run_that_is_older_than_a_setting_goes_on(bert, uninterrupted, tmp_path, told):
    """Its recipe lacks the setting, which then stood at what is now its default; its state held one random stream."""
    for file in uninterrupted.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path / file.name)
    content = json.loads((tmp_path / "recipe.json").read_text())
    del content["pages_at_once"], content["encoding"], content["text"]["lora"]
    (tmp_path / "recipe.json").write_text(json.dumps(content))
    state = torch.load(tmp_path / STATE, weights_only=True)
    state["rng"] = state.pop("streams")["cpu"][0]
    torch.save(state | {"place": {"stage": 1, "epoch": 1, "step": 4}}, tmp_path / STATE)
    Trainer(tiny_recipe(bert), tmp_path, told).run()
    with pytest.raises(BadArgument, match="another recipe"):
        Trainer(tiny_recipe(bert, pages_at_once=4), tmp_path, told)


def test_a_killed_save_leaves_the_old_state(uninterrupted, tmp_path, monkeypatch):
    from training import checkpoint

    shutil.copy(uninterrupted / STATE, tmp_path / STATE)
    old = (tmp_path / STATE).read_bytes()

    def killed(_number: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write_whole(tmp_path / STATE, {"place": {"stage": 9, "epoch": 9, "step": 9}})
    assert (tmp_path / STATE).read_bytes() == old
    assert read_state(tmp_path)["place"]["stage"] != 9
