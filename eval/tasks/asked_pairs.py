"""Exact pairs of fold 10 when only some of its ECGs ask, each perhaps with a picture in its clean page's place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.metrics.pairs import Form, PairView, Scope, pair_view
from eval.split import Part, Split
from eval.systems import Vectors
from eval.tasks.reports import DIRECTIONS, readable
from retrieval.scoring import Bools, Floats, cosine, first_hit

__all__ = ["DIRECTIONS", "AskedPairs", "K", "pair_name"]

K = 10
Places = NDArray[np.intp]


def pair_name(direction: str, form: Form, scope: Scope) -> str:
    """The metric of an exact pair."""
    return f"{direction} R@{K}, {scope}, {form}"


@dataclass(frozen=True)
class AskedPairs:
    """Exact pairs of fold 10, some of whose ECGs ask.

    Args:
        ecgs: positions among the queries of all that take part, as `PairView.rows` counts them.
        view: over them.
        asking: ``[m]`` positions in the view.
        place: ``[m]`` positions of the same ECGs among those that are asked with.
    """

    ecgs: Places
    view: PairView
    asking: Places
    place: Places

    @classmethod
    def of(cls, split: Split, rows: Places, form: Form, scope: Scope) -> AskedPairs:
        """Those that ask come first, so that of several ECGs with one text it is one of them that stands for it."""
        part = readable(split.queries)
        known = set(part.ids)
        chosen = set(rows.tolist())
        order = [*rows.tolist(), *(i for i in range(len(split.queries.rows)) if i not in chosen)]
        order = [i for i in order if split.queries.rows[i].ecg_id in known]
        asked = Part(tuple(split.queries.rows[i] for i in order))
        view = pair_view(asked.texts, asked.patients, asked.devices, form, scope)
        ecgs = np.array(order, dtype=np.intp)[view.rows]
        place = {int(ecg): i for i, ecg in enumerate(rows)}
        asking = np.array([i for i, ecg in enumerate(ecgs) if int(ecg) in place], dtype=np.intp)
        return cls(ecgs, view, asking, np.array([place[int(ecgs[i])] for i in asking], dtype=np.intp))

    def recall(self, direction: str, pictures: Vectors, read: Bools, clean: Vectors, texts: Vectors) -> Floats:
        """Recall ``[n]`` at 10: 0 where the picture was refused, NaN where the ECG does not ask.

        Args:
            direction: one of `DIRECTIONS`.
            pictures: ``[read, dim]``.
            read: ``[n]``.
            clean: ``[ecgs, dim]`` of the clean pages.
            texts: ``[ecgs, dim]`` of the reports.
        """
        found = np.full(len(read), np.nan)
        found[self.place] = 0.0
        asking, place = self.asking[read[self.place]], self.place[read[self.place]]
        if not asking.size:
            return found
        shown = pictures[(np.cumsum(read) - 1)[place]]
        if direction == "page to report":
            scores = cosine(shown, texts)
        else:
            scores = cosine(texts[asking], clean)
            # Row by row as a matrix product, so that it is rounded as the others are.
            scores[np.arange(asking.size), asking] = np.diagonal(cosine(texts[asking], shown))
        targets, allowed = self.view.targets[asking], self.view.allowed[asking]
        found[place] = first_hit(scores, targets, allowed).recall_at(K)
        return found
