"""What reading a file gives: the canonical page, the recording where there is one, and how sure the reader is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a page brings cv2 with it, which nobody should pay for by importing this package
    from retrieval.ecg.page import CanonicalPage
    from retrieval.ecg.recording import Recording

Point = tuple[float, float]
"""``(x, y)`` in pixels of the picture as it is seen: after its EXIF rotation, before any straightening."""
Quad = tuple[Point, Point, Point, Point]
"""Corners top left, top right, bottom right, bottom left as the page reads, wherever they lie in the picture."""


@dataclass(frozen=True)
class Finding:
    """One thing that the user should know about what was read.

    Args:
        kind: a name that programs can rely on, such as ``"lead_missing"`` or ``"paced"``; docs/intake.md lists them.
        message: the same in one sentence.
        certainty: from 0 to 1.
    """

    kind: str
    message: str
    certainty: float = 1.0


@dataclass(frozen=True)
class FoundLead:
    """Where one lead stands in the picture.

    Args:
        lead: a name of ``retrieval.ecg.recording.LEADS``.
        row: from 0 at the top.
        box: along the trace from its first to its last sample; across it, half the distance of the rows up and down
            from the baseline.
        seconds: length of the stretch.
        inverted: drawn upside down, as -aVR in Cabrera's order.
        certainty: from 0 to 1, of the name and the place together.
    """

    lead: str
    row: int
    box: Quad
    seconds: float
    inverted: bool = False
    certainty: float = 1.0


@dataclass(frozen=True)
class IntakeReport:
    """What was found on a picture of a page.

    Args:
        px_per_mm_x: pixels of the picture per millimetre of paper along the traces, in the middle of their field.
        px_per_mm_y: the same across the traces.
        rotation_deg: by how much the page was turned in the picture, counter-clockwise positive.
        layout: name of the layout that was found, such as ``"3x4+1"``, or ``"unknown"``.
        certainty: from 0 to 1; below 0.5 the scale or the layout is more assumed than found.
        assumed: names of what was not found and taken by custom, such as ``"scale"`` or ``"layout"``.
        rows: baselines of the rows of traces, in mm from the top of the straightened picture.
        picture: width and height of the picture in pixels, after its EXIF rotation.
        speed: mm/s, as found or assumed.
        gain: mm/mV of the limb leads.
        chest_gain: mm/mV of the chest leads.
        order: ``"standard"`` or ``"cabrera"``.
        corners: of the field of traces: the first samples and last samples, half a row above the first baseline and
            below the last.
        paper: the sheet's own corners, where its edges are seen in the picture.
        leads: the place of each lead that was found.
        masked: regions of print (names, dates, interpretation) that were seen and left out of the page.
    """

    px_per_mm_x: float
    px_per_mm_y: float
    rotation_deg: float
    layout: str
    certainty: float
    assumed: tuple[str, ...] = ()
    rows: tuple[float, ...] = ()
    picture: tuple[int, int] = (0, 0)
    speed: float = 25.0
    gain: float = 10.0
    chest_gain: float = 10.0
    order: str = "standard"
    corners: Quad | None = None
    paper: Quad | None = None
    leads: tuple[FoundLead, ...] = ()
    masked: tuple[Quad, ...] = ()


@dataclass(frozen=True)
class Intake:
    """One file, read.

    Args:
        file: the path as it was given.
        kind: the kind of file, a name of ``retrieval.intake.sniff``.
        page: what the image tower reads; text outside the traces is masked. Only this is kept, never the picture.
        recording: the samples, where the file holds them.
        findings: what the user should know.
        report: what was found on the page; ``None`` for recordings.
        number: which page of the file this is, from 1.
        pages: how many pages the file has.
    """

    file: str
    kind: str
    page: CanonicalPage
    recording: Recording | None = None
    findings: tuple[Finding, ...] = ()
    report: IntakeReport | None = None
    number: int = 1
    pages: int = 1

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentence of each finding."""
        return tuple(finding.message for finding in self.findings)
