"""What stands on an ECG page besides the traces: lead names as makers write them, and all the other print."""

from __future__ import annotations

import numpy as np

from retrieval.ecg.recording import LEADS

NAMES = (*LEADS, "-aVR")
SPEEDS = ("25", "50", "12.5")
GAINS = ("5", "10", "20", "5/10")
CLASSES = (*NAMES, *(f"{speed} mm/s" for speed in SPEEDS), *(f"{gain} mm/mV" for gain in GAINS))
"""What the head of words reads, from class 1; 0 is everything else."""
_OTHER_LEADS = ("V3R", "V4R", "V5R", "V7", "V8", "V9", "D1", "X", "Y", "Z", "aV", "V", "IV", "VI", "C1", "MCL1")
_MARKS = (
    "40 Hz",
    "0.05-150 Hz",
    "0.67-100Hz",
    "AC60",
    "50~ 0.15-100 Hz",
    "F 60~",
    "50 Hz",
    "25 Hz",
    "10 s",
    "5 ms",
    "20 mm",
)
_WORDS = (
    "Sinus rhythm", "Normal ECG", "Abnormal ECG", "Unconfirmed", "Vent. rate", "PR interval", "QRS duration", "BPM",
    "QT/QTc", "P-R-T axes", "ms", "Age:", "Sex: M", "Male", "Female", "Name:", "ID", "Dr.", "Inferior infarct", "old",
    "Left axis deviation", "ST elevation", "Ref. by", "Technician", "Loc:", "Room", "Sinusrhythmus", "Lagetyp",
    "Vorhofflimmern", "Befund", "Geb.", "Patient", "Date", "Time", "Report", "Page 1 of 1", "HEART CARE", "Speed",
    "Diagnosis", "Test ind:", "Confirmed by", "Rhythm", "bradycardia", "tachycardia", "block", "possible", "RV5/SV1",
)  # fmt: skip


def lead_name(rng: np.random.Generator) -> tuple[str, int]:
    """A lead's name as some maker prints it, and its class (0 for leads outside the twelve)."""
    if rng.random() < 0.08:
        return str(rng.choice(_OTHER_LEADS)), 0
    at = int(rng.integers(0, len(NAMES)))
    return spelled(NAMES[at], rng), at + 1


def spelled(name: str, rng: np.random.Generator) -> str:
    """``name`` as makers write it: AVR for aVR, with a colon or an arrow's blank now and then."""
    if "aV" in name and rng.random() < 0.3:
        name = name.replace("aV", str(rng.choice(["AV", "aV", "av"]))) if rng.random() < 0.8 else name.lower()
    return name + (":" if rng.random() < 0.03 else "")


def other_text(rng: np.random.Generator) -> list[tuple[str, int]]:
    """A line of print: words, marks, numbers and dates, each with its class."""
    kinds = rng.random(int(rng.integers(1, 6)))
    return [scale_mark(rng) if kind < 0.15 else (_piece(kind, rng), 0) for kind in kinds]


def scale_mark(rng: np.random.Generator) -> tuple[str, int]:
    """A printed speed or gain, as 25 mm/s or 10.0mm/mV, and its class."""
    at = int(rng.integers(0, len(SPEEDS) + len(GAINS)))
    if at < len(SPEEDS):
        number, unit = SPEEDS[at], str(rng.choice(["mm/s", "mm/sec", "mm/Sec", "mm/s.", "mm/Sek", "MM/S"]))
    else:
        number, unit = GAINS[at - len(SPEEDS)], str(rng.choice(["mm/mV", "mm/mv", "mm/mV", "MM/MV"]))
    if number.isdigit() and rng.random() < 0.15:
        number += ".0"
    if number == "5/10" and rng.random() < 0.5:
        number = "10/5"
    return number + (" " if rng.random() < 0.6 else "") + unit, len(NAMES) + 1 + at


def _piece(kind: float, rng: np.random.Generator) -> str:
    if kind < 0.25:
        return str(rng.choice(_MARKS))
    if kind < 0.65:
        return str(rng.choice(_WORDS))
    if kind < 0.8:
        return str(rng.integers(0, 10 ** int(rng.integers(1, 8))))
    if kind < 0.9:
        day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(1920, 2026)
        return f"{day:02d}{rng.choice(list('.-/'))}{month:02d}{rng.choice(list('.-/'))}{year}"
    letters = rng.integers(ord("a"), ord("z") + 1, int(rng.integers(2, 9)))
    word = "".join(chr(letter) for letter in letters)
    return word.upper() if rng.random() < 0.4 else word.capitalize()
