"""Low-rank adapters for a text tower too large to train whole, and the same tower without them.

Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021. The adapters are those of ``peft``; what is
shipped has their product added to the weights and knows nothing of them.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from retrieval.errors import ExtraMissing

MARK = "lora_"
"""In the name of every parameter of an adapter."""
_BASE = ".base_layer."


def add_adapters(trunk: nn.Module, layers: list[nn.Module], rank: int, alpha: float) -> None:
    """Put adapters of that rank beside every linear map of these layers; they start as zero.

    Raises:
        ExtraMissing: when ``peft`` is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ExtraMissing("text.lora needs peft; install the extra: pip install 'nearbeat[train]'") from error
    inside = {id(part) for layer in layers for part in layer.modules() if isinstance(part, nn.Linear)}
    names = [name for name, part in trunk.named_modules() if id(part) in inside]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, target_modules=names), trunk)  # type: ignore[arg-type]  # peft types alpha as int and divides it


def has_adapters(trunk: nn.Module) -> bool:
    """Whether a trunk carries adapters."""
    return any(MARK in name for name, _ in trunk.named_parameters())


def without_adapters(model: nn.Module) -> nn.Module:
    """The same module with its adapters added to the weights: a copy, or the module itself where it has none."""
    if not has_adapters(model):
        return model
    from peft.tuners.lora import LoraLayer

    plain = deepcopy(model)
    for name, part in list(plain.named_modules()):
        if isinstance(part, LoraLayer):
            layer: Any = part
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(plain.get_submodule(parent), own, layer.get_base_layer())
    return plain


def merged_state(state: dict[str, torch.Tensor], scale: float) -> dict[str, torch.Tensor]:
    """A state dict with adapters as that of the same model without: W + scale B A for each of them."""
    plain = {name.replace(_BASE, "."): value for name, value in state.items() if MARK not in name}
    for name, value in state.items():
        if name.endswith("lora_A.default.weight"):
            stem = name.removesuffix("lora_A.default.weight")
            plain[f"{stem}weight"] = plain[f"{stem}weight"] + scale * state[f"{stem}lora_B.default.weight"] @ value
    return plain
