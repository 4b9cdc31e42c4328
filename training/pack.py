"""``nearbeat pack``: a corpus, record by record, into shards. Killed, the same command goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.corpora.ptbxl import DATABASE, RATE, PtbXl, PtbXlRow, parse_folds
from retrieval.errors import BadArgument
from training.progress import Told
from training.recipe import CorpusSpec, Recipe, load_recipe
from training.shards import MANIFEST, read_manifest, to_microvolts

if TYPE_CHECKING:
    import pyarrow as pa

SHARD_ROWS = 4096
"""Rows of a shard: about 100 MB."""
BATCH_ROWS = 64
"""Rows that are written, and found again, at once."""
ALL_FOLDS = "1-10"


@dataclass(frozen=True)
class Source:
    """A record that can be packed: its id, and how its row is read."""

    case_id: str
    read: Callable[[], dict[str, Any]]


def sources_of(what: str | Path) -> list[Source]:
    """The records of a folder in PTB-XL's layout, or of the corpora and the validation fold of a recipe.

    Simulated cases are left out: a recipe makes them anew from their seed.

    Raises:
        BadArgument: when there is nothing to pack.
    """
    path = Path(what)
    if (path / DATABASE).is_file():
        return _of_ptbxl(CorpusSpec("ptbxl", folder=str(path), folds=ALL_FOLDS))
    recipe = load_recipe(path)
    found = [source for spec in _specs(recipe) for source in _of_ptbxl(spec)]
    unique = {source.case_id: source for source in found}
    if not unique:
        raise BadArgument(f"{what} names no record that could be packed; give a recipe with a ptbxl corpus")
    return list(unique.values())


def pack(sources: list[Source], out: Path, told: Told, rows: int = SHARD_ROWS) -> int:
    """Write the records as shards of ``rows`` and give their number; shards that are there already are kept.

    Raises:
        BadArgument: when the folder holds something else.
    """
    manifest = _begun(out, sources, rows)
    done = len(manifest["shards"])
    parts = [sources[i : i + rows] for i in range(0, len(sources), rows)]
    with told.bar("packing", len(sources), min(done * rows, len(sources))) as step:
        for number, part in enumerate(parts[done:], done):
            name = f"shard-{number:05d}.arrow"
            size = _write(out / name, (source.read() for source in part), step)
            manifest["shards"][name] = size
            _keep(out, manifest)
    _keep(out, manifest | {"complete": True})
    return len(sources)


def _specs(recipe: Recipe) -> Iterator[CorpusSpec]:
    for spec in (*recipe.corpora, *([recipe.validation] if recipe.validation else [])):
        if spec.kind == "ptbxl":
            yield spec


def _of_ptbxl(spec: CorpusSpec) -> list[Source]:
    archive = PtbXl.open(spec.folder)
    present = [row for row in archive.of_folds(parse_folds(spec.folds)) if archive.present(row)]
    return [Source(row.case_id, lambda row=row: _row(row, archive)) for row in present]


def _row(row: PtbXlRow, archive: PtbXl) -> dict[str, Any]:
    signal = archive.recording(row).signal
    return {
        "case_id": row.case_id,
        "signal": to_microvolts(signal, row.case_id),
        "rate": RATE,
        "statements": json.dumps(row.statements),
        "report": row.report,
        "patient_key": row.patient_key,
        "number": row.ecg_id,
        "fold": row.fold,
        "age": row.age,
        "sex": row.sex,
        "site": row.site,
        "device": row.device,
    }


def schema() -> pa.Schema:
    """The columns of a shard."""
    import pyarrow as pa

    text, whole = pa.string(), pa.int64()
    kinds = {"case_id": text, "signal": pa.list_(pa.int16()), "rate": pa.float64(), "statements": text}
    kinds |= {"report": text, "patient_key": text, "number": whole, "fold": whole, "age": pa.float64()}
    kinds |= {"sex": text, "site": text, "device": text}
    return pa.schema(list(kinds.items()))


def _write(path: Path, rows: Iterator[dict[str, Any]], step: Callable[[int], None]) -> int:
    """One shard under a temporary name, fsynced and renamed; its size in bytes."""
    import pyarrow as pa

    temporary = path.with_suffix(".tmp")
    columns = schema()
    with temporary.open("wb") as file:
        with pa.ipc.new_stream(file, columns) as out:
            while part := list(islice(rows, BATCH_ROWS)):
                arrays = [pa.array([row[field.name] for row in part], field.type) for field in columns]
                out.write_batch(pa.RecordBatch.from_arrays(arrays, schema=columns))
                step(len(part))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return path.stat().st_size


def _begun(out: Path, sources: list[Source], rows: int) -> dict[str, Any]:
    """The manifest of a folder where packing can begin or go on."""
    content = hashlib.sha256(json.dumps([rows, [source.case_id for source in sources]]).encode()).hexdigest()
    manifest = read_manifest(out)
    if manifest is not None:
        if manifest["content"] != content:
            raise BadArgument(f"{out} holds the shards of another corpus; choose another folder")
        return manifest
    if out.is_dir() and any(out.iterdir()):
        raise BadArgument(f"{out} holds other files; give an empty folder, or one that does not exist")
    out.mkdir(parents=True, exist_ok=True)
    manifest = {"content": content, "rows": len(sources), "shards": {}, "complete": False}
    _keep(out, manifest)
    return manifest


def _keep(out: Path, manifest: dict[str, Any]) -> None:
    temporary = out / f"{MANIFEST}.tmp"
    temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    temporary.replace(out / MANIFEST)
