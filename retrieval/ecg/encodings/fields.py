"""GASF, recurrence plot and Markov transition field of series, all series at once, at any number of pixels.

A field of n samples has n x n values. An image has fewer, so each pixel takes the mean of the values that it covers.
GASF and MTF are products of low rank (2 and the number of bins), so their means come from averaged factors without
the full field; the recurrence plot has no such factors and is computed in full.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.float32]
Shape = tuple[int, int]


@lru_cache(maxsize=32)
def area_weights(samples: int, pixels: int) -> Field:
    """``[pixels, samples]``: the share that each sample has in a pixel; rows sum to 1."""
    edges = np.arange(pixels + 1) * (samples / pixels)
    start = np.arange(samples)
    covered = np.minimum(edges[1:, None], start + 1) - np.maximum(edges[:-1, None], start)
    weights = (np.clip(covered, 0, None) * (pixels / samples)).astype(np.float32)
    weights.setflags(write=False)  # shared by all callers
    return weights


def gasf(series: ArrayLike, shape: Shape | None = None) -> Field:
    """Gramian angular summation field, cos(a_i + a_j) with a = arccos x.

    Wang and Oates, Encoding Time Series as Images, AAAI workshop 2015: x_i x_j - s_i s_j where s = sqrt(1 - x^2).

    Args:
        series: ``[..., n]`` from -1 to 1.
        shape: ``(height, width)`` in pixels, each the mean of what it covers; ``None`` keeps ``(n, n)``.

    Returns:
        ``[..., height, width]`` from -1 to 1.

    Raises:
        ValueError: when a value lies outside -1 to 1.
    """
    cosine = np.asarray(series, dtype=np.float32)
    if cosine.size and float(np.abs(cosine).max()) > 1:
        raise ValueError(f"a GASF takes values from -1 to 1; {float(np.abs(cosine).max()):.3g} was given")
    sine = np.sqrt(np.clip(1 - cosine * cosine, 0, 1))
    down = np.stack([_pooled(cosine, shape, 0), -_pooled(sine, shape, 0)], axis=-1)
    across = np.stack([_pooled(cosine, shape, 1), _pooled(sine, shape, 1)], axis=-2)
    return down @ across


def recurrence(series: ArrayLike, shape: Shape | None = None, ceiling: float | None = None) -> Field:
    """Recurrence plot without a threshold: the distances ``|x_i - x_j|``.

    Eckmann, Kamphorst and Ruelle, Recurrence Plots of Dynamical Systems, Europhys. Lett. 4 (1987) 973.

    Args:
        series: ``[..., n]``.
        shape: ``(height, width)`` in pixels, each the mean of what it covers; ``None`` keeps ``(n, n)``.
        ceiling: larger distances are cut to it, before the mean.

    Returns:
        ``[..., height, width]``, 0 or more, in the unit of ``series``.
    """
    values = np.asarray(series, dtype=np.float32)
    field = values[..., :, None] - values[..., None, :]
    np.abs(field, out=field)
    if ceiling is not None:
        np.minimum(field, np.float32(ceiling), out=field)
    if shape is None:
        return field
    down, across = (area_weights(values.shape[-1], pixels) for pixels in shape)
    return np.asarray(down @ field @ across.T, dtype=np.float32)


def markov_transition_field(states: ArrayLike, number: int, shape: Shape | None = None) -> Field:
    """Markov transition field: how likely it is that the state at i is followed by the state at j.

    Wang and Oates, as above. The transition matrix is counted from each series itself, its rows made to sum to 1.

    Args:
        states: ``[..., n]`` whole numbers from 0 to ``number - 1``.
        number: of states.
        shape: ``(height, width)`` in pixels, each the mean of what it covers; ``None`` keeps ``(n, n)``.

    Returns:
        ``[..., height, width]`` from 0 to 1.

    Raises:
        ValueError: when a state lies outside 0 to ``number - 1``.
    """
    at = np.asarray(states, dtype=np.int64)
    if at.size and not 0 <= at.min() <= at.max() < number:
        raise ValueError(f"states run from 0 to {number - 1}; {at.min()} to {at.max()} were given")
    follows = _transitions(at, number)
    one_hot: Field = (at[..., None] == np.arange(number)).astype(np.float32)
    down = across = one_hot
    if shape is not None:
        down, across = (np.matmul(area_weights(at.shape[-1], pixels), one_hot) for pixels in shape)
    return np.matmul(down @ follows, across.swapaxes(-1, -2))


def quantile_states(series: ArrayLike, number: int) -> NDArray[np.int64]:
    """States of equal frequency in each series: ``[..., n]`` from 0 to ``number - 1``."""
    values = np.asarray(series, dtype=np.float64)
    edges = np.percentile(values, np.linspace(0, 100, number + 1)[1:-1], axis=-1)
    return (values[..., None] > np.moveaxis(edges, 0, -1)[..., None, :]).sum(axis=-1)


def _transitions(states: NDArray[np.int64], number: int) -> Field:
    """``[..., number, number]``: the share of steps from each state to each; a state that is never left stays 0."""
    flat = states.reshape(-1, states.shape[-1])
    steps = flat[:, :-1] * number + flat[:, 1:] + np.arange(len(flat))[:, None] * number**2
    counts = np.bincount(steps.ravel(), minlength=len(flat) * number**2).reshape(-1, number, number)
    shares = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return shares.reshape(*states.shape[:-1], number, number).astype(np.float32)


def _pooled(rows: Field, shape: Shape | None, axis: int) -> Field:
    return rows if shape is None else rows @ area_weights(rows.shape[-1], shape[axis]).T
