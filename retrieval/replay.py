"""A logged answer is given again from the gallery as it was then, or what stands in the way is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from index import CaseGallery, Condition, Neighbour, all_of
from index.filters import added_until, none_of
from retrieval.answer_log import LoggedAnswer, hits_json
from retrieval.engine import condition_of

State = Literal["the same", "removed", "replaced"]


@dataclass(frozen=True)
class ReplayedHit:
    """A case of the logged answer, and what has become of it: in the gallery as it was, deleted, or replaced."""

    rank: int
    case_id: str
    score: float
    state: State


@dataclass(frozen=True)
class Replay:
    """A logged answer beside the same search now.

    Args:
        logged: the answer as it was given.
        generation: of the gallery now.
        hits: the logged cases with what has become of them.
        same: whether the search gives, of the cases that are still there as they were, the same ids and scores in the
            same order, byte for byte.
        reasons: sentences on what has changed; none when nothing has.
    """

    logged: LoggedAnswer
    generation: int
    hits: tuple[ReplayedHit, ...]
    same: bool
    reasons: tuple[str, ...]


def replay(gallery: CaseGallery, logged: LoggedAnswer) -> Replay:
    """Search again as it was searched then: the same vector, among the cases that were there then.

    Args:
        gallery: the one that answered, opened in any way.
        logged: the answer.
    """
    with gallery.snapshot() as generation:
        hits = _states(gallery, logged)
        reasons = _reasons(gallery, logged, generation, hits)
        if gallery.bundle_sha256 != logged.bundle_sha256 or len(logged.vector) != gallery.dim:
            return Replay(logged, generation, hits, False, tuple(reasons))
        found = _again(gallery, logged, generation)
    still = [(hit.case_id, hit.score) for hit in hits if hit.state == "the same"]
    same = hits_json(found[: len(still)]) == hits_json(still)
    if not same:
        reasons.append("the search gives other cases or scores now")
    return Replay(logged, generation, hits, same, tuple(reasons))


def _states(gallery: CaseGallery, logged: LoggedAnswer) -> tuple[ReplayedHit, ...]:
    ids = [case_id for case_id, _ in logged.hits]
    known = gallery.known(ids)
    there = [case_id for case_id in ids if case_id in known]
    added = dict(zip(there, gallery.added(there), strict=True))
    return tuple(
        ReplayedHit(rank, case_id, score, _state(added.get(case_id), logged.generation))
        for rank, (case_id, score) in enumerate(logged.hits, 1)
    )


def _state(added: int | None, generation: int) -> State:
    if added is None:
        return "removed"
    return "replaced" if added > generation else "the same"


def _reasons(gallery: CaseGallery, logged: LoggedAnswer, generation: int, hits: Sequence[ReplayedHit]) -> list[str]:
    reasons = []
    if gallery.bundle_sha256 != logged.bundle_sha256:
        reasons.append(
            f"the answer was given with the bundle {logged.bundle_name} ({logged.bundle_sha256[:12]}), the gallery's "
            f"vectors are of {gallery.bundle_name} ({gallery.bundle_sha256[:12]}) now"
        )
    if generation != logged.generation:
        reasons.append(f"the gallery was at generation {logged.generation}, it is at {generation} now")
    for state in ("removed", "replaced"):
        gone = [hit.case_id for hit in hits if hit.state == state]
        if gone:
            reasons.append(f"{state} since: {', '.join(gone)}")
    if generation != logged.generation and logged.ranked_by != "vectors":
        reasons.append("words weigh by how many of all reports have them, which has changed with the gallery")
    return reasons


def _again(gallery: CaseGallery, logged: LoggedAnswer, generation: int) -> list[tuple[str, float]]:
    where = all_of(condition_of(logged.where), *_as_it_was(logged, generation))
    if logged.ranked_by == "words":
        found: Sequence[Neighbour] = gallery.search_words(logged.words, logged.k, where)
    elif logged.ranked_by == "both":
        found = gallery.search_hybrid(logged.vector, logged.words, logged.k, where)
    else:
        found = gallery.search(logged.vector[None], k=logged.k, where=where)[0]
    ids = [hit.case_id for hit in found]
    return list(zip(ids, gallery.similarities(logged.vector, ids), strict=True))


def _as_it_was(logged: LoggedAnswer, generation: int) -> list[Condition]:
    """The cases that were there then, without those that were left out."""
    conditions = []
    if generation != logged.generation:
        conditions.append(added_until(logged.generation))
    if logged.excluded:
        conditions.append(none_of(logged.excluded))
    return conditions
