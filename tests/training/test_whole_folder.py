"""A folder of a run is whole or not there, whenever the process that writes it is killed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.training.tiny import write_tiny_bert
from training.teacher import copy_text_folder
from training.text_tower import is_text_folder, prepare_text_tower
from training.whole_folder import whole_folder

pytestmark = pytest.mark.train

WRITER = """
import sys, time
from pathlib import Path
from training.whole_folder import whole_folder

with whole_folder(Path(sys.argv[1])) as folder:
    (folder / "config.json").write_text("half")
    print("half written", flush=True)
    time.sleep(60)
"""


def test_a_writer_that_is_killed_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "text"
    for before in (None, "whole"):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(out)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"half written\n"
            writer.send_signal(signal.SIGKILL)
        assert out.exists() == (before is not None)
        with whole_folder(out) as folder:
            assert not list(folder.iterdir()), "what the killed writer left is cleared away"
            (folder / "config.json").write_text("whole")
        assert [path.name for path in tmp_path.iterdir()] == ["text"]
        assert (out / "config.json").read_text() == "whole"


def test_an_exception_leaves_the_old_folder(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    with whole_folder(out) as folder:
        (folder / "a").write_text("old")

    def interrupted() -> None:
        with whole_folder(out) as folder:
            (folder / "a").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (out / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_text_tower_that_was_cut_short_is_not_taken_for_one(tmp_path: Path, monkeypatch) -> None:
    """A run that was killed while it copied the text tower could not be gone on with: its folder passed for whole."""
    source, out = tmp_path / "teacher", tmp_path / "run" / "text"
    (source / "text").mkdir(parents=True)
    write_tiny_bert(source / "text")
    prepare_text_tower(str(source / "text"), [], source / "copy")
    shutil.copy(source / "copy" / "tokenizer.json", source / "text")

    copied: list[Path] = []

    def killed(_source: str, to: str, **_how: object) -> None:
        copied.append(Path(to))
        Path(to, "tokenizer.json").write_text("{")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", killed)
        with pytest.raises(KeyboardInterrupt):
            copy_text_folder(source, out)
    assert copied, "the copy was begun"
    assert not out.exists()
    copy_text_folder(source, out)
    assert is_text_folder(out)
    (out / "model.safetensors").unlink()
    assert not is_text_folder(out)
