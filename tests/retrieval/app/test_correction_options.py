"""Options that set by hand what was read wrongly, and a sentence beside an ECG."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from retrieval.app.correction_options import correction_from
from retrieval.errors import BadArgument
from retrieval.intake.correction import Correction


def test_the_options_are_what_they_say():
    assert correction_from(0, None, None, None, None) is None
    points = ((10.0, 20.0), (310.0, 25.0), (305.0, 220.0), (12.0, 215.0))
    given = correction_from(1, "310,25; 10,20 12,215 305,220", "6x2", 50, 5)
    assert given == Correction(1, points, "6x2", 50.0, 5.0)


@pytest.mark.parametrize("corners", ["", "1,2 3,4 5,6", "1,2 3,4 5,6 7,8 9,10", "1,2 3,4 5,6 7", "a,b 3,4 5,6 7,8"])
def test_other_corners_are_refused(corners):
    with pytest.raises(BadArgument, match=r"--corners is .*four points such as"):
        correction_from(0, corners, None, None, None)


@pytest.mark.slow
def test_a_page_on_its_head_is_set_right(run, ecg_files, tmp_path):
    turned = tmp_path / "turned.png"
    Image.fromarray(np.rot90(np.asarray(Image.open(ecg_files / "page.png")), 2)).save(turned)
    done = run("intake", str(turned), "--turn", "2", "--layout", "3x4+1", "--speed", "50", "--json")
    assert done.exit_code == 0, done.output
    read = json.loads(done.stdout)
    assert read["findings"][0]["message"] == "set by hand: turned by half, layout 3x4+1, 50 mm/s"
    assert (read["report"]["layout"], read["report"]["speed"]) == ("3x4+1", 50.0)
    assert abs(read["report"]["rotation_deg"]) > 179


@pytest.mark.slow
def test_what_cannot_be_set_ends_with_a_sentence(nearbeat, ecg_files):
    for option, value in (("--layout", "4x3"), ("--gain", "0"), ("--turn", "9"), ("--corners", "1,1")):
        done = nearbeat("query", str(ecg_files / "page.png"), option, value)
        assert done.exit_code == 2
        assert "Traceback" not in done.output


@pytest.mark.slow
def test_a_sentence_beside_an_ecg(nearbeat, ecg_files):
    file = str(ecg_files / "record.hea")
    done = nearbeat("query", file, "--text", "atrial fibrillation", "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert (answer["query"]["text"], answer["query"]["kind"]) == ("atrial fibrillation", "wfdb")
    plain = json.loads(nearbeat("query", file, "--json").stdout)
    assert [hit["score"] for hit in plain["hits"]] != [hit["score"] for hit in answer["hits"]]
