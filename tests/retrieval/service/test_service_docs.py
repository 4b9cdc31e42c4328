"""The clients of docs/service.md, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.service.desk import Desk
from retrieval.service.jobs import JobLimits
from retrieval.service.sessions import HOURS
from retrieval.service.settings import Limits

TEXT = (Path(__file__).parents[3] / "docs" / "service.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def place(live, tmp_path, png, csv) -> tuple[Path, dict[str, str]]:
    """A folder with the files that the examples name, and what they find in their environment."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "ecg.png").write_bytes(png)
    (folder / "ecg.csv").write_bytes(csv)
    return folder, os.environ | {"NEARBEAT": live, "TOKEN": "", "NO_PROXY": "127.0.0.1"}


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_curl(place, line):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    folder, environment = place
    done = subprocess.run(
        ["sh", "-c", line],  # noqa: S607
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["schema"].startswith("nearbeat.")


def test_python(place):
    pytest.importorskip("httpx")
    (block,) = blocks("python")
    folder, environment = place
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2, 0 refused" in done.stdout
    assert "[10, 10]" in done.stdout


def test_each_route_is_told_of(client):
    for path in client.get("/api/v1/openapi.json").json()["paths"]:
        assert path.removeprefix("/api/v1").replace("{job_id}", "{id}") in TEXT, path


def test_the_figures_are_those_of_the_code():
    limits, jobs = Limits(), JobLimits()
    for figure in (
        f"{limits.body_bytes // 10**6} MB",
        f"{limits.job_bytes // 10**6} MB",
        f"{limits.body_seconds:.0f} s and {limits.request_seconds:.0f} s",
        f"{limits.seconds:.0f} s of the processor",
        f"{limits.at_once} requests",
        f"{limits.k} cases",
        f"{jobs.waiting} wait at a time with {jobs.bytes // 10**9} GB of uploads, {limits.job_files} files each",
        f"{jobs.kept} are kept, finished\nones for {jobs.days:.0f} days",
        f"{HOURS}\nhours",
    ):
        assert figure in TEXT, figure
    assert Desk.__doc__
