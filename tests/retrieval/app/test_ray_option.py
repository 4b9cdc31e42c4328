"""``nearbeat gallery build --engine ray`` as a process of its own: killed, interrupted, and finished."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from index import Gallery
from index.errors import GalleryError
from retrieval.filling import CHUNK
from retrieval.ray_session import PREFIX

CASES = 12 * CHUNK
PATIENCE_S = 240


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--ray-workers", "2"], "belong to --engine ray"),
        (["--ray-address", "auto"], "belong to --engine ray"),
        (["--engine", "ray", "--ray-address", "ray://h:10001"], "--ray-address auto"),
    ],
)
def test_options_of_ray_that_cannot_be(run, toy_bundle, tmp_path, options, says):
    done = run("gallery", "build", "--simulated", "3", "--out", tmp_path / "g", "--bundle", toy_bundle, *options)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not (tmp_path / "g").exists()


def test_without_ray_its_extra_is_named_before_anything_is_made(run, toy_bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.data", None)
    done = run(
        "gallery", "build", "--simulated", "3", "--out", tmp_path / "g", "--bundle", toy_bundle, "--engine", "ray"
    )
    assert done.exit_code == 2
    assert "pip install 'nearbeat[ray]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def command(toy_bundle, tmp_path):
    program = [sys.executable, "-c", "from retrieval.app.main import main; main()", "gallery", "build"]
    options = ["--simulated", CASES, "--bundle", toy_bundle, "--out", tmp_path / "g", "--json"]
    return [*program, *map(str, options)]


def started(command):
    """The build in a process group of its own, as a terminal would start it, once a chunk is committed."""
    options = ["--engine", "ray", "--ray-workers", "1"]
    build = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, start_new_session=True)
    made = Path(command[command.index("--out") + 1]).parent / ".g.building"
    before = taken(made)
    try:
        wait_for(lambda: taken(made) > before or build.poll() is not None)
        assert build.poll() is None, build.communicate()[1]
    except BaseException:
        build.kill()
        build.communicate()
        raise
    return build, below(build.pid)


def taken(made):
    try:
        with Gallery.open(made, read_only=True) as gallery:
            return gallery.info().cases
    except (GalleryError, OSError):
        return 0


def wait_for(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def below(process):
    """The processes that a process has begun, and those that they have begun."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, fresh = set(), {process}
    while fresh:
        fresh = {one for one, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def all_gone(processes):
    return not any(Path(f"/proc/{one}").exists() for one in processes)


def servers(processes):
    """The addresses at which processes listen, from Linux' tables; bytes, in the order of the network."""
    own = set()
    for process in processes:
        for link in Path(f"/proc/{process}/fd").glob("*"):
            try:
                own.add(str(link.readlink()))
            except OSError:
                continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            cells = line.split()
            if cells[3] == "0A" and f"socket:[{cells[9]}]" in own:
                words = bytes.fromhex(cells[1].partition(":")[0])
                found.append(b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4)))
    return found


LOOPBACK = {
    socket.inet_pton(socket.AF_INET, "127.0.0.1"),
    socket.inet_pton(socket.AF_INET6, "::1"),
    socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1"),
}


def left_behind(build):
    return list(Path(min(tempfile.gettempdir(), "/tmp", key=len)).glob(f"{PREFIX}{build.pid}-*"))  # noqa: S108


@pytest.mark.slow
@pytest.mark.timeout(900)  # Ray is started twice, with eight processes each time
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (the extra 'ray')")
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="processes and sockets are looked up in Linux' /proc")
def test_killed_then_interrupted_then_finished_here_it_doubles_nothing_and_leaves_nothing(command, run, tmp_path):
    build, orphans = started(command)
    listening = servers(orphans | {build.pid})
    assert len(listening) >= 3
    assert set(listening) <= LOOPBACK
    build.kill()
    build.communicate()
    first = taken(tmp_path / ".g.building")
    assert first > 0
    assert first % CHUNK == 0

    killed, (build, ray) = build, started(command)
    os.killpg(build.pid, signal.SIGINT)
    said = build.communicate(timeout=PATIENCE_S)[1]
    assert build.returncode not in (0, 2)
    assert "Traceback" not in said
    wait_for(lambda: all_gone(ray))
    assert not left_behind(build)
    assert not left_behind(killed)  # it could not tidy up, so the next one did, this build or another test's

    done = run(*command[3:])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["cases"], report["refused"]) == (CASES, [])
    assert first < report["resumed"] < CASES
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.ids() == [f"sim-{seed:06d}" for seed in range(CASES)]
    wait_for(lambda: all_gone(orphans))  # two of them look for their cluster for a minute
