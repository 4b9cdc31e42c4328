"""The verdicts of the intake bench, above all what counts as a silent error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.bench.intake_scans import Outcome, judge, line, main, totals
from eval.bench.truth import FOLDER, PictureTruth, load_truth
from retrieval.ecg.layouts import layout_named
from retrieval.ecg.page import CanonicalPage
from retrieval.ecg.recording import LEADS
from retrieval.intake import FoundLead, Intake, IntakeReport
from retrieval.intake.result import Quad

PAGE = CanonicalPage(np.full((256, 512), 255, np.uint8))
TRUTHS = load_truth()


def quad(points: NDArray[np.float64], scale: float = 1.0) -> Quad:
    a, b, c, d = ((float(x) * scale, float(y) * scale) for x, y in points)
    return a, b, c, d


def as_found(truth: PictureTruth, moved_mm: float = 0.0, pitch: float = 1.0, certainty: float = 0.9) -> IntakeReport:
    """The report of a reader that sees what the person saw, but for what is asked."""
    shift = np.array([moved_mm * truth.px_per_mm[0], 0.0])
    leads = tuple(
        FoundLead(lead.lead, lead.row, quad(lead.box + shift), 2.5) for lead in truth.leads if lead.lead in LEADS
    )
    x, y = truth.px_per_mm
    return IntakeReport(
        x * pitch,
        y,
        0.0,
        truth.layout,
        certainty,
        picture=truth.size,
        leads=leads,
        corners=quad(truth.corners),
    )


TRUTH = TRUTHS["ecg00044.jpg"]


@pytest.mark.parametrize(
    ("moved_mm", "pitch", "certainty", "verdict"),
    [
        (0, 1.0, 0.9, "right"),
        (0, 0.981, 0.9, "right"),
        (4, 1.0, 0.9, "right"),
        (0, 1.03, 0.9, "nearly"),
        (7, 1.0, 0.9, "nearly"),
        (16, 1.0, 0.9, "nearly"),
        (0, 1.06, 0.9, "wrong, silent"),
        (0, 1.06, 0.49, "wrong, said"),
        (60, 1.0, 0.5, "wrong, silent"),
    ],
)
def test_verdicts(moved_mm: float, pitch: float, certainty: float, verdict: str) -> None:
    assert judge(as_found(TRUTH, moved_mm, pitch, certainty), TRUTH).verdict == verdict


def test_a_misnamed_rhythm_strip_is_wrong() -> None:
    report = as_found(TRUTH)
    strip = replace(report.leads[-1], lead="V1")
    assert judge(replace(report, leads=(*report.leads[:-1], strip)), TRUTH).verdict == "wrong, silent"


def test_another_layout_is_at_most_nearly_right() -> None:
    assert judge(replace(as_found(TRUTH), layout="6x2"), TRUTH).verdict == "nearly"
    fax = TRUTHS["ecg00020.jpg"]
    assert judge(replace(as_found(fax), layout=fax.also[0]), fax).verdict == "right"


def test_refusals() -> None:
    two_rows = TRUTHS["ecg00008.jpg"]
    assert judge(None, TRUTH).verdict == "refused"
    assert judge(None, two_rows).verdict == "rightly refused"
    assert judge(replace(as_found(two_rows), layout="unknown"), two_rows).verdict == "right"
    assert judge(as_found(TRUTH), two_rows).verdict == "wrong, silent"


def test_a_pdf_rendered_at_another_resolution_is_judged_alike() -> None:
    print_truth = TRUTHS["00180_hr.pdf"]
    report = as_found(print_truth)

    smaller = replace(
        report,
        picture=(print_truth.size[0] // 2, print_truth.size[1] // 2),
        px_per_mm_x=report.px_per_mm_x / 2,
        px_per_mm_y=report.px_per_mm_y / 2,
        corners=quad(print_truth.corners, 0.5),
        leads=tuple(replace(lead, box=quad(np.asarray(lead.box), 0.5)) for lead in report.leads),
    )
    found = judge(smaller, print_truth)
    assert found.verdict == "right"
    assert found.corner_mm == pytest.approx(0.0, abs=0.1)


def test_every_truth_is_whole() -> None:
    assert len(TRUTHS) == 26 + 28 + 40
    for truth in TRUTHS.values():
        names = [lead.lead for lead in truth.leads]
        assert len(truth.sha256) == 64
        assert all(1.5 < scale < 20 for scale in truth.px_per_mm)
        if truth.layout == "refuse":
            continue
        assert set(LEADS) <= set(names)
        assert len(names) - 12 == (3 if truth.layout == "3x5" else len(truth.rhythm))
        assert names[12:] == list(truth.rhythm) or truth.layout == "3x5"
        if truth.layout == "3x4+1" and truth.rhythm == ("II",):
            assert names == [lead for row in layout_named("3x4+1").rows for lead in row]
        widths = [float(lead.box[1, 0] - lead.box[0, 0]) / truth.px_per_mm[0] for lead in truth.leads[:12]]
        assert all(35 < width < 70 for width in widths), (truth.file, widths)


def test_the_same_picture_has_the_same_truth() -> None:
    one, two = TRUTHS["ecg00010.png"], TRUTHS["ecg00014.png"]
    assert one.sha256 == two.sha256
    assert np.array_equal(one.corners, two.corners)


def test_a_line_and_totals_say_what_was_found(tmp_path: Path) -> None:
    report = as_found(TRUTH)
    outcome = Outcome(tmp_path / TRUTH.file, Intake("a", "image", PAGE, report=report), "", 0.1)
    said = line(outcome, judge(report, TRUTH))
    assert "| right | 3x4+1 | 4.33 4.56 | 0.0% | 13/13 | 0.0 mm | 0.90 |" in said
    assert "refused" in line(Outcome(tmp_path / "a.png", None, "not_an_ecg: no", 0.1), judge(None, TRUTH))
    assert totals(["right", "nearly", "wrong, silent", "refused"]) == (
        "4 judged: 1 right, 1 nearly, 1 wrong, silent, 1 refused; right or nearly 50%, silent 1"
    )


def test_a_changed_picture_is_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / TRUTH.file).write_bytes(b"\xff\xd8\xff another picture")
    main([str(tmp_path)])
    printed = capsys.readouterr()
    assert "not judged" in printed.out
    assert "other sha256" in printed.err


def test_truth_files_hold_no_pixels() -> None:
    for file in FOLDER.glob("*.json"):
        document = json.loads(file.read_text(encoding="utf-8"))
        assert set(document) <= {"about", "dpi", "kinds", "pictures"}
        assert file.stat().st_size < 60_000
