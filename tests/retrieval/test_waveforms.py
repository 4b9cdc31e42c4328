"""Packed recordings: true to the microvolt, and every kind of damage refused."""

import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retrieval import waveforms
from retrieval.ecg.recording import LEADS, Recording, einthoven_error, from_independent
from retrieval.ecg.simulator import simulate
from retrieval.errors import BadSignal, DamagedFile
from retrieval.waveforms import MAGIC, MAX_BYTES, pack, unpack

INDEPENDENT = [0, 1, 6, 7, 8, 9, 10, 11]
RECORDING = simulate(3, rate=100.0).recording
PACKED = pack(RECORDING)


def parts(data):
    """``(header, compressed samples)`` by the layout that ``pack`` documents."""
    size = int.from_bytes(data[4:6], "little")
    return json.loads(data[6 : 6 + size]), data[6 + size :]


def made(header, body, magic=MAGIC):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return magic + len(head).to_bytes(2, "little") + head + body


HEADER, BODY = parts(PACKED)


@settings(deadline=None)
@given(
    arrays(np.float32, st.tuples(st.just(8), st.integers(1, 40)), elements=st.floats(-32.5, 32.5, width=32)),
    st.floats(0.5, 2000),
)
def test_the_round_trip_is_true_to_the_microvolt(eight, rate):
    """Also where neighbouring samples are further apart than 16 bits hold."""
    back = unpack(pack(Recording(from_independent(eight), rate)))
    assert back.rate == rate
    np.testing.assert_allclose(back.signal[INDEPENDENT], eight, atol=0.0005 + 2e-6)
    assert einthoven_error(back.signal) < 1e-5


def test_what_was_unpacked_packs_to_the_same_bytes():
    assert pack(unpack(PACKED)) == PACKED


def test_a_real_looking_recording_is_small():
    assert len(PACKED) < 0.8 * RECORDING.signal.shape[1] * 16
    np.testing.assert_allclose(unpack(PACKED).signal, RECORDING.signal, atol=0.0012)


def test_the_layout_is_the_documented_one():
    """Read with nothing but the docstring: differences of int16 microvolts of eight leads."""
    assert PACKED[:4] == b"NBW1"
    assert HEADER == {"rate": 100.0, "samples": 1000}
    steps = np.frombuffer(zlib.decompress(BODY), "<i2").reshape(8, 1000).astype(np.int64)
    np.testing.assert_array_equal(steps.cumsum(axis=1), np.rint(RECORDING.signal[INDEPENDENT] * 1000))


def test_limb_leads_are_derived_again():
    signal = RECORDING.signal.copy()
    signal[LEADS.index("III")] += 1
    np.testing.assert_array_equal(unpack(pack(Recording(signal, 100.0))).signal, unpack(PACKED).signal)


def test_more_than_16_bits_hold_is_clipped_and_does_not_wrap():
    signal = np.zeros((12, 4), np.float32)
    signal[6] = 50, -50, 50, 0
    assert unpack(pack(Recording(signal, 100.0))).lead("V1").tolist() == pytest.approx([32.767, -32.767, 32.767, 0])


@pytest.mark.parametrize("rate", [500, np.int64(500), np.float32(500), 500.0])
def test_a_rate_of_any_number_type_packs(rate):
    assert unpack(pack(Recording(RECORDING.signal, rate))).rate == 500.0


@settings(deadline=None)
@given(st.integers(0, len(PACKED) - 1))
def test_every_cut_is_refused(length):
    """Also one that takes only the checksum at the end, behind which all samples are there."""
    with pytest.raises(DamagedFile, match="the stored waveform cannot be read"):
        unpack(PACKED[:length])


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_a_lost_checksum_is_refused(lost):
    with pytest.raises(DamagedFile):
        unpack(PACKED[:-lost])


@settings(deadline=None)
@given(st.integers(0, 8 * len(BODY) - 1))
def test_every_flipped_bit_of_the_samples_is_refused(bit):
    body = bytearray(BODY)
    body[bit // 8] ^= 1 << bit % 8
    try:
        back = unpack(made(HEADER, bytes(body)))
    except DamagedFile:
        return
    # Bits of zlib's padding carry nothing: what comes back is then what was stored.
    np.testing.assert_array_equal(back.signal, unpack(PACKED).signal)


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_other_bytes_are_refused(data, marked):
    with pytest.raises(DamagedFile):
        unpack(MAGIC + data if marked else data)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
        [100.0, 1000],
        7,
        {"rate": 100.0},
        {"samples": 1000},
        {"rate": 100.0, "samples": 999},
        {"rate": 100.0, "samples": None},
        {"rate": 100.0, "samples": 10**30},
        b'{"rate": 100.0, "samples": Infinity}',
        b'{"rate": NaN, "samples": 1000}',
        {"rate": 0, "samples": 1000},
        {"rate": "fast", "samples": 1000},
        {"rate": [100], "samples": 1000},
    ],
    ids=lambda header: repr(header)[:40],
)
def test_a_header_that_says_nonsense_is_refused(header):
    with pytest.raises(DamagedFile, match="verify the gallery it came from"):
        unpack(made(header, BODY))


def test_bytes_behind_the_samples_are_refused():
    with pytest.raises(DamagedFile):
        unpack(PACKED + b"x")


def test_a_bomb_is_refused_before_it_fills_the_memory(monkeypatch):
    """200 MB of zeros in 200 kB; no more than the limit is ever asked of zlib."""
    asked = []

    class Watched:
        def __init__(self):
            self.inner = RAW()

        def decompress(self, data, limit=0):
            out = self.inner.decompress(data, limit)
            asked.append((limit, len(out)))
            return out

        def __getattr__(self, name):
            return getattr(self.inner, name)

    packer = zlib.compressobj(9)
    bomb = b"".join([*(packer.compress(bytes(2**20)) for _ in range(200)), packer.flush()])
    RAW = zlib.decompressobj
    monkeypatch.setattr(waveforms.zlib, "decompressobj", Watched)
    with pytest.raises(DamagedFile):
        unpack(made({"rate": 100.0, "samples": 200 * 2**16}, bomb))
    assert asked == [(MAX_BYTES, MAX_BYTES)]


def test_a_recording_that_could_not_be_read_again_is_not_written(monkeypatch):
    monkeypatch.setattr(waveforms, "MAX_BYTES", 16 * 1000)
    assert unpack(pack(RECORDING)).signal.shape == (12, 1000)
    monkeypatch.setattr(waveforms, "MAX_BYTES", 16 * 1000 - 1)
    with pytest.raises(BadSignal, match=r"too long to be stored; cut out 10 seconds"):
        pack(RECORDING)
