"""A text tower and a recipe small enough to train within a test."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from training.progress import Told
from training.recipe import CorpusSpec, ImageTower, Recipe, Stage, TextTower
from training.trainer import Trainer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def write_tiny_bert(folder: Path) -> Path:
    """A two-layer BERT over single letters, as ``save_pretrained`` leaves it: what a Hugging Face id would fetch."""
    letters = "abcdefghijklmnopqrstuvwxyzäöüß0123456789,.;:-/()%+*?"
    words = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def tiny_recipe(text_tower: Path, **changes: object) -> Recipe:
    """Thirty-two simulated ECGs, a nano tower, two short stages."""
    settings: dict[str, object] = {
        "name": "tiny",
        "dim": 32,
        "batch": 8,
        "seed": 3,
        "precision": "float32",
        "threads": 1,
        "workers": 0,
        "image": ImageTower("nearbeat_vit_nano", drop_path=0.1, patch_drop=0.25),
        "text": TextTower(str(text_tower), prefix="", max_tokens=48, projection="mlp"),
        "corpora": (CorpusSpec("simulated", cases=32),),
        "validation": CorpusSpec("simulated", cases=12, seed=9_000_000),
        "stages": (
            Stage("read", 1, signal=5.0, statements=1.0),
            Stage("align", 2, contrastive=1.0, statements=1.0),
        ),
    }
    return Recipe(**(settings | changes))  # type: ignore[arg-type]


def run_whole_and_parted(recipe: Recipe, folder: Path, told: Told) -> Trainer:
    """The trainer of a whole run, once one that was stopped and gone on with has come to the same weights."""
    whole = Trainer(recipe, folder / "whole", told)
    whole.run()
    Trainer(recipe, folder / "parted", told).run(stop_after=lambda place: place.step == 2)
    again = Trainer(recipe, folder / "parted", told)
    again.run()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    return whole
