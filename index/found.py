"""The answer of a search with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from index.case import Neighbour


@dataclass(frozen=True)
class Found:
    """What a search found, of which state of the gallery, and how surely it is all there is.

    Args:
        neighbours: for each query its nearest cases.
        generation: the gallery's when it was searched.
        bundle_name, bundle_sha256: the bundle that made the vectors.
        exact: whether every vector that may be answered was compared.
        recall: where not, the share of the ten nearest that the search finds, measured on this gallery's vectors.
    """

    neighbours: list[list[Neighbour]]
    generation: int
    bundle_name: str
    bundle_sha256: str
    exact: bool
    recall: float | None
