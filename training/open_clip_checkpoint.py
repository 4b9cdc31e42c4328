"""The trained towers as a folder that open_clip loads: ``open_clip.create_model("local-dir:.")`` from within it.

Our image towers are timm models by name, so ``import training.image_tower`` comes first. Pages are ink of one
channel, ``(255 - gray) / 255``, which open_clip's own preprocessing does not make.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from retrieval.ecg.page import CANONICAL
from training.lora import without_adapters
from training.model import NearBeatModel
from training.recipe import Recipe
from training.text_encoder import AnyTextEncoder
from training.text_tower import load_tokenizer
from training.whole_folder import whole_folder

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"


def write_open_clip(model: NearBeatModel, recipe: Recipe, text_folder: Path, out: Path) -> bool:
    """Write weights, configuration and tokenizer; false where open_clip cannot build such a text tower.

    Args:
        model: in float32.
        recipe: the run's.
        text_folder: holds ``tokenizer.json``.
        out: the folder, replaced when it exists, once the new one is whole.
    """
    if isinstance(model.clip.text, AnyTextEncoder):
        return False
    settings, clip = model.text_tower.config, without_adapters(model.clip)
    state = {name: value.detach().cpu().contiguous().clone() for name, value in clip.state_dict().items()}
    with whole_folder(out) as folder:
        settings.save_pretrained(folder)
        _write_tokenizer(text_folder, folder, int(settings.pad_token_id))
        (folder / CONFIG).write_text(json.dumps(_config(recipe), indent=1) + "\n", encoding="utf-8")
        save_file(state, folder / WEIGHTS, {"format": "pt"})
    return True


def _config(recipe: Recipe) -> dict[str, Any]:
    vision = {"timm_model_name": recipe.image.name, "timm_pool": "avg", "timm_proj": "linear"}
    text = {"hf_model_name": ".", "hf_tokenizer_name": "."}
    text |= {"hf_proj_type": recipe.text.projection, "hf_pooler_type": recipe.text.pooler}
    start = {"init_logit_scale": math.log(10), "init_logit_bias": -10.0} if recipe.judges_pairs else {}
    towers = {
        "vision_cfg": vision | {"image_size": list(CANONICAL.shape)},
        "text_cfg": text | {"context_length": recipe.text.max_tokens},
    }
    return {"model_cfg": {"embed_dim": recipe.dim, **towers, **start}, "preprocess_cfg": {"mean": 0.0, "std": 1.0}}


def _write_tokenizer(source: Path, out: Path, pad: int) -> None:
    shutil.copyfile(source / "tokenizer.json", out / "tokenizer.json")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": load_tokenizer(source).id_to_token(pad)}
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
