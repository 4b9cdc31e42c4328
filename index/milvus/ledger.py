"""The ledger: what is committed. Milvus has no transactions, so a commit is one row that tells which rows count.

A change first inserts its rows under numbers that no commit has told of, and what else belongs to it under its own
sequence number; nobody sees them. Then one record is inserted, the commit, which names the new generation and the
numbers that count from now on. A reader asks for the newest commit and looks at nothing else. Deleted cases stand in
the commit as numbers that count no more; their rows are deleted later (:data:`GRACE_S`), when no reader holds on
to an older commit. A change that is cut off leaves rows that nobody sees; the next writer deletes them.

A record longer than a row lies in parts and counts when all of them are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from index.errors import GalleryDamaged, GalleryError, GalleryMissing
from index.ingest import Ingest
from index.milvus.layout import PIECE, digest
from index.milvus.store import Row, Store, quoted

FORMAT = 1
GRACE_S = 60.0
"""How long rows of deleted cases stay for readers that began before; a snapshot is good for half of it."""
FIELDS = ("key", "kind", "epoch", "sequence", "part", "parts", "text")
COMMIT, INGEST, RETIRED = "commit", "ingest", "retired"
_GAP = 2**20
"""Numbers left out after a writer that was cut off: more than any change takes at once."""
MOST_AT_ONCE = 500_000
_VOIDS = 32

Span = tuple[int, int]


@dataclass(frozen=True)
class Gone:
    """Cases that were deleted at a time (seconds since 1970), whose rows are still there."""

    since: float
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Index:
    """The approximate index on the vectors.

    Args:
        params: as Milvus is given them.
        search: what a search is given.
        below: rows of lower numbers were sealed and in the index when it was measured.
        recall: the share of the ten nearest that it found.
    """

    params: dict[str, Any]
    search: dict[str, Any]
    below: int
    recall: float


@dataclass(frozen=True)
class State:
    """A commit: what counts since it.

    Args:
        bundle_name, bundle_sha256, dim, simulated: as in ``index.schema.Meta``.
        epoch: counts the writers.
        sequence: counts the commits.
        generation: counts the changes of cases.
        spans: from where to where (exclusive) numbers of cases count.
        gone: numbers among them that count no more.
        cases, patients, counts: how many cases and patients there are, and cases with each statement.
        voids: epochs of writers that were cut off, with the sequence after which their records never count.
        building: whether the gallery is still being built and not to be answered from.
        index: the approximate index, where one was made.
        indexing: whether another index is being put on the vectors, and no search is answered.
    """

    bundle_name: str
    bundle_sha256: str
    dim: int
    simulated: bool
    epoch: int = 0
    sequence: int = 0
    generation: int = 0
    spans: tuple[Span, ...] = ((0, 0),)
    gone: tuple[Gone, ...] = ()
    cases: int = 0
    patients: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    voids: tuple[Span, ...] = ()
    building: bool = False
    index: Index | None = None
    indexing: bool = False
    format: int = FORMAT

    @property
    def next(self) -> int:
        """The number that the next case gets."""
        return self.spans[-1][1]

    @property
    def gone_numbers(self) -> list[int]:
        """All numbers that count no more and still have rows, ascending."""
        return sorted(number for gone in self.gone for number in gone.numbers)

    def visible(self, *also: str | None) -> str:
        """The expression for the rows of cases that count, and meet the other expressions."""
        spans = " or ".join(f"(number >= {start} and number < {stop})" for start, stop in self.spans)
        gone = self.gone_numbers
        parts = [
            f"({spans})",
            f"number not in {gone}" if gone else None,
            *(f"({one})" if one else None for one in also),
        ]
        return " and ".join(part for part in parts if part)

    def counts_record(self, epoch: int, sequence: int) -> bool:
        """Whether a record of that writer and sequence was committed."""
        if sequence > self.sequence:
            return False
        return not any(epoch == void and sequence > last for void, last in self.voids)

    def after_cut_off(self) -> State:
        """The state that a writer starts from whose forerunner was cut off: nothing that comes late can count."""
        last = self.spans[-1]
        spans = (*(self.spans[:-1] if last[0] == last[1] else self.spans), (last[1] + _GAP, last[1] + _GAP))
        voids = (*self.voids, (self.epoch, self.sequence))[-_VOIDS:]
        return replace(self, spans=spans, voids=voids)


def read_state(store: Store) -> State:
    """The newest commit.

    Raises:
        GalleryMissing: when there is none.
        GalleryDamaged: when it cannot be understood.
    """
    rows = store.query(store.ledger, f"kind == {quoted(COMMIT)}", FIELDS)
    newest = newest_record(rows)
    if newest is None:
        raise GalleryMissing(f"{store.place}: there is no gallery; build one or check the place")
    try:
        values = json.loads(newest)
        if values["format"] > FORMAT:
            raise GalleryError(f"{store.place}: a newer NearBeat made this gallery; update NearBeat")
        return _state_of(values)
    except (TypeError, ValueError, KeyError) as error:
        raise GalleryDamaged(f"{store.place}: the newest commit cannot be understood ({error!r})") from None


def write_commit(store: Store, state: State) -> list[Row]:
    """Insert a commit; from then on it is the newest. The rows that it is made of."""
    rows = record_rows(COMMIT, state, json.dumps(asdict(state)))
    store.insert(store.ledger, rows)
    return rows


def drop_commits_before(store: Store, state: State) -> None:
    """Delete the commits that no reader asks for any more."""
    older = f"kind == {quoted(COMMIT)} and (epoch < {state.epoch} or sequence < {state.sequence})"
    store.delete(store.ledger, older)


def record_rows(kind: str, state: State, text: str) -> list[Row]:
    """The rows of a record that belongs to the commit ``state``."""
    parts = [text[start : start + PIECE] for start in range(0, len(text), PIECE)] or [""]
    return [
        _row(f"{kind}/{state.epoch}/{state.sequence}/{part}", kind, state, piece, (part, len(parts)))
        for part, piece in enumerate(parts)
    ]


def newest_record(rows: Iterable[Row]) -> str | None:
    """The text of the record of highest epoch and sequence that is whole; None where there is none."""
    records: dict[tuple[int, int], dict[int, Row]] = {}
    for row in rows:
        records.setdefault((row["epoch"], row["sequence"]), {})[row["part"]] = row
    for key in sorted(records, reverse=True):
        parts = records[key]
        if len(parts) == next(iter(parts.values()))["parts"]:
            return "".join(parts[part]["text"] for part in sorted(parts))
    return None


def ingest_rows(state: State, taken: Ingest) -> list[Row]:
    """How far a stream was taken, as a record of the commit ``state``."""
    text = json.dumps([taken.fingerprint, taken.done, taken.finished, taken.refused])
    return record_rows(_ingest_kind(taken.fingerprint), state, text)


def read_ingest(store: Store, state: State, fingerprint: str) -> Ingest | None:
    """How far a stream was taken, or None when it was not begun."""
    rows = store.query(store.ledger, f"kind == {quoted(_ingest_kind(fingerprint))}", FIELDS)
    found = newest_record(row for row in rows if state.counts_record(row["epoch"], row["sequence"]))
    if found is None:
        return None
    name, done, finished, refused = json.loads(found)
    return Ingest(name, done, finished, tuple((file, kind, reason) for file, kind, reason in refused))


def drop_ingests_before(store: Store, state: State, fingerprint: str) -> None:
    """Delete what earlier commits said of a stream."""
    kind = quoted(_ingest_kind(fingerprint))
    store.delete(store.ledger, f"kind == {kind} and (epoch < {state.epoch} or sequence < {state.sequence})")


def retired_rows(state: State, ids: Sequence[str]) -> list[Row]:
    """Ids that the commit ``state`` deletes, as digests: enough to refuse them, not the ids themselves."""
    return [
        _row(f"{_retired_key(case_id)}/{state.epoch}/{state.sequence}", RETIRED, state, _retired_key(case_id))
        for case_id in ids
    ]


def read_retired(store: Store, state: State, ids: Sequence[str]) -> set[str]:
    """Those of the ids that were deleted."""
    by_key = {_retired_key(case_id): case_id for case_id in ids}
    rows = store.query_keys(
        store.ledger, "text", list(by_key), ("text", "epoch", "sequence"), f"kind == {quoted(RETIRED)}"
    )
    return {by_key[row["text"]] for row in rows if state.counts_record(row["epoch"], row["sequence"])}


def sweep(store: Store, state: State) -> None:
    """Delete what a change left that was cut off: rows beyond the last number, records beyond the commit."""
    for collection in (store.cases, store.pieces):
        store.delete(collection, f"number >= {state.next}")
    store.delete(store.ledger, f"sequence > {state.sequence}")  # claims have the sequence 0
    for epoch, last in state.voids:
        store.delete(store.ledger, f"epoch == {epoch} and sequence > {last}")


def purge(store: Store, state: State, before: float) -> State:
    """Delete the rows of cases that were deleted before a time; the state without them."""
    old = [gone for gone in state.gone if gone.since <= before]
    numbers = [number for gone in old for number in gone.numbers]
    store.delete_keys(store.cases, "number", numbers)
    store.delete_keys(store.pieces, "number", numbers)
    return replace(state, gone=tuple(gone for gone in state.gone if gone not in old))


def _state_of(values: dict[str, Any]) -> State:
    gone = tuple(Gone(item["since"], tuple(item["numbers"])) for item in values.pop("gone"))
    spans, voids = (tuple((int(a), int(b)) for a, b in values.pop(name)) for name in ("spans", "voids"))
    index = values.pop("index")
    return State(**values, gone=gone, spans=spans, voids=voids, index=None if index is None else Index(**index))


def _row(key: str, kind: str, state: State, text: str, place: tuple[int, int] = (0, 1)) -> Row:
    counted = {"epoch": state.epoch, "sequence": state.sequence, "part": place[0], "parts": place[1]}
    return {"key": key, "kind": kind, **counted, "text": text, "nothing": [0.0, 1.0]}


def _ingest_kind(fingerprint: str) -> str:
    return f"{INGEST}/{digest(fingerprint)}"


def _retired_key(case_id: str) -> str:
    return digest(case_id) + digest(case_id + "/")
