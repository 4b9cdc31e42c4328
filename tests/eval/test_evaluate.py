"""``nearbeat evaluate`` from end to end on a small PTB-XL folder, and what its report says."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from eval.bootstrap import Estimate
from eval.commands import register
from eval.measures import Measure
from eval.report import SCHEMA
from eval.tables import markdown_table
from retrieval.corpora.ptbxl import PtbXl
from retrieval.ecg.page import canonical_page
from retrieval.errors import CorpusError, NotAnEcg
from tests.eval.corpus import make_rows, write_ptbxl
from tests.toy_bundle import write_toy_bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ptbxl(tmp_path_factory):
    return write_ptbxl(tmp_path_factory.mktemp("corpus") / "ptbxl", make_rows(48, 24, 60, texts=40))


@pytest.fixture
def app():
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return app


QUICK = ("--bootstrap", "50", "--robust-ecgs", "30", "--workers", "1", "--search", "40,80")


@pytest.fixture(scope="module", autouse=True)
def stand_ins():
    """Intake that reads every picture, twice as dark, in no time, and no searches among reports, which need torch."""

    def read(picture):
        if picture.recipe is not None and picture.seed % 5 == 0:
            raise NotAnEcg("it is too dark")
        return canonical_page(picture.recording).pixels // 2

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("eval.pictures.Picture.read", read)
        patched.setattr("eval.text_search.report_searches", lambda: ([], ["a search that is not installed"]))
        yield


@pytest.fixture(scope="module")
def measured(ptbxl, toy_bundle, tmp_path_factory):
    app, out = typer.Typer(), tmp_path_factory.mktemp("evaluation")
    app.callback()(lambda: None)
    register(app)
    before = write_toy_bundle(out / "before", seed=1, name="untrained toy")
    options = ["--bundle", str(toy_bundle), "--untrained", str(before), "--out", str(out / "first")]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(ptbxl), *options, *QUICK])
    assert found.exit_code == 0, found.output
    return found, out / "first"


def test_every_number_has_its_neighbours(measured):
    facts = json.loads((measured[1] / "results.json").read_text())
    assert facts["schema"] == SCHEMA
    assert facts["bundle"]["name"] == "toy"
    assert set(facts["compared"]) == {"untrained"}
    assert facts["compared"]["untrained"]["sha256"] != facts["bundle"]["sha256"]
    assert facts["split"]["queries"] == {"folds": "10", "ecgs": 60, "patients": 41, "absent": 0}
    assert facts["bootstrap"] == {"draws": 50, "seed": 0, "unit": "patient"}
    assert {"python", "numpy", "onnxruntime"} <= set(facts["versions"])
    assert {line["task"] for line in facts["measures"]} == {1, 2, 3, 4, 5, 7}
    assert facts["remarks"] == ["a search that is not installed"]
    for line in facts["measures"]:
        for score in line["scores"].values():
            bounded = line["unit"] == "%" and score["value"] is not None
            assert not bounded or score["low"] - 1e-9 <= score["value"] <= score["high"] + 1e-9
    for line in (line for line in facts["measures"] if line["task"] in (1, 2, 4)):
        assert {"bundle", "untrained", "chance"} <= set(line["scores"]), line
        assert ("pixels" in line["scores"]) == (line["task"] != 2 and "prompted" not in line["setting"])
        assert ("oracle" in line["scores"]) == (line["task"] == 2)
    assert any(line["ceiling"] not in (None, 1.0) for line in facts["measures"] if line["task"] == 2)


def test_the_report_holds_no_path_of_this_machine(measured, ptbxl):
    for name in ("results.json", "results.md"):
        text = (measured[1] / name).read_text()
        assert str(ptbxl.parent) not in text
        assert "nearbeat evaluate --ptbxl ptbxl" in text


def test_stdout_is_the_table_and_stderr_the_progress(measured):
    found, _ = measured
    assert found.stdout.startswith("| measure | this bundle | untrained tower | PCA of pixels | chance | oracle |")
    assert "Drawing and encoding pages" in found.stderr
    assert "Drawing" not in found.stdout


def test_robustness_tells_change_and_refusals(measured):
    facts = json.loads((measured[1] / "results.json").read_text())
    lines = {(line["setting"], line["metric"]): line for line in facts["measures"] if line["task"] == 5}
    photo = lines["photo, strength 2", "page to case nDCG@10"]
    assert 0 < photo["refused"] < 30
    assert len(facts["refusals"]["photo, strength 2"]) == photo["refused"]
    assert set(facts["refusals"]["photo, strength 2"]) == {"NotAnEcg: it is too dark"}
    clean = lines["drawn from the samples, no picture", "page to case nDCG@10"]["scores"]["bundle"]["value"]
    assert photo["change"]["bundle"]["value"] == pytest.approx(photo["scores"]["bundle"]["value"] - clean, abs=2e-6)
    text = (measured[1] / "results.md").read_text()
    assert "| page to case nDCG@10 (%) | ECGs | refused | this bundle | change |" in text
    assert f"| photo, strength 2 | 30 | {photo['refused']} |" in text


def test_search_is_measured_and_the_figures_are_linked(measured):
    _, out = measured
    facts = json.loads((out / "results.json").read_text())
    assert [size["cases"] for size in facts["search"]["sizes"]] == [40, 80]
    assert all(size["recall"] == 1 for size in facts["search"]["sizes"])
    text = (out / "results.md").read_text()
    assert "## Task 6: search" in text
    assert "## Headline" in text[: text.index("## Task 1")]
    assert len(facts["figures"]) == 4
    for figure in facts["figures"]:
        assert f"]({figure['files'][0]})" in text
        assert all((out / file).stat().st_size > 2000 for file in figure["files"])


def timeless(facts):
    """Without the times that no two runs share."""
    for size in facts["search"]["sizes"]:
        for name in ("p50_ms", "p95_ms", "build_s"):
            del size[name]
    return facts


def test_a_second_run_gives_the_same_numbers(measured, app, ptbxl, toy_bundle):
    _, out = measured
    before = json.loads((out / "results.json").read_text())
    options = ["--bundle", str(toy_bundle), "--untrained", str(out.parent / "before"), "--out", str(out)]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(ptbxl), *options, *QUICK])
    assert found.exit_code == 0, found.output
    assert timeless(json.loads((out / "results.json").read_text())) == timeless(before)


def test_references_and_baselines_have_their_columns(app, ptbxl, toy_bundle, tmp_path):
    signal, encoding = (write_toy_bundle(tmp_path / name, seed=i) for i, name in enumerate(("signal", "coded"), 2))
    options = ["--bundle", str(toy_bundle), "--signal", str(signal), "--encoding", str(encoding)]
    few = ["--out", str(tmp_path / "out"), "--bootstrap", "0", "--robust-ecgs", "0", "--search", "0"]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(ptbxl), *options, *few])
    assert found.exit_code == 0, found.output
    facts = json.loads((tmp_path / "out" / "results.json").read_text())
    assert set(facts["compared"]) == {"signal", "encoding"}
    assert {"signal", "encoding", "pixels", "chance"} <= set(facts["measures"][0]["scores"])
    assert {line["task"] for line in facts["measures"]} == {1, 2, 3, 4, 7}
    text = (tmp_path / "out" / "results.md").read_text()
    assert "GASF/RP/MTF encoding | chance | signal reference" in text
    assert "that baseline is left out" in found.stderr
    assert "untrained tower (`--untrained`)" in text
    assert "--robust-ecgs 0 --search 0" in text


def test_without_matplotlib_the_figures_are_left_out_and_it_says_how_to_get_them(
    app, ptbxl, toy_bundle, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    few = ["--out", str(tmp_path), "--bootstrap", "0", "--robust-ecgs", "0", "--search", "0"]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(ptbxl), "--bundle", str(toy_bundle), *few])
    assert found.exit_code == 0, found.output
    assert "No figures" in found.stderr
    assert "nearbeat[eval]" in found.stderr
    assert "![" not in (tmp_path / "results.md").read_text()


def test_prints_are_measured_against_their_own_ecgs(app, ptbxl, toy_bundle, tmp_path, monkeypatch):
    prints = tmp_path / "prints"
    prints.mkdir()
    asked = [row for row in make_rows(48, 24, 60, texts=40) if row.fold == 10][:12]
    for row in asked:
        (prints / f"{row.ecg_id:05d}_hr.pdf").write_bytes(b"%PDF")
    (prints / "00001_hr.pdf").write_bytes(b"%PDF")  # a record of fold 1
    corpus = PtbXl.open(ptbxl)
    rows = {row.ecg_id: row for row in corpus.rows}

    def read(file):
        return canonical_page(corpus.recording(rows[int(file.file.stem[:5])])).pixels

    monkeypatch.setattr("eval.pictures.PrintFile.read", read)
    few = ["--out", str(tmp_path / "out"), "--bootstrap", "20", "--robust-ecgs", "0", "--search", "0"]
    options = ["--bundle", str(toy_bundle), "--prints", str(prints), "--workers", "1", *few]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(ptbxl), *options])
    assert found.exit_code == 0, found.output
    facts = json.loads((tmp_path / "out" / "results.json").read_text())
    lines = {line["setting"]: line for line in facts["measures"] if line["metric"] == "page to case nDCG@10"}
    assert lines["prints of another renderer"]["scores"]["bundle"]["queries"] == 12
    assert lines["prints of another renderer"]["change"]["bundle"]["value"] == 0
    assert "the ECGs of the prints, drawn from the samples" in lines


def test_a_folder_without_prints_is_refused(app, ptbxl, toy_bundle, tmp_path):
    options = ["--bundle", str(toy_bundle), "--prints", str(tmp_path), "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(ptbxl), *options, "--robust-ecgs", "0"])
    assert isinstance(found.exception, CorpusError)
    assert "no PDF that is named by the ecg_id" in str(found.exception)


def test_a_leaking_split_is_refused(app, toy_bundle, tmp_path):
    rows = make_rows(8, 2, 4)
    leak = replace(rows[0], ecg_id=90, fold=10, path="records100/00000/00090_lr")
    folder = write_ptbxl(tmp_path / "ptbxl", [*rows, leak])
    options = ["--bundle", str(toy_bundle), "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(folder), *options])
    assert isinstance(found.exception, CorpusError)
    assert "stands in fold 1 (train) and in fold 10 (test, record 90)" in str(found.exception)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_ptbxl_is_refused(app, tmp_path):
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(tmp_path)])
    assert isinstance(found.exception, CorpusError)


def estimate(value, low, high):
    return Estimate(value, np.linspace(low, high, 1001), 10)


def test_the_table_prints_scale_interval_and_ceiling():
    recall = Measure(
        2, "page", "R@10", "%", {"bundle": estimate(0.25, 0.2, 0.3), "chance": estimate(0.01, 0.01, 0.01)}, 0.6
    )
    rank = Measure(
        2, "page", "median rank", "place", {"bundle": estimate(80, 70, 90), "chance": estimate(50, 45, 60)}
    )
    lines = markdown_table([recall, rank]).splitlines()
    assert lines[0] == "| measure | this bundle | chance | perfect | ahead |"
    assert lines[2] == "| page: R@10 (%) | 25.0 [20.2, 29.8] | 1.00 | 60.0 | yes |"
    assert lines[3].endswith("| – | no |")


def test_ahead_means_intervals_that_do_not_touch_whatever_references_know():
    best = estimate(0.9, 0.8, 1)
    scores = {"bundle": estimate(0.5, 0.45, 0.55), "chance": estimate(0.1, 0.1, 0.1), "oracle": best}
    scores |= dict.fromkeys(("signal", "bm25", "e5", "minilm", "hybrid"), best)
    assert Measure(2, "page", "R@10", "%", scores).leads() is True
    near = {**scores, "untrained": estimate(0.4, 0.3, 0.46)}
    assert Measure(2, "page", "R@10", "%", near).leads() is False
    coded = {**scores, "encoding": estimate(0.6, 0.5, 0.7)}
    assert Measure(2, "page", "R@10", "%", coded).leads() is False
    assert Measure(2, "page", "median rank", "place", scores).leads() is False
    assert Measure(2, "page", "R@10", "%", {"chance": scores["chance"]}).leads() is None
