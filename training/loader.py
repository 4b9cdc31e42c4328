"""Batches of freshly drawn pages. Every draw depends on seed, stage, epoch and place alone, so that a run resumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from retrieval.corpora.ptbxl import RATE
from retrieval.ecg.encodings import PAGE, Encoding
from retrieval.ecg.encodings.image import chosen_beat, window_image, window_shown
from retrieval.ecg.encodings.packed import pack
from retrieval.ecg.encodings.window import prepared
from retrieval.ecg.page import PAPER, Gray
from retrieval.ecg.recording import LEADS, Recording, Signal
from training.augment import Variation, varied_page, vary_signal
from training.case_list import TrainingCase
from training.heads import DECODED_SAMPLES, plotted


@dataclass(frozen=True)
class Batch:
    """Pages with what is to be learned from them.

    Pages of ink ``[n, 1, 256, 512]`` 0 to 1, the signal behind them ``[n, 12, 992]`` in mV, what of it is shown and
    known (bool), which case each is ``[n]``, which of its texts was drawn ``[n]``, and these texts.
    """

    ink: torch.Tensor
    signal: torch.Tensor
    shown: torch.Tensor
    known: torch.Tensor
    case: torch.Tensor
    text: torch.Tensor
    words: Sequence[str]

    def __len__(self) -> int:
        return len(self.case)

    def parts(self, size: int) -> tuple[Batch, ...]:
        """The batch in parts of at most ``size`` pages."""
        starts = range(0, len(self), size)
        return tuple(Batch(*(getattr(self, name)[i : i + size] for name in Batch.__annotations__)) for i in starts)


class PageDataset(Dataset[tuple[Any, ...]]):
    """The pages of one epoch, or the encodings that stand in their place, each made when it is asked for."""

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        order: np.ndarray,
        key: tuple[int, ...],
        strength: float,
        encoding: Encoding = PAGE,
    ) -> None:
        self.cases = cases
        self.order = order
        self.key = key
        self.variation = Variation(strength)
        self.encoding = encoding

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> tuple[Any, ...]:
        index = int(self.order[place])
        case = self.cases[index]
        rng = np.random.default_rng([*self.key, place])
        varied = vary_signal(case.signal, RATE, rng, self.variation.strength)
        page, shown = self._image(varied, rng)
        signal, known = _decoder_target(case.signal, varied.shape[1])
        # Half of the time the report as it was written, else one of the other wordings.
        text = 0 if len(case.texts) < 2 or rng.random() < 0.5 else int(rng.integers(1, len(case.texts)))
        ink = ((PAPER - page.astype(np.float32)) / PAPER)[None]
        return ink, signal, shown, known, np.int64(index), np.int64(text), case.texts[text] if case.texts else ""

    def _image(self, signal: Signal, rng: np.random.Generator) -> tuple[Gray, np.ndarray]:
        """What the tower reads of a varied signal, and which samples it shows, ``[12, 992]``."""
        if self.encoding.is_page:
            page, layout = varied_page(signal, RATE, rng, self.variation)
            return page, plotted(layout, signal.shape[1]).numpy()
        if self.encoding.is_signal:
            return pack(signal), np.ones((len(LEADS), DECODED_SAMPLES), bool)
        ready = prepared(Recording(signal, RATE), published=self.encoding.normalise)
        # Any of the beats, as published: the same record is another image each time that it is seen.
        random = (lambda beats: int(rng.choice(beats))) if self.variation.strength else None
        beat = chosen_beat(ready, self.encoding, random)
        shown = np.zeros((len(LEADS), DECODED_SAMPLES), bool)
        shown[:, : signal.shape[1]] = window_shown(beat, self.encoding, signal.shape[1])
        return window_image(ready, beat, self.encoding), shown


def _decoder_target(signal: np.ndarray, shown: int) -> tuple[np.ndarray, np.ndarray]:
    """The last ``shown`` samples before the page was varied, padded to the decoder's length, and where they are."""
    clean = signal[:, signal.shape[1] - shown :]
    target = np.zeros((len(signal), DECODED_SAMPLES), np.float32)
    target[:, :shown] = clean - np.median(clean, axis=1, keepdims=True)
    known = np.zeros(target.shape, bool)
    known[:, :shown] = True
    return target, known


def epoch_order(sizes: Sequence[tuple[int, int]], seed: Sequence[int], batch: int) -> np.ndarray:
    """A shuffled order of case indices, whole batches only.

    Args:
        sizes: for each corpus its number of cases and how often each is seen.
        seed: of the shuffle.
        batch: pages per step.
    """
    parts, start = [], 0
    for count, repeat in sizes:
        parts.append(np.tile(np.arange(start, start + count), repeat))
        start += count
    order = np.random.default_rng(list(seed)).permutation(np.concatenate(parts))
    return order[: max(1, len(order) // batch) * batch]


def batches(dataset: PageDataset, batch: int, first: int, workers: int, own: slice = slice(None)) -> Iterator[Batch]:
    """Batches from number ``first`` on, drawn ahead by ``workers`` processes; ``own`` rows of each."""
    places = [list(range(i, min(i + batch, len(dataset))))[own] for i in range(first * batch, len(dataset), batch)]
    # A generator of its own: the loader's start-up draw would move torch's, and a resumed run would differ.
    apart = torch.Generator()
    loader = DataLoader(
        dataset, batch_sampler=places, num_workers=workers, worker_init_fn=_one_thread, generator=apart
    )
    for parts in loader:
        yield Batch(*parts)


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
