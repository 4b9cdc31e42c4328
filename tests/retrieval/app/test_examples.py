"""Every example of every command's help is run, in a folder of its own, on simulated ECGs."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest
import typer
from typer.testing import CliRunner

from retrieval.app.main import build_app
from retrieval.app.reference import commands_of
from tests.retrieval.app.world import make_world
from tests.retrieval.corpora.physionet_server import corpus, serving
from tests.toy_bundle import write_toy_bundle

pytestmark = pytest.mark.slow

NEED_MORE = {"train", "average", "pack", "evaluate"}
"""What needs torch, or minutes; their own tests run them."""
RUNS_ON = {"serve", "serve-log verify"}
"""What runs until it is stopped, or reads what that left; the service's own tests run them."""
COMMANDS = {name: command for name, command in commands_of(build_app()).items() if not command.hidden}


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def place(world, tmp_path, monkeypatch):
    """A copy of the world as the current folder, and a small default gallery."""
    shutil.copytree(world, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("CACHE", "STATE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setattr("retrieval.galleries.DEFAULT_CASES", 13)
    return tmp_path / "here"


@pytest.fixture
def physionet(monkeypatch):
    """PhysioNet, as far as the command can see."""
    from dataclasses import replace

    from retrieval.corpora.sources import PTBXL, SOURCES

    with serving(corpus()) as server:
        monkeypatch.setitem(SOURCES, "ptbxl", replace(PTBXL, base=server.base))
        yield server


def examples_in(text):
    """The examples as a reader of the help finds them."""
    behind = text.partition("Examples:\n")[2]
    return re.findall(r"^\s*(nearbeat .+)$", behind, re.MULTILINE)


def help_of(name):
    return CliRunner().invoke(build_app(), [*name.split(), "--help"], env={"COLUMNS": "100"}).stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_examples_of_itself(name):
    examples = examples_in(help_of(name))
    assert examples, f"'nearbeat {name}' has no example in retrieval/app/examples.py"
    assert any(example.startswith(f"nearbeat {name}") for example in examples)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - NEED_MORE - RUNS_ON))
def test_the_examples_run(name, place, physionet):
    if name == "gallery reembed":
        write_toy_bundle(place / "new-bundle")
    if name == "corpus check":
        shutil.rmtree(place / "ptb-xl")
        assert CliRunner().invoke(build_app(), shlex.split("corpus fetch ptbxl --to ptb-xl")).exit_code == 0
    for example in examples_in(help_of(name)):
        done = CliRunner().invoke(build_app(), shlex.split(example)[1:])
        assert done.exit_code == 0, f"{example}\n{done.output}\n{done.exception!r}"
        assert done.output.strip(), f"{example} says nothing"


@pytest.mark.parametrize("name", sorted((NEED_MORE | RUNS_ON) & set(COMMANDS)))
def test_examples_that_are_not_run_name_options_that_there_are(name):
    context = typer.Context(COMMANDS[name])
    for example in examples_in(help_of(name)):
        words = shlex.split(example)[1 + len(name.split()) :]
        COMMANDS[name].make_context(name, words, parent=context)
