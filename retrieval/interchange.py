"""A gallery as files that other programs read: cases with their vectors as Parquet, and metadata in Croissant's form.

Croissant 1.0 (MLCommons) describes a data set in JSON-LD: which file, which columns, which types. What NearBeat needs
beside that to make a gallery of it again stands under ``nearbeat``.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from index import Case, Gallery
from index.errors import BadCase, BadVector, GalleryError, GalleryExists
from retrieval.errors import BadInput, ExtraMissing, FileMissing
from retrieval.filling import Progress

CASES, METADATA = "cases.parquet", "croissant.json"
AT_ONCE = 1_000
TEXTS = ("case_id", "report", "source", "patient_key", "sex", "site", "device", "recorded")
MAPPINGS = ("statements", "extra")
BYTES = ("waveform", "page")
FORMAT = 1

_MEANINGS = {
    "case_id": "unique in the gallery",
    "report": "as it was written",
    "statements": "JSON: SCP code to likelihood in per cent, or null where it was not given",
    "patient_key": "the archive's key of the patient",
    "source": "where the case comes from",
    "age": "years",
    "extra": "JSON: anything else",
    "vector": "of length 1, by the bundle that nearbeat.bundle names",
    "waveform": "zlib of int16 microvolts, eight independent leads (retrieval.waveforms)",
    "page": "PNG of the canonical page, 2 px/mm",
}


def export_gallery(
    path: str | Path, out: str | Path, *, recordings: bool = True, progress: Progress | None = None
) -> int:
    """Write a gallery as Parquet and Croissant metadata into a new folder; how many cases.

    Args:
        path: the gallery.
        out: the folder to make; it is whole or not there.
        recordings: whether waveforms and pages go along.
        progress: called with (cases done, all).

    Raises:
        GalleryExists: when something stands at ``out``.
        ExtraMissing: when pyarrow is not installed.
    """
    target = Path(out)
    if target.exists():
        raise GalleryExists(f"{target} is there already; name a new folder")
    _arrow()
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    try:
        with Gallery.open(path, read_only=True) as gallery, gallery.snapshot() as generation:
            count = _write_cases(gallery, made / CASES, recordings, progress)
            facts = _facts(gallery, generation, count, made / CASES, recordings)
        (made / METADATA).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        made.rename(target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return count


def import_gallery(folder: str | Path, path: str | Path, *, progress: Progress | None = None) -> int:
    """Make a gallery of what :func:`export_gallery` wrote; how many cases.

    Args:
        folder: with the Parquet file and its metadata.
        path: the gallery to make; it is whole or not there.
        progress: called with (cases done, all).

    Raises:
        FileMissing: when a file is not there.
        BadInput: when a file is not what was exported.
        GalleryExists: when something stands at ``path``.
    """
    source, target = Path(folder), Path(path)
    if target.exists():
        raise GalleryExists(f"{target} is there already; name a new folder")
    facts = _checked_facts(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(made, ignore_errors=True)
    try:
        with Gallery.create(
            made,
            bundle_name=facts["bundle"],
            bundle_sha256=facts["bundle_sha256"],
            dim=facts["dim"],
            simulated=facts["simulated"],
        ) as gallery:
            count = _read_cases(gallery, source / CASES, facts, progress)
            gallery.prepare_index()
        made.rename(target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return count


def _write_cases(gallery: Gallery, file: Path, recordings: bool, progress: Progress | None) -> int:
    arrow, parquet = _arrow()
    schema = _schema(arrow, gallery.dim, recordings)
    ids = gallery.ids()
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for start in range(0, len(ids), AT_ONCE):
            part = ids[start : start + AT_ONCE]
            cases, vectors = gallery.cases(part), gallery.vectors(part)
            columns = [_column(arrow, field, cases, vectors) for field in schema]
            writer.write_batch(arrow.record_batch(columns, schema=schema))
            if progress:
                progress(start + len(part), len(ids))
    return len(ids)


def _column(arrow: Any, field: Any, cases: list[Case], vectors: np.ndarray) -> Any:
    if field.name == "vector":
        return arrow.FixedSizeListArray.from_arrays(arrow.array(vectors.ravel()), vectors.shape[1])
    values = [getattr(case, field.name) for case in cases]
    if field.name in MAPPINGS:
        values = [json.dumps(dict(value), ensure_ascii=False) for value in values]
    return arrow.array(values, field.type)


def _schema(arrow: Any, dim: int, recordings: bool) -> Any:
    fields = [(name, arrow.string()) for name in (*TEXTS, *MAPPINGS)]
    fields += [("age", arrow.float64()), ("vector", arrow.list_(arrow.float32(), dim))]
    fields += [(name, arrow.binary()) for name in BYTES if recordings]
    return arrow.schema(fields)


def _read_cases(gallery: Gallery, file: Path, facts: Mapping[str, Any], progress: Progress | None) -> int:
    done = 0
    for cases, vectors in _batches(file):
        try:
            gallery.add(cases, vectors)
        except (BadVector, GalleryError) as error:
            raise BadInput(f"{file}: from row {done} on, {error}") from error
        done += len(cases)
        if progress:
            progress(done, facts["cases"])
    if done != facts["cases"]:
        raise BadInput(f"{file} holds {done} cases, {METADATA} says {facts['cases']}; export again")
    return done


def _batches(file: Path) -> Iterator[tuple[list[Case], np.ndarray]]:
    arrow, parquet = _arrow()
    try:
        with parquet.ParquetFile(file) as source:
            for batch in source.iter_batches(AT_ONCE):
                columns = {name: batch.column(name) for name in batch.schema.names}
                vectors = columns.pop("vector")
                rows = arrow.table(columns).to_pylist()
                yield [_case(row) for row in rows], vectors.flatten().to_numpy().reshape(len(rows), -1)
    except (arrow.ArrowInvalid, KeyError, TypeError, ValueError, BadCase, OSError) as error:
        raise BadInput(f"{file} is not what NearBeat exports ({error}); export the gallery again") from error


def _case(row: dict[str, Any]) -> Case:
    mappings = {name: json.loads(row.pop(name)) for name in MAPPINGS}
    return Case(**row, **mappings)


def _facts(gallery: Gallery, generation: int, count: int, file: Path, recordings: bool) -> dict[str, Any]:
    arrow, _ = _arrow()
    fields = [_field(field) for field in _schema(arrow, gallery.dim, recordings)]
    return {
        "@context": {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "sc": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "conformsTo": "http://purl.org/dc/terms/conformsTo",
        },
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": gallery.path.name,
        "description": f"{count} documented 12-lead ECGs with reports and vectors, exported from a NearBeat gallery.",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": CASES,
                "name": CASES,
                "contentUrl": CASES,
                "encodingFormat": "application/x-parquet",
                "sha256": _sha256(file),
            }
        ],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "cases", "name": "cases", "field": fields}],
        "nearbeat": {
            "format": FORMAT,
            "bundle": gallery.bundle_name,
            "bundle_sha256": gallery.bundle_sha256,
            "dim": gallery.dim,
            "simulated": gallery.simulated,
            "generation": generation,
            "cases": count,
        },
    }


def _field(field: Any) -> dict[str, Any]:
    kinds = {"age": "sc:Float", "vector": "sc:Float", "waveform": "sc:Text", "page": "sc:ImageObject"}
    described = {
        "@type": "cr:Field",
        "@id": f"cases/{field.name}",
        "name": field.name,
        "dataType": kinds.get(field.name, "sc:Text"),
        "source": {"fileObject": {"@id": CASES}, "extract": {"column": field.name}},
    }
    return described | ({"description": _MEANINGS[field.name]} if field.name in _MEANINGS else {})


def _checked_facts(folder: Path) -> dict[str, Any]:
    for name in (METADATA, CASES):
        if not (folder / name).is_file():
            raise FileMissing(f"{folder} has no {name}; give a folder that gallery export wrote")
    file = folder / METADATA
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        facts, sha256 = content["nearbeat"], content["distribution"][0]["sha256"]
        wanted = {"format": int, "bundle": str, "bundle_sha256": str, "dim": int, "simulated": bool, "cases": int}
        wrong = [name for name, kind in wanted.items() if not isinstance(facts.get(name), kind)]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise BadInput(f"{file} is not what NearBeat exports ({error!r}); export the gallery again") from error
    if wrong:
        raise BadInput(f"{file} lacks {wrong[0]} of nearbeat; export the gallery again")
    if facts["format"] != FORMAT:
        raise BadInput(f"{file} is of format {facts['format']}, this NearBeat reads {FORMAT}; update NearBeat")
    if _sha256(folder / CASES) != sha256:
        raise BadInput(f"{folder / CASES} is not the file that {METADATA} describes; export the gallery again")
    return facts


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _arrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ExtraMissing("Parquet files need pyarrow; install it with pip install 'nearbeat[parquet]'") from error
