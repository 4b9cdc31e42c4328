"""recall@10 of Milvus' indexes as they come and with parameters: unsealed, sealed, and after a restart.

``python -m eval.bench.milvus_recall http://127.0.0.1:19530`` builds collections on a server (PyPI's ``milvus``, or
``milvus-lite server``) and measures; after a restart of the server the same command with ``--restarted`` measures
again. Vectors are random, without structure: the hardest for lists and graphs, so that what a default costs shows.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import time
from typing import Any

import numpy as np

ROWS, DIM, QUERIES, K, LISTS = 60_000, 256, 100, 10, 128
KINDS: dict[str, tuple[dict[str, Any], list[dict[str, Any] | None]]] = {
    "FLAT": ({}, [None, {}]),
    "IVF_FLAT": ({"nlist": LISTS}, [None, {"nprobe": 16}, {"nprobe": LISTS}]),
    "HNSW": ({"M": 16, "efConstruction": 200}, [None, {"ef": 512}]),
}


def main() -> None:
    """Measure, one line for each index and its parameters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--restarted", action="store_true", help="measure what an earlier call has built")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--dim", type=int, default=DIM)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    client = importlib.import_module("pymilvus").MilvusClient(uri=given.address, timeout=120)
    rows, queries = _unit(given.rows, given.dim, 0), _unit(QUERIES, given.dim, 1)
    sites = (np.arange(given.rows) * 7919 + 31) % 100
    filters = {"": sites >= 0, "site < 10": sites < 10, "site == 3": sites == 3}
    truth = {text: _nearest(rows, queries, mask) for text, mask in filters.items()}
    if given.restarted:
        for kind in KINDS:
            client.load_collection(_name(kind))
        return _measure(client, queries, truth, "restarted")
    for kind, (build, _) in KINDS.items():
        _build(client, kind, build, rows, sites)
    _measure(client, queries, truth, "unsealed")
    for kind in KINDS:
        client.flush(_name(kind))
    _measure(client, queries, truth, "flushed")
    while any(client.describe_index(_name(kind), "vector")["pending_index_rows"] for kind in KINDS):
        time.sleep(1)
    time.sleep(20)  # the server says that an index is made before its nodes have taken it
    return _measure(client, queries, truth, "indexed")


def _build(client: Any, kind: str, build: dict[str, Any], rows: np.ndarray, sites: np.ndarray) -> None:
    types = importlib.import_module("pymilvus").DataType
    client.drop_collection(_name(kind))
    schema = client.create_schema(auto_id=False)
    schema.add_field("number", types.INT64, is_primary=True)
    schema.add_field("site", types.INT64)
    schema.add_field("vector", types.FLOAT_VECTOR, dim=rows.shape[1])
    index = client.prepare_index_params()
    index.add_index("vector", index_type=kind, metric_type="IP", params=build)
    client.create_collection(_name(kind), schema=schema, index_params=index, num_shards=1)
    for start in range(0, len(rows), 2000):
        part = range(start, min(start + 2000, len(rows)))
        client.insert(_name(kind), [{"number": n, "site": int(sites[n]), "vector": rows[n]} for n in part])


def _measure(client: Any, queries: np.ndarray, truth: dict[str, list[set[int]]], state: str) -> None:
    for kind, (_, tried) in KINDS.items():
        for params in tried:
            given = {} if params is None else {"search_params": {"metric_type": "IP", "params": params}}
            found = {text: _recall(client, kind, queries, text, true, given) for text, true in truth.items()}
            shown = ", ".join(f"{text or 'no filter'} {recall:.3f}" for text, recall in found.items())
            print(f"{state:10} {kind:9} {'defaults' if params is None else params!s:16} {shown}", flush=True)  # noqa: T201


def _recall(client: Any, kind: str, queries: np.ndarray, text: str, true: list[set[int]], given: Any) -> float:
    hits: list[set[int]] = []
    for start in range(0, len(queries), 50):
        found = client.search(
            _name(kind),
            data=queries[start : start + 50].tolist(),
            limit=K,
            filter=text,
            anns_field="vector",
            consistency_level="Strong",
            **given,
        )
        hits += [{hit.get("id", hit.get("number")) for hit in one} for one in found]
    return sum(len(one & other) for one, other in zip(hits, true, strict=True)) / (K * len(queries))


def _nearest(rows: np.ndarray, queries: np.ndarray, mask: np.ndarray) -> list[set[int]]:
    numbers = np.flatnonzero(mask)
    scores = queries @ rows[numbers].T
    return [set(numbers[np.argsort(-one)[:K]].tolist()) for one in scores]


def _unit(count: int, dim: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _name(kind: str) -> str:
    return f"recall_{kind}"


if __name__ == "__main__":
    main()
