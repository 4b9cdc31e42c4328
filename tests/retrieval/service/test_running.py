"""``nearbeat serve`` as a process of its own: what it refuses, TLS, tokens, events, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from index import Case
from retrieval.app.main import build_app
from retrieval.errors import BadArgument
from retrieval.service import patience
from retrieval.service.chain import verify
from retrieval.service.jobs import Jobs
from retrieval.service.running import is_loopback, listen
from retrieval.service.scratch import PREFIX
from tests.retrieval.conftest import REPORTS, STATEMENTS, heartbeats

RUN = "from retrieval.app.main import main; main()"


@pytest.fixture(scope="module")
def gallery(toy_bundle, tmp_path_factory) -> Path:
    from retrieval.ecg.page import canonical_page
    from retrieval.galleries import build_gallery
    from retrieval.streams import NewCase, Stream
    from retrieval.towers.bundle import Bundle
    from retrieval.waveforms import pack

    items = []
    for seed in range(6):
        recording = heartbeats(seed)
        case = Case(f"case-{seed}", REPORTS[seed % 3], STATEMENTS[seed % 3], waveform=pack(recording))
        items.append(NewCase(case, canonical_page(recording).pixels))
    path = tmp_path_factory.mktemp("galleries") / "toy"
    build_gallery(path, Stream.of(items), Bundle.load(toy_bundle))
    return path


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    own = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}
    (tmp_path / "tmp").mkdir()
    return os.environ | own | {"TMPDIR": str(tmp_path / "tmp"), "OMP_NUM_THREADS": "1"}


def nearbeat(environment, *words):
    """The command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        done = CliRunner().invoke(build_app(), list(map(str, words)), prog_name="nearbeat")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@contextmanager
def served(environment, gallery, toy_bundle, *words):
    """A service as a process; its address and what it said."""
    command = [
        sys.executable,
        "-c",
        RUN,
        "serve",
        "--port",
        "0",
        "--gallery",
        gallery,
        "--bundle",
        toy_bundle,
        *words,
    ]
    process = subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"listens at (https?://\S+:\d+)/", line):
                break
        else:
            raise AssertionError("".join(said))
        yield found[1], said, process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            said.append(process.communicate(timeout=30)[1])
        finally:
            process.kill()
            process.communicate()


