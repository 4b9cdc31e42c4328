"""What is trained: open_clip's two-tower model, and the heads that share its image tower."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.model import CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP
from torch import nn

import training.image_tower  # registers our towers with timm
import training.signal_tower  # noqa: F401  # likewise
from retrieval.ecg.page import CANONICAL
from retrieval.errors import BadArgument
from training.cases import TARGETS
from training.heads import SignalDecoder, StatementHead
from training.lora import MARK, add_adapters, has_adapters
from training.recipe import Recipe
from training.text_encoder import AnyTextEncoder, check_pooler, open_clip_builds

_PLACEHOLDER = CLIPTextCfg(context_length=1, vocab_size=1, width=8, heads=1, layers=1)
"""What open_clip builds where the text tower is put in afterwards."""


@dataclass(frozen=True)
class PageOutput:
    """What the image side answers for a batch: unit ``embedding`` ``[n, dim]``, ``tokens`` ``[n, tokens, width]``."""

    embedding: torch.Tensor
    tokens: torch.Tensor


class NearBeatModel(nn.Module):
    """The towers (``clip``, an open_clip ``CustomTextCLIP``), the statement head and the signal decoder."""

    def __init__(self, recipe: Recipe, text_folder: Path) -> None:
        super().__init__()
        self.clip = build_clip(recipe, text_folder)
        self.statements = StatementHead(recipe.dim, len(TARGETS))
        self.decoder = SignalDecoder(self.image_tower.trunk.num_features)

    # torch types every submodule as "Tensor or Module"; what open_clip builds here is known.
    @property
    def image_tower(self) -> Any:
        """open_clip's ``TimmModel``."""
        return self.clip.visual

    @property
    def text_tower(self) -> Any:
        """open_clip's ``HFTextEncoder``."""
        return self.clip.text

    def pages(self, ink: torch.Tensor) -> PageOutput:
        """Embed pages ``[n, 1, 256, 512]`` of ink, 0 to 1."""
        visual = self.image_tower
        tokens = visual.trunk.forward_features(ink)
        embedding = visual.head(visual.trunk.forward_head(tokens, pre_logits=True))
        return PageOutput(F.normalize(embedding.float(), dim=-1), tokens)

    def texts(self, features: torch.Tensor) -> torch.Tensor:
        """Unit embeddings ``[n, dim]`` of the frozen trunk's answers ``[n, width]``."""
        return F.normalize(self.text_tower.proj(features).float(), dim=-1)


def build_clip(recipe: Recipe, text_folder: Path) -> CustomTextCLIP:
    """The two towers as open_clip builds them from their names."""
    check_pooler(recipe.text)
    vision = CLIPVisionCfg(
        timm_model_name=recipe.image.name,
        timm_pool="avg",
        timm_proj="linear",
        timm_drop_path=recipe.image.drop_path,
        patch_dropout=recipe.image.patch_drop,
        image_size=CANONICAL.shape,
    )
    known = open_clip_builds(text_folder)
    text = CLIPTextCfg(
        hf_model_name=str(text_folder),
        hf_proj_type=recipe.text.projection,
        hf_pooler_type=recipe.text.pooler,
        hf_model_pretrained=True,
    )
    # A loss that judges each pair by itself starts from few being right (SigLIP's own values).
    start: dict[str, Any] = (
        {"init_logit_scale": math.log(10), "init_logit_bias": -10.0} if recipe.judges_pairs else {}
    )
    clip = CustomTextCLIP(recipe.dim, vision, text if known else _PLACEHOLDER, **start)
    if not known:
        clip.text = AnyTextEncoder(str(text_folder), recipe.dim, recipe.text)
        clip.vocab_size, clip.context_length = clip.text.vocab_size, clip.text.context_length
    trunk = clip.text.transformer
    if recipe.text.lora:
        add_adapters(trunk, layers_of(trunk, recipe.unlocked_layers), recipe.text.lora, recipe.text.lora_alpha)
    unlock_layers(trunk, recipe.unlocked_layers)
    return clip


def layers_of(trunk: nn.Module, count: int) -> list[nn.Module]:
    """The last ``count`` layers of a Hugging Face trunk.

    Raises:
        BadArgument: when it has fewer.
    """
    lists = [module for module in trunk.modules() if isinstance(module, nn.ModuleList)]
    layers = list(max(lists, key=len, default=nn.ModuleList()))
    if count > len(layers):
        raise BadArgument(f"unlocked_layers is {count}; the text tower has {len(layers)} layers")
    return layers[len(layers) - count :]


def unlock_layers(trunk: nn.Module, count: int) -> None:
    """Let the last ``count`` layers of a trunk train, or their adapters where it has some, and nothing else of it.

    open_clip's own ``lock`` knows this for a few architectures only, and BERT, of which e5 is one, is not among them.

    Raises:
        BadArgument: when the trunk has fewer layers.
    """
    trunk.requires_grad_(False)
    adapted = has_adapters(trunk)
    for layer in layers_of(trunk, count):
        for name, parameter in layer.named_parameters():
            parameter.requires_grad_(MARK in name if adapted else True)


def parameter_groups(model: NearBeatModel, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay towards zero; biases, norms, positions and the temperature do not."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    plain = [p for name, p in trained if p.ndim < 2 or name.endswith(("pos_embed", "decoder.lead", "decoder.bin"))]
    known = {id(p) for p in plain}
    matrices = [p for _, p in trained if id(p) not in known]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
