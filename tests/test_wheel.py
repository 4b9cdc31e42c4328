"""The package that a user installs holds everything that answering reads beside its own code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("retrieval", "index", "training", "eval")
READ_AT_RUN_TIME = [
    "retrieval/app/templates/page.html",
    "retrieval/app/templates/page.css",
    "retrieval/ecg/statements.csv",
    "retrieval/web/templates/answer.html",
    "retrieval/web/templates/drawing.svg",
    "retrieval/web/static/app.js",
    "retrieval/web/static/base.css",
    "retrieval/web/words/de.toml",
    "retrieval/towers/shipped/bundle.json",
    "retrieval/towers/shipped/image.onnx",
    "retrieval/towers/shipped/text.onnx",
    "retrieval/towers/shipped/tokenizer.json",
    "retrieval/towers/shipped/README.md",
    "training/recipes/small.yaml",
    *(f"{package}/py.typed" for package in PACKAGES),
]
BUNDLE_LIMIT = 60e6
"""Bytes that a shipped bundle may take."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    run = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (made,) = folder.glob("nearbeat-*-py3-none-any.whl")
    return made


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> ZipFile:
    return ZipFile(wheel_file)


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


def test_what_lies_beside_the_code_is_in_the_wheel(wheel):
    """Pages, styles, scripts, words, weights, recipes: whatever a folder of the package holds."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES]
    listed = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone")
    here = {name for name in listed.stdout.splitlines() if (REPOSITORY / name).is_file()}
    assert len(here) > 100
    assert here - set(wheel.namelist()) == set()


def test_the_licence_and_the_notice_travel_along(wheel):
    names = [Path(name).name for name in wheel.namelist() if "/licenses/" in name]
    assert sorted(names) == ["LICENSE", "NOTICE"]


def test_the_shipped_bundle_is_small_enough(wheel):
    shipped = [info.file_size for info in wheel.infolist() if info.filename.startswith("retrieval/towers/shipped/")]
    assert 0 < sum(shipped) <= BUNDLE_LIMIT


def everything_else_from_here(site_packages: Path) -> None:
    """Let an environment that holds NearBeat alone find the packages of this one, behind its own."""
    (site_packages / "zz_others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")


def by_uv_tool(wheel_file: Path, folder: Path) -> Path:
    """``uv tool install``, as a user types it, with every requirement taken out so that nothing is fetched."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("uv is not installed")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.match(r"[\w.-]+", line) for line in project["dependencies"]]
    never = folder / "never.txt"
    never.write_text("".join(f"{name[0]} ; python_version < '3'\n" for name in names if name))
    environment = os.environ | {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    command = [uv, "tool", "install", "--offline", "--python", sys.executable, "--overrides", str(never)]
    done = subprocess.run([*command, str(wheel_file)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (site_packages,) = (folder / "tools" / "nearbeat").glob("lib/python3*/site-packages")
    everything_else_from_here(site_packages)
    return folder / "bin" / "nearbeat"


def by_venv(wheel_file: Path, folder: Path) -> Path:
    """What pipx does: a virtual environment, and pip."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, capture_output=True)
    pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, str(wheel_file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (site_packages,) = (folder / "venv").glob("lib/python3*/site-packages")
    everything_else_from_here(site_packages)
    return folder / "venv" / "bin" / "nearbeat"


@pytest.mark.skipif(os.name == "nt", reason="scripts lie elsewhere on Windows")
@pytest.mark.parametrize("install", [by_uv_tool, by_venv])
def test_the_installed_command_answers(wheel_file, tmp_path, install):
    """From another folder than the repository's, whose code must not be the one that answers."""
    nearbeat = install(wheel_file, tmp_path)
    environment = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": ""}

    def run(*args: str) -> str:
        done = subprocess.run(
            [str(nearbeat), *args], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import retrieval, training; print(retrieval.__file__, training.__file__)"
    python = nearbeat.resolve().parent / "python"
    found = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert found.count(str(tmp_path)) == 2
    assert run("--version").startswith("nearbeat ")
    listed = run("--help")
    assert all(name in listed for name in ("query", "gallery", "corpus", "serve", "train", "evaluate"))
    run("gallery", "build", "--simulated", "4", "--out", "g")
    assert "SIMULATED" in run("search", "atrial fibrillation", "--gallery", "g", "--html", "answer.html")
    assert "SIMULATED" in (tmp_path / "answer.html").read_text(encoding="utf-8")
