"""A gallery made by the toy bundle, ECG files of several kinds, and a way to run commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from index import Case
from retrieval.app.main import build_app
from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.page import canonical_page
from retrieval.galleries import build_gallery
from retrieval.streams import NewCase, Stream
from retrieval.towers.bundle import Bundle
from retrieval.waveforms import pack
from tests.retrieval.conftest import REPORTS, STATEMENTS, heartbeats
from tests.retrieval.wfdb_files import write_wfdb


@pytest.fixture(scope="session")
def toy_gallery(toy_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine cases of three findings in turn; the last three are simulated."""
    items = []
    for seed in range(9):
        recording = heartbeats(seed)
        case = Case(
            case_id=f"case-{seed}",
            report=REPORTS[seed % 3],
            statements=STATEMENTS[seed % 3],
            patient_key=f"p{seed}",
            source="simulated" if seed >= 6 else "archive",
            age=recording.age,
            sex=recording.sex,
            waveform=pack(recording),
        )
        items.append(NewCase(case, canonical_page(recording).pixels))
    path = tmp_path_factory.mktemp("galleries") / "toy"
    build_gallery(path, Stream.of(items), Bundle.load(toy_bundle))
    return path


@pytest.fixture(scope="session")
def ecg_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record and a drawn page of two ECGs that are not in the gallery."""
    folder = tmp_path_factory.mktemp("ecgs")
    write_wfdb(folder, "record", heartbeats(30))
    Image.fromarray(draw_page(heartbeats(31), PageStyle()).pixels).save(folder / "page.png")
    return folder


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run ``nearbeat`` in this process; stdout and stderr are kept apart."""

    def call(*args: str | Path) -> Result:
        return CliRunner().invoke(build_app(), [str(arg) for arg in args])

    return call


@pytest.fixture
def nearbeat(toy_bundle: Path, toy_gallery: Path, run: Callable[..., Result]) -> Callable[..., Result]:
    """Run a command with the toy bundle and its gallery."""

    def call(command: str, *args: str | Path) -> Result:
        return run(command, *args, "--bundle", toy_bundle, "--gallery", toy_gallery)

    return call


@pytest.fixture
def process() -> Callable[[Sequence[str | Path]], subprocess.CompletedProcess[str]]:
    """Run ``nearbeat`` as a user does: another process, through the console script's function."""

    def call(args: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from retrieval.app.main import main; main()", *map(str, args)]
        environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)

    return call
