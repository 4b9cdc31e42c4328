"""The package that a user installs holds everything that answering reads beside its own code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("retrieval", "index", "training", "eval")
READ_AT_RUN_TIME = [
    "retrieval/app/templates/page.html",
    "retrieval/app/templates/page.css",
    "retrieval/ecg/statements.csv",
    "retrieval/towers/shipped/bundle.json",
    "retrieval/towers/shipped/image.onnx",
    "retrieval/towers/shipped/text.onnx",
    "retrieval/towers/shipped/tokenizer.json",
    "retrieval/towers/shipped/README.md",
    "training/recipes/small.yaml",
    *(f"{package}/py.typed" for package in PACKAGES),
]
BUNDLE_LIMIT = 60e6
"""Bytes: what DESIGN allows the shipped bundle."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    run = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (made,) = folder.glob("nearbeat-*-py3-none-any.whl")
    return ZipFile(made)


@pytest.mark.parametrize("name", READ_AT_RUN_TIME)
def test_what_is_read_at_run_time_is_in_the_wheel(wheel, name):
    assert name in wheel.namelist()


def test_every_module_is_in_the_wheel_and_nothing_else_is(wheel):
    here = {
        file.relative_to(REPOSITORY).as_posix() for name in PACKAGES for file in (REPOSITORY / name).rglob("*.py")
    }
    assert here <= set(wheel.namelist())
    others = {name.split("/")[0] for name in wheel.namelist()} - set(PACKAGES)
    assert [name for name in others if not name.endswith(".dist-info")] == []


def test_the_licence_and_the_notice_travel_along(wheel):
    names = [Path(name).name for name in wheel.namelist() if "/licenses/" in name]
    assert sorted(names) == ["LICENSE", "NOTICE"]


def test_the_shipped_bundle_is_small_enough(wheel):
    shipped = [info.file_size for info in wheel.infolist() if info.filename.startswith("retrieval/towers/shipped/")]
    assert 0 < sum(shipped) <= BUNDLE_LIMIT
