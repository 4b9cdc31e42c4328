"""Reasons to trust an answer less, each as a sentence in English and in German."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from index import Filter
from retrieval.answer import Answer
from retrieval.ecg.recording import Recording
from retrieval.ecg.statements import synonyms
from retrieval.engine import Engine
from retrieval.evidence.chance import LEAST_FOR_THRESHOLD
from retrieval.evidence.result import Caution

FEW = 20
"""Paced cases, or children, of which a gallery with fewer has hardly one that is like any other."""
FEW_VOICES = 5
ADULT = 16.0
"""Years from which an ECG is read by the limits of adults."""


def cautions_of(engine: Engine, answer: Answer) -> tuple[Caution, ...]:
    """What to know before trusting an answer; see ``Caution`` for the kinds."""
    return (*_of_the_gallery(answer), *_of_the_query(engine, answer))


def _of_the_gallery(answer: Answer) -> Iterator[Caution]:
    made, cases, hits = sum(hit.simulated for hit in answer.hits), answer.gallery.cases, len(answer.hits)
    if answer.gallery.simulated or made:
        yield _simulated(made, hits, whole=answer.gallery.simulated)
    if cases < LEAST_FOR_THRESHOLD:
        yield Caution(
            "few_cases",
            f"The gallery has {cases} {'case' if cases == 1 else 'cases'}: the nearest of so few may not be near.",
            f"Die Sammlung hat {cases} {'Fall' if cases == 1 else 'Fälle'}: Der nächste von so wenigen muss nicht "
            "nahe sein.",
        )
    elif 0 < hits < FEW_VOICES:
        yield Caution(
            "few_voices",
            f"Only {hits} {'case votes' if hits == 1 else 'cases vote'}.",
            f"Nur {hits} {'Fall stimmt' if hits == 1 else 'Fälle stimmen'} ab.",
        )
    if hits and not any(hit.statements for hit in answer.hits):
        yield Caution(
            "no_statements",
            "These cases have reports and no coded statements: there is no vote.",
            "Diese Fälle haben Befunde, aber keine kodierten Aussagen: Es gibt keine Abstimmung.",
        )
    if answer.recall is not None:
        yield Caution(
            "approximate",
            f"The search is approximate and finds {answer.recall:.1%} of the ten nearest cases of this gallery.",
            f"Die Suche ist eine Näherung und findet {_percent(answer.recall)} der zehn nächsten Fälle hier.",
        )


def _simulated(made: int, hits: int, *, whole: bool) -> Caution:
    if whole:
        english = "The gallery is SIMULATED: a program made its cases, and no patient has them."
        german = "Die Sammlung ist SIMULIERT: Ein Programm hat ihre Fälle erzeugt, kein Patient hat sie."
    else:
        english = f"{made} of these {hits} cases are SIMULATED: a program made them, and no patient has them."
        german = f"{made} dieser {hits} Fälle sind SIMULIERT: Ein Programm hat sie erzeugt, kein Patient hat sie."
    return Caution("simulated", english, german)


def _of_the_query(engine: Engine, answer: Answer) -> Iterator[Caution]:
    cases = answer.gallery.cases
    paced = engine.statement_counts().get("PACE", 0)
    if paced < FEW and _is_paced(engine, answer):
        yield Caution(
            "paced",
            f"The query is paced, and {_of_all(paced, cases)} cases of the gallery are.",
            f"Die Anfrage zeigt einen Schrittmacherrhythmus; in der Sammlung {'tut' if paced == 1 else 'tun'} das "
            f"{paced} von {cases} Fällen.",
        )
    age = _age(answer)
    children = None if age is None or age >= ADULT else _children(engine, answer)
    if age is not None and children is not None and children < FEW:
        yield Caution(
            "child",
            f"The query is of a patient of {age:.0f} years, and {_of_all(children, cases)} cases of the gallery are "
            f"of patients under {ADULT:.0f}: a normal ECG of a child may look like a diseased one of an adult.",
            f"Die Anfrage stammt von einem Patienten von {age:.0f} Jahren; in der Sammlung sind {children} von "
            f"{cases} Fällen unter {ADULT:.0f} Jahren: Ein normales EKG eines Kindes kann wie ein krankhaftes eines "
            "Erwachsenen aussehen.",
        )


def _of_all(some: int, cases: int) -> str:
    return f"none of the {cases}" if not some else f"only {some} of the {cases}"


def _is_paced(engine: Engine, answer: Answer) -> bool:
    """As the samples show, as the case says that was asked about, or as the sentence has it."""
    query = answer.query
    if query.case_id is not None and "PACE" in engine.gallery.cases([query.case_id])[0].statements:
        return True
    if query.text is not None:
        said = query.words.casefold()
        words = (*synonyms("PACE"), *synonyms("PACE", "de"), "pacemaker", "schrittmacher")
        if any(word.casefold() in said for word in words):
            return True
    return query.recording is not None and _shows_pacing(query.recording)


def _shows_pacing(recording: Recording) -> bool:
    from retrieval.ecg.beats import without_drift
    from retrieval.intake.pacing import paced

    return bool(paced(without_drift(recording)))


def _age(answer: Answer) -> float | None:
    return None if answer.query.recording is None else answer.query.recording.age


def _children(engine: Engine, answer: Answer) -> int | None:
    """How many cases of the gallery are of children, counted as far as ``FEW``."""
    if answer.query.vector is None:
        return None
    young = Filter(age_to=float(np.nextafter(ADULT, 0)))
    return len(engine.gallery.find(answer.query.vector[None], FEW, where=young).neighbours[0])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".", ",")
