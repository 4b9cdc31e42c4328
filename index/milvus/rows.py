"""A case as rows of Milvus and back, checked by the digest that a gallery in a folder has too."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import records
from index.case import Case
from index.errors import BadCase, GalleryDamaged
from index.milvus.expressions import day_number
from index.milvus.layout import MOST_BYTES, MOST_STATEMENTS, PIECE, TEXTS, digest
from index.milvus.store import Row, Store

DOCUMENT = ("document", "pieces", "sha256")
"""What a case is made of again, beside its pieces."""
_ABSENT = -1
_KINDS = (0, 1, 2)
"""Of pieces: the document where it is too long for its row, the waveform, the page."""
_PIECES_AT_ONCE = 100


def case_rows(number: int, added: int, case: Case, vector: NDArray[np.float32]) -> tuple[Row, list[Row]]:
    """The row of a case and the rows of its pieces.

    Raises:
        BadCase: when it is longer than Milvus can keep.
    """
    _check_size(case)
    columns, statements = records.columns_of(case), records.statements_of(case)
    document = json.dumps([list(columns), [list(pair) for pair in statements]], ensure_ascii=True)
    fits = len(document) <= PIECE
    texts = (None if fits else document, _text_of(case.waveform), _text_of(case.page))
    cut = [None if text is None else _cut(text) for text in texts]
    pieces = [
        {"key": f"{number}/{kind}/{part}", "number": number, "kind": kind, "part": part, "text": text}
        for kind, parts in zip(_KINDS, cut, strict=True)
        for part, text in enumerate(parts or ())
    ]
    row: Row = {name: digest(getattr(case, name)) for name in TEXTS if name != "patient"}
    row |= {"number": number, "added": added, "case_id": case.case_id, "case_key": digest(case.case_id)}
    row |= {"patient": digest(case.patient_key), "day": day_number(case.recorded)}
    row |= {"has_age": int(case.age is not None), "age": float(case.age or 0.0)}
    row |= {
        "statements": [digest(code) for code, _ in statements],
        "document": document if fits else "",
        "pieces": " ".join(str(_ABSENT if parts is None else len(parts)) for parts in cut),
        "sha256": records.digest(columns, statements, (case.waveform, case.page)).hex(),
        "vector_sha256": vector_digest(vector),
        "vector": vector,
    }
    return row, [{**piece, "nothing": [0.0, 1.0]} for piece in pieces]


def vector_digest(vector: NDArray[np.float32]) -> str:
    """What tells whether a vector is the one that was added."""
    return hashlib.sha256(np.ascontiguousarray(vector, "<f4").tobytes()).hexdigest()


def cases_in(store: Store, rows: Sequence[Row]) -> Iterator[Case]:
    """The cases of rows with ``case_id``, ``number`` and ``DOCUMENT``, in order, each checked.

    Raises:
        GalleryDamaged: when a case is not what was added, naming it.
    """
    pieces = _pieces_of(store, rows)
    for row in rows:
        try:
            yield _case_in(row, pieces.get(row["number"], {}))
        except (TypeError, ValueError, KeyError, IndexError):
            raise GalleryDamaged(
                f"{store.place}: case {row.get('case_id')!r} is not what was added; delete it and add it again"
            ) from None


def _case_in(row: Row, pieces: dict[int, dict[int, str]]) -> Case:
    counts = [int(count) for count in row["pieces"].split()]
    texts = [
        None if count == _ABSENT else "".join(pieces.get(kind, {})[part] for part in range(count))
        for kind, count in zip(_KINDS, counts, strict=True)
    ]
    document = row["document"] if texts[0] is None else texts[0]
    columns, pairs = json.loads(document)
    waveform, page = (None if text is None else base64.b64decode(text, validate=True) for text in texts[1:])
    statements = [(code, value) for code, value in pairs]
    if records.digest(columns, statements, (waveform, page)).hex() != row["sha256"]:
        raise ValueError("another digest")
    values: dict[str, Any] = dict(zip(records.COLUMNS, columns, strict=True))
    extra = json.loads(values.pop("extra"))
    return Case(**values, statements=dict(statements), extra=extra, waveform=waveform, page=page)


def _pieces_of(store: Store, rows: Sequence[Row]) -> dict[int, dict[int, dict[int, str]]]:
    """The pieces of rows that have any: by number, kind and part."""
    keys = [
        f"{row['number']}/{kind}/{part}"
        for row in rows
        for kind, count in zip(_KINDS, map(int, row["pieces"].split()), strict=True)
        for part in range(max(0, count))
    ]
    found: dict[int, dict[int, dict[int, str]]] = {}
    for start in range(0, len(keys), _PIECES_AT_ONCE):
        part = keys[start : start + _PIECES_AT_ONCE]
        for piece in store.same_rows(store.pieces, "key", part, ("number", "kind", "part", "text")):
            found.setdefault(piece["number"], {}).setdefault(piece["kind"], {})[piece["part"]] = piece["text"]
    return found


def _check_size(case: Case) -> None:
    if len(case.case_id.encode()) > MOST_BYTES:
        raise BadCase(
            f"an id of {len(case.case_id)} letters is too long for Milvus; give one of at most {MOST_BYTES}"
        )
    if len(case.statements) > MOST_STATEMENTS:
        raise BadCase(
            f"case {case.case_id!r} has {len(case.statements)} statements; Milvus keeps at most {MOST_STATEMENTS}"
        )


def _text_of(blob: bytes | None) -> str | None:
    return None if blob is None else base64.b64encode(blob).decode()


def _cut(text: str) -> list[str]:
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
