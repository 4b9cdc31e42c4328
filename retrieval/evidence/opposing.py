"""The contrary case: the nearest one that speaks against what most of the others say."""

from __future__ import annotations

from index import Filter, all_of
from retrieval.answer import Answer, Hit
from retrieval.ecg.statements import words_of
from retrieval.engine import Engine, condition_of
from retrieval.evidence.exclusion import excluded_by
from retrieval.evidence.result import Ballot, Contrary

TOLD = 3
"""Statements of the case that are told, at most."""
TRIED = 20
"""Cases beyond the answer that are looked at; those without any statement say nothing."""


def contrary_case(engine: Engine, answer: Answer, leader: Ballot | None) -> Contrary | None:
    """The nearest case that lacks the leading statement or has one that excludes it: among the hits, else beyond."""
    if leader is None:
        return None
    for hit in answer.hits:
        if speaks_against(hit, leader.code):
            return _contrary(hit, leader, len(answer.hits), among=True)
    hit = _beyond(engine, answer, leader.code)
    return None if hit is None else _contrary(hit, leader, len(answer.hits), among=False)


def speaks_against(hit: Hit, code: str) -> bool:
    """Whether a case that has statements lacks this one, or has one that excludes it."""
    return bool(hit.statements) and (code not in hit.statements or bool(excluded_by(code) & hit.statements.keys()))


def _beyond(engine: Engine, answer: Answer, code: str) -> Hit | None:
    """The nearest case without the statement that the answer does not have."""
    query = answer.query
    if query.vector is None:
        return None
    lacking = all_of(condition_of(answer.where), Filter(absent=(code,)))
    found = engine.gallery.find(query.vector[None], len(answer.hits) + TRIED, [answer.patient], lacking)
    known = {hit.case_id for hit in answer.hits} | {query.case_id}
    near = [one for one in found.neighbours[0] if one.case_id not in known][:TRIED]
    cases = engine.gallery.cases([one.case_id for one in near])
    hits = (Hit(0, one.score, case) for one, case in zip(near, cases, strict=True))
    return next((hit for hit in hits if hit.statements), None)


def _contrary(hit: Hit, leader: Ballot, hits: int, *, among: bool) -> Contrary:
    against = [code for code in hit.statements if code in excluded_by(leader.code)]
    told = (against or [code for code in hit.statements if code != leader.code])[:TOLD]
    also = leader.code in hit.statements
    reports = ", ".join(words_of(code) for code in told)
    nennt = ", ".join(words_of(code, "de") for code in told)
    who = f"{hit.case_id} (similarity {hit.score:.3f})"
    wer = f"{hit.case_id} (Ähnlichkeit {comma(hit.score)})"
    if among:
        english = f"Case {hit.rank} of {hits}, {who}, speaks against {leader.english}"
        german = f"Fall {hit.rank} von {hits}, {wer}, spricht gegen „{leader.german}“"
    else:
        english = f"None of the {hits} nearest cases speaks against {leader.english}; the nearest that does is {who}"
        german = (
            f"Von den {hits} nächsten Fällen spricht keiner gegen „{leader.german}“; der nächste, der es tut: {wer}"
        )
    english += f": it {'also ' * also}reports {reports}."
    german += f": berichtet {'auch ' * also}„{nennt}“."
    return Contrary(hit, leader.code, among, english, german)


def comma(value: float, digits: int = 3) -> str:
    """A number as it is written in German."""
    return f"{value:.{digits}f}".replace(".", ",")
