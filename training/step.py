"""One step's gradient, of the batch as a whole or of parts of it that keep the batch's contrast.

A contrastive loss compares every page with every text, so a batch cannot be cut into smaller ones. It can be computed
in two passes: first every vector without a graph; the loss on all of them gives the gradient of each vector; then
part by part the vectors again, with a graph, through which that gradient goes on (Gao et al., Scaling Deep
Contrastive Learning Batch Size under Memory Limited Setup, 2021). Memory holds the graph of one part only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch

from training.chance import Chance, chance, set_chance
from training.loader import Batch
from training.objective import Objective, Parts, TextBatch
from training.recipe import Stage
from training.shared_norm import unmoved_statistics
from training.texts import Texts

T = TypeVar("T")
TEXTS_A_PART = 4
"""Texts are this many times as many in a part as pages: they are shorter than a page."""


def backward(
    objective: Objective, stage: Stage, pages: Batch | None, texts: TextBatch | None, bank: Texts | None
) -> dict[str, float]:
    """Add the gradient of a step's loss to the model's, and give the loss's parts before their weights."""
    size = objective.recipe.pages_at_once
    if size and ((pages is not None and len(pages) > size) or pages is None):
        return _in_parts(objective, stage, pages, texts, bank, size)
    parts: Parts = {}
    if pages is not None:
        seen = objective.read_pages(stage, pages)
        aligned = bank is not None and stage.contrastive
        words = objective.read_texts(pages.words, bank) if aligned and bank is not None else None
        parts |= objective.of_vectors(stage, pages, seen.vectors, words)
        terms = objective.term_batch(stage, pages)
        if terms is not None and bank is not None:
            parts |= objective.of_terms(pages, seen.vectors, terms, objective.read_texts(terms.words, bank))
        if seen.decoded is not None:
            total = objective.known_samples(pages) if objective.ranks.count > 1 else None
            parts |= objective.of_signals(pages, seen.decoded, total)
    if texts is not None and bank is not None:
        parts |= objective.of_reports(texts, objective.read_texts(texts.words, bank))
    objective.weighted(stage, parts).backward()
    return {name: float(value.detach()) for name, value in parts.items()}


class CachedVectors(Generic[T]):
    """Vectors of many inputs as a leaf, and the way back from its gradient to the tower, a part at a time.

    Args:
        parts: of the inputs.
        embed: the tower; without a graph.
        device: whose random streams the tower draws from.
    """

    def __init__(self, parts: Sequence[T], embed: Callable[[T], torch.Tensor], device: torch.device) -> None:
        self.parts, self.device = parts, device
        self.streams: list[Chance] = []
        rows = []
        with torch.no_grad():
            for part in parts:
                self.streams.append(chance(device))
                rows.append(embed(part))
        self.vectors = torch.cat(rows).requires_grad_()

    def carry_back(self, again: Callable[[T], tuple[torch.Tensor, torch.Tensor | None]]) -> None:
        """Send the leaf's gradient on to the tower.

        Args:
            again: the tower with a graph, which draws what it drew before; and a loss of the part's own, if any.
        """
        gradient = self.vectors.grad
        start = 0
        for part, stream in zip(self.parts, self.streams, strict=True):
            set_chance(stream, self.device)
            vectors, own = again(part)
            ends, ways = ([], []) if own is None else ([own], [torch.ones_like(own)])
            if gradient is not None:
                ends.append(vectors)
                ways.append(gradient[start : start + len(vectors)])
            torch.autograd.backward(ends, ways)
            start += len(vectors)


def _in_parts(
    objective: Objective, stage: Stage, pages: Batch | None, texts: TextBatch | None, bank: Texts | None, size: int
) -> dict[str, float]:
    parts: Parts = {}
    said: list[CachedVectors[list[str]]] = []
    seen: CachedVectors[Batch] | None = None
    if pages is not None:
        with unmoved_statistics(objective.model):
            seen = CachedVectors(
                pages.parts(size), lambda part: objective.read_pages(stage, part, False).vectors, objective.device
            )
        words = _vectors(objective, pages.words, bank, size, said) if stage.contrastive and bank is not None else None
        parts |= objective.of_vectors(stage, pages, seen.vectors, words)
        terms = objective.term_batch(stage, pages)
        if terms is not None and bank is not None:
            named = _vectors(objective, terms.words, bank, size, said)
            parts |= objective.of_terms(pages, seen.vectors, terms, named)
    if texts is not None and bank is not None:
        parts |= objective.of_reports(texts, _vectors(objective, texts.words, bank, size, said))
    if parts:
        objective.weighted(stage, parts).backward()
    told = {name: float(value.detach()) for name, value in parts.items()}
    for cached in said:
        cached.carry_back(lambda part: (_read(objective, part, bank), None))
    if pages is not None and seen is not None:
        told |= _pages_back(objective, stage, pages, seen)
    return told


def _read(objective: Objective, words: Sequence[str], bank: Texts | None) -> torch.Tensor:
    if bank is None:
        raise ValueError("a stage that reads texts has a bank of them")
    return objective.read_texts(words, bank)


def _vectors(
    objective: Objective, words: Sequence[str], bank: Texts, size: int, said: list[CachedVectors[list[str]]]
) -> torch.Tensor:
    """Vectors of texts: in one graph where only the projection trains, else cached and added to ``said``."""
    if bank.light:
        return objective.read_texts(words, bank)
    many = TEXTS_A_PART * size
    parts = [list(words[i : i + many]) for i in range(0, len(words), many)]
    cached = CachedVectors(parts, lambda part: objective.read_texts(part, bank), objective.device)
    said.append(cached)
    return cached.vectors


def _pages_back(objective: Objective, stage: Stage, pages: Batch, seen: CachedVectors[Batch]) -> dict[str, float]:
    """The second pass over pages, with the signal loss, which looks at one page at a time."""
    losses: list[torch.Tensor] = []
    total = objective.known_samples(pages) if stage.signal else None

    def again(part: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        answer = objective.read_pages(stage, part)
        if answer.decoded is None:
            return answer.vectors, None
        loss = objective.of_signals(part, answer.decoded, total)["signal"]
        losses.append(loss.detach())
        return answer.vectors, stage.signal * loss

    seen.carry_back(again)
    return {"signal": float(torch.stack(losses).sum())} if losses else {}
