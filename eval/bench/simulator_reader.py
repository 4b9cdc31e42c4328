"""Measure whether an independent reader finds what the simulator meant.

    python -m eval.bench.simulator_reader --each 20 [--ptbxl FOLDER]

openecg reads lead II alone and knows six rhythms (sinus, afib, avb, bbb, paced, ventricular), so most shapes can only
be read as sinus or bbb. With a PTB-XL folder the same reader reads real ECGs of the same statement beside them: where
it fails on those too, the simulator is not to blame.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.corpora.ptbxl import PtbXl
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import CONDITIONS, SimulatedCase, simulate
from retrieval.errors import ExtraMissing

RATE = 500.0
_WIDE, _SINUS = frozenset({"bbb"}), frozenset({"sinus"})
MEANT: Mapping[str, frozenset[str]] = {
    "atrial_fibrillation": frozenset({"afib"}),
    "atrial_flutter": frozenset({"afib"}),
    "av_block_1": frozenset({"avb"}),
    "av_block_2_wenckebach": frozenset({"avb"}),
    "av_block_2_mobitz": frozenset({"avb"}),
    "av_block_3": frozenset({"avb"}),
    "av_block_3_wide": frozenset({"avb", "bbb"}),
    "paced": frozenset({"paced"}),
    "lbbb": _WIDE,
    "rbbb": _WIDE,
    "bifascicular": _WIDE,
    "ivcd": _WIDE,
    "irbbb": _SINUS | _WIDE,
    "lafb": _SINUS | _WIDE,
    "wpw": _SINUS | _WIDE,
}
"""Labels that count as read rightly; sinus where a condition is not named. Flutter has no label but afib."""
ECTOPIC = ("pvc", "bigeminy", "trigeminy")
"""Read rightly when the reader finds at least one ventricular premature beat."""
REAL: Mapping[str, str] = {
    "normal": "NORM",
    "sinus_bradycardia": "SBRAD",
    "sinus_tachycardia": "STACH",
    "atrial_fibrillation": "AFIB",
    "atrial_flutter": "AFLT",
    "av_block_1": "1AVB",
    "pvc": "PVC",
    "bigeminy": "BIGU",
    "pac": "PAC",
    "paced": "PACE",
    "lbbb": "CLBBB",
    "rbbb": "CRBBB",
    "irbbb": "IRBBB",
    "lafb": "LAFB",
    "wpw": "WPW",
    "lvh_strain": "LVH",
    "inferior_mi_old": "IMI",
    "anteroseptal_mi_old": "ASMI",
    "long_qt": "LNGQT",
}


@dataclass(frozen=True)
class Reading:
    """What openecg reads in one ECG; intervals in ms, ``nan`` where it finds none."""

    rhythm: str
    heart_rate: float
    ectopic: int
    pr: float
    qrs: float
    qt: float


def read(recording: Recording) -> Reading:
    """Let openecg read lead II at 500 Hz.

    Raises:
        ExtraMissing: when openecg is not installed.
    """
    try:
        import openecg
    except ImportError as error:
        raise ExtraMissing("openecg is not installed; pip install 'nearbeat[dev]'") from error
    lead = recording.lead("II").astype(np.float64)
    report = openecg.report(_resampled(lead - lead.mean(), recording.rate).astype(np.float32), fs=int(RATE))
    names = ("pr", "qrs_duration", "qt")
    pr, qrs, qt = (float(report.intervals_ms[name] or np.nan) for name in names)
    found = int(report.beats["vpc_count"])
    return Reading(str(report.rhythm["label"]), float(report.heart_rate["bpm"] or np.nan), found, pr, qrs, qt)


def _resampled(lead: np.ndarray, rate: float) -> np.ndarray:
    """Resample to 500 Hz by Fourier interpolation."""
    samples = round(len(lead) * RATE / rate)
    if samples == len(lead):
        return lead
    return np.fft.irfft(np.fft.rfft(lead), samples) * samples / len(lead)


def as_meant(condition: str, reading: Reading) -> bool:
    """Whether the reading fits the condition, as far as the reader has a word for it."""
    if condition in ECTOPIC:
        return reading.ectopic > 0
    return reading.rhythm in MEANT.get(condition, _SINUS)


def _labels(readings: Iterable[Reading]) -> str:
    counts = Counter(reading.rhythm for reading in readings).most_common()
    return ", ".join(f"{label} {count}" for label, count in counts)


def _middle(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return f"{np.median(known):.0f}" if known else "–"


def _share(condition: str, readings: Sequence[Reading]) -> str:
    return f"{sum(as_meant(condition, reading) for reading in readings)}/{len(readings)}"


def simulated_row(condition: str, cases: Sequence[SimulatedCase], readings: Sequence[Reading]) -> list[str]:
    """Cells of a condition: reading, share as meant, ventricular beats found, set and read values (medians)."""
    truths = [case.truth for case in cases]
    pairs = [
        ([truth.heart_rate for truth in truths], [reading.heart_rate for reading in readings]),
        ([truth.pr_ms for truth in truths], [reading.pr for reading in readings]),
        ([truth.qrs_ms for truth in truths], [reading.qrs for reading in readings]),
        ([truth.qt_ms for truth in truths], [reading.qt for reading in readings]),
    ]
    values = [f"{_middle(was_set)} / {_middle(was_read)}" for was_set, was_read in pairs]
    ectopic = str(sum(reading.ectopic > 0 for reading in readings))
    return [condition, str(len(cases)), _labels(readings), _share(condition, readings), ectopic, *values]


def real_cells(condition: str, corpus: PtbXl, each: int) -> list[str]:
    """Let the same reader read up to ``each`` real ECGs of the same statement, from the test fold."""
    code = REAL.get(condition)
    if code is None:
        return ["", ""]
    rows = [row for row in corpus.of_folds([10]) if code in row.statements and corpus.present(row)][:each]
    readings = [read(corpus.recording(row)) for row in rows]
    return [f"{code}: {_labels(readings)}", _share(condition, readings)]


def table(conditions: Sequence[str], each: int, corpus: PtbXl | None, first_seed: int) -> Iterator[str]:
    """Lines of the Markdown table, each as soon as it is known."""
    head = ["condition", "n", "read as", "as meant", "VPC found in", "rate set / read", "PR", "QRS", "QT"]
    head += ["real ECGs read as", "as meant"] if corpus else []
    yield _line(head)
    yield _line(["---"] * len(head))
    for condition in conditions:
        cases = [simulate(first_seed + i, condition, rate=RATE) for i in range(each)]
        cells = simulated_row(condition, cases, [read(case.recording) for case in cases])
        yield _line(cells + (real_cells(condition, corpus, each) if corpus else []))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Let openecg read simulated ECGs; print a Markdown table.")
    parser.add_argument("--each", type=int, default=20, help="ECGs a condition")
    parser.add_argument("--seed", type=int, default=1_000, help="first seed")
    parser.add_argument("--ptbxl", type=Path, help="a PTB-XL folder, to read real ECGs of the same statement too")
    parser.add_argument("conditions", nargs="*", default=list(CONDITIONS), help="all, unless named")
    options = parser.parse_args()
    corpus = PtbXl.open(options.ptbxl) if options.ptbxl else None
    for line in table(options.conditions, options.each, corpus, options.seed):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
