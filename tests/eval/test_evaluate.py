"""``nearbeat evaluate`` from end to end on a small PTB-XL folder, and what its report says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from eval.bootstrap import Estimate
from eval.commands import register
from eval.measures import Measure
from eval.report import SCHEMA, markdown_table
from retrieval.errors import CorpusError
from tests.eval.corpus import make_rows, write_ptbxl
from tests.toy_bundle import write_toy_bundle


@pytest.fixture(scope="module")
def ptbxl(tmp_path_factory):
    return write_ptbxl(tmp_path_factory.mktemp("corpus") / "ptbxl", make_rows(48, 24, 60, texts=40))


@pytest.fixture
def app():
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return app


@pytest.fixture(scope="module")
def measured(ptbxl, toy_bundle, tmp_path_factory):
    app, out = typer.Typer(), tmp_path_factory.mktemp("evaluation")
    app.callback()(lambda: None)
    register(app)
    before = write_toy_bundle(out / "before", seed=1, name="untrained toy")
    options = ["--bundle", str(toy_bundle), "--untrained", str(before), "--out", str(out / "first")]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(ptbxl), *options, "--bootstrap", "50"])
    assert found.exit_code == 0, found.output
    return found, out / "first"


def test_every_number_has_its_neighbours(measured):
    facts = json.loads((measured[1] / "results.json").read_text())
    assert facts["schema"] == SCHEMA
    assert facts["bundle"]["name"] == "toy"
    assert facts["untrained"]["sha256"] != facts["bundle"]["sha256"]
    assert facts["split"]["queries"] == {"folds": "10", "ecgs": 60, "patients": 41, "absent": 0}
    assert facts["bootstrap"] == {"draws": 50, "seed": 0, "unit": "patient"}
    assert {"python", "numpy", "onnxruntime"} <= set(facts["versions"])
    assert {line["task"] for line in facts["measures"]} == {1, 2, 4}
    for line in facts["measures"]:
        assert {"bundle", "untrained", "chance"} <= set(line["scores"]), line
        assert ("pixels" in line["scores"]) == (line["task"] != 2 and "prompted" not in line["setting"])
        assert ("oracle" in line["scores"]) == (line["task"] == 2)
        for score in line["scores"].values():
            assert score["low"] - 1e-9 <= score["value"] <= score["high"] + 1e-9 or line["unit"] != "%"
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


def test_a_second_run_gives_the_same_numbers(measured, app, ptbxl, toy_bundle):
    _, out = measured
    before = json.loads((out / "results.json").read_text())
    options = ["--bundle", str(toy_bundle), "--untrained", str(out.parent / "before"), "--out", str(out)]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(ptbxl), *options, "--bootstrap", "50"])
    assert found.exit_code == 0, found.output
    assert json.loads((out / "results.json").read_text()) == before


def test_without_an_untrained_bundle_it_says_so(app, ptbxl, toy_bundle, tmp_path):
    options = ["--bundle", str(toy_bundle), "--out", str(tmp_path), "--bootstrap", "0"]
    found = CliRunner().invoke(app, ["evaluate", "--ptbxl", str(ptbxl), *options])
    assert found.exit_code == 0, found.output
    assert "that baseline is left out" in found.stderr
    assert "The untrained tower was not measured" in (tmp_path / "results.md").read_text()


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


def test_ahead_means_intervals_that_do_not_touch_whatever_the_oracle_knows():
    scores = {"bundle": estimate(0.5, 0.45, 0.55), "chance": estimate(0.1, 0.1, 0.1), "oracle": estimate(0.9, 0.8, 1)}
    assert Measure(2, "page", "R@10", "%", scores).leads() is True
    near = {**scores, "untrained": estimate(0.4, 0.3, 0.46)}
    assert Measure(2, "page", "R@10", "%", near).leads() is False
    assert Measure(2, "page", "median rank", "place", scores).leads() is False
    assert Measure(2, "page", "R@10", "%", {"chance": scores["chance"]}).leads() is None
