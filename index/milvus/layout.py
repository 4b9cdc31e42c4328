"""The three collections of a gallery, and the index on its vectors.

``nearbeat_NAME_cases``      a row for each case: its number, vector, the columns that filters ask for, its document
``nearbeat_NAME_pieces``     what is too long for a row: waveforms, pages, long documents, in pieces
``nearbeat_NAME_ledger``     the commits, claims, deleted ids and ingests (:mod:`index.milvus.ledger`)

Rows are never changed: they are inserted under a number that no commit has told of yet, and deleted when no reader
can ask for them any more. Texts that filters compare stand as digests: a text may hold anything, and nothing that a
user types reaches an expression. Everything is written so that Milvus 2.3 can keep it: no nullable fields, one vector
in each collection (that of pieces and ledger means nothing).
"""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

MOST_BYTES = 65_535
"""Longest text of a VARCHAR field."""
PIECE = 60_000
"""Longest text of a piece."""
MOST_STATEMENTS = 4096
DIGEST = 32
"""Letters of a digest: 128 bits."""
TEXTS = ("patient", "sex", "site", "device", "source")
UNKNOWN_DAY = -1
METRIC = "IP"
EXACT: dict[str, Any] = {"index_type": "FLAT", "metric_type": METRIC, "params": {}}


def digest(text: str | None) -> str:
    """What stands for a text in a row: empty where it is not known."""
    return "" if text is None else hashlib.sha256(text.encode()).hexdigest()[:DIGEST]


def names(gallery: str) -> tuple[str, str, str]:
    """The collections of cases, pieces and ledger."""
    return f"nearbeat_{gallery}_cases", f"nearbeat_{gallery}_pieces", f"nearbeat_{gallery}_ledger"


def cases_schema(client: Any, dim: int) -> Any:
    """Of the collection of cases."""
    kinds = importlib.import_module("pymilvus").DataType
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("number", kinds.INT64, is_primary=True)
    schema.add_field("added", kinds.INT64)
    schema.add_field("case_id", kinds.VARCHAR, max_length=MOST_BYTES)
    for name in ("case_key", *TEXTS):
        schema.add_field(name, kinds.VARCHAR, max_length=DIGEST)
    schema.add_field("has_age", kinds.INT64)
    schema.add_field("age", kinds.DOUBLE)
    schema.add_field("day", kinds.INT64)
    schema.add_field(
        "statements",
        kinds.ARRAY,
        element_type=kinds.VARCHAR,
        max_capacity=MOST_STATEMENTS,
        max_length=DIGEST,
    )
    schema.add_field("document", kinds.VARCHAR, max_length=MOST_BYTES)
    schema.add_field("pieces", kinds.VARCHAR, max_length=64)
    schema.add_field("sha256", kinds.VARCHAR, max_length=64)
    schema.add_field("vector_sha256", kinds.VARCHAR, max_length=64)
    schema.add_field("vector", kinds.FLOAT_VECTOR, dim=dim)
    return schema


def pieces_schema(client: Any) -> Any:
    """Of the collection of pieces."""
    kinds = importlib.import_module("pymilvus").DataType
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("key", kinds.VARCHAR, max_length=64, is_primary=True)
    for name in ("number", "kind", "part"):
        schema.add_field(name, kinds.INT64)
    schema.add_field("text", kinds.VARCHAR, max_length=MOST_BYTES)
    schema.add_field("nothing", kinds.FLOAT_VECTOR, dim=2)
    return schema


def ledger_schema(client: Any) -> Any:
    """Of the collection that is the ledger."""
    kinds = importlib.import_module("pymilvus").DataType
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("key", kinds.VARCHAR, max_length=256, is_primary=True)
    schema.add_field("kind", kinds.VARCHAR, max_length=128)
    for name in ("epoch", "sequence", "part", "parts"):
        schema.add_field(name, kinds.INT64)
    schema.add_field("text", kinds.VARCHAR, max_length=MOST_BYTES)
    schema.add_field("nothing", kinds.FLOAT_VECTOR, dim=2)
    return schema


def index_params(client: Any, field: str, index: dict[str, Any] = EXACT) -> Any:
    """The index on a vector field."""
    params = client.prepare_index_params()
    params.add_index(field, **index)
    return params
