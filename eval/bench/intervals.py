"""How far measured intervals are from cardiologists' marks (LUDB), and heart rates from openecg's; by hand.

LUDB (Kalyakulina et al., IEEE Access 8 (2020) 186181; PhysioNet, ODC-By 1.0) marks P, QRS and T in each lead; of a
record the median over the beats of lead II is taken. Its raw integers are microvolts.

    python -m eval.bench.intervals FOLDER/ludb
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import LEADS, Recording
from retrieval.evidence.measuring import Measurement, measure

NAMES = ("pr_ms", "qrs_ms", "qt_ms")
Times = dict[str, list[tuple[int, int]]]


@dataclass(frozen=True)
class Marked:
    """A recording and the medians, in ms, of what is marked in lead II; NaN where it is not."""

    name: str
    recording: Recording
    rr_ms: float
    pr_ms: float
    qrs_ms: float
    qt_ms: float


def read_marked(stem: Path) -> Marked:
    """One record of LUDB."""
    import wfdb

    record = wfdb.rdrecord(str(stem), physical=False)
    if not isinstance(record, wfdb.Record) or record.d_signal is None or record.fs is None:
        raise ValueError(f"{stem} has no samples")
    names = [name.lower() for name in record.sig_name or ()]
    rows = np.stack([record.d_signal[:, names.index(lead.lower())] / 1000 for lead in LEADS])
    waves = _waves(wfdb.rdann(str(stem), "ii"))
    ms = 1000 / float(record.fs)
    qrs, p, t = (np.array(waves[key]).reshape(-1, 2) for key in ("N", "p", "t"))
    return Marked(
        stem.name,
        Recording(rows.astype(np.float32), float(record.fs)),
        _median(np.diff(qrs[:, 0]) * ms),
        _median(_to_next(p[:, 0], qrs[:, 0], 400 / ms) * ms),
        _median((qrs[:, 1] - qrs[:, 0]) * ms),
        _median(_to_next(qrs[:, 0], t[:, 1], 700 / ms) * ms),
    )


def _waves(marks: object) -> Times:
    """Beginning and end of each wave: an opening bracket, the wave's letter, a closing one."""
    symbols, samples = list(getattr(marks, "symbol", ())), list(getattr(marks, "sample", ()))
    found: Times = {"N": [], "p": [], "t": []}
    for at in range(1, len(symbols) - 1):
        if symbols[at] in found and symbols[at - 1] == "(" and symbols[at + 1] == ")":
            found[symbols[at]].append((samples[at - 1], samples[at + 1]))
    return found


def _to_next(first: np.ndarray, then: np.ndarray, most: float) -> np.ndarray:
    place = np.searchsorted(then, first, "right")
    apart = np.array([then[i] - a if i < len(then) else np.inf for a, i in zip(first, place, strict=True)], float)
    return apart[apart <= most]


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def at_100_hz(recording: Recording) -> Recording:
    """Every so many samples averaged, as a recorder of 100 Hz would keep them."""
    step = round(recording.rate / 100)
    samples = recording.signal.shape[1] // step * step
    return replace(recording, signal=recording.signal[:, :samples].reshape(12, -1, step).mean(axis=2), rate=100.0)


def row(title: str, found: list[Measurement | None], marked: list[Marked], name: str) -> str:
    """Of one interval: how often it was measured, and how far from the marks."""
    value = [np.nan if one is None or getattr(one, name) is None else getattr(one, name) for one in found]
    off = np.array(value, float) - np.array([getattr(one, name) for one in marked])
    known = off[np.isfinite(off)]
    invented = sum(
        bool(np.isfinite(v)) and not np.isfinite(getattr(m, name)) for v, m in zip(value, marked, strict=True)
    )
    within = float(np.mean(np.abs(known) <= 30)) if len(known) else float("nan")
    return (
        f"| {title} | {name} | {np.isfinite(value).sum()} | {np.median(known):+.0f} | {np.median(np.abs(known)):.0f} "
        f"| {np.quantile(np.abs(known), 0.9):.0f} | {within:.0%} | {invented} |"
    )


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("ludb", type=Path)
    folder = parser.parse_args().ludb / "data"
    marked = [read_marked(file.with_suffix("")) for file in sorted(folder.glob("*.hea"), key=lambda p: int(p.stem))]
    sys.stdout.write(
        f"{len(marked)} records; marked: " + ", ".join(f"{name} {_known(marked, name)}" for name in NAMES) + "\n"
    )
    sys.stdout.write(
        "| of | what | measured | median off | median abs | 90 % abs | within 30 ms | not marked |" + "\n"
    )
    sys.stdout.write("| --- | --- | --- | --- | --- | --- | --- | --- |" + "\n")
    full = [measure(one.recording, None) for one in marked]
    coarse = [measure(at_100_hz(one.recording), None) for one in marked]
    pages = [measure(None, canonical_page(one.recording)) for one in marked]
    for title, found in (("500 Hz", full), ("100 Hz", coarse)):
        for name in ("rr_ms", *NAMES):
            sys.stdout.write(row(title, found, marked, name) + "\n")
    sys.stdout.write(row("page", pages, marked, "rr_ms") + "\n")


def _known(marked: list[Marked], name: str) -> int:
    return sum(bool(np.isfinite(getattr(one, name))) for one in marked)


if __name__ == "__main__":
    main()
