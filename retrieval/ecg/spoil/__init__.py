"""Spoil a clean page as scanners, years and telephones do: by a seed, with the way of every pixel known."""

from retrieval.ecg.spoil.catalogue import EFFECTS, HELD_OUT
from retrieval.ecg.spoil.kinds import RECIPES, Kind, spoil, spoil_with_transform
from retrieval.ecg.spoil.orientation import write_oriented
from retrieval.ecg.spoil.recipes import Recipe, Spoiled, Step, recipe_of
from retrieval.ecg.spoil.scene import Effect

__all__ = [
    "EFFECTS",
    "HELD_OUT",
    "RECIPES",
    "Effect",
    "Kind",
    "Recipe",
    "Spoiled",
    "Step",
    "recipe_of",
    "spoil",
    "spoil_with_transform",
    "write_oriented",
]
