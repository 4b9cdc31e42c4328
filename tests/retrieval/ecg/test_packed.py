"""The waveform as bytes in an image comes back as it was, to half a microvolt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retrieval.ecg.encodings import Encoding, tower_image
from retrieval.ecg.encodings.packed import PACKED_SAMPLES, pack, unpack
from retrieval.ecg.page import CANONICAL
from retrieval.ecg.recording import Recording
from retrieval.errors import BadArgument
from tests.retrieval.conftest import heartbeats

WAVES = st.integers(2, PACKED_SAMPLES + 50).flatmap(
    lambda n: arrays(np.float64, (12, n), elements=st.floats(-15, 15, width=32))
)


@given(WAVES)
def test_what_was_packed_comes_back(signal):
    back = unpack(pack(signal))
    taken = signal[:, :PACKED_SAMPLES] - np.median(signal, axis=1, keepdims=True)
    assert np.abs(back[:, : taken.shape[1]] - taken).max() <= 0.0005 + 1e-9
    assert not back[:, taken.shape[1] :].any()


def test_what_is_out_of_range_is_clipped_and_does_not_wrap():
    signal = np.zeros((12, 300))
    signal[0, :2], signal[0, 2:4] = 80, -80
    back = unpack(pack(signal))
    assert back[0, :4].tolist() == [32.767, 32.767, -32.768, -32.768]


def test_the_image_of_a_recording_holds_it_at_100_hz():
    own = heartbeats(4)
    image = tower_image(own, Encoding("signal"))
    assert image.shape == CANONICAL.shape
    assert image.dtype == np.uint8
    fast = Recording(np.repeat(own.signal, 5, axis=1), own.rate * 5)
    slow, again = unpack(image), unpack(tower_image(fast, Encoding("signal")))
    assert np.corrcoef(slow.ravel(), again.ravel())[0, 1] > 0.98


def test_settings_of_fields_do_not_belong_to_the_signal():
    with pytest.raises(BadArgument, match="the signal has none of them"):
        Encoding("signal", seconds=2.0)
    with pytest.raises(BadArgument, match="no encoding is called 'signal\\+gasf'"):
        Encoding("signal+gasf")
