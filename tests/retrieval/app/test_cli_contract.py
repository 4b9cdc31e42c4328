"""What a user of pipes, logs and scripts may rely on, whichever command it is."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import typer

from retrieval.app import console
from retrieval.app.main import build_app
from retrieval.app.reference import commands_of, write_reference

REPOSITORY = Path(__file__).resolve().parents[3]
COMMANDS = commands_of(build_app())
CALL = "from retrieval.app.main import main; main()"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d)m")


def start(*args, **options):
    """``nearbeat`` in a process of its own, with pipes."""
    command = [sys.executable, "-c", CALL, *map(str, args)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    environment = os.environ | {"COLUMNS": "100"} | options.pop("env", {})
    return subprocess.Popen(command, env=environment, **options)


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_can_be_quiet_and_says_what_it_is(name, run):
    command = COMMANDS[name]
    assert any("--quiet" in one.opts for one in command.params) is not command.hidden
    assert command.help
    assert command.hidden or (command.short_help and not command.short_help.endswith("..."))


def test_the_committed_reference_is_what_the_commands_say():
    said = write_reference(build_app())
    written = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == said, "run: python -m retrieval.app.reference docs/cli.md"


INFO = ("gallery", "info", "GALLERY")


@pytest.mark.parametrize("args", [("--help",), ("query", "--help"), ("--version",), INFO, (*INFO, "--json")])
def test_nobody_reads_the_output(toy_gallery, args):
    """As in ``nearbeat … | head -1``, where head is done first: no traceback, and the code of a broken pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    args = [toy_gallery if arg == "GALLERY" else arg for arg in args]
    with os.fdopen(writing, "w") as closed, start(*args, stdout=closed) as process:
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (141, "")


