"""``nearbeat intake``: the table, the JSON field by field, the drawing, the page, and refusals."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from retrieval.app.main import build_app
from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import CANONICAL
from retrieval.ecg.recording import LEADS
from tests.retrieval.conftest import heartbeats

pytestmark = pytest.mark.slow

REPORT = {
    "px_per_mm_x": float,
    "px_per_mm_y": float,
    "rotation_deg": float,
    "layout": str,
    "certainty": float,
    "assumed": list,
    "rows": list,
    "picture": list,
    "speed": float,
    "gain": float,
    "chest_gain": float,
    "order": str,
    "corners": (list, type(None)),
    "paper": (list, type(None)),
    "leads": list,
    "masked": list,
}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "ecg.jpg"
    Image.fromarray(draw_page(heartbeats(31), PageStyle(px_per_mm=5.0)).pixels).save(path, quality=92)
    return path


def size_and_mode(path):
    with Image.open(path) as image:
        return image.size, image.mode


def check_quad(quad):
    assert len(quad) == 4
    assert all(len(point) == 2 and all(isinstance(one, float | int) for one in point) for point in quad)


def check_intake(value, file, kind):
    """The documented form of ``nearbeat.intake/1``, every field of it."""
    assert list(value) == [
        "schema", "file", "kind", "number", "pages", "page", "recording", "report", "findings",
    ]  # fmt: skip
    assert (value["schema"], value["file"], value["kind"]) == ("nearbeat.intake/1", str(file), kind)
    assert (value["number"], value["pages"]) == (1, 1)
    assert set(value["page"]) == {"layout"}
    for finding in value["findings"]:
        assert set(finding) == {"kind", "message", "certainty"}
        assert 0 <= finding["certainty"] <= 1
        assert re.fullmatch(r"[a-z_]+", finding["kind"])


def check_report(report):
    assert set(report) == set(REPORT)
    for name, kind in REPORT.items():
        assert isinstance(report[name], kind), name
    for lead in report["leads"]:
        assert set(lead) == {"lead", "row", "box", "seconds", "inverted", "certainty"}
        assert lead["lead"] in LEADS
        check_quad(lead["box"])
    for quad in (*report["masked"], *(q for q in (report["corners"], report["paper"]) if q)):
        check_quad(quad)


def test_json_of_a_page_has_every_documented_field(run, page_file):
    done = run("intake", page_file, "--json")
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    value = json.loads(line)
    check_intake(value, page_file, "image")
    check_report(value["report"])
    assert value["recording"] is None
    assert value["report"]["layout"] == "3x4+1"
    assert value["report"]["px_per_mm_x"] == pytest.approx(5.0, rel=0.02)


def test_json_of_a_recording(run, ecg_files):
    file = ecg_files / "record.hea"
    value = json.loads(run("intake", file, "--json").stdout)
    check_intake(value, file, "wfdb")
    assert value["report"] is None
    assert set(value["recording"]) == {"rate", "age", "sex", "seconds"}
    assert (value["recording"]["rate"], value["recording"]["seconds"]) == (250.0, 10.0)


def test_the_schema_in_the_documents_is_the_one_that_is_printed(run, page_file, request):
    text = (request.config.rootpath / "docs" / "json.md").read_text(encoding="utf-8")
    section = text.split("## `nearbeat.intake/1`")[1].split("\n## ")[0]
    documented = set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", section, re.MULTILINE))
    value = json.loads(run("intake", page_file, "--json").stdout)

    def names(part, before=""):
        if isinstance(part, dict):
            for name, inner in part.items():
                yield before + name
                yield from names(inner, f"{before}{name}.")
        if isinstance(part, list) and part and isinstance(part[0], dict):
            yield from names(part[0], before[:-1] + "[].")

    found = set(names(value))
    assert found <= documented
    assert {"report." + name for name in REPORT} <= documented


def test_the_table_fits_a_narrow_terminal(run, page_file, ecg_files, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = run("intake", page_file, ecg_files / "record.hea")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines if not line.startswith("/"))
    for word in ("read as image", "3x4+1", "25 mm/s, 10 mm/mV", "px/mm", "certainty", "read as wfdb", "250 Hz"):
        assert word in done.stdout


def test_show_and_save_write_pictures(run, page_file, tmp_path):
    drawing, page = tmp_path / "understood.png", tmp_path / "page.png"
    done = run("intake", page_file, "--show", drawing, "--save", page)
    assert done.exit_code == 0, done.output
    assert size_and_mode(drawing)[1] == "RGB"
    assert size_and_mode(drawing)[0][0] >= 1600
    assert size_and_mode(page) == ((CANONICAL.width_px, CANONICAL.height_px), "L")
    assert "understood.png" in done.stderr
    assert "page.png" in done.stderr


def test_show_of_a_recording(run, ecg_files, tmp_path):
    done = run("intake", ecg_files / "record.hea", "--show", tmp_path / "made.png")
    assert done.exit_code == 0, done.output
    assert size_and_mode(tmp_path / "made.png")[0][0] == 3 * CANONICAL.width_px


def test_a_refusal_is_one_sentence_and_2(process, tmp_path):
    blank = tmp_path / "blank.png"
    Image.new("RGB", (900, 600), "white").save(blank)
    done = process(["intake", blank])
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("nearbeat: ")
    assert "blank.png" in line


def test_a_refusal_in_json(run, tmp_path):
    done = run("intake", tmp_path / "none.png", "--json")
    assert done.exit_code == 2
    value = json.loads(done.stdout)
    assert set(value) == {"schema", "file", "error"}
    assert (value["schema"], value["file"]) == ("nearbeat.intake/1", str(tmp_path / "none.png"))
    assert set(value["error"]) == {"kind", "message"}
    assert value["error"]["kind"] == "file_missing"
    assert len(done.stderr.strip().splitlines()) == 1


def test_some_refused_is_3(run, page_file, tmp_path):
    done = run("intake", page_file, tmp_path / "none.png", "--json")
    assert done.exit_code == 3
    assert [("error" in json.loads(line)) for line in done.stdout.splitlines()] == [False, True]


def test_a_page_that_is_not_there(run, page_file):
    done = run("intake", page_file, "--page", "4", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["kind"] == "bad_argument"


def test_rate_and_unit_may_be_said(run, tmp_path):
    file = tmp_path / "samples.npy"
    np.save(file, heartbeats(2).signal * 1000)
    assert run("intake", file).exit_code == 2
    value = json.loads(run("intake", file, "--rate", "250", "--unit", "uV", "--json").stdout)
    assert value["recording"]["rate"] == 250.0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--show", "out.gif"], "PNG or JPEG"),
        (["--save", "out"], "PNG or JPEG"),
        (["--show", "ecg.jpg"], "overwrite"),
        (["--show", "a.png", "--save", "./a.png"], "two files"),
        (["other.jpg", "--show", "a.png"], "name one"),
        (["--show", "nowhere/a.png"], "nowhere"),
    ],
)
def test_targets_that_cannot_be(run, page_file, tmp_path, monkeypatch, options, says):
    shutil.copy(page_file, tmp_path / "ecg.jpg")
    before = (tmp_path / "ecg.jpg").read_bytes()
    monkeypatch.chdir(tmp_path)
    done = run("intake", "ecg.jpg", *options)
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["ecg.jpg"]
    assert (tmp_path / "ecg.jpg").read_bytes() == before


def test_the_command_is_there():
    assert "intake" in {command.name for command in build_app().registered_commands}
