"""Text towers that open_clip does not build: decoders such as Qwen3, and encoders without BERT's pooling layer.

They become open_clip's own ``HFTextEncoder``, so that nothing behind them has to know.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from open_clip.hf_configs import arch_dict
from open_clip.hf_model import _POOLERS, HFTextEncoder, register_pooler
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from retrieval.errors import BadArgument
from training.recipe import TextTower


@register_pooler
class LastTokenPooler(nn.Module):
    """The last token that is no padding, wherever the padding stands: the only one that saw the whole text."""

    def forward(self, x: Any, attention_mask: torch.Tensor) -> torch.Tensor:
        """``[n, width]`` of a trunk's answer and its mask ``[n, tokens]``, 1 for what is no padding."""
        places = torch.arange(attention_mask.shape[1], device=attention_mask.device)
        last = (attention_mask * places).argmax(dim=1)
        states = x.last_hidden_state
        return states.gather(1, last[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]


class AnyTextEncoder(HFTextEncoder):
    """open_clip's text tower around any trunk that ``transformers`` loads.

    Args:
        source: a Hugging Face id or a folder, with a tokenizer.
        dim: size of the embedding.
        settings: of the recipe.
    """

    def __init__(self, source: str, dim: int, settings: TextTower) -> None:
        nn.Module.__init__(self)
        self.output_tokens, self.output_dim = False, dim
        trunk: Any = AutoModel.from_pretrained(source, dtype=torch.float32)
        self.config = trunk.config
        self.transformer = trunk.encoder if self.config.is_encoder_decoder else trunk
        self.config.pad_token_id = padding_id(source, self.config.vocab_size)
        self.vocab_size, self.context_length = self.config.vocab_size, self.config.max_position_embeddings
        self.pooler = _POOLERS[settings.pooler]()
        width = self.config.hidden_size
        middle = (width + dim) // 2
        mlp = nn.Sequential(
            nn.Linear(width, middle, bias=False), nn.GELU(), nn.Linear(middle, dim, bias=False)
        )  # as open_clip has it
        self.proj = mlp if settings.projection == "mlp" else nn.Linear(width, dim, bias=False)


def check_pooler(settings: TextTower) -> None:
    """Refuse a pooling that does not exist.

    Raises:
        BadArgument: naming those that do.
    """
    if settings.pooler not in _POOLERS:
        raise BadArgument(f"text: pooler is '{settings.pooler}'; it must be one of {', '.join(sorted(_POOLERS))}")


def open_clip_builds(source: str | Path) -> bool:
    """Whether open_clip builds a tower from this source by itself: a kind it knows, with BERT's pooling layer."""
    config = AutoConfig.from_pretrained(source)
    if config.model_type not in arch_dict:
        return False
    kind = AutoModel._model_mapping[type(config)]
    return config.is_encoder_decoder or "add_pooling_layer" in inspect.signature(kind.__init__).parameters


def padding_id(source: str | Path, rows: int) -> int:
    """A token that stands in no text, for what a text is filled up with.

    A decoder's tokenizer may end every text with the token that it also pads with (Qwen3-Embedding does): taken for
    padding, the very token that is pooled would be masked.

    Raises:
        BadArgument: when the tokenizer has none to spare.
    """
    tokenizer = AutoTokenizer.from_pretrained(source)
    used = set(tokenizer("a")["input_ids"])
    own = tokenizer.pad_token_id
    spare = [own] if own is not None else []
    spare += [*tokenizer.all_special_ids, *range(len(tokenizer), rows)]
    free = next((token for token in spare if token not in used), None)
    if free is None:
        raise BadArgument(f"the tokenizer of '{source}' has no token to pad with; give it a pad_token")
    return int(free)
