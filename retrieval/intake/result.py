"""What reading a file gives: the canonical page, the recording where there is one, and how sure the reader is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a page brings cv2 with it, which nobody should pay for by importing this package
    from retrieval.ecg.page import CanonicalPage
    from retrieval.ecg.recording import Recording


@dataclass(frozen=True)
class IntakeReport:
    """What was found on a picture of a page.

    Args:
        px_per_mm_x: pixels of the picture per millimetre of paper along the traces, in the middle of the page.
        px_per_mm_y: the same across the traces.
        rotation_deg: by how much the page was turned in the picture, counter-clockwise positive.
        layout: name of the layout that was found, such as ``"3x4+1"``, or ``"unknown"``.
        certainty: from 0 to 1; below 0.5 the scale or the layout is more assumed than found.
        assumed: names of what was not found and taken by custom, such as ``"scale"`` or ``"layout"``.
        rows: baselines of the rows of traces, in mm from the top of the straightened picture.
    """

    px_per_mm_x: float
    px_per_mm_y: float
    rotation_deg: float
    layout: str
    certainty: float
    assumed: tuple[str, ...] = ()
    rows: tuple[float, ...] = ()


@dataclass(frozen=True)
class Intake:
    """One file, read.

    Args:
        file: the path as it was given.
        kind: ``"wfdb"``, ``"dicom_waveform"``, ``"image"``, ``"tiff"`` or ``"pdf"``.
        page: what the image tower reads.
        recording: the samples, where the file holds them.
        warnings: a sentence for each thing the user should know.
        report: what was found on the page; ``None`` for recordings.
    """

    file: str
    kind: str
    page: CanonicalPage
    recording: Recording | None = None
    warnings: tuple[str, ...] = ()
    report: IntakeReport | None = None
