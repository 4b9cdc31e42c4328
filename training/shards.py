"""A corpus of any size as a folder of Arrow shards, mapped into memory and read case by case.

A row is one ECG: ``case_id``, ``signal`` (int16 in microvolts, lead after lead in the usual order), ``rate`` in Hz,
``statements`` (a JSON object of code to likelihood or null), ``report``, ``patient_key``, ``number`` (what the
wordings are drawn by), ``fold``, ``age``, ``sex``, ``site`` and ``device``. Every column but the first five may be
null. Shards that something else wrote, as Arrow or Parquet files of these columns, are read too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.corpora.ptbxl import FIRST, LAST, RATE, parse_folds
from retrieval.ecg.recording import LEADS, Signal
from retrieval.errors import CorpusError
from training.case_list import Cases, TrainingCase
from training.cases import WORDING_STEP, case_texts
from training.recipe import CorpusSpec

if TYPE_CHECKING:
    from datasets import Dataset

MANIFEST = "shards.json"
SAMPLES = LAST - FIRST
NEEDED = ("case_id", "signal", "rate", "statements", "report")
OPTIONAL = ("patient_key", "number", "fold", "age", "sex", "site", "device")
MICROVOLTS = 1000.0


class ShardCases(Cases):
    """The cases of shards, each read, scaled and worded when it is asked for.

    Args:
        rows: the shards as one data set.
        seed: of the wordings.
        chosen: the rows that are cases, ``[n]``.
    """

    def __init__(self, rows: Dataset, seed: int, chosen: NDArray[np.int64]) -> None:
        self.rows, self.seed, self.chosen = rows, seed, chosen

    @property
    def kept(self) -> bool:
        """They are not."""
        return False

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, number: Any) -> Any:
        """A case, or a tuple of them."""
        if isinstance(number, slice):
            return tuple(self[i] for i in range(*number.indices(len(self))))
        row = _row(self.rows, int(self.chosen[number]))
        statements = read_statements(row["statements"])
        signal = to_millivolts(row["signal"], row["rate"], row["case_id"])
        texts = self._worded(row["case_id"], row["report"], statements, row.get("number"))
        return TrainingCase(row["case_id"], signal, statements, texts, row.get("patient_key"))

    def statements(self) -> Iterator[dict[str, float | None]]:
        """The statements of each case."""
        return (read_statements(text) for (text,) in self._columns("statements"))

    def patient_keys(self) -> Iterator[str | None]:
        """The patient of each case, or the case itself where no patient is known: it must not be on two sides."""
        return (key or case_id for case_id, key in self._columns("case_id", "patient_key"))

    def texts(self) -> Iterator[tuple[str, ...]]:
        """The texts of each case."""
        for case_id, report, statements, number in self._columns("case_id", "report", "statements", "number"):
            yield self._worded(case_id, report, read_statements(statements), number)

    def _worded(
        self, case_id: str, report: str, statements: dict[str, float | None], number: int | None
    ) -> tuple[str, ...]:
        own = zlib.crc32(case_id.encode()) if number is None else number
        return case_texts(report or "", statements, self.seed * WORDING_STEP + own) or ("",)

    def _columns(self, *names: str, at_once: int = 4096) -> Iterator[tuple[Any, ...]]:
        """The values of a few columns, case by case; no other column is touched."""
        here = [name for name in names if name in self.rows.column_names]
        part = self.rows.select_columns(here).data
        for start in range(0, len(self.chosen), at_once):
            taken = part.table.take(self.chosen[start : start + at_once]).to_pydict()
            size = len(self.chosen[start : start + at_once])
            yield from zip(*(taken.get(name, [None] * size) for name in names), strict=True)


def open_shards(spec: CorpusSpec, seed: int) -> ShardCases:
    """The cases of a folder of shards, of the folds that the corpus names.

    Raises:
        CorpusError: when the folder holds no shards, or packing was not finished, or a column lacks.
    """
    rows = _data_set(Path(spec.folder))
    absent = [name for name in NEEDED if name not in rows.column_names]
    if absent:
        raise CorpusError(f"the shards in {spec.folder} lack the column {absent[0]}; they need {', '.join(NEEDED)}")
    folds = rows.data.column("fold").to_pylist() if "fold" in rows.column_names else [None] * len(rows)
    wanted = {None, *parse_folds(spec.folds)}
    chosen = np.flatnonzero([fold in wanted for fold in folds])
    if not len(chosen):
        raise CorpusError(f"the shards in {spec.folder} hold no record of folds {spec.folds}")
    return ShardCases(rows, seed, chosen[: spec.cases or None])


def to_millivolts(microvolts: NDArray[np.int16], rate: float, case_id: str) -> Signal:
    """``[12, 983]`` in mV at 100 Hz from int16 microvolts, lead after lead.

    Raises:
        CorpusError: when it is no 12-lead ECG of that length or longer.
    """
    if len(microvolts) % len(LEADS):
        raise CorpusError(f"case {case_id} holds {len(microvolts)} samples; that is no multiple of 12 leads")
    signal = (microvolts.reshape(len(LEADS), -1) / MICROVOLTS).astype(np.float32)
    if rate != RATE:
        signal = _at_rate(signal, rate)
    if signal.shape[1] < SAMPLES:
        raise CorpusError(
            f"case {case_id} lasts {signal.shape[1] / RATE:.2f} s; training needs {SAMPLES / RATE:.2f} s"
        )
    return signal[:, :SAMPLES]


def to_microvolts(signal: Signal, case_id: str) -> NDArray[np.int16]:
    """``[12, samples]`` in mV as int16 microvolts, lead after lead.

    Raises:
        CorpusError: when a sample is beyond 32.767 mV, or no number.
    """
    values = np.rint(np.asarray(signal, np.float64) * MICROVOLTS)
    if not (np.abs(values) <= np.iinfo(np.int16).max).all():
        raise CorpusError(f"case {case_id} reaches beyond 32.767 mV; an ECG does not: check its unit")
    return values.astype(np.int16).reshape(-1)


def read_statements(text: str) -> dict[str, float | None]:
    """Code to likelihood from a row's JSON."""
    return {str(code): value for code, value in json.loads(text or "{}").items()}


