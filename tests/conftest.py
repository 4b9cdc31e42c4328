"""Fixtures that several test folders share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, so that a red run is red again; `--hypothesis-profile=default` looks for new ones.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

# A shell's background job ignores Ctrl-C, and so would every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real ECGs, which is not part of the repository."""
    folder = Path(os.environ.get("NEARBEAT_REALDATA", REPOSITORY.parent / "shared"))
    if not (folder / "ptbxl" / "ptbxl_database.csv").exists():
        pytest.skip(f"no real ECGs at {folder}; set NEARBEAT_REALDATA to the folder that holds ptbxl/")
    return folder


@pytest.fixture(scope="session")
def toy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random bundle: true inputs and outputs, no quality."""
    from tests.toy_bundle import write_toy_bundle

    return write_toy_bundle(tmp_path_factory.mktemp("bundle") / "toy")
