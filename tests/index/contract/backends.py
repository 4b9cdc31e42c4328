"""The engines that one suite of tests holds to the same answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from index import CaseGallery, Gallery
from index.milvus import MilvusGallery, ledger
from index.milvus.ledger import State
from index.milvus.place import Place, place_in
from index.milvus.store import Store
from index.places import open_at
from tests.index.contract.servers import Server
from tests.index.gallery_samples import SHA

DIM = 16


class Backend:
    """One engine. ``examples`` is how many random sequences it takes, by how quick it is."""

    name: str
    examples: int
    place: str

    def fresh(self) -> CaseGallery:
        """An empty gallery at ``place``, open for writing."""
        raise NotImplementedError

    def open(self, **options: Any) -> CaseGallery:
        """The gallery that is there."""
        return open_at(self.place, **options)

    def restart(self) -> None:
        """Kill what serves the gallery, and start it again; without a server there is nothing to do."""


class Folder(Backend):
    """SQLite and FAISS."""

    name, examples = "folder", 12

    def __init__(self, folder: Path) -> None:
        self.place = str(folder / "gallery")

    def fresh(self) -> CaseGallery:
        shutil.rmtree(self.place, ignore_errors=True)
        return Gallery.create(self.place, bundle_name="toy", bundle_sha256=SHA, dim=DIM)


class Milvus(Backend):
    """Milvus. Making collections takes seconds on a server: a fresh gallery is the old one, emptied of all rows."""

    def __init__(self, name: str, examples: int, place: str, server: Server | None = None) -> None:
        self.name, self.examples, self.place, self.server = name, examples, place, server

    @property
    def parsed(self) -> Place:
        place = place_in(self.place)
        assert place is not None
        return place

    def fresh(self) -> MilvusGallery:
        if self.parsed.file is not None and not self.parsed.file.exists():
            return self._create()
        with self.store() as store:
            if store.exists():
                for collection in (store.cases, store.pieces):
                    store.delete(collection, "number >= 0")
                store.delete(store.ledger, "sequence >= 0")
                ledger.write_commit(store, State("toy", SHA, DIM, simulated=False))
                return MilvusGallery.open(self.place, read_only=False)
        return self._create()

    def _create(self) -> MilvusGallery:
        return MilvusGallery.create(self.place, bundle_name="toy", bundle_sha256=SHA, dim=DIM)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The collections themselves."""
        with ExitStack() as stack:
            store = Store(self.parsed)
            stack.callback(store.close)
            if store.exists():
                store.load()
            yield store

    def restart(self) -> None:
        if self.server is not None:
            self.server.restart()
