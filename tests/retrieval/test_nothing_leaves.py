"""What is read stays here: the runtime of the networks may not report to those who made it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NETWORKS = sorted((Path(__file__).parents[2] / "retrieval").rglob("*.onnx"))
STATEMENT = (
    "import retrieval; from onnxruntime import InferenceSession as S; S({!r}, providers=['CPUExecutionProvider'])"
)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda path: path.name)
def test_the_runtime_opens_no_telemetry_session(network, tmp_path):
    """ONNX Runtime's uploader leaves its session's key as ``.ses`` in the temporary folder, from the import on."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", STATEMENT.format(str(network))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_who_asks_for_telemetry_keeps_it():
    """The setting is a default: another's choice in the environment stands."""
    command = [sys.executable, "-c", "import retrieval, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"]
    for value in ("0", "1"):
        environment = os.environ | {"ORT_DISABLE_TELEMETRY": value}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == value
