"""The image ``[256, 512]`` that the tower reads, from a recording: its page, or its fields on the same area."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.beats import RATE, Rows, find_beats
from retrieval.ecg.encodings.encoding import PAGE, Encoding
from retrieval.ecg.encodings.fields import Field, Shape, gasf, markov_transition_field, quantile_states, recurrence
from retrieval.ecg.encodings.packed import packed_signal
from retrieval.ecg.encodings.window import cut, prepared, typical_beat, window_bounds
from retrieval.ecg.page import CANONICAL, PAPER, Gray, canonical_page
from retrieval.ecg.recording import Recording

RANGE_MV = 2.0
"""Where the fixed scales end."""
STATE_EDGES_MV: tuple[float, ...] = (-1.0, -0.4, -0.15, -0.05, 0.05, 0.15, 0.4, 1.0)
"""Nine states: the baseline in the middle one, then P waves and small T waves, large T waves, QRS complexes."""
PUBLISHED_STATES = 4
TILE: Shape = (CANONICAL.height_px // 3, CANONICAL.width_px // 4)
"""85 x 128 pixels a lead: the whole image, so that one second of 100 samples keeps nearly one pixel a sample."""

Choice = Callable[[NDArray[np.int64]], int]


def tower_image(recording: Recording, encoding: Encoding = PAGE) -> Gray:
    """What the tower reads of a recording: uint8 ``[256, 512]``, 255 for nothing and 0 for the most."""
    if encoding.is_signal:
        return packed_signal(recording)
    return canonical_page(recording).pixels if encoding.is_page else encoded_image(recording, encoding)


def encoded_image(recording: Recording, encoding: Encoding, choose: Choice | None = None) -> Gray:
    """The fields of one window of a recording.

    Args:
        recording: of any rate; it is brought to 100 Hz.
        encoding: one of fields.
        choose: picks one of the beats (samples at 100 Hz); without it the most typical beat is taken.

    Returns:
        uint8 ``[256, 512]``, 255 for the lowest value of a field and 0 for the highest, as ink on paper.
    """
    signal = prepared(recording, published=encoding.normalise)
    return window_image(signal, chosen_beat(signal, encoding, choose), encoding)


def window_image(signal: Rows, beat: int, encoding: Encoding) -> Gray:
    """As ``encoded_image``, of a prepared signal ``[12, samples]`` and one of its beats."""
    series: Field = cut(signal, beat, window_samples(encoding)).astype(np.float32)
    if encoding.normalise:
        series /= np.maximum(np.abs(series).max(axis=1, keepdims=True), np.float32(1e-6))
    area = TILE
    if encoding.form == "concat":
        series, area = series.reshape(1, -1), CANONICAL.shape
    shape = (area[0], area[1] // len(encoding.methods))
    return _laid_out([_field(method, series, shape, encoding.normalise) for method in encoding.methods], area)


def window_samples(encoding: Encoding) -> int:
    """Samples of the window at 100 Hz."""
    return round(encoding.seconds * RATE)


def chosen_beat(signal: Rows, encoding: Encoding, choose: Choice | None) -> int:
    """The beat that is shown, as a sample at 100 Hz; the middle where no beat is found."""
    beats = find_beats(signal)
    if choose is None or not len(beats):
        return typical_beat(signal, beats, window_samples(encoding))
    return choose(beats)


def window_shown(beat: int, encoding: Encoding, samples: int) -> NDArray[np.bool_]:
    """Which of a recording's ``samples`` at 100 Hz the image shows: ``[samples]``."""
    first, last = window_bounds(beat, window_samples(encoding))
    at = np.arange(samples)
    return (at >= first) & (at < last)


def _field(method: str, series: Field, shape: Shape, normalise: bool) -> Field:
    """One field of every row, 0 to 1; ``series`` is in mV, or in parts of each lead's maximum."""
    if method == "gasf":
        return np.float32(0.5) * (gasf(series, shape) + 1) if normalise else _shown_gasf(series, shape)
    if method == "rp":
        ceiling = np.float32(1.0 if normalise else RANGE_MV)
        return np.divide(recurrence(series, shape, float(ceiling)), ceiling)
    if normalise:
        return markov_transition_field(quantile_states(series, PUBLISHED_STATES), PUBLISHED_STATES, shape)
    states = np.searchsorted(STATE_EDGES_MV, series)
    return markov_transition_field(states, len(STATE_EDGES_MV) + 1, shape)


def _shown_gasf(millivolts: Field, shape: Shape) -> Field:
    """A GASF of the fixed range, shown by its root, ``|cos((a_i + a_j) / 2)|``.

    On the diagonal that is ``|x|``, linear in mV: a P wave of 0.1 mV makes 13 grey levels of 255. Of the field as it
    is, 2 x^2 - 1 there, it would make less than one and be lost.
    """
    field = gasf(np.clip(millivolts / np.float32(RANGE_MV), -1, 1), shape)
    return np.sqrt(np.clip((field + 1) / 2, 0, 1))


def _laid_out(fields: list[Field], area: Shape) -> Gray:
    """Fields ``[rows, height, width]`` side by side in each row's area, the rows on the 3 x 4 grid, or one alone."""
    height, width = area
    image = np.zeros(CANONICAL.shape, np.float32)
    for row in range(fields[0].shape[0]):
        top, left = row % 3 * height, row // 3 * width
        for place, field in enumerate(fields):
            start = left + place * field.shape[2]
            image[top : top + height, start : start + field.shape[2]] = field[row]
    return (PAPER - np.rint(np.clip(image, 0, 1) * PAPER)).astype(np.uint8)
