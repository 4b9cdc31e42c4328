"""The locks hold what pyproject.toml asks for, with hashes, and lead to no index and no machine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
LOCKS = sorted((REPOSITORY / "requirements").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)
FOREIGN = re.compile(r"://|file:| @ |^\s*--(?!hash=)", re.MULTILINE)


def pins(name: str) -> dict[str, set[str]]:
    """Package to its versions; there are several where they differ by Python version."""
    found: dict[str, set[str]] = {}
    for package, version in PIN.findall((REPOSITORY / "requirements" / name).read_text(encoding="utf-8")):
        found.setdefault(package, set()).add(version)
    return found


def wanted(*extras: str) -> set[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = project["dependencies"] + [one for extra in extras for one in project["optional-dependencies"][extra]]
    return {re.split(r"[\[<>=!~; ]", one)[0].lower().replace("_", "-") for one in asked}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_index_and_no_path(lock):
    assert FOREIGN.findall(lock.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_pin_has_a_hash(lock):
    blocks = re.split(r"\n(?=[a-z0-9])", lock.read_text(encoding="utf-8"))[1:]
    assert len(blocks) == len(PIN.findall(lock.read_text(encoding="utf-8"))) > 0
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_locks_hold_what_the_project_asks_for():
    assert wanted() - set(pins("run.txt")) == set()
    assert wanted("train", "dev") - set(pins("dev.txt")) == set()


def test_who_trains_runs_what_who_answers_runs():
    run, dev = pins("run.txt"), pins("dev.txt")
    assert {name: dev.get(name) for name in run} == run


def test_answering_installs_no_torch():
    assert {"torch", "transformers", "open-clip-torch"} & set(pins("run.txt")) == set()


def test_a_foreign_address_would_be_seen():
    """Guards the first test."""
    for line in ("--index-url https://x/simple", "torch @ file:///opt/torch.whl", "--find-links wheels"):
        assert FOREIGN.findall(line)
    assert FOREIGN.findall("numpy==2.4.6 \\\n    --hash=sha256:00\n    # via nearbeat (pyproject.toml)") == []
