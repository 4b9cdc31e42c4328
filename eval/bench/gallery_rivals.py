"""What the gallery's search is measured beside: raw FAISS, what autofaiss chooses, and milvus-lite.

autofaiss, pymilvus and milvus-lite are no dependencies: ``uv pip install --target FOLDER autofaiss pymilvus
milvus-lite`` (take its copies of NumPy and FAISS out again) and ``PYTHONPATH=FOLDER`` put them in. What is not there
is passed over and said.
"""

from __future__ import annotations

import importlib
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Ids = NDArray[np.int64]

SITES = 100
"""Rows are of as many sites by their number; a filter for one leaves 1 %."""


def site_of(row: int | Ids) -> Any:
    """The site of a row, in no order that has to do with its vector."""
    return (row * 7919 + 31) % SITES


class Engine(Protocol):
    """One that is measured. Rows are known by their number from 0."""

    name: str

    def build(self, rows: Matrix) -> None:
        """Make it, on the disk."""
        ...

    def open(self) -> None:
        """Open what was made, ready to search."""
        ...

    def search(self, queries: Matrix, k: int, site: int | None) -> list[list[int]]:
        """The nearest rows of each query, of one site where that is given."""
        ...

    def add(self, rows: Matrix, first: int) -> None:
        """Add rows, durably."""
        ...

    def size(self) -> int:
        """Bytes on the disk."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Flat:
    """``IndexFlatIP`` and nothing else: no ids, no reports, no transactions."""

    name = "FAISS Flat"

    def __init__(self, folder: Path) -> None:
        self.file = folder / "flat.faiss"
        self.index: Any = None

    def build(self, rows: Matrix) -> None:
        """Make it, on the disk."""
        self.index = faiss.IndexFlatIP(rows.shape[1])
        self.index.add(np.ascontiguousarray(rows))
        faiss.write_index(self.index, str(self.file))

    def open(self) -> None:
        """Open what was made."""
        self.index = faiss.read_index(str(self.file))

    def search(self, queries: Matrix, k: int, site: int | None) -> list[list[int]]:
        """The nearest rows of each query."""
        return self.index.search(queries, k, params=self._parameters(site))[1].tolist()

    def _parameters(self, site: int | None) -> Any:
        if site is None:
            return None
        loose: Any = faiss  # its stubs do not know the arguments that it adds in Python
        chosen = np.flatnonzero(site_of(np.arange(self.index.ntotal)) == site)
        return loose.SearchParameters(sel=loose.IDSelectorArray(chosen))

    def add(self, rows: Matrix, first: int) -> None:
        """Add rows, durably."""
        self.index.add(np.ascontiguousarray(rows))
        faiss.write_index(self.index, str(self.file))

    def size(self) -> int:
        """Bytes on the disk."""
        return self.file.stat().st_size

    def close(self) -> None:
        """Let go of it."""
        self.index = None


class Chosen(Flat):
    """The index that autofaiss chooses within 10 ms a query and 16 GB, its defaults."""

    name = "autofaiss' choice"
    needs: ClassVar = ("autofaiss",)

    def build(self, rows: Matrix) -> None:
        """Make it, on the disk."""
        build: Any = importlib.import_module("autofaiss").build_index
        # Its own files are left out: with NumPy 2 it fails to write one of them, of figures about the index.
        self.index, _ = build(np.ascontiguousarray(rows), save_on_disk=False, metric_type="ip", verbose=40)
        faiss.write_index(self.index, str(self.file))

    def _parameters(self, site: int | None) -> Any:
        if site is None:
            return None
        loose: Any = faiss
        selector = loose.IDSelectorBatch(np.flatnonzero(site_of(np.arange(self.index.ntotal)) == site))
        if isinstance(self.index, faiss.IndexIVF):
            return loose.SearchParametersIVF(sel=selector, nprobe=self.index.nprobe)
        if isinstance(self.index, faiss.IndexHNSW):
            return loose.SearchParametersHNSW(sel=selector, efSearch=self.index.hnsw.efSearch)
        return loose.SearchParameters(sel=selector)


class Milvus:
    """milvus-lite in a file, with the index and the parameters that it takes by default."""

    name = "milvus-lite"
    needs: ClassVar = ("pymilvus", "milvus_lite")
    _AT_ONCE = 2000

    def __init__(self, folder: Path) -> None:
        self.place = folder / "milvus.db"
        self.client: Any = None

    def build(self, rows: Matrix) -> None:
        """Make it, on the disk."""
        milvus: Any = importlib.import_module("pymilvus")
        self.client = milvus.MilvusClient(uri=str(self.place))
        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", milvus.DataType.INT64, is_primary=True)
        schema.add_field("site", milvus.DataType.INT64)
        schema.add_field("vector", milvus.DataType.FLOAT_VECTOR, dim=rows.shape[1])
        indexes = self.client.prepare_index_params()
        indexes.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
        self.client.create_collection("cases", schema=schema, index_params=indexes)
        self.add(rows, 0)
        self.close()

    def open(self) -> None:
        """Open what was made."""
        self.client = importlib.import_module("pymilvus").MilvusClient(uri=str(self.place))
        self.client.load_collection("cases")

    def search(self, queries: Matrix, k: int, site: int | None) -> list[list[int]]:
        """The nearest rows of each query."""
        wanted = "" if site is None else f"site == {site}"
        found = self.client.search("cases", data=queries.tolist(), limit=k, filter=wanted, anns_field="vector")
        return [[hit["id"] for hit in hits] for hits in found]

    def add(self, rows: Matrix, first: int) -> None:
        """Add rows, durably."""
        for start in range(0, len(rows), self._AT_ONCE):
            part = rows[start : start + self._AT_ONCE]
            numbers = range(first + start, first + start + len(part))
            data = [
                {"id": number, "site": int(site_of(number)), "vector": row}
                for number, row in zip(numbers, part, strict=True)
            ]
            self.client.insert("cases", data)
        self.client.flush("cases")

    def size(self) -> int:
        """Bytes on the disk."""
        files = [self.place] if self.place.is_file() else self.place.rglob("*")
        return sum(file.stat().st_size for file in files if file.is_file())

    def close(self) -> None:
        """Let go of it."""
        if self.client is not None:
            self.client.close()
            self.client = None


def available(engine: type[Any]) -> bool:
    """Whether the packages that an engine needs are installed."""
    return all(find_spec(name) is not None for name in getattr(engine, "needs", ()))


def emptied(folder: Path) -> Path:
    """The folder, made and without what an earlier run left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