def ask(url, *, data=None, token=None, context=None, kind="application/x-www-form-urlencoded"):
    request = urllib.request.Request(url, data=data)  # noqa: S310  # our own address
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if data:
        request.add_header("Content-Type", kind)
    try:
        with urllib.request.urlopen(request, context=context, timeout=60) as told:  # noqa: S310
            return told.status, told.read(), dict(told.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def form(*files):
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n' % (name.encode(), data)
        for name, data in files
    ]
    return b"".join([*parts, b"--b--\r\n"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104
def test_beyond_loopback_a_token_is_needed(environment, host):
    done = nearbeat(environment, "serve", "--host", host, "--gallery", "nowhere")
    assert done.exit_code == 2
    assert "without a token would let anyone in" in done.stderr


def test_the_process_refuses_in_one_sentence(environment):
    command = [sys.executable, "-c", RUN, "serve", "--host", "0.0.0.0"]  # noqa: S104
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "without a token would let anyone in" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--host", "nowhere.example"), "is no address to listen at"),
        (("--gallery", "nowhere"), "there is no gallery"),
        (("--cert", "a.pem"), "go together"),
        (("--cert", "a.pem", "--key", "b.pem"), "are no certificate"),
        (("--tls", "self", "--cert", "a.pem", "--key", "b.pem"), "not with --tls"),
        (("--tokens", "none.json"), "holds no good token"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(environment, words, sentence, tmp_path):
    done = nearbeat(environment, "serve", "--port", "0", "--jobs", tmp_path / "jobs", *words)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_of_jobs_in_use_is_said(environment, gallery, toy_bundle, tmp_path):
    pytest.importorskip("fcntl")
    held = Jobs(tmp_path / "jobs")
    words = ("--port", "0", "--jobs", held.folder, "--gallery", gallery, "--bundle", toy_bundle)
    done = nearbeat(environment, "serve", *words)
    held.close()
    assert done.exit_code == 2
    assert "another service" in done.stderr


def test_a_port_that_is_taken_is_said(environment):
    with listen("127.0.0.1", 0) as bound:
        done = nearbeat(environment, "serve", "--port", bound.getsockname()[1])
    assert done.exit_code == 2
    assert "cannot be listened at" in done.stderr


def test_over_tls_with_a_token_a_job_is_followed_to_its_end(environment, gallery, toy_bundle, csv, tmp_path):
    made = nearbeat(environment, "token", "add", "lab", "--role", "write")
    token = made.stdout.strip()
    assert "lab (write)" in made.stderr
    log = tmp_path / "log.jsonl"
    with served(environment, gallery, toy_bundle, "--tls", "self", "--audit-log", log) as (url, _, _):
        trusted = ssl.create_default_context(cafile=tmp_path / "config" / "nearbeat" / "tls" / "cert.pem")
        assert url.startswith("https://")
        assert ask(f"{url}/api/v1/info", context=trusted)[0] == 401
        status, body, headers = ask(f"{url}/api/v1/info", token=token, context=trusted)
        assert (status, json.loads(body)["cases"]) == (200, 6)
        assert "max-age" in headers["strict-transport-security"]
        uploads = form(("a.csv", csv), ("b.csv", b"x"))
        kind = "multipart/form-data; boundary=b"
        status, body, _ = ask(f"{url}/api/v1/jobs", data=uploads, token=token, context=trusted, kind=kind)
        assert status == 202, body
        job = f"{url}/api/v1/jobs/{json.loads(body)['id']}"
        events = ask(f"{job}/events", token=token, context=trusted)[1].decode()
        assert '"state": "done", "files": 2, "done": 2, "refused": 1' in events.split("\n\n")[-2]
        lines = ask(f"{job}/results", token=token, context=trusted)[1].decode().splitlines()
        assert len(json.loads(lines[0])["hits"]) == 6
    assert verify(log).problems == ()
    said = log.read_text()
    assert '"actor":"lab"' in said
    assert "a.csv" not in said


def test_it_says_where_it_is_and_ends_in_order(environment, gallery, toy_bundle, tmp_path):
    with served(environment, gallery, toy_bundle) as (url, said, process):
        assert url.startswith("http://127.0.0.1:")
        deadline = time.monotonic() + 100
        while ask(f"{url}/api/v1/health/ready")[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert ask(f"{url}/api/v1/search", data=b"text=sinus")[0] == 200
        assert list((tmp_path / "tmp").glob(f"{PREFIX}*"))
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in "".join(said)
    assert not list((tmp_path / "tmp").glob(f"{PREFIX}*"))


@pytest.mark.slow
def test_killed_in_the_middle_of_a_job_it_goes_on(environment, gallery, toy_bundle, csv, tmp_path):
    words = ("--jobs", tmp_path / "jobs", "--audit-log", tmp_path / "log.jsonl")
    with served(environment, gallery, toy_bundle, *words) as (url, _, process):
        files = form(*[(f"{i}.csv", csv) for i in range(40)])
        body = ask(f"{url}/api/v1/jobs", data=files, kind="multipart/form-data; boundary=b")[1]
        job_id = json.loads(body)["id"]
        while not json.loads(ask(f"{url}/api/v1/jobs/{job_id}")[1])["done"]:
            time.sleep(0.02)
        process.kill()
        process.wait()
    results = tmp_path / "jobs" / job_id / "results.jsonl"
    before = results.read_bytes()
    assert 0 < before.count(b"\n") < 40
    with served(environment, gallery, toy_bundle, *words) as (url, _, _):
        events = ask(f"{url}/api/v1/jobs/{job_id}/events")[1].decode()
        assert '"state": "done", "files": 40, "done": 40, "refused": 0' in events
        lines = ask(f"{url}/api/v1/jobs/{job_id}/results")[1].decode().splitlines()
        assert [json.loads(line)["query"]["file"] for line in lines] == [f"{i}.csv" for i in range(40)]
    assert verify(tmp_path / "log.jsonl").problems == ()
    assert not list((tmp_path / "tmp").glob(f"{PREFIX}*"))


def test_the_same_certificate_serves_again(tmp_path):
    from retrieval.service.tls import names_of, self_made

    names = names_of("127.0.0.1")
    one = self_made(tmp_path / "tls", names)
    assert self_made(tmp_path / "tls", names).fingerprint == one.fingerprint
    assert self_made(tmp_path / "tls", frozenset({"localhost"})).fingerprint == one.fingerprint
    other = self_made(tmp_path / "tls", names | {"192.0.2.99", "ward.example"})
    assert other.fingerprint != one.fingerprint
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", other.fingerprint)
    if os.name != "nt":
        assert other.key.stat().st_mode & 0o777 == 0o600


def test_a_damaged_certificate_of_ones_own_is_made_anew(tmp_path):
    from retrieval.service.tls import self_made

    one = self_made(tmp_path, frozenset({"localhost"}))
    one.key.write_text("x")
    assert self_made(tmp_path, frozenset({"localhost"})).fingerprint != one.fingerprint


def test_certificate_and_key_of_different_pairs_are_refused(tmp_path):
    from retrieval.service.tls import given, self_made

    one = self_made(tmp_path / "a", frozenset({"localhost"}))
    other = self_made(tmp_path / "b", frozenset({"localhost"}))
    with pytest.raises(BadArgument, match="are no certificate"):
        given(one.cert, other.key)


def test_a_connection_that_sends_nothing_whole_is_closed(live, monkeypatch):
    monkeypatch.setattr(patience, "SECONDS", 0.2)
    import asyncio

    class Loop:
        call_later = staticmethod(lambda *_: None)

    class Transport:
        closed = False

        def close(self):
            self.closed = True

    protocol = patience.PatientProtocol.__new__(patience.PatientProtocol)
    protocol.loop, protocol.cycle, protocol.transport = Loop(), None, Transport()
    protocol._look()
    assert not protocol.transport.closed
    protocol._look()
    assert protocol.transport.closed
    assert issubclass(patience.PatientProtocol, asyncio.Protocol)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.9.9.9", True), ("0.0.0.0", False), ("::", False)],  # noqa: S104
)
def test_what_is_this_machine_alone(host, local):
    assert is_loopback(host) is local


def test_a_socket_of_ipv6():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listen("::1", 0).close()
    except BadArgument:
        pytest.skip("no IPv6 here")


def test_tokens_by_the_command(environment, tmp_path):
    assert nearbeat(environment, "token", "list", "--json").stdout.count("\n") == 1
    made = json.loads(nearbeat(environment, "token", "add", "ward", "--json").stdout)
    assert (made["name"], made["role"]) == ("ward", "read")
    assert nearbeat(environment, "token", "add", "ward").exit_code == 2
    assert nearbeat(environment, "token", "revoke", "ward").exit_code == 0
    rows = json.loads(nearbeat(environment, "token", "list", "--json").stdout)["tokens"]
    assert [(row["name"], row["role"], bool(row["revoked"])) for row in rows] == [("ward", "read", True)]
    assert made["token"] not in nearbeat(environment, "token", "list").stdout
    done = nearbeat(environment, "serve", "--host", "0.0.0.0")  # noqa: S104
    assert done.exit_code == 2
