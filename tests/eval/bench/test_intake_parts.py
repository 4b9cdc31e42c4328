"""What is asked of a part of a picture, and of two in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.bench.intake_parts import VERDICTS, judged_report, part_of_truth, table, windows
from eval.bench.truth import load_truth
from tests.eval.bench.test_intake_scans import as_found

TRUTH = next(truth for truth in load_truth().values() if truth.file == "Normal(106).jpg")


def test_a_part_asks_for_what_is_left_of_each_lead() -> None:
    parts = dict(windows(TRUTH))
    half = part_of_truth(TRUTH, parts["first half"])
    assert [lead.lead for lead in half.leads] == ["I", "aVR", "II", "aVL", "III", "aVF", "II"]
    assert half.size[0] == half.leads[-1].box[:, 0].max() == half.corners[:, 0].max()
    end = part_of_truth(TRUTH, parts["last half"])
    assert {lead.lead for lead in end.leads} == {"V1", "V2", "V3", "V4", "V5", "V6", "II"}
    assert min(lead.box[:, 0].min() for lead in end.leads) == 0.0
    below = part_of_truth(TRUTH, parts["without the first row"])
    assert "I" not in {lead.lead for lead in below.leads}
    assert len(below.leads) == 9


@pytest.mark.parametrize("kind", ["first three quarters", "last half", "without the first row"])
def test_a_report_of_the_whole_page_is_wrong_for_a_part(kind: str) -> None:
    truth = part_of_truth(TRUTH, dict(windows(TRUTH))[kind])
    assert judged_report(as_found(truth), truth) == "right"
    assert judged_report(as_found(truth, pitch=1.3), truth) == "right", "the pitch is not judged"
    assert judged_report(as_found(TRUTH), truth) == "wrong, silent"
    assert judged_report(as_found(TRUTH, certainty=0.4), truth) == "wrong, said"
    other = replace(truth, layout="6x2")
    assert judged_report(as_found(truth), other) == "nearly"


def test_the_table_counts_each_verdict_of_each_part() -> None:
    rows = [("a", "whole", "right"), ("b", "whole", "refused"), ("a", "negative", "wrong, silent")]
    lines = table(rows).splitlines()
    assert lines[0] == f"| part | pictures | {' | '.join(VERDICTS)} |"
    assert lines[2:] == ["| whole | 2 | 1 | 0 | 0 | 0 | 1 |", "| negative | 1 | 0 | 0 | 0 | 1 | 0 |"]
    assert np.array([row[2] in VERDICTS for row in rows]).all()
