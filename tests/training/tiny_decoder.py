"""Decoders small enough to train within a test, as ``save_pretrained`` leaves them."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

END = "<|end|>"
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 128,
}


def write_tiny_decoder(folder: Path, kind: str = "qwen3") -> Path:
    """Two layers over bytes. Like Qwen3-Embedding's, the Qwen3's texts end with the very token it pads with."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [END, "<|begin|>", *letters]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    single = f"$A {END}" if kind == "qwen3" else "<|begin|> $A"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[(END, 0), ("<|begin|>", 1)]
    )
    special = {"eos_token": END, "bos_token": "<|begin|>"} | ({"pad_token": END} if kind == "qwen3" else {})
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    torch.manual_seed(5)
    if kind == "qwen3":
        config = Qwen3Config(vocab_size=len(words) + 3, head_dim=16, **SIZES)
        Qwen3Model(config).save_pretrained(folder)
    else:
        LlamaModel(LlamaConfig(vocab_size=len(words), **SIZES)).save_pretrained(folder)
    return folder
