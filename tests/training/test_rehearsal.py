"""A rehearsal takes a few steps of every stage, says how long the whole would take, and leaves nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from retrieval.app.main import build_app
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training import rehearsal
from training.progress import Told
from training.recipe import Recipe
from training.rehearsal import StagePace, lines, rehearse

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return tiny_recipe(write_tiny_bert(tmp_path_factory.mktemp("bert")))


def test_every_stage_is_timed_and_nothing_is_left(recipe: Recipe, tmp_path: Path) -> None:
    found = rehearse(recipe, tmp_path / "run", 2, Told(Console(quiet=True)))
    assert found is not None
    # 32 cases in batches of 8; the second stage has two epochs.
    assert [(stage.name, stage.steps, stage.pages) for stage in found.stages] == [("read", 4, 8), ("align", 8, 8)]
    assert all(0 < stage.seconds < 60 for stage in found.stages)
    assert not (tmp_path / "run").exists()


def test_a_run_in_the_same_folder_is_not_touched(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"of a run")
    rehearse(recipe, tmp_path, 1, Told(Console(quiet=True)))
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_what_would_fail_at_the_end_fails_in_the_rehearsal(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Path:
        raise OSError("no space left")

    monkeypatch.setattr(rehearsal, "export_best", full)
    with pytest.raises(OSError, match="no space left"):
        rehearse(replace(recipe, stages=recipe.stages[:1]), tmp_path, 1, Told(Console(quiet=True)))


def test_the_hours_of_the_whole_are_told() -> None:
    found = rehearsal.Rehearsal((StagePace("read", 7200, 0.5, 64), StagePace("words", 3600, 1.0, 0)), 36.0, 12.25)
    assert list(lines(found)) == [
        "36 s until the first stage",
        "read: 7200 steps of 0.50 s, 128 pages a second: 1.0 hours",
        "words: 3600 steps of 1.00 s: 1.0 hours",
        "12.2 GiB of a GPU's memory at most",
        "in all 2.0 hours, measurements apart",
    ]


def test_the_command(recipe: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    settings = {
        "name": "tiny", "dim": 32, "batch": 8, "precision": "float32", "threads": 1, "workers": 0,
        "image": {"name": "nearbeat_vit_nano"}, "text": {"source": recipe.text.source, "prefix": ""},
        "corpora": [{"kind": "simulated", "cases": 16}],
        "stages": [{"name": "align", "epochs": 5, "contrastive": 1.0}],
    }  # fmt: skip
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = CliRunner().invoke(build_app(), ["train", str(file), "--out", str(tmp_path / "run"), "--rehearse", "1"])
    assert done.exit_code == 0, done.output
    assert "align: 10 steps of" in done.stdout
    both = CliRunner().invoke(build_app(), ["train", str(file), "--rehearse", "1", "--untrained"])
    assert both.exit_code == 2
    assert "give one of them" in both.output
    assert not (tmp_path / "run").exists()
