"""The ECGs that a recipe trains on: waveforms at 100 Hz, their statements, several wordings of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.corpora.ptbxl import FIRST, LAST, RATE, PtbXl, PtbXlRow, parse_folds
from retrieval.ecg.recording import Signal
from retrieval.ecg.simulator import simulate
from retrieval.ecg.statements import STATEMENTS, SUPERCLASSES, superclasses, wordings
from retrieval.errors import CorpusError
from training.case_list import Cases, KeptCases, TrainingCase
from training.recipe import CorpusSpec
from training.rescale import AmplitudeModel

Report = Callable[[str], None]
TARGETS: tuple[str, ...] = (*STATEMENTS, *(f"superclass {name}" for name in SUPERCLASSES))
"""What the statement head learns: every statement, and the five groups into which the diagnostic ones fall."""
WORDING_STEP = 100_003
"""Between the wordings of two seeds of a run."""
WORDINGS = 3
"""How many wordings of the statements are drawn in each language."""


@dataclass(frozen=True)
class LoadedCorpus:
    """The cases of one corpus and how many of its records were missing."""

    spec: CorpusSpec
    cases: Cases
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
        return LoadedCorpus(spec, KeptCases(_simulated(spec.seed + i) for i in range(spec.cases)))
    if spec.kind == "rescaled":
        return _rescaled(spec, seed, models)
    if spec.kind == "shards":
        from training.shards import open_shards  # it words its cases as these are worded

        return LoadedCorpus(spec, open_shards(spec, seed))
    archive = PtbXl.open(spec.folder)
    folds = parse_folds(spec.folds)
    cases = KeptCases(_ptbxl(row, recording.signal, seed) for row, recording in archive.recordings(folds))
    if not cases:
        raise CorpusError(f"{spec.folder} holds no record of folds {spec.folds}; fetch records100 of PTB-XL")
    return LoadedCorpus(spec, cases, archive.missing(folds))


def statement_targets(stated: Iterable[Mapping[str, float | None]]) -> NDArray[np.uint8]:
    """``[n, targets]``, 1 where a statement or a superclass is present, in the order of ``TARGETS``."""
    rows = []
    for statements in stated:
        found = superclasses(statements)
        row = [code in statements for code in STATEMENTS] + [name in found for name in SUPERCLASSES]
        rows.append(np.array(row, np.uint8))
    return np.stack(rows) if rows else np.zeros((0, len(TARGETS)), np.uint8)


def case_texts(report: str, statements: Mapping[str, float | None], seed: int) -> tuple[str, ...]:
    """The report, and wordings of its statements drawn by ``seed``."""
    rng = np.random.default_rng(seed)
    known = {code: likelihood for code, likelihood in statements.items() if code in STATEMENTS}
    worded = [wordings(known, language, rng) for language in ("en", "de") for _ in range(WORDINGS)]
    short = wordings(known, "short")
    return tuple(text for text in dict.fromkeys([report, *worded, short]) if text)


def _ptbxl(row: PtbXlRow, signal: Signal, seed: int) -> TrainingCase:
    texts = case_texts(row.report, row.statements, seed * WORDING_STEP + row.ecg_id)
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
    return LoadedCorpus(spec, KeptCases(cases))
