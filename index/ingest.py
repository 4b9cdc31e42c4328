"""How far a stream of cases was taken: committed with its cases, so that a killed build goes on where it stopped."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from index.connection import format_of
from index.errors import BadCase, GalleryDamaged

Refused = tuple[str, str, str]


@dataclass(frozen=True)
class Ingest:
    """How far one stream of cases was taken into a gallery.

    Args:
        fingerprint: what tells the stream from any other, such as a digest of its source and parameters.
        done: how many of its items were taken or refused, 0 or more.
        finished: whether it was taken to its end.
        refused: the items that could not become cases, three texts each, as the reader of the stream has them.

    Raises:
        BadCase: when ``done`` is negative or the fingerprint empty.
    """

    fingerprint: str
    done: int
    finished: bool = False
    refused: tuple[Refused, ...] = ()

    def __post_init__(self) -> None:
        if not self.fingerprint or self.done < 0:
            raise BadCase(
                f"an ingest of {self.fingerprint!r} with {self.done} items done cannot be kept; "
                "it needs a fingerprint and a count of 0 or more"
            )


def write(connection: sqlite3.Connection, taken: Ingest) -> None:
    """Put down how far the stream was taken, inside the transaction that adds its cases."""
    refused = json.dumps([list(item) for item in taken.refused], ensure_ascii=False)
    row = (taken.fingerprint, taken.done, int(taken.finished), refused)
    connection.execute("INSERT OR REPLACE INTO ingests VALUES (?, ?, ?, ?)", row)


def read(connection: sqlite3.Connection, fingerprint: str) -> Ingest | None:
    """How far the stream was taken, or None when it was never begun.

    Raises:
        GalleryDamaged: when the row cannot be understood.
    """
    sql = "SELECT done, finished, refused FROM ingests WHERE fingerprint = ?"
    row = connection.execute(sql, (fingerprint,)).fetchone() if format_of(connection) >= 2 else None
    if row is None:
        return None
    done, finished, refused = row
    try:
        items = tuple((str(file), str(item), str(reason)) for file, item, reason in json.loads(refused))
        return Ingest(fingerprint, int(done), bool(finished), items)
    except (TypeError, ValueError, BadCase) as error:
        raise GalleryDamaged(
            f"the table ingests of cases.db holds {row!r}, which is no state of a build ({error}); restore cases.db"
        ) from None
