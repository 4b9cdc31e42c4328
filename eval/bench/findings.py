"""How often the findings of the intake fire rightly and wrongly.

``python -m eval.bench.findings --ptbxl FOLDER [--folds 9-10] [--ludb FOLDER] [--simulated 300]`` prints Markdown.
Each ECG is judged as a recording and, drawn as a canonical page, as a page. False alarms: findings on ECGs as they
are, where nobody put a fault in; some of those may be true. Found: the same ECGs with one fault put in by arithmetic.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.corpora.ptbxl import PtbXl, parse_folds
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording, derive_limb_leads
from retrieval.ecg.simulator import simulate
from retrieval.intake.findings import page_findings, recording_findings

Signal = NDArray[np.float32]
Spoiler = Callable[[Signal, np.random.Generator], Signal]
LEG_SHARE = 0.06
"""Most that a lead between the legs is taken to hold of the heart: a share of aVF, evenly drawn from 0."""


@dataclass(frozen=True)
class Ecg:
    """An ECG of a set, and whether its labels say that it is paced."""

    recording: Recording
    paced: bool


@dataclass(frozen=True)
class Fault:
    """A fault that is put in, the kind of finding that tells it, and whether a page can show it."""

    name: str
    kind: str
    put_in: Spoiler
    on_pages: bool = True
    least_rate: float = 0.0


def main() -> None:
    """One pair of tables a set; sets are never mixed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ptbxl", type=Path)
    parser.add_argument("--folds", default="9-10")
    parser.add_argument("--ludb", type=Path)
    parser.add_argument("--simulated", type=int, default=0, help="how many simulated ECGs")
    parser.add_argument("--every", type=int, default=5, help="faults are put into every n-th ECG")
    args = parser.parse_args()
    if args.ptbxl is not None:
        measure(f"PTB-XL, folds {args.folds}, 100 Hz (real)", ptbxl(args.ptbxl, args.folds), args.every)
    if args.ludb is not None:
        measure("LUDB, 500 Hz (real)", ludb(args.ludb), 1)
    if args.simulated:
        measure("NearBeat's simulator, 250 Hz (simulated)", simulated(args.simulated), args.every)


def ptbxl(folder: Path, folds: str) -> Iterator[Ecg]:
    """The records of these folds that are there."""
    for row, recording in PtbXl.open(folder).recordings(parse_folds(folds)):
        yield Ecg(recording, "PACE" in row.statements)


def ludb(folder: Path) -> Iterator[Ecg]:
    """LUDB's records that are there. Its integers are microvolts; its header's gains scale each lead for itself."""
    import csv

    import wfdb

    with (folder / "ludb.csv").open(encoding="utf-8", newline="") as lines:
        pacing = {int(line["ID"]): line["Cardiac pacing"].strip() for line in csv.DictReader(lines)}
    for number, found in sorted(pacing.items()):
        stem = folder / "data" / str(number)
        if stem.with_suffix(".hea").is_file():
            record = wfdb.rdrecord(str(stem), physical=False)
            assert isinstance(record, wfdb.Record)  # noqa: S101  # of one segment, as all of LUDB's are
            signal = (np.asarray(record.d_signal).T / 1000).astype(np.float32)
            yield Ecg(Recording(signal, float(record.fs or 500)), bool(found))


def simulated(cases: int, first: int = 90_000) -> Iterator[Ecg]:
    """Simulated ECGs that the training never draws."""
    for seed in range(first, first + cases):
        case = simulate(seed)
        yield Ecg(case.recording, "PACE" in case.statements)


def measure(name: str, ecgs: Iterable[Ecg], every: int) -> None:
    """Print the tables of a set."""
    alarms: dict[str, Counter[str]] = {"recordings": Counter(), "pages": Counter()}
    hits: Counter[tuple[str, str]] = Counter()
    tried: Counter[str] = Counter()
    pacing, paced, total = 0, 0, 0
    for number, ecg in enumerate(ecgs):
        total += 1
        paced += ecg.paced
        kinds = found_kinds(ecg.recording, pages=True)
        pacing += ecg.paced and "paced" in kinds["recordings"]
        for form, seen in kinds.items():
            alarms[form].update(seen - ({"paced"} if ecg.paced else set()))
        if number % every == 0:
            put_in_each(ecg.recording, number, hits, tried)
    line(f"\n### {name}\n\nFalse alarms on {total} ECGs as they are (95 % upper limit by Wilson in brackets):\n")
    alarm_table(alarms, total, paced)
    line(f"\nPaced by the labels: {paced}; found in their recordings: {pacing}.\n")
    line("| fault put in | ECGs | found in the recording | found on the page |\n|---|---|---|---|")
    for fault in FAULTS:
        if tried[fault.name]:
            shares = [hits[fault.name, form] / tried[fault.name] for form in ("recordings", "pages")]
            on_page = f"{100 * shares[1]:.1f} %" if fault.on_pages else "not claimed"
            line(f"| {fault.name} | {tried[fault.name]} | {100 * shares[0]:.1f} % | {on_page} |")


def put_in_each(recording: Recording, number: int, hits: Counter[tuple[str, str]], tried: Counter[str]) -> None:
    """Every fault once, each drawn by the number of the ECG."""
    for place, fault in enumerate(FAULTS):
        if recording.rate < fault.least_rate:
            continue
        signal = fault.put_in(recording.signal.copy(), np.random.default_rng([number, place]))
        tried[fault.name] += 1
        for form, kinds in found_kinds(replace(recording, signal=signal), pages=fault.on_pages).items():
            hits[fault.name, form] += fault.kind in kinds


