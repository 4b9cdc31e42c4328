"""The ECGs that a recipe trains on, in memory: waveforms at 100 Hz, their statements, several wordings of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.corpora.ptbxl import FIRST, LAST, RATE, PtbXl, PtbXlRow, parse_folds
from retrieval.ecg.recording import Signal
from retrieval.ecg.simulator import simulate
from retrieval.ecg.statements import STATEMENTS, SUPERCLASSES, superclasses, wordings
from retrieval.errors import CorpusError
from training.recipe import CorpusSpec
from training.rescale import AmplitudeModel

Report = Callable[[str], None]
TARGETS: tuple[str, ...] = (*STATEMENTS, *(f"superclass {name}" for name in SUPERCLASSES))
"""What the statement head learns: every statement, and the five groups into which the diagnostic ones fall."""
WORDINGS = 3
"""How many wordings of the statements are drawn in each language."""


@dataclass(frozen=True)
class TrainingCase:
    """One ECG: ``signal`` ``[12, 983]`` in mV at 100 Hz, its statements, and texts that describe it.

    The first text is the report as it was written; the others word its statements.
    """

    case_id: str
    signal: Signal
    statements: dict[str, float | None]
    texts: tuple[str, ...]
    patient_key: str | None = None
    simulated: bool = False


@dataclass(frozen=True)
class LoadedCorpus:
    """The cases of one corpus and how many of its records were missing."""

    spec: CorpusSpec
    cases: tuple[TrainingCase, ...]
    missing: int = 0


def load_corpus(spec: CorpusSpec, seed: int, models: Sequence[LoadedCorpus] = ()) -> LoadedCorpus:
    """Read a corpus.

    Args:
        spec: which.
        seed: of the wordings.
        models: corpora read before; a ``rescaled`` corpus learns amplitudes from the PTB-XL among them.

    Raises:
        CorpusError: when it has no record, or a ``rescaled`` corpus stands before any PTB-XL corpus.
    """
    if spec.kind == "simulated":
        return LoadedCorpus(spec, tuple(_simulated(spec.seed + i) for i in range(spec.cases)))
    if spec.kind == "rescaled":
        return _rescaled(spec, seed, models)
    archive = PtbXl.open(spec.folder)
    folds = parse_folds(spec.folds)
    cases = tuple(_ptbxl(row, recording.signal, seed) for row, recording in archive.recordings(folds))
    if not cases:
        raise CorpusError(f"{spec.folder} holds no record of folds {spec.folds}; fetch records100 of PTB-XL")
    return LoadedCorpus(spec, cases, archive.missing(folds))


class Stated(Protocol):
    """Whatever carries statements."""

    @property
    def statements(self) -> Mapping[str, float | None]:
        """Code to likelihood, ``None`` where it is not given."""
        ...


def statement_targets(cases: Sequence[Stated]) -> NDArray[np.float32]:
    """``[n, targets]``, 1 where a statement or a superclass is present, in the order of ``TARGETS``."""
    rows = []
    for case in cases:
        found = superclasses(case.statements)
        rows.append([code in case.statements for code in STATEMENTS] + [name in found for name in SUPERCLASSES])
    return np.array(rows, dtype=np.float32).reshape(len(cases), len(TARGETS))


def _texts(report: str, statements: dict[str, float | None], seed: int) -> tuple[str, ...]:
    rng = np.random.default_rng(seed)
    known = {code: likelihood for code, likelihood in statements.items() if code in STATEMENTS}
    worded = [wordings(known, language, rng) for language in ("en", "de") for _ in range(WORDINGS)]
    short = wordings(known, "short")
    return tuple(text for text in dict.fromkeys([report, *worded, short]) if text)


def _ptbxl(row: PtbXlRow, signal: Signal, seed: int) -> TrainingCase:
    texts = _texts(row.report, row.statements, seed * 100_003 + row.ecg_id)
    return TrainingCase(row.case_id, signal, row.statements, texts, row.patient_key)


def _simulated(seed: int) -> TrainingCase:
    case = simulate(seed, rate=RATE)
    signal = case.recording.signal[:, FIRST:LAST]
    texts = (case.report_en, case.report_de)
    return TrainingCase(f"simulated-{seed}", signal, dict(case.statements), texts, f"simulated-{seed}", True)


def _rescaled(spec: CorpusSpec, seed: int, models: Sequence[LoadedCorpus]) -> LoadedCorpus:
    teachers = [case.signal for loaded in models if loaded.spec.kind == "ptbxl" for case in loaded.cases]
    if not teachers:
        raise CorpusError("a rescaled corpus learns amplitudes from PTB-XL; list a ptbxl corpus before it")
    model = AmplitudeModel.fit(np.stack(teachers))
    rows = {row.ecg_id: row for row in PtbXl.open(spec.folder).of_folds(parse_folds(spec.folds))}
    known = {case.case_id for loaded in models for case in loaded.cases}
    cases = []
    with np.load(Path(spec.file), allow_pickle=False) as data:
        for ecg_id, scored in zip(data["ecg_id"].tolist(), data["signal"], strict=True):
            row = rows.get(int(ecg_id))
            if row is not None and row.case_id not in known:
                signal = model.restore(scored[FIRST:LAST].T.astype(np.float32) / 100)
                cases.append(_ptbxl(row, signal, seed))
    return LoadedCorpus(spec, tuple(cases))
