"""The connection to Milvus: reads, writes and its errors in the words of a user.

A read is ``Strong``: it waits until the server has seen every write that was acknowledged before it, about 0.2 s on a
server with its defaults. Only rows that are known to be there and never change are first asked for without waiting.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.errors import GalleryError
from index.milvus import layout
from index.milvus.connection import TIMEOUT_S, connect, disconnect, pymilvus, sentence_of
from index.milvus.place import Place

LONG_TIMEOUT_S = 3600.0
"""For making and loading an index."""
_INSERT_BYTES = 8_000_000
_INSERT_ROWS = 1000
_KEYS_AT_ONCE = 1000
_TRIES = 5
MOST_FOUND = 16_384
"""Milvus gives no search more hits than these."""

Row = dict[str, Any]
Hits = list[tuple[int, float]]


class Store:
    """A gallery's collections. Safe to use from several threads."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.cases, self.pieces, self.ledger = layout.names(place.name)
        with self.translated():
            self._client: Any = connect(place)
        self._open = True

    def close(self) -> None:
        """Let go of the connection, and of milvus-lite's file when nobody else here uses it."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(Exception):  # what is closed need not answer
            self._client.close()
        disconnect(self.place)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what pymilvus raises inside into one clear sentence."""
        milvus = pymilvus()
        try:
            yield
        except milvus.MilvusException as error:
            raise GalleryError(
                f"{self.place}: Milvus failed ({sentence_of(error)}); check that it runs there"
            ) from error

    def exists(self) -> bool:
        """Whether the collections are all there."""
        with self.translated():
            return all(self._client.has_collection(name, timeout=TIMEOUT_S) for name in self._names)

    def create(self, dim: int) -> None:
        """Make empty collections, in the place of what is left of some that were never finished."""
        with self.translated():
            left = [name for name in self._names if self._client.has_collection(name, timeout=TIMEOUT_S)]
        if left:
            self.drop()
        schemas = (
            (self.cases, "vector", layout.cases_schema(self._client, dim)),
            (self.pieces, "nothing", layout.pieces_schema(self._client)),
            (self.ledger, "nothing", layout.ledger_schema(self._client)),
        )
        with self.translated():
            for name, field, schema in schemas:
                index = layout.index_params(self._client, field)
                self._client.create_collection(
                    name,
                    schema=schema,
                    index_params=index,
                    consistency_level="Strong",
                    num_shards=1,
                    timeout=TIMEOUT_S,
                )

    def load(self, *collections: str) -> None:
        """Have collections answer, all where none is named: some servers forget after a restart that they shall."""
        with self.translated():
            for name in collections or self._names:
                self._client.load_collection(name, timeout=TIMEOUT_S)

    def drop(self) -> None:
        """Remove the collections, the ledger first: without it there is no gallery."""
        with self.translated():
            for name in reversed(self._names):
                self._client.drop_collection(name, timeout=TIMEOUT_S)

    def query(self, collection: str, expression: str, fields: Sequence[str], *, strong: bool = True) -> list[Row]:
        """The rows that meet an expression."""
        level = "Strong" if strong else "Eventually"
        asked = {"filter": expression, "output_fields": list(fields), "consistency_level": level}
        with self.translated():
            return list(self._asked(self._client.query, collection, asked))

    def query_keys(
        self, collection: str, field: str, keys: Sequence[Any], fields: Sequence[str], also: str = ""
    ) -> list[Row]:
        """The rows whose field is one of the keys, and that meet the other expression."""
        found: list[Row] = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            expression = among(field, keys[start : start + _KEYS_AT_ONCE])
            found += self.query(collection, f"{expression} and ({also})" if also else expression, fields)
        return found

    def same_rows(self, collection: str, field: str, keys: Sequence[Any], fields: Sequence[str]) -> list[Row]:
        """The rows of these primary keys, which were seen to be there; those that are not now are left out."""
        found: list[Row] = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            part = keys[start : start + _KEYS_AT_ONCE]
            rows: list[Row] = []
            # A row never changes: a read that does not wait can only miss one, and then the read that waits decides.
            for strong in (False, True):
                rows = self.query(collection, among(field, part), [field, *fields], strong=strong)
                if len(rows) == len(part):
                    break
            found += rows
        return found

    def search(self, vectors: NDArray[np.float32], limit: int, expression: str, params: dict[str, Any]) -> list[Hits]:
        """The ``limit`` nearest rows of each vector ``[q, dim]`` that meet the expression: number, inner product."""
        asked = {
            "data": vectors.tolist(),
            "limit": limit,
            "filter": expression,
            "anns_field": "vector",
            "search_params": {"metric_type": layout.METRIC, "params": params},
            "output_fields": [],
            "consistency_level": "Strong",
        }
        with self.translated():
            found = self._asked(self._client.search, self.cases, asked)
        return [[(int(hit.get("id", hit.get("number"))), float(hit["distance"])) for hit in hits] for hits in found]

    def _asked(self, ask: Callable[..., Any], collection: str, asked: dict[str, Any]) -> Any:
        """A read; of a server that was started anew since, the collections are loaded again."""
        try:
            return ask(collection, timeout=TIMEOUT_S, **asked)
        except pymilvus().MilvusException as error:
            if "load" not in sentence_of(error):
                raise
            self._client.load_collection(collection, timeout=TIMEOUT_S)
            return ask(collection, timeout=TIMEOUT_S, **asked)

    def insert(self, collection: str, rows: Sequence[Row]) -> None:
        """Insert rows; each was acknowledged when this returns, yet not all of them need be when it fails."""
        for chunk in _chunks(rows):
            with self.translated():
                answer = self._client.insert(collection, chunk, timeout=TIMEOUT_S)
            if answer["insert_count"] != len(chunk):
                raise GalleryError(f"{self.place}: Milvus took {answer['insert_count']} of {len(chunk)} rows")

    def delete(self, collection: str, expression: str) -> None:
        """Delete the rows that meet an expression."""
        with self.translated():
            self._client.delete(collection, filter=expression, timeout=TIMEOUT_S)

    def delete_keys(self, collection: str, field: str, keys: Sequence[Any]) -> None:
        """Delete the rows whose field is one of the keys."""
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            self.delete(collection, among(field, keys[start : start + _KEYS_AT_ONCE]))

    def make_index(self, index: dict[str, Any]) -> None:
        """Put another index on the vectors: all rows are written to files first, since only those get one."""
        with self.translated():
            self._client.flush(self.cases, timeout=TIMEOUT_S)
            self._drop_index()
            self._client.create_index(
                self.cases, layout.index_params(self._client, "vector", index), timeout=LONG_TIMEOUT_S
            )
            self._client.load_collection(self.cases, timeout=LONG_TIMEOUT_S)

    def _drop_index(self) -> None:
        for left in reversed(range(_TRIES)):
            try:
                self._client.release_collection(self.cases, timeout=TIMEOUT_S)
                for name in self._client.list_indexes(self.cases):
                    self._client.drop_index(self.cases, name, timeout=TIMEOUT_S)
                return
            except pymilvus().MilvusException:  # a reader has had it loaded again in between
                if not left:
                    raise
                time.sleep(1)

    def compact(self) -> None:
        """Write what is in memory, and have the server write its files anew, without what was deleted."""
        with self.translated():
            for name in self._names:
                self._client.flush(name, timeout=TIMEOUT_S)
                self._client.compact(name, timeout=TIMEOUT_S)

    @property
    def _names(self) -> tuple[str, str, str]:
        return self.cases, self.pieces, self.ledger


def among(field: str, keys: Sequence[Any]) -> str:
    """The expression for a field that is one of the keys: numbers, or digests and keys of our own making."""
    return f"{field} in [{', '.join(str(key) if isinstance(key, int) else quoted(key) for key in keys)}]"


def quoted(key: str) -> str:
    """A key as an expression has it.

    Raises:
        ValueError: when it is a text from outside, which never stands in an expression.
    """
    if not all(letter.isascii() and (letter.isalnum() or letter in "/-_") for letter in key):
        raise ValueError(f"{key!r} is no key")
    return f'"{key}"'


def _chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        length = sum(4 * len(value) if isinstance(value, str | np.ndarray | list) else 8 for value in row.values())
        if chunk and (size + length > _INSERT_BYTES or len(chunk) == _INSERT_ROWS):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += length
    if chunk:
        yield chunk
