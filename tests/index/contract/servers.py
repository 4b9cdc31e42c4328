"""Milvus servers for the tests: PyPI's standalone ``milvus`` and milvus-lite's, on free ports, killed and restarted.

The standalone server is stopped with SIGKILL, as a crash would: it has no quick way to stop.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

UP_WITHIN_S = 90.0
TICK_MS = 20
SESSION_S = 4
"""How long a server keeps its place without a sign of life: a busy machine may keep it from one for seconds."""


def missing(*modules: str) -> str | None:
    """What keeps a server from being started here, as a reason to skip; None when nothing does."""
    absent = [name for name in modules if find_spec(name) is None]
    return f"{', '.join(absent)} is not installed (pip install 'nearbeat[dev]')" if absent else None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Server:
    """A process that serves Milvus' protocol from a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it on what the folder holds, and wait until it answers."""
        raise NotImplementedError

    def kill(self) -> None:
        """SIGKILL, and nothing of its process group is left."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def well(self) -> bool:
        """Whether it serves. One whose session ran out while the machine was busy does not, ever again."""
        return self._process is not None and self._process.poll() is None

    def _run(self, command: list[str], cwd: Path, env: dict[str, str]) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=cwd, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def _wait(self, up: Any) -> None:
        until = time.monotonic() + UP_WITHIN_S
        while not up():
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"the server of {self.folder} ended by itself; see server.log there")
            if time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"the server of {self.folder} did not answer within {UP_WITHIN_S:g} s")
            time.sleep(0.1)


class Standalone(Server):
    """Milvus 2.3.5, one process with everything in it; started again it has the same ports."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._health = 0

    def start(self) -> None:
        if not self.port:
            self._configure()
        program = self.folder / "bin" / "milvus"
        env = {**os.environ, "DEPLOY_MODE": "STANDALONE", "METRICS_PORT": str(self._health), "GOMAXPROCS": "2"}
        env |= {"LD_LIBRARY_PATH": str(program.parent), "MILVUS_RUN_DIR": str(self.folder / "run")}
        self._run([str(program), "run", "standalone"], self.folder, env)
        self._wait(self.well)

    def well(self) -> bool:
        return super().well() and _healthy(f"http://127.0.0.1:{self._health}/healthz")

    def _configure(self) -> None:
        milvus: Any = __import__("milvus")
        config = milvus.MilvusServerConfig(data_dir=str(self.folder))
        names = [name for name in config.configurable_items if name.endswith("_port")]
        *ports, self._health, client, peer = free_ports(len(names) + 3)
        config.update(**dict(zip(names, ports, strict=True)))
        config.resolve()
        milvus._initialize_data_files(str(self.folder))
        # The etcd inside listens on fixed ports unless it has a file of its own.
        etcd = self.folder / "configs" / "etcd.yaml"
        etcd.write_text(
            f"listen-client-urls: http://127.0.0.1:{client}\nadvertise-client-urls: http://127.0.0.1:{client}\n"
            f"listen-peer-urls: http://127.0.0.1:{peer}\ninitial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
            f"initial-cluster: default=http://127.0.0.1:{peer}\n"
        )
        written = self.folder / "configs" / "milvus.yaml"
        text = written.read_text()
        text = text.replace("\netcd:\n", f"\netcd:\n  config:\n    path: {etcd}\n", 1)
        # Both only cost time: a read that waits for all writes waits for the next tick, and a server that was killed
        # is held for alive until its session has run out.
        text = text.replace("timeTickInterval: 200", f"timeTickInterval: {TICK_MS}")
        written.write_text(text.replace("    ttl: 30 ", f"    ttl: {SESSION_S} "))
        self.port = int(config.get("proxy_port"))


class Lite(Server):
    """milvus-lite's gRPC server."""

    def start(self) -> None:
        self.port = self.port or free_ports(1)[0]
        self.folder.mkdir(parents=True, exist_ok=True)
        code = (
            "import sys; from milvus_lite.adapter.grpc.server import run_server; "
            "run_server(sys.argv[1], '127.0.0.1', int(sys.argv[2]))"
        )
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._run([sys.executable, "-c", code, str(self.folder / "data.db"), str(self.port)], self.folder, env)
        self._wait(lambda: _listens(self.port))


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # its own address
            return b"OK" in answer.read()
    except (urllib.error.URLError, OSError):
        return False


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
