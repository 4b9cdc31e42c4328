"""The waveform itself in the place of an image: two bytes a sample, so that a network on signals is a bundle too.

Whatever takes an image (loader, export, bundle, evaluation) takes this one unchanged; only the tower unpacks it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.beats import at_100_hz
from retrieval.ecg.page import CANONICAL, PAPER, Gray
from retrieval.ecg.recording import LEADS, Recording

PACKED_SAMPLES = 2 * CANONICAL.width_px
"""1,024 samples at 100 Hz, two rows of the image; what is longer is cut at its end."""
ROWS_A_LEAD = 4
"""Two rows of high bytes, two of low ones."""
ZERO = 1 << 15


def packed_signal(recording: Recording) -> Gray:
    """The twelve leads as uint8 ``[256, 512]``: microvolts about each lead's median at 100 Hz, clipped to 32.8 mV."""
    return pack(at_100_hz(recording))


def pack(signal: NDArray[np.floating]) -> Gray:
    """As ``packed_signal``, of ``[12, samples]`` in mV at 100 Hz."""
    centred = signal - np.median(signal, axis=1, keepdims=True)
    values = np.full((len(LEADS), PACKED_SAMPLES), ZERO, np.uint16)
    taken = centred[:, :PACKED_SAMPLES]
    values[:, : taken.shape[1]] = np.clip(np.rint(taken * 1000), -ZERO, ZERO - 1).astype(np.int32) + ZERO
    image = np.full(CANONICAL.shape, PAPER, np.uint8)
    rows = image[: ROWS_A_LEAD * len(LEADS)].reshape(len(LEADS), ROWS_A_LEAD, CANONICAL.width_px)
    rows[:, :2] = (values >> 8).astype(np.uint8).reshape(len(LEADS), 2, -1)
    rows[:, 2:] = (values & 255).astype(np.uint8).reshape(len(LEADS), 2, -1)
    return image


def unpack(image: Gray) -> NDArray[np.float64]:
    """``[12, 1024]`` in mV from ``pack``, zero after the recording's end."""
    rows = image[: ROWS_A_LEAD * len(LEADS)].reshape(len(LEADS), ROWS_A_LEAD, -1).astype(np.int32)
    values = (rows[:, :2].reshape(len(LEADS), -1) << 8) + rows[:, 2:].reshape(len(LEADS), -1) - ZERO
    return values / 1000
