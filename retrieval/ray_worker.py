"""What runs in a Ray worker: it reads and draws the items of a part of a stream, encodes them, and sends rows back.

A row is an item: columns of numbers and bytes, and JSON for the rest, so that nothing that a worker sends runs here.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from index import Case
from index.errors import NearBeatError
from retrieval.errors import BundleError, NoWaveform
from retrieval.filling import Embedded
from retrieval.streams import NewCase, Refusal
from retrieval.towers.bundle import SHIPPED, Bundle

if TYPE_CHECKING:
    import pyarrow

BYTES = ("waveform", "page")
_TEXT = tuple(field.name for field in fields(Case) if field.name not in BYTES)


class Worker:
    """Reads and encodes parts of a stream; Ray keeps one in each process of its pool.

    Args:
        folder: the bundle, as this machine sees it; None for the one that is shipped with the program.
        sha256: what the bundle must be.
    """

    def __init__(self, folder: str | None, sha256: str) -> None:
        self.folder, self.sha256 = folder, sha256
        self._towers: Bundle | None = None

    @classmethod
    def settings(cls, towers: Bundle) -> dict[str, str | None]:
        """What a worker on any machine is made with, to encode as ``towers`` does."""
        shipped = towers.folder.resolve() == SHIPPED.resolve()
        return {"folder": None if shipped else str(towers.folder.resolve()), "sha256": towers.sha256}

    def __call__(self, batch: Mapping[str, Any]) -> pyarrow.Table:
        """One part: ``first`` (int64 ``[1]``) is the number of its first item, ``part`` (``[1]``) reads it.

        What would end a build in one process, ends the rows: an error raised here would overtake the rows of earlier
        parts, and they would be lost.
        """
        first, part = int(batch["first"][0]), batch["part"][0]
        rows: list[dict[str, Any]] = []
        try:
            towers = self.towers
            for number, item in enumerate(part(), first):
                rows.append(row_of(number, item if isinstance(item, Refusal) else _embedded(item, towers)))
        except Exception as error:
            kind, text = (error.kind, "") if isinstance(error, NearBeatError) else ("", f"{type(error).__name__}: ")
            failure = json.dumps([kind, f"{text}{error} (on {socket.gethostname()})"])
            rows.append({"number": first + len(rows), "failure": failure})
        return table(rows)

    @property
    def towers(self) -> Bundle:
        """The bundle, loaded once.

        Raises:
            BundleError: when it is not here, or is another.
        """
        if self._towers is None:
            towers = Bundle.load(self.folder)
            if towers.sha256 != self.sha256:
                raise BundleError(
                    f"{towers.folder} holds another bundle here ({towers.sha256[:12]}…) than where the gallery is "
                    f"written ({self.sha256[:12]}…); install the same NearBeat, or put the same bundle there"
                )
            import cv2

            cv2.setNumThreads(1)  # there is a worker for each processor
            self._towers = towers
        return self._towers


def _embedded(item: NewCase, towers: Bundle) -> Embedded:
    try:
        image = towers.image_of(item.page, item.recording)
    except NoWaveform as error:
        return Embedded(item.case, None, Refusal.of(item.case.case_id, error))
    return Embedded(item.case, towers.encode_pages([image], threads=1)[0])


def item_of(row: Mapping[str, Any]) -> Embedded | Refusal:
    """The item of a row."""
    refusal = Refusal(*json.loads(row["refusal"])) if row["refusal"] else None
    if row["case"] is None:
        assert refusal is not None  # noqa: S101 - row_of made it
        return refusal
    case = Case(**json.loads(row["case"]), **{name: row[name] for name in BYTES})
    vector = None if row["vector"] is None else np.frombuffer(row["vector"], np.float32)
    return Embedded(case, vector, refusal)


def row_of(number: int, item: Embedded | Refusal) -> dict[str, Any]:
    """The row of an item with its number in the stream."""
    if isinstance(item, Refusal):
        return {"number": number, "refusal": _refusal(item)}
    case = item.case
    texts = {name: getattr(case, name) for name in _TEXT}
    texts |= {"statements": dict(case.statements), "extra": dict(case.extra)}
    return {
        "number": number,
        "case": json.dumps(texts),
        "vector": None if item.vector is None else item.vector.tobytes(),
        "refusal": _refusal(item.refusal) if item.refusal else None,
        "waveform": case.waveform,
        "page": case.page,
    }


def _refusal(refusal: Refusal) -> str:
    return json.dumps([refusal.file, refusal.kind, refusal.message])


def table(rows: list[dict[str, Any]]) -> pyarrow.Table:
    """Rows as columns, of which each is there whatever the rows hold."""
    import pyarrow

    columns = {"number": pyarrow.int64()}
    columns |= {name: pyarrow.string() for name in ("case", "refusal", "failure")}
    columns |= {name: pyarrow.binary() for name in ("vector", *BYTES)}
    return pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(columns.items()))
