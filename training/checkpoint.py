"""The state of a run on disk: always whole, never half written."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from retrieval.errors import BadArgument
from training.chance import Chance, chance_of_all
from training.ranks import Ranks
from training.recipe import RECIPE_FILE, Recipe, recipe_of_run

STATE = "state.pt"


@dataclass(frozen=True)
class Place:
    """Where a run stands: the next step to take is ``step`` of ``epoch`` of ``stage``, all counted from 0."""

    stage: int = 0
    epoch: int = 0
    step: int = 0


def frozen_names(model: torch.nn.Module) -> frozenset[str]:
    """The parameters that do not train."""
    return frozenset(name for name, p in model.named_parameters() if not p.requires_grad)


def save_state(
    folder: Path,
    place: Place,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    frozen: frozenset[str] | None = None,
    streams: Chance | None = None,
) -> None:
    """Write everything that the next step depends on, under a temporary name first.

    Args:
        folder: of the run.
        place: the next step.
        model: what is trained.
        optimizer: with its moments.
        frozen: parameters that no stage trains, which are left out; by default those that do not train now.
        streams: where the random streams of all processes stand; by default this one's.
    """
    frozen = frozen_names(model) if frozen is None else frozen
    state = {
        "place": asdict(place),
        "model": {name: value for name, value in model.state_dict().items() if name not in frozen},
        "optimizer": optimizer.state_dict(),
        "streams": chance_of_all(Ranks()) if streams is None else streams,
    }
    write_whole(folder / STATE, state)


def write_whole(path: Path, state: dict[str, Any]) -> None:
    """Save with torch, fsync and rename, so that a killed process leaves the old file or the new one."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as out:
        torch.save(state, out)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)


def read_state(folder: Path) -> dict[str, Any] | None:
    """The saved state, or ``None`` where none was saved."""
    path = folder / STATE
    return torch.load(path, weights_only=True, map_location="cpu") if path.is_file() else None


def load_trained(
    model: torch.nn.Module, state: dict[str, torch.Tensor], frozen: frozenset[str] | None = None
) -> None:
    """Fill a model with the saved tensors; only frozen ones may be absent.

    Raises:
        BadArgument: when the state belongs to another model.
    """
    frozen = frozen_names(model) if frozen is None else frozen
    missing, unexpected = model.load_state_dict(state, strict=False)
    lost = [name for name in missing if name not in frozen and "position_ids" not in name]
    if lost or unexpected:
        raise BadArgument(
            f"the saved state is of another model: {(lost + list(unexpected))[0]} does not fit; start anew"
        )


def pin_recipe(folder: Path, recipe: Recipe) -> None:
    """Keep the recipe beside the state, and refuse to go on with another one.

    Raises:
        BadArgument: when the folder belongs to a run of a different recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Threads and workers change how fast a run goes, not what is computed from which page.
    loose = {"threads": 0, "workers": 0, "checkpoint_minutes": 0.0}
    file = folder / RECIPE_FILE
    if not file.is_file():
        content = {name: value for name, value in asdict(recipe).items() if name not in loose}
        file.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    # A setting that is newer than the run stood at its default when the run was begun.
    elif replace(recipe_of_run(folder), **loose) != replace(recipe, **loose):
        raise BadArgument(f"{folder} holds a run of another recipe; choose another --out, or remove the folder")
