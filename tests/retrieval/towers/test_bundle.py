"""The bundle at run time: every damage refused, and vectors that depend on one page or sentence alone."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.page import canonical_page
from retrieval.ecg.simulator import simulate
from retrieval.errors import BundleError, EmptySentence
from retrieval.towers.bundle import CARD, MODEL_FILES, SHIPPED, Bundle, file_sha256, page_input
from tests.toy_bundle import DIM, write_toy_bundle

SENTENCES = ["atrial fibrillation", "Vorhofflimmern", "inferior infarct with RBBB", "normal ECG", "lvh 2 of 3"]


@pytest.fixture(scope="module")
def towers(toy_bundle):
    return Bundle.load(toy_bundle)


@pytest.fixture(scope="module")
def pages():
    return [canonical_page(simulate(seed, rate=100.0).recording).pixels for seed in range(5)]


@pytest.fixture
def own(toy_bundle, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(toy_bundle, tmp_path / "own")


def rewrite(folder, **values):
    """Change the card."""
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, **values}))


def resign(folder):
    """Give the card the checksums of the files as they are."""
    rewrite(folder, files={name: file_sha256(folder / name) for name in MODEL_FILES})


def test_what_a_bundle_says_of_itself(towers, toy_bundle):
    assert (towers.name, towers.version, towers.dim, towers.folder) == ("toy", "0", DIM, toy_bundle)
    assert towers.card["format"] == 1


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_flipped_bit_in_any_file_is_refused(own, name):
    data = bytearray((own / name).read_bytes())
    data[len(data) // 2] ^= 1
    (own / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} is damaged: its SHA-256 is [0-9a-f]{{12}}…, its card says"):
        Bundle.load(own)


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_missing_file_is_refused_by_name(own, name):
    (own / name).unlink()
    with pytest.raises(BundleError, match=f"the bundle lacks {name} in "):
        Bundle.load(own)


@pytest.mark.parametrize("name", MODEL_FILES)
def test_an_empty_file_is_refused_by_name(own, name):
    (own / name).write_bytes(b"")
    with pytest.raises(BundleError, match=f"{name} is damaged"):
        Bundle.load(own)


def test_a_folder_without_a_card_is_no_bundle(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BundleError, match=r"holds no bundle\.json, so it is no model bundle; give the folder"):
            Bundle.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format": 1}'])
def test_a_card_that_is_none_is_refused(own, content):
    (own / CARD).write_bytes(content)
    with pytest.raises(BundleError, match="is not the card of a bundle"):
        Bundle.load(own)


@pytest.mark.parametrize("name", ["format", "name", "version", "dim", "page", "text", "files"])
def test_a_card_that_lacks_a_setting_is_refused_by_its_name(own, name):
    card = json.loads((own / CARD).read_text())
    del card[name]
    (own / CARD).write_text(json.dumps(card))
    with pytest.raises(BundleError, match=f"is not the card of a bundle .*{name}"):
        Bundle.load(own)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"dim": "many"}, "dim"),
        ({"name": None}, "name"),
        ({"text": {"prefix": "", "max_tokens": "all"}}, "max_tokens"),
        ({"text": {"prefix": 3, "max_tokens": 64}}, "prefix"),
        ({"text": {"prefix": ""}}, "max_tokens"),
        ({"files": {"image.onnx": "0", "text.onnx": "0"}}, "tokenizer.json"),
        ({"files": {"image.onnx": 0, "text.onnx": "0", "tokenizer.json": "0"}}, "image.onnx"),
    ],
)
def test_a_setting_of_another_type_is_refused_by_its_name(own, values, named):
    rewrite(own, **values)
    with pytest.raises(BundleError, match=f"is not the card of a bundle .*{named}"):
        Bundle.load(own)


@pytest.mark.parametrize("known", [0, 2, "1", None])
def test_another_format_is_refused_with_both_numbers(own, known):
    """Also where the card of a later format has other settings."""
    (own / CARD).write_text(json.dumps({"format": known, "towers": []}))
    with pytest.raises(BundleError, match=rf"is of format {known}, this program reads format 1; install a matching"):
        Bundle.load(own)


def test_a_bundle_for_pages_of_another_size_is_refused(own):
    rewrite(own, page={"width": 1024, "height": 512, "px_per_mm": 4.0})
    with pytest.raises(BundleError, match=r"reads pages of .*1024.*; this program draws pages of .*512"):
        Bundle.load(own)


@pytest.mark.parametrize("name", ["image.onnx", "text.onnx"])
def test_a_graph_that_cannot_be_run_is_refused_when_it_is_needed(own, pages, name):
    (own / name).write_bytes(b"no graph")
    resign(own)
    towers = Bundle.load(own)
    with pytest.raises(BundleError, match=f"{name} cannot be run by ONNX Runtime"):
        _ = towers.encode_pages(pages[:1]), towers.encode_texts(SENTENCES[:1])


def test_a_tokenizer_that_cannot_be_read_is_refused(own):
    (own / "tokenizer.json").write_text("{}")
    resign(own)
    with pytest.raises(BundleError, match=r"tokenizer\.json is no tokenizer that can be read"):
        Bundle.load(own).encode_texts(SENTENCES[:1])


def test_the_identity_does_not_depend_on_what_the_card_tells(own, towers):
    rewrite(own, name="renamed", version="9", metrics={"auroc": 1.0}, licence="other", training_data=["x"])
    assert Bundle.load(own).sha256 == towers.sha256
    assert len(towers.sha256) == 64


@pytest.mark.parametrize("text", [{"prefix": "query: ", "max_tokens": 64}, {"prefix": "", "max_tokens": 8}])
def test_the_identity_depends_on_how_input_is_made(own, towers, text):
    rewrite(own, text=text)
    assert Bundle.load(own).sha256 != towers.sha256


def test_the_identity_depends_on_the_weights(towers, tmp_path):
    assert Bundle.load(write_toy_bundle(tmp_path / "same")).sha256 == towers.sha256
    assert Bundle.load(write_toy_bundle(tmp_path / "other", seed=1)).sha256 != towers.sha256


def test_pages_become_unit_vectors(towers, pages):
    vectors = towers.encode_pages(pages)
    assert (vectors.shape, vectors.dtype) == ((5, DIM), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float64), axis=1), 1, atol=1e-6)


def test_sentences_become_unit_vectors(towers):
    vectors = towers.encode_texts(SENTENCES)
    assert (vectors.shape, vectors.dtype) == ((5, DIM), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float64), axis=1), 1, atol=1e-6)
    assert np.unique(vectors, axis=0).shape == vectors.shape


def test_a_page_by_the_definition_of_the_toy(towers, toy_bundle, pages):
    """Ink averaged over 8 x 8 pixels, times the weights in the file, in float64."""
    import onnx

    (weights,) = onnx.load(str(toy_bundle / "image.onnx")).graph.initializer
    pooled = ((255.0 - pages[0]) / 255.0).reshape(32, 8, 64, 8).mean(axis=(1, 3)).ravel()
    expected = pooled @ onnx.numpy_helper.to_array(weights).astype(np.float64)
    np.testing.assert_allclose(towers.encode_pages(pages[:1])[0], expected / np.linalg.norm(expected), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.sampled_from([-1, 0, 1, 2, 5]))
def test_a_vector_is_the_same_to_the_bit_whatever_came_beside_it(towers, pages, chosen, threads):
    alone = [towers.encode_pages([page], threads=1)[0].tobytes() for page in pages]
    together = towers.encode_pages([pages[i] for i in chosen], threads=threads)
    assert [row.tobytes() for row in together] == [alone[i] for i in chosen]
    words = [towers.encode_texts([text], threads=1)[0].tobytes() for text in SENTENCES]
    together = towers.encode_texts([SENTENCES[i] for i in chosen], threads=threads)
    assert [row.tobytes() for row in together] == [words[i] for i in chosen]


def test_nothing_gives_no_rows(towers):
    assert towers.encode_pages([]).shape == (0, DIM)
    assert towers.encode_texts([]).shape == (0, DIM)


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_is_told_once_a_page(towers, pages, threads):
    told = []
    towers.encode_pages(pages, threads=threads, progress=told.append)
    assert told == [1] * 5


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "?!", "- . ,", "…"])
def test_a_sentence_without_a_word_is_refused(towers, text):
    with pytest.raises(EmptySentence, match="holds no word; describe the ECG"):
        towers.encode_texts(["atrial fibrillation", text])


def test_a_sentence_is_cut_at_the_length_of_the_tower_and_has_its_prefix(own):
    rewrite(own, text={"prefix": "q ", "max_tokens": 5})
    towers = Bundle.load(own)
    ids = towers.tokens("abcdefgh")
    assert (ids.shape, ids.dtype) == ((1, 5), np.int64)
    # Letters are counted from 1 in the toy; a blank is unknown.
    assert ids.tolist() == [[17, 0, 1, 2, 3]]


@pytest.mark.parametrize(
    "page", [np.zeros((512, 256), np.uint8), np.zeros((256, 512), np.float32), np.zeros((1, 256, 512), np.uint8)]
)
def test_another_shape_or_type_of_page_is_refused(towers, page):
    with pytest.raises(ValueError, match="a canonical page is uint8"):
        towers.encode_pages([page])


def test_paper_is_0_and_ink_is_1(pages):
    given_ = pages[0].copy()
    given_[0, :3] = 255, 0, 51
    ink = page_input(given_)
    assert (ink.shape, ink.dtype) == ((1, 1, 256, 512), np.float32)
    assert ink[0, 0, 0, :3].tolist() == pytest.approx([0.0, 1.0, 0.8])


def test_a_path_may_be_text(toy_bundle, towers):
    assert Bundle.load(str(toy_bundle)).sha256 == towers.sha256


def test_the_shipped_bundle_is_the_one_without_a_path(monkeypatch, toy_bundle):
    assert SHIPPED.name == "shipped"
    monkeypatch.setattr("retrieval.towers.bundle.SHIPPED", toy_bundle)
    assert Bundle.load().folder == toy_bundle


def test_loading_needs_neither_torch_nor_the_run_time(toy_bundle):
    """In a process of its own: onnxruntime comes with the first page, torch never."""
    code = (
        "import sys, numpy as np; from retrieval.towers.bundle import Bundle; b = Bundle.load(sys.argv[1])\n"
        "assert not {'torch', 'onnxruntime', 'onnx'} & set(sys.modules)\n"
        "b.encode_pages([np.zeros((256, 512), np.uint8)]); b.encode_texts(['a'])\n"
        "assert not {'torch', 'transformers', 'onnx'} & set(sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(toy_bundle)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
