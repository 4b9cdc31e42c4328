"""What is trained: open_clip's two-tower model, and the heads that share its image tower."""

from __future__ import annotations

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
from training.recipe import Recipe


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
    vision = CLIPVisionCfg(
        timm_model_name=recipe.image.name,
        timm_pool="avg",
        timm_proj="linear",
        timm_drop_path=recipe.image.drop_path,
        patch_dropout=recipe.image.patch_drop,
        image_size=CANONICAL.shape,
    )
    text = CLIPTextCfg(
        hf_model_name=str(text_folder),
        hf_proj_type=recipe.text.projection,
        hf_pooler_type=recipe.text.pooler,
        hf_model_pretrained=True,
    )
    clip = CustomTextCLIP(recipe.dim, vision, text)
    clip.text.lock(0)
    unlock_last_layers(clip.text.transformer, recipe.unlocked_layers)
    return clip


def unlock_last_layers(trunk: nn.Module, count: int) -> None:
    """Let the last ``count`` layers of a Hugging Face trunk train, and no other.

    open_clip's own ``lock`` knows this for a few architectures only, and BERT, of which e5 is one, is not among them.

    Raises:
        BadArgument: when the trunk's layers are not found, or it has fewer.
    """
    trunk.requires_grad_(False)
    if not count:
        return
    lists = [module for module in trunk.modules() if isinstance(module, nn.ModuleList)]
    layers = max(lists, key=len, default=nn.ModuleList())
    if count > len(layers):
        raise BadArgument(f"unlocked_layers is {count}; the text tower has {len(layers)} layers")
    for layer in list(layers)[-count:]:
        layer.requires_grad_(True)


def parameter_groups(model: NearBeatModel, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay towards zero; biases, norms, positions and the temperature do not."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    plain = [p for name, p in trained if p.ndim < 2 or name.endswith(("pos_embed", "decoder.lead", "decoder.bin"))]
    known = {id(p) for p in plain}
    matrices = [p for _, p in trained if id(p) not in known]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