def test_the_first_line_of_many_is_enough(toy_gallery):
    with start("gallery", "info", toy_gallery, "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["cases"] == 9
        process.stdout.close()
        assert process.wait(timeout=60) in (0, 141)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("gallery", "info", "GALLERY"), 0, ""),
        (("gallery", "info"), 2, "Missing argument"),
        (("nonsense",), 2, "No such command"),
        (("gallery", "info", "GALLERY", "--nonsense"), 2, "No such option"),
        (("search", "x", "-k", "0"), 2, "-k"),
        (("gallery", "info", "none"), 2, "none"),
        (("query", "none.png", "--gallery", "GALLERY", "--bundle", "BUNDLE"), 2, "none.png"),
        (("query", "none.png", "ECG", "--gallery", "GALLERY", "--bundle", "BUNDLE"), 3, "none.png"),
        (("corpus", "fetch", "nothing", "--to", "x"), 2, "ptbxl"),
        (("corpus", "fetch", "ptbxl", "--to", "x", "--connections", "99"), 2, "1 to 8"),
        (("corpus", "fetch", "ptbxl", "--to", "x", "--from", "ftp://x"), 2, "https://"),
        (("corpus", "check", "none"), 2, "none"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_exit_codes(run, toy_gallery, toy_bundle, ecg_files, tmp_path, monkeypatch, args, code, says):
    monkeypatch.chdir(tmp_path)
    places = {"GALLERY": toy_gallery, "BUNDLE": toy_bundle, "ECG": ecg_files / "record.hea"}
    done = run(*(places.get(arg, arg) for arg in args))
    assert done.exit_code == code, done.output
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    if code == 2:
        assert done.stdout == ""


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_a_word(tmp_path):
    with start("gallery", "build", "--simulated", "5000", "--out", tmp_path / "g") as process:
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert err.strip().endswith("nearbeat: stopped")


def test_a_fault_of_ours_is_1_with_its_traceback(run, monkeypatch):
    def broken(*args):
        raise RuntimeError("not foreseen")

    monkeypatch.setattr("retrieval.app.doctor_command.examine", broken)
    done = run("doctor")
    assert done.exit_code == 1
    assert isinstance(done.exception, RuntimeError)


def quiet_commands(tmp_path, toy_gallery, toy_bundle, ecg_files):
    towers = ("--bundle", toy_bundle, "--gallery", toy_gallery)
    return {
        "build": ("gallery", "build", "--simulated", "3", "--out", tmp_path / "g", "--bundle", toy_bundle),
        "query": ("query", ecg_files / "record.hea", "--html", tmp_path / "a.html", *towers),
        "intake": ("intake", ecg_files / "page.png", "--save", tmp_path / "p.png"),
    }


@pytest.mark.parametrize("name", ["build", "query", "intake"])
def test_quiet_leaves_out_remarks_and_progress(run, tmp_path, toy_gallery, toy_bundle, ecg_files, name):
    args = quiet_commands(tmp_path, toy_gallery, toy_bundle, ecg_files)[name]
    loud = run(*args)
    assert loud.exit_code == 0
    assert loud.stderr, "nothing to be quiet about"
    for path in tmp_path.iterdir():
        path.rename(path.with_name(f"loud-{path.name}"))
    quiet = run(*args, "--quiet")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert quiet.stdout


def test_quiet_keeps_errors(run, toy_gallery, toy_bundle):
    done = run("query", "none.png", "--gallery", toy_gallery, "--bundle", toy_bundle, "-q")
    assert done.exit_code == 2
    assert "none.png" in done.stderr


def test_progress_in_a_log_is_lines_and_not_many(capsys, monkeypatch):
    now = iter(range(0, 1000, 3))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with console.progress_bar("Working") as progress:
        for done in range(1, 11):
            progress(done, 10)
    lines = capsys.readouterr().err.splitlines()
    assert 1 < len(lines) < 6
    assert lines[-1] == "Working: 10/10"


def on_a_terminal(*args, **environment):
    """What a command writes where both of its outputs are a terminal."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    env = {"TERM": "xterm-256color", **environment}
    with start(*args, stdout=follower, stderr=follower, env=env) as process:
        os.close(follower)
        parts: list[bytes] = []

        def read():
            while True:
                try:
                    parts.append(os.read(leader, 4096))
                except OSError:
                    return
                if not parts[-1]:
                    return

        reader = threading.Thread(target=read)
        reader.start()
        process.wait(timeout=120)
        reader.join(timeout=10)
    os.close(leader)
    return b"".join(parts).decode()


def test_colour_on_a_terminal_unless_it_is_not_wanted(toy_gallery, toy_bundle, ecg_files):
    args = ("query", ecg_files / "record.hea", "-k", "9", "--gallery", toy_gallery, "--bundle", toy_bundle)
    assert COLOUR.search(on_a_terminal(*args, NO_COLOR=""))
    assert not COLOUR.search(on_a_terminal(*args, NO_COLOR="1"))
    with start(*args) as process:
        _, out, err = finish(process)
    assert "\x1b" not in out + err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_commands_and_options(shell):
    variables = {
        "bash": {"COMP_WORDS": "nearbeat gall", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "nearbeat gall"},
        "fish": {"_TYPER_COMPLETE_ARGS": "nearbeat gall", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    code = f"import sys; sys.argv[0] = 'nearbeat'; {CALL}"
    environment = os.environ | variables | {"_NEARBEAT_COMPLETE": f"complete_{shell}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert "gallery" in done.stdout, done
    assert "query" not in done.stdout


HEAVY = {
    "torch", "transformers", "open_clip", "pandas", "scipy", "matplotlib", "sklearn", "fastapi", "starlette",
    "uvicorn", "pyarrow", "pymilvus", "milvus_lite", "ray", "wfdb", "requests", "urllib3", "aiohttp", "cryptography",
    "prometheus_client", "openecg", "onnx", "jsonschema",
}  # fmt: skip
"""What neither the help nor a query of a picture may wait for."""
NOT_FOR_HELP = {"onnxruntime", "faiss", "cv2", "PIL", "tokenizers", "jinja2", "rich", "pydicom", "pypdfium2"}
TELL = (
    "import sys, atexit; atexit.register(lambda: print(*{n.split('.')[0] for n in sys.modules}, file=sys.stderr)); "
)


def loaded_by(*args):
    command = [sys.executable, "-c", TELL + CALL, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("args", [("--help",), ("query", "--help"), ("gallery", "build", "--help"), ("--version",)])
def test_help_waits_for_nothing_heavy(args):
    loaded = loaded_by(*args)
    assert "typer" in loaded
    assert loaded & (HEAVY | NOT_FOR_HELP) == set()


def test_a_query_of_a_picture_waits_for_nothing_heavy(toy_gallery, toy_bundle, ecg_files):
    loaded = loaded_by("query", ecg_files / "page.png", "--gallery", toy_gallery, "--bundle", toy_bundle, "--json")
    assert {"onnxruntime", "numpy"} <= loaded
    assert loaded & (HEAVY | {"jinja2", "pydicom", "rich"}) == set()


def test_the_reader_of_a_picture_waits_for_nothing_heavy(ecg_files):
    code = f"{TELL} import retrieval.intake.reading_files; from retrieval.intake import read; read(sys.argv[1])"
    command = [sys.executable, "-c", code, str(ecg_files / "page.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "cv2" in loaded
    assert loaded & (HEAVY | {"typer", "rich", "faiss", "tokenizers", "jinja2", "pydicom"}) == set()


def test_hidden_commands_are_left_as_they_are():
    """One that cannot be imported has no options of ours, and says why when it is called."""
    app = typer.Typer()
    app.command("gone", hidden=True)(lambda: None)
    app.command("here")(lambda: None)
    from retrieval.app.contract import complete

    complete(app)
    options = {name: [one.name for one in command.params] for name, command in commands_of(app).items()}
    assert "quiet" in options["here"]
    assert "quiet" not in options["gone"]