def found_kinds(recording: Recording, *, pages: bool) -> dict[str, set[str]]:
    """The kinds of findings of an ECG as a recording and as a page."""
    found = {"recordings": {finding.kind for finding in recording_findings(recording)}}
    if pages:
        found["pages"] = {finding.kind for finding in page_findings(canonical_page(recording))}
    return found


def alarm_table(alarms: dict[str, Counter[str]], total: int, paced: int) -> None:
    """A row for each kind that there is."""
    line("| finding | in recordings | on pages |\n|---|---|---|")
    on_pages = {"lead_missing", *(fault.kind for fault in FAULTS if fault.on_pages)}
    for kind in (*dict.fromkeys(fault.kind for fault in FAULTS), "paced", "limb_leads_disagree", "lead_missing"):
        cells = []
        for form in ("recordings", "pages"):
            number = total - paced if kind == "paced" else total
            count = alarms[form][kind]
            said = f"{count} = {100 * count / number:.2f} % ({100 * wilson(count, number):.2f} %)"
            cells.append(said if form == "recordings" or kind in on_pages else "not claimed")
        line(f"| {kind} | {' | '.join(cells)} |")


def wilson(count: int, number: int, z: float = 1.96) -> float:
    """Upper limit of a share, Wilson (1927)."""
    share = count / number
    middle = share + z * z / (2 * number)
    spread = z * np.sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    return float((middle + spread) / (1 + z * z / number))


# --- the faults ---


def _limbs(one: Signal, two: Signal, signal: Signal, chest: Signal | float = 0.0) -> Signal:
    """Limb leads anew from I and II, and what the moved electrode adds to the chest leads' reference."""
    return np.concatenate([derive_limb_leads(one, two), signal[6:] + chest]).astype(np.float32)


def exchange_arms(signal: Signal, _: np.random.Generator) -> Signal:
    """Right arm and left arm: I turns over, II and III change places."""
    return _limbs(-signal[0], signal[2], signal)


def exchange_arm_and_leg(signal: Signal, _: np.random.Generator) -> Signal:
    """Right arm and left leg: all three turn over, I and III change places."""
    return _limbs(-signal[2], -signal[1], signal)


def right_arm_on_right_leg(signal: Signal, rng: np.random.Generator) -> Signal:
    """The right arm's electrode on the right leg: II is between the legs; the chest's reference moves by -II / 3."""
    two = _between_legs(signal, rng)
    return _limbs(two - signal[2], two, signal, -signal[1] / 3)


def left_arm_on_right_leg(signal: Signal, rng: np.random.Generator) -> Signal:
    """The left arm's electrode on the right leg: III is between the legs, so I is II."""
    three = _between_legs(signal, rng)
    return _limbs(signal[1] - three, signal[1], signal, -signal[2] / 3)


def _between_legs(signal: Signal, rng: np.random.Generator) -> Signal:
    noise = 0.005 * rng.standard_normal(signal.shape[1])
    return (rng.uniform(0, LEG_SHARE) * signal[5] + noise).astype(np.float32)


def one_flat(signal: Signal, rng: np.random.Generator) -> Signal:
    """A chest lead that is off."""
    signal[rng.integers(6, 12)] = 0
    return signal


def one_twice(signal: Signal, rng: np.random.Generator) -> Signal:
    """A chest lead in the place of the next one of its column, as a page shows them."""
    lead = int(rng.choice([6, 7, 9, 10]))
    signal[lead + 1] = signal[lead]
    return signal


def fourfold(signal: Signal, _: np.random.Generator) -> Signal:
    """Every lead four times as large."""
    return (signal * 4).astype(np.float32)


def quarter(signal: Signal, _: np.random.Generator) -> Signal:
    """Every lead a quarter as large."""
    return (signal / 4).astype(np.float32)


def cut_off(signal: Signal, _: np.random.Generator) -> Signal:
    """An amplifier that ends at 60 % of the largest lead's peak."""
    middle = np.median(signal, axis=1, keepdims=True)
    limit = 0.6 * np.abs(signal - middle).max()
    return (middle + np.clip(signal - middle, -limit, limit)).astype(np.float32)


def hum(signal: Signal, rng: np.random.Generator) -> Signal:
    """0.1 mV of 50 Hz at 500 Hz in I, II and the chest leads, each with its own phase; the rest follows."""
    turns = 0.1 * np.arange(signal.shape[1]) + rng.uniform(0, 1, (12, 1))
    noisy = signal + 0.1 * np.sin(2 * np.pi * turns)
    return _limbs(noisy[0], noisy[1], noisy.astype(np.float32))


FAULTS: tuple[Fault, ...] = (
    Fault("arms exchanged", "limb_lead_reversal", exchange_arms),
    Fault("right arm and left leg exchanged", "limb_lead_reversal", exchange_arm_and_leg),
    Fault("right arm's electrode on the right leg", "limb_lead_reversal", right_arm_on_right_leg),
    Fault("left arm's electrode on the right leg", "limb_lead_reversal", left_arm_on_right_leg),
    Fault("a chest lead flat", "lead_flat", one_flat),
    Fault("a chest lead shown twice", "lead_twice", one_twice),
    Fault("four times too large", "unusual_amplitude", fourfold),
    Fault("four times too small", "unusual_amplitude", quarter),
    Fault("cut off at 60 % of the largest peak", "saturated", cut_off, on_pages=False),
    Fault("0.1 mV of 50 Hz", "mains_noise", hum, on_pages=False, least_rate=500.0),
)


def line(text: str) -> None:
    """One line to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
