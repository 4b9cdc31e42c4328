"""``nearbeat demo``: three queries, three tables, one page."""

from __future__ import annotations

import pytest

from index import Gallery
from retrieval.app.demo_command import dicom_of_pydicom


@pytest.mark.slow
def test_the_demo_answers_three_queries_and_keeps_its_gallery(run, toy_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    out = tmp_path / "demo-out"
    done = run("demo", "--out", out, "--bundle", toy_bundle, "--cases", "20", "-k", "3")
    assert done.exit_code == 0, done.output
    assert [line[:2] for line in done.stdout.splitlines() if line[:2] in ("1.", "2.", "3.")] == ["1.", "2.", "3."]
    assert done.stdout.count("SIMULATED") >= 3 * 4
    assert "Building" in done.stderr
    page = (out / "demo.html").read_text(encoding="utf-8")
    assert page.count("SIMULATED") > 9
    assert "As it came" in page
    assert "http:" not in page
    assert "https:" not in page
    assert (out / "photo.jpg").stat().st_size > 10_000
    with Gallery.open(out / "gallery") as gallery:
        assert len(gallery) == 20
    again = run("demo", "--out", out, "--bundle", toy_bundle, "--cases", "20", "-k", "3")
    assert again.exit_code == 0, again.output
    assert "Building" not in again.stderr
    assert again.stdout == done.stdout


def test_pydicom_carries_the_real_ecg():
    assert dicom_of_pydicom().is_file()
