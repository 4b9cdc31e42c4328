"""Changes of a gallery in Milvus: what is checked, which rows are inserted, what the commit says."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from index.case import Case
from index.errors import DuplicateCase, GalleryError, UnknownCase
from index.ingest import Ingest
from index.milvus import ledger
from index.milvus.layout import digest
from index.milvus.ledger import MOST_AT_ONCE, Gone, State
from index.milvus.reading import numbers_of
from index.milvus.rows import DOCUMENT, case_rows, cases_in
from index.milvus.session import Session, View
from index.milvus.store import Row

Matrix = NDArray[np.float32]


def add(session: Session, state: State, cases: Sequence[Case], vectors: Matrix, taken: Ingest | None) -> State:
    """Add cases, and how far their stream was taken, in one commit.

    Raises:
        DuplicateCase: when an id is given twice, is in the gallery, or was in it and deleted. Nothing is added then.
    """
    _refuse_repeated(session, cases)
    ids = [case.case_id for case in cases]
    _refuse_used(session, state, ids)
    if not cases and taken is None:
        return state
    started = session.begin(state)
    new = _with_added(session, started, cases, vectors) if cases else started
    if taken is not None:
        session.store.insert(session.store.ledger, ledger.ingest_rows(new, taken))
    session.commit(new)
    if taken is not None:
        with contextlib.suppress(GalleryError):  # it is committed; what it said before is passed over
            ledger.drop_ingests_before(session.store, new, taken.fingerprint)
    return new


def replace_cases(session: Session, state: State, cases: Sequence[Case], vectors: Matrix) -> State:
    """Put cases in the place of those of the same ids in one commit.

    Raises:
        UnknownCase: when an id is not in the gallery. Nothing is replaced then.
        DuplicateCase: when an id is given twice.
    """
    _refuse_repeated(session, cases)
    numbers = _known(session, state, [case.case_id for case in cases])
    if not cases:
        return state
    without = _with_deleted(session, session.begin(state), numbers)
    # Deleting and adding are one change of the gallery, and one generation.
    new = _with_added(session, replace(without, generation=state.generation), cases, vectors)
    session.commit(new)
    return new


def delete(session: Session, state: State, ids: Sequence[str]) -> State:
    """Delete cases in one commit; their ids are never used again.

    Raises:
        UnknownCase: when an id is not in the gallery. Nothing is deleted then.
    """
    numbers = _known(session, state, ids)
    if not numbers:
        return state
    new = _with_deleted(session, session.begin(state), numbers)
    session.store.insert(session.store.ledger, ledger.retired_rows(new, ids))
    session.commit(new)
    return new


def _with_added(session: Session, state: State, cases: Sequence[Case], vectors: Matrix) -> State:
    """Insert the rows of cases, which nobody sees; the state that would count them."""
    if len(cases) > MOST_AT_ONCE:
        raise GalleryError(f"{len(cases)} cases at once are too many for one commit; add {MOST_AT_ONCE} at most")
    rows: list[Row] = []
    pieces: list[Row] = []
    for number, (case, vector) in enumerate(zip(cases, vectors, strict=True), start=state.next):
        row, more = case_rows(number, state.generation + 1, case, vector)
        rows.append(row)
        pieces += more
    session.store.insert(session.store.pieces, pieces)
    session.store.insert(session.store.cases, rows)
    start, stop = state.spans[-1]
    return replace(
        state,
        generation=state.generation + 1,
        spans=(*state.spans[:-1], (start, stop + len(cases))),
        cases=state.cases + len(cases),
        patients=state.patients + _new_patients(session, state, cases),
        counts=_counted(state, cases, 1),
    )


def _with_deleted(session: Session, state: State, numbers: Sequence[int]) -> State:
    """The state that counts these cases no more."""
    store = session.store
    if len(numbers) > MOST_AT_ONCE:
        raise GalleryError(f"{len(numbers)} cases at once are too many for one commit; delete {MOST_AT_ONCE} at most")
    found = store.same_rows(store.cases, "number", numbers, ("case_id", *DOCUMENT))
    cases = list(cases_in(store, found))
    gone = Gone(time.time(), tuple(numbers))
    without = replace(state, gone=(*state.gone, gone))
    keys = {case.patient_key for case in cases if case.patient_key is not None}
    left = len(_patients_there(session, without, keys))
    return replace(
        without,
        generation=state.generation + 1,
        cases=state.cases - len(numbers),
        patients=state.patients - len(keys) + left,
        counts=_counted(state, cases, -1),
    )


def _counted(state: State, cases: Sequence[Case], step: int) -> dict[str, int]:
    counts = Counter(state.counts)
    for case in cases:
        for code in case.statements:
            counts[code] += step
    return {code: count for code, count in sorted(counts.items()) if count > 0}


def _new_patients(session: Session, state: State, cases: Sequence[Case]) -> int:
    keys = {case.patient_key for case in cases if case.patient_key is not None}
    return len(keys) - len(_patients_there(session, state, keys))


def _patients_there(session: Session, state: State, keys: set[str]) -> set[str]:
    """The digests of those patients that have cases that count."""
    store = session.store
    digests = [digest(key) for key in sorted(keys)]
    rows = store.query_keys(store.cases, "patient", digests, ("patient",), state.visible())
    return {row["patient"] for row in rows}


def _refuse_repeated(session: Session, cases: Sequence[Case]) -> None:
    for case_id, count in Counter(case.case_id for case in cases).items():
        if count > 1:
            raise DuplicateCase(
                f"{session.store.place}: the id {case_id!r} was given to {count} cases; each needs its own"
            )


def _refuse_used(session: Session, state: State, ids: Sequence[str]) -> None:
    place = session.store.place
    for case_id in numbers_of(session, View(state), ids):
        raise DuplicateCase(f"{place}: a case {case_id!r} is in the gallery already; delete it or give another id")
    for case_id in sorted(ledger.read_retired(session.store, state, ids)):
        raise DuplicateCase(f"{place}: the id {case_id!r} was deleted and is never used again; give another id")


def _known(session: Session, state: State, ids: Sequence[str]) -> list[int]:
    found = numbers_of(session, View(state), ids)
    for case_id in ids:
        if case_id not in found:
            raise UnknownCase(
                f"{session.store.place}: there is no case {case_id!r}, or it was deleted; ids() lists those there are"
            )
    return [found[case_id] for case_id in ids]
