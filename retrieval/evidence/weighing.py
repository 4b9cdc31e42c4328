"""Weigh an answer: how near its cases are, what they say, what speaks against it, and how far to trust it."""

from __future__ import annotations

import numpy as np

from retrieval.answer import Answer
from retrieval.engine import Engine
from retrieval.evidence.cautions import cautions_of
from retrieval.evidence.chance import Chance, draw_chance
from retrieval.evidence.opposing import comma, contrary_case
from retrieval.evidence.result import Evidence, Strange
from retrieval.evidence.voting import ballots_of, leading


def weigh(engine: Engine, answer: Answer) -> Evidence:
    """What the cases of an answer say, and how far to trust it.

    The first call for a gallery's generation draws its chance (about 0.2 s); later ones take a few milliseconds.

    Args:
        engine: the one that gave the answer.
        answer: as ``Engine.query``, ``search`` and ``like`` give it.
    """
    if not len(engine.gallery):
        return Evidence((), (), None, None, cautions_of(engine, answer))
    chance = engine.remembered("chance", lambda: draw_chance(engine.gallery))
    ballots = ballots_of(answer.hits, engine.statement_counts(), answer.gallery.cases)
    return Evidence(
        _percentiles(chance, answer),
        ballots,
        contrary_case(engine, answer, leading(ballots)),
        _strange(engine, chance, answer),
        cautions_of(engine, answer),
    )


def _percentiles(chance: Chance, answer: Answer) -> tuple[float, ...]:
    scores = np.array([hit.score for hit in answer.hits])
    if answer.query.text is not None and answer.query.vector is not None:
        return chance.percentiles_of(answer.query.vector, scores)
    return chance.percentiles(scores)


def _strange(engine: Engine, chance: Chance, answer: Answer) -> Strange | None:
    """Whether the nearest case of the whole gallery, whatever the condition of the search, is too far.

    Of queries with a sentence that is not known: the gallery has no sentences to compare with.
    """
    query = answer.query
    if chance.threshold is None or query.text is not None or query.vector is None:
        return None
    near = engine.gallery.find(query.vector[None], 2, [answer.patient]).neighbours[0]
    best = next((hit.score for hit in near if hit.case_id != query.case_id), None)
    if best is None or best >= chance.threshold:
        return None
    limit = chance.threshold
    return Strange(
        best,
        limit,
        f"Nothing like this is in the gallery: the nearest case has a similarity of {best:.3f}, and of the gallery's "
        f"own cases all but one in fifty have one of {limit:.3f} or more.",
        f"Nichts dergleichen ist in der Sammlung: Der nächste Fall hat eine Ähnlichkeit von {comma(best)}; von den "
        f"Fällen der Sammlung selbst haben alle bis auf einen von fünfzig einen mit {comma(limit)} oder mehr.",
    )
