"""The verdicts of the intake bench, above all what counts as a silent error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.bench.intake_scans import Outcome, Truth, judge, read_truth
from retrieval.ecg.page import CanonicalPage
from retrieval.intake import Intake, IntakeReport

PAGE = CanonicalPage(np.full((256, 512), 255, np.uint8))


def outcome(layout: str, scale: float, certainty: float) -> Outcome:
    report = IntakeReport(scale, 6.0, 0.0, layout, certainty)
    return Outcome(Path("a.png"), Intake("a.png", "image", PAGE, report=report), "", 0.1)


@pytest.mark.parametrize(
    ("layout", "scale", "certainty", "verdict"),
    [
        ("3x4+1", 6.1, 0.9, "right"),
        ("3x4+1", 6.2, 0.9, "silent error"),
        ("3x4+1", 6.2, 0.3, "wrong, said so"),
        ("6x2", 6.0, 0.5, "silent error"),
    ],
)
def test_verdicts(layout: str, scale: float, certainty: float, verdict: str) -> None:
    assert judge(outcome(layout, scale, certainty), Truth("3x4+1", (6.0, None))) == verdict


def test_refusals() -> None:
    refused = Outcome(Path("a.png"), None, "not_an_ecg: two rows", 0.1)
    assert judge(refused, Truth("refuse", (None, None))) == "rightly refused"
    assert judge(refused, Truth("3x4", (None, None))) == "refused"
    assert judge(outcome("3x4", 6.0, 0.9), Truth("refuse", (None, None))) == "silent error"


def test_truth_file(tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("file,layout,px_per_mm_x,px_per_mm_y\na.png,3x4,5.5,\n")
    assert read_truth(file) == {"a.png": Truth("3x4", (5.5, None))}