def _at_rate(signal: Signal, rate: float) -> Signal:
    """The same leads at 100 Hz: the mean over each new sample's time, where there are more, else between the old."""
    samples = round(signal.shape[1] * RATE / rate)
    edges = np.linspace(0, signal.shape[1], samples + 1)
    if rate < RATE:
        middles = (edges[1:] + edges[:-1]) / 2 - 0.5
        return np.stack([np.interp(middles, np.arange(signal.shape[1]), lead) for lead in signal]).astype(np.float32)
    sums = np.concatenate([np.zeros((len(signal), 1)), np.cumsum(signal, axis=1, dtype=np.float64)], axis=1)
    at_edges = np.stack([np.interp(edges, np.arange(signal.shape[1] + 1), row) for row in sums])
    return (np.diff(at_edges, axis=1) / np.diff(edges)).astype(np.float32)


def _row(rows: Dataset, number: int) -> dict[str, Any]:
    """One row; its signal as an array over the mapped file."""
    part = rows.data.fast_slice(number, 1)
    row = {name: part.column(name)[0].as_py() for name in part.column_names if name != "signal"}
    values = part.column("signal").combine_chunks().flatten()
    return row | {"signal": values.to_numpy(zero_copy_only=False).astype(np.int16, copy=False)}


def _data_set(folder: Path) -> Dataset:
    from datasets import Dataset, concatenate_datasets, load_dataset

    files = _files(folder)
    try:
        if files[0].suffix == ".arrow":
            return concatenate_datasets([Dataset.from_file(str(file)) for file in files])
        return load_dataset("parquet", data_files=[str(file) for file in files], split="train")  # type: ignore[return-value]  # a split is a Dataset
    except Exception as error:  # pyarrow and datasets raise many kinds
        raise CorpusError(f"the shards in {folder} cannot be read: {' '.join(str(error).split())}") from error


def _files(folder: Path) -> list[Path]:
    """The shards of a folder, all there and of the size that they were written with."""
    manifest = read_manifest(folder)
    if manifest is None:
        files = sorted(folder.glob("*.arrow")) or sorted(folder.glob("*.parquet"))
        if not files:
            raise CorpusError(f"{folder} holds no shards; give a folder that 'nearbeat pack' wrote")
        return files
    if not manifest["complete"]:
        raise CorpusError(f"{folder} was not packed to the end; run the same 'nearbeat pack' again")
    for name, size in manifest["shards"].items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            raise CorpusError(f"the shard {file} is missing or cut short; copy it again, or pack the corpus anew")
    return [folder / name for name in manifest["shards"]]


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What packing has written down of a folder, or ``None`` where it packed nothing.

    Raises:
        CorpusError: when it is damaged.
    """
    file = folder / MANIFEST
    if not file.is_file():
        return None
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        dict(manifest["shards"])
        bool(manifest["complete"])
        str(manifest["content"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{file} is damaged ({error!r}); pack the corpus into another folder") from error
    return manifest
