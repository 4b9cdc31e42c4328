"""Encoders and decoders by name, with adapters and without: trained, exported, and the same vectors from ONNX."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import onnx
import torch
from rich.console import Console
from transformers import DistilBertConfig, DistilBertModel
from transformers.modeling_outputs import BaseModelOutput

from retrieval.errors import BadArgument
from retrieval.towers.bundle import Bundle
from tests.training.tiny import tiny_recipe, write_tiny_bert
from tests.training.tiny_decoder import write_tiny_decoder
from training import export
from training.export import Facts, export_bundle
from training.lora import has_adapters, merged_state, without_adapters
from training.progress import Told
from training.recipe import CorpusSpec, Stage, TextTower
from training.text_encoder import LastTokenPooler, padding_id
from training.trainer import Trainer

pytestmark = [pytest.mark.train, pytest.mark.slow]

SENTENCES = ["Vorhofflimmern", "normal ECG", "left bundle branch block, left axis deviation", "AF", "Q in III, aVF"]
INSTRUCTION = "Instruct: find the ECG\nQuery: "


def write_distilbert(folder):
    """An encoder without BERT's pooling layer, which open_clip does not build."""
    write_tiny_bert(folder)
    config = DistilBertConfig(vocab_size=110, dim=32, n_layers=2, n_heads=2, hidden_dim=64, pad_token_id=0)
    DistilBertModel(config).save_pretrained(folder)
    return folder


KINDS = {
    "bert": (write_tiny_bert, "mean_pooler", ""),
    "distilbert": (write_distilbert, "mean_pooler", ""),
    "qwen3": (write_tiny_decoder, "last_token_pooler", INSTRUCTION),
    "llama": (lambda folder: write_tiny_decoder(folder, "llama"), "last_token_pooler", INSTRUCTION),
}


def trained(kind, lora, tmp_path, unlocked=1):
    write, pooler, prefix = KINDS[kind]
    tower = TextTower(str(write(tmp_path / kind)), prefix=prefix, max_tokens=96, pooler=pooler, lora=lora)
    stage = Stage("align", 1, contrastive=1.0, unlocked_layers=unlocked, learning_rate=1e-2)
    corpora = (CorpusSpec("simulated", cases=16),)
    recipe = tiny_recipe(tmp_path, text=tower, stages=(stage,), corpora=corpora, validation=None)
    trainer = Trainer(recipe, tmp_path / "run", Told(Console(quiet=True)))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run()
    changed = {n for n, value in trainer.model.state_dict().items() if not torch.equal(value, before[n])}
    return trainer, {name for name in changed if name.startswith("clip.text.transformer")}


def vectors(trainer):
    bank = trainer.text_bank(trainer.recipe.stages[0])
    rows = {text: i for i, text in enumerate(SENTENCES)}
    from training.text_tower import load_tokenizer
    from training.texts import TextBank, tokenize

    tokens = tokenize(SENTENCES, load_tokenizer(trainer.folder / "text"), trainer.recipe.text)
    with torch.inference_mode():
        return TextBank(rows, tokens, None, bank.pad).embed(trainer.model.eval(), SENTENCES, trainer.device).numpy()


@pytest.mark.parametrize(("kind", "lora"), [("bert", 2), ("distilbert", 0), ("qwen3", 0), ("qwen3", 2), ("llama", 2)])
def test_a_tower_by_name_trains_and_its_bundle_answers_alike(kind, lora, tmp_path):
    trainer, changed = trained(kind, lora, tmp_path)
    assert changed
    assert all(("lora_" in name) == bool(lora) for name in changed)
    assert all(".1." in name for name in changed), "only the last layer trains"
    wanted = vectors(trainer)  # a padded batch
    out = tmp_path / "bundle"
    text = trainer.folder / "text"
    bundle = Bundle.load(export_bundle(trainer.model, trainer.recipe, text, out, Facts((), {}), quantise=False))
    np.testing.assert_allclose(bundle.encode_texts(SENTENCES), wanted, atol=1e-5)
    assert np.linalg.matrix_rank(wanted, tol=1e-4) > 1
    names = {tensor.name for tensor in onnx.load(str(out / "text.onnx")).graph.initializer}
    assert not [name for name in names if "lora" in name]
    assert has_adapters(trainer.model) == bool(lora)


def test_adapters_start_as_nothing_and_merge_into_the_weights(tmp_path):
    trainer, _ = trained("qwen3", 2, tmp_path)
    model = trainer.model.eval()
    ids = torch.tensor([[5, 6, 7, 0], [9, 8, 0, 0]])
    with torch.inference_mode():
        wanted = model.clip.text(ids)
        plain = without_adapters(model.clip.text)
        torch.testing.assert_close(plain(ids), wanted, atol=1e-5, rtol=1e-4)
    assert not has_adapters(plain)
    scale = trainer.recipe.text.lora_alpha / trainer.recipe.text.lora
    merged = merged_state(model.clip.text.state_dict(), scale)
    assert merged.keys() == plain.state_dict().keys()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(merged[name], value, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("left", [False, True])
def test_the_last_token_is_found_on_either_side_of_the_padding(left):
    states = torch.arange(24.0).view(2, 4, 3)
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    mask = mask.flip(1) if left else mask
    got = LastTokenPooler()(BaseModelOutput(last_hidden_state=states), mask)
    torch.testing.assert_close(got, torch.stack([states[0, 3 if left else 1], states[1, 3]]))


def test_the_token_that_ends_a_text_is_not_taken_for_padding(tmp_path):
    """Qwen3's texts end with its own padding token; another fills up, and the end is what is pooled."""
    qwen, llama = write_tiny_decoder(tmp_path / "q"), write_tiny_decoder(tmp_path / "l", "llama")
    assert padding_id(qwen, 261) == 1  # the beginning, which its texts do not have
    assert padding_id(llama, 258) == 0
    assert padding_id(write_tiny_bert(tmp_path / "b"), 110) == 0


def test_a_tower_too_large_for_one_file_is_exported_through_two(tmp_path, monkeypatch):
    trainer, _ = trained("qwen3", 0, tmp_path)
    wanted = vectors(trainer)
    monkeypatch.setattr(export, "ONE_FILE", 1000)
    bundle = Bundle.load(
        export_bundle(trainer.model, trainer.recipe, trainer.folder / "text", tmp_path / "out", Facts((), {}))
    )
    assert sorted(file.name for file in bundle.folder.iterdir()) == [
        "README.md",
        "bundle.json",
        "image.onnx",
        "text.onnx",
        "tokenizer.json",
    ]
    assert (bundle.encode_texts(SENTENCES) * wanted).sum(axis=1).min() > 0.99


def test_what_does_not_fit_together_is_refused(tmp_path):
    tower = TextTower("x", lora=4)
    with pytest.raises(BadArgument, match="lora adapts the layers that a stage unlocks, and none does"):
        tiny_recipe(tmp_path, text=tower)
    with pytest.raises(BadArgument, match="lora is -1"):
        TextTower(lora=-1)
    bert = write_tiny_bert(tmp_path / "bert")
    recipe = tiny_recipe(bert, text=TextTower(str(bert), pooler="best_pooler"))
    with pytest.raises(BadArgument, match=r"pooler is 'best_pooler'; it must be one of .*last_token_pooler"):
        Trainer(recipe, tmp_path / "run", Told(Console(quiet=True)))
