"""Each row of the ablation changes what its name says and nothing else; a row is measured once."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

import training.recipe
from eval.bench.ablation import COLUMNS, MEASURED, ROWS, changed, measured
from retrieval.ecg.encodings import Encoding
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training.recipe import Recipe, load_recipe

pytestmark = pytest.mark.slow


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    for name in ("PTBXL", "RESCALED", "SMALL", "SIGNAL"):
        monkeypatch.setenv(name, f"/{name.lower()}")
    return load_recipe(Path(training.recipe.__file__).parent / "recipes" / "ablation.yaml")


@pytest.mark.parametrize("name", ROWS)
def test_a_row_changes_what_it_names(shipped: Recipe, name: str) -> None:
    row = changed(shipped, ROWS[name])
    moved = {key for key, value in asdict(row).items() if value != asdict(shipped)[key]}
    named = {key.partition(".")[0] for key in ROWS[name]}
    assert moved == {{"stage": "stages", "epochs": "stages"}.get(key, key) for key in named}
    assert len(row.stages) == 1


def test_a_row_of_an_unknown_setting_is_a_mistake(shipped: Recipe) -> None:
    with pytest.raises(TypeError, match="no_such"):
        changed(shipped, {"stage.no_such": 1.0})


@pytest.mark.parametrize("encoding", [Encoding("page"), Encoding("gasf")], ids=lambda one: one.name)
def test_a_row_is_measured_once(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, encoding: Encoding) -> None:
    recipe = tiny_recipe(write_tiny_bert(tmp_path_factory.mktemp("bert")), encoding=encoding)
    recipe = replace(recipe, stages=(replace(recipe.stages[1], epochs=1),))
    found = measured(recipe, tmp_path)
    assert list(found) == list(COLUMNS[: 8 if encoding.is_page else 6])
    assert all(0 <= value <= 1 for value in found.values())
    (tmp_path / MEASURED).write_text('{"vote": 0.25}', encoding="utf-8")
    assert measured(recipe, tmp_path) == {"vote": 0.25}
