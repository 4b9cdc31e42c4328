from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.service.chain import NOTHING, BadChain, ChainLog, verify
from retrieval.service.who import ACTOR


@pytest.fixture
def path(tmp_path):
    return tmp_path / "service.jsonl"


def written(path, lines=5):
    log = ChainLog(path)
    for number in range(lines - 1):
        log.append(
            "search", {"k": number, "text": log.digest("a name")}, ids=["a", "b"], generation=3, bundle="f" * 64
        )
    log.close()
    return log.head


def test_what_was_written_holds(path):
    head = written(path)
    found = verify(path)
    assert (found.lines, found.head, found.problems, found.healed) == (5, head, (), 0)
    assert found.first_at <= found.last_at
    first = json.loads(path.read_text().splitlines()[0])
    assert (first["action"], first["prev"], first["seq"]) == ("begun", NOTHING, 1)


def test_it_says_who_asked_for_what_and_no_words(path):
    token = ACTOR.set("ward")
    try:
        written(path)
    finally:
        ACTOR.reset(token)
    line = json.loads(path.read_text().splitlines()[1])
    assert (line["actor"], line["action"], line["ids"], line["generation"]) == ("ward", "search", ["a", "b"], 3)
    assert "a name" not in path.read_text()


def test_it_goes_on_after_a_restart(path):
    written(path, 3)
    log = ChainLog(path)
    first = log.digest("x")
    log.append("search")
    log.close()
    assert verify(path).lines == 4
    again = ChainLog(path)
    assert again.digest("x") == first
    assert again.notice == ""
    again.close()


def test_digests_differ_between_logs(tmp_path):
    one, other = ChainLog(tmp_path / "a"), ChainLog(tmp_path / "b")
    assert one.digest("x") != other.digest("x")
    one.close()
    other.close()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_changed_byte_shows(path, data):
    if not path.exists():
        written(path)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255).filter(lambda value: value != raw[at]))
    other = path.with_name("changed")
    other.write_bytes(raw)
    assert verify(other).problems


@pytest.mark.parametrize(
    "kept", [[0, 2, 3, 4], [0, 1, 3, 4], [1, 2, 3, 4], [0, 2, 1, 3, 4], [0, 1, 1, 2, 3, 4], [4], []]
)
def test_lines_that_were_taken_out_or_moved_show(path, kept):
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[i] for i in kept))
    assert verify(path).problems


def test_a_line_that_is_rewritten_with_its_own_hash_shows(path):
    import hashlib

    written(path)
    lines = path.read_text().splitlines()
    line = json.loads(lines[2])
    line["ids"] = ["c"]
    del line["hash"]
    text = json.dumps(line, sort_keys=True, separators=(",", ":"))
    line["hash"] = hashlib.sha256(text.encode()).hexdigest()
    lines[2] = json.dumps(line, sort_keys=True, separators=(",", ":"))
    path.write_text("\n".join(lines) + "\n")
    assert "line 4 does not follow" in verify(path).problems[0]


def test_lines_off_the_end_show_where_the_head_was_noted_down(path):
    head = written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert verify(path).problems == ()
    assert "taken off the end" in verify(path, head).problems[0]
    path.write_bytes(b"".join(lines))
    assert verify(path, head).problems == ()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_crash_in_the_middle_of_a_line_is_healed_and_said(path, data):
    path.unlink(missing_ok=True)
    written(path, 3)
    raw = path.read_bytes()
    start = raw.rindex(b"\n", 0, -1) + 1
    cut = data.draw(st.integers(start + 1, len(raw) - 1))
    path.write_bytes(raw[:cut])
    assert "cut off" in verify(path).problems[0]
    log = ChainLog(path)
    log.append("search")
    log.close()
    assert f"{cut - start} bytes" in log.notice
    found = verify(path)
    assert (found.problems, found.lines, found.healed) == ((), 4, 1)


def test_a_crash_in_the_first_line_begins_anew(path):
    path.write_bytes(b'{"act')
    log = ChainLog(path)
    log.close()
    assert log.notice
    assert verify(path).problems == ()


def test_a_file_that_is_no_log_is_left_alone(path):
    path.write_text("a diary\n")
    with pytest.raises(BadChain, match="name another file"):
        ChainLog(path)
    assert path.read_text() == "a diary\n"


def test_an_altered_end_is_not_written_on(path):
    written(path)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b'"ids":["a","b"]', b'"ids":["a","c"]'))
    with pytest.raises(BadChain):
        ChainLog(path)


def test_one_service_at_a_time(path):
    pytest.importorskip("fcntl")
    log = ChainLog(path)
    with pytest.raises(BadChain, match="another service"):
        ChainLog(path)
    log.close()


def test_a_full_disk_is_said_and_leaves_whole_lines(path, monkeypatch):
    log = ChainLog(path)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space left")))
    with pytest.raises(BadChain, match="no more lines"):
        log.append("search")
    monkeypatch.undo()
    log.append("search")
    log.close()
    assert verify(path).problems == ()


@pytest.mark.parametrize("text", ["", "\n", "[]\n", "1\n", "{}\n", '{"hash": 1}\n', "[" * 100_000 + "\n"])
def test_nonsense_is_no_log(path, text):
    path.write_text(text)
    assert verify(path).problems


def test_no_file_is_said(path):
    with pytest.raises(BadChain, match="cannot be read"):
        verify(path)


def test_the_command_checks_a_log(path):
    head = written(path)
    run = "from retrieval.app.main import main; main()"
    command = [sys.executable, "-c", run, "serve-log", "verify", str(path), "--head", head, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True
    path.write_bytes(path.read_bytes().replace(b'"k":1', b'"k":2'))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "line 3 is not as it was written" in done.stderr
    assert json.loads(done.stdout)["lines"] == 2
