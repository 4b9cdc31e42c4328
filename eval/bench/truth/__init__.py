"""What a person measured on real pictures: the layout, the scale and the place of every lead; no pixel of them.

``rows`` are the hand's own marks: of each row of traces the points on its baseline where a lead begins or ends, in
pixels of the upright picture. Boxes and corners follow from them. How they were taken stands in docs/intake.md.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.bench.boxes import Box, TrueLead

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class PictureTruth:
    """One picture, as a person saw it.

    Args:
        file: its name.
        sha256: of the file that was measured.
        size: width and height of the upright picture in pixels; of a PDF, as it was rendered.
        layout: a name as in ``IntakeReport``, or ``"refuse"`` for what is no 12-lead page.
        also: other names of the layout that are right, where the place of each lead is.
        rhythm: leads of the strips below, from the top.
        order: ``"standard"`` or ``"cabrera"``.
        px_per_mm: along and across the traces, in the middle of the page.
        speed: mm/s.
        gain: mm/mV, or ``None`` where neither print nor pulse shows it.
        leads: the box of each lead; names that are not of the twelve stand here too.
        corners: of the field of traces.
        note: what is special about it.
    """

    file: str
    sha256: str
    size: tuple[int, int]
    layout: str
    also: tuple[str, ...]
    rhythm: tuple[str, ...]
    order: str
    px_per_mm: tuple[float, float]
    speed: float
    gain: float | None
    leads: tuple[TrueLead, ...]
    corners: Box
    note: str = ""

    def is_of(self, path: Path) -> bool:
        """Whether a file is the one that was measured."""
        return hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256


def load_truth(*paths: Path) -> dict[str, PictureTruth]:
    """The truth files of this folder, or those given, as a mapping from file name."""
    found: dict[str, PictureTruth] = {}
    for path in paths or sorted(FOLDER.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for entry in document["pictures"]:
            whole = document.get("kinds", {}).get(entry.get("kind"), {}) | entry
            found[whole["file"]] = _truth(whole)
    return found


def _truth(entry: dict[str, Any]) -> PictureTruth:
    rows = [np.asarray(row["points"], np.float64) for row in entry["rows"]]
    names = [tuple(row["leads"]) for row in entry["rows"]]
    leads, corners = lead_boxes(rows, names)
    return PictureTruth(
        file=entry["file"],
        sha256=entry["sha256"],
        size=(entry["size"][0], entry["size"][1]),
        layout=entry["layout"],
        also=tuple(entry["also"]),
        rhythm=tuple(entry["rhythm"]),
        order=entry["order"],
        px_per_mm=(entry["px_per_mm"][0], entry["px_per_mm"][1]),
        speed=entry["speed"],
        gain=entry["gain"],
        leads=leads,
        corners=corners,
        note=entry.get("note", ""),
    )


def lead_boxes(rows: list[Box], names: list[tuple[str, ...]]) -> tuple[tuple[TrueLead, ...], Box]:
    """Boxes and corners from the marks: half the mean distance of the rows up and down, along the tilt of the page.

    Args:
        rows: of each row its marks ``[leads + 1, 2]`` in pixels, from the left.
        names: the leads of each row.

    Returns:
        The leads, and the corners ``[4, 2]`` of the field of traces.
    """
    gaps = max(1, len(rows) - 1)
    down_left, down_right = (rows[-1][0] - rows[0][0]) / gaps / 2, (rows[-1][-1] - rows[0][-1]) / gaps / 2
    leads = []
    for number, (points, row) in enumerate(zip(rows, names, strict=True)):
        share = (points[:, :1] - points[0, 0]) / (points[-1, 0] - points[0, 0])
        half = down_left + share * (down_right - down_left)
        top, bottom = points - half, points + half
        for i, lead in enumerate(row):
            leads.append(TrueLead(lead, number, np.stack([top[i], top[i + 1], bottom[i + 1], bottom[i]])))
    first, last = rows[0], rows[-1]
    edge = [first[0] - down_left, first[-1] - down_right, last[-1] + down_right, last[0] + down_left]
    return tuple(leads), np.stack(edge)
