"""Where a run starts from: the weights that another run came to its end with."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch

from retrieval.errors import BadArgument
from training.lora import merged_state
from training.model import NearBeatModel
from training.recipe import Recipe, recipe_of_run

BEST = "best.pt"
"""What a run keeps its best weights in, inside its folder."""
PAGE_SIDE = ("clip.visual.", "decoder.")
"""The image tower, and the decoder that reads signals from its tokens."""
_BIAS = "clip.logit_bias"
"""Only models whose loss judges pairs have it."""
TEXT_SIDE = ("clip.text.", "clip.logit_scale", _BIAS, "statements.")
"""The text tower, the temperature, and the statement head that both sides share."""


def finished_run(folder: Path, role: str, held_out: Collection[str] = ()) -> tuple[Recipe, dict[str, torch.Tensor]]:
    """Recipe and best weights of a run, adapters merged.

    Args:
        folder: of the run.
        role: what it is to the run that asks, for the message.
        held_out: statements that it must never have seen either.

    Raises:
        BadArgument: when the folder holds no finished run, or one that saw what is held out.
    """
    best = folder / BEST
    if not best.is_file():
        raise BadArgument(f"the {role} {folder} holds no {BEST}; give the folder of a run that came to its end")
    recipe = recipe_of_run(folder)
    told = sorted(set(held_out) - set(recipe.held_out))
    if told:
        raise BadArgument(f"the {role} {folder} was taught {told[0]}, which this recipe holds out; train another")
    state: dict[str, torch.Tensor] = torch.load(best, weights_only=True, map_location="cpu")["model"]
    return recipe, merged_state(state, recipe.text.lora_alpha / recipe.text.lora) if recipe.text.lora else state


def fill(model: NearBeatModel, state: dict[str, torch.Tensor], side: tuple[str, ...], whose: str) -> None:
    """Fill the parts of a model whose names start so.

    Raises:
        BadArgument: when the state is of other parts; ``whose`` names them in the message.
    """
    part = {name: value for name, value in state.items() if name.startswith(side)}
    try:
        unknown = set(model.load_state_dict(part, strict=False).unexpected_keys) - {_BIAS}
    except RuntimeError as error:
        raise BadArgument(f"{whose} does not fit this recipe: {' '.join(str(error).split())}") from error
    if unknown:
        raise BadArgument(f"{whose} does not fit this recipe: it has {min(unknown)}, which the recipe's has not")


def start_pages(model: NearBeatModel, recipe: Recipe) -> None:
    """Start the image tower and its decoder from the run that the recipe names as ``start``.

    Raises:
        BadArgument: when that is no finished run, has another image tower, or saw what is held out.
    """
    folder = Path(recipe.start)
    before, state = finished_run(folder, "start", recipe.held_out)
    if before.image.name != recipe.image.name or before.encoding != recipe.encoding:
        raise BadArgument(
            f"the start {folder} is a run of {before.image.name} on encoding {before.encoding.name}; "
            f"this recipe trains {recipe.image.name} on {recipe.encoding.name}"
        )
    fill(model, state, PAGE_SIDE, f"the image tower of {folder}")
