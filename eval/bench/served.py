"""A service as a process of its own, and a client that speaks to it: what the benchmarks of the service share."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

BOUNDARY = "nearbeat-bench-0b7c2f"
RUN = "from retrieval.app.main import main; main()"
PATIENCE_S = 180.0


@dataclass(frozen=True)
class Told:
    """An answer of the service; status 0 where there was none."""

    status: int
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """The body as an object; empty where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def kind(self) -> str:
        """``answered``, or the kind of the error."""
        error = self.json.get("error") if isinstance(self.json, dict) else None
        return "answered" if self.status == 200 else str(error.get("kind")) if isinstance(error, dict) else "nothing"


@dataclass
class Client:
    """One client with one connection, made anew where it was closed."""

    url: str
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def get(self, path: str) -> Told:
        """Ask for a path."""
        return self._ask("GET", path, None, {})

    def form(self, path: str, fields: Mapping[str, str]) -> Told:
        """Send a form without files."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, urlencode(fields).encode(), kind)

    def upload(self, path: str, files: Sequence[tuple[str, str, bytes]], fields: Mapping[str, str]) -> Told:
        """Send files, each as ``(field, name, bytes)``."""
        parts = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()
        ]
        body = "".join(parts).encode()
        for name, file, data in files:
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n\r\n'
            body += head.encode() + data + b"\r\n"
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self._ask("POST", path, body + f"--{BOUNDARY}--\r\n".encode(), kind)

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Told:
        begun = time.perf_counter()
        for fresh in (False, True):  # a connection that stood idle may have been closed from the other side
            try:
                if self._connection is None or fresh:
                    self._connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_S)
                self._connection.request(method, path, body, dict(headers))
                told = self._connection.getresponse()
                return Told(told.status, told.read(), time.perf_counter() - begun)
            except (OSError, http.client.HTTPException):
                self._connection = None
        return Told(0, b"", time.perf_counter() - begun)


@dataclass(frozen=True)
class Served:
    """A service that runs: its address, its process, and the folder that it writes to."""

    url: str
    pid: int
    folder: Path

    def resident_mb(self) -> tuple[float, float]:
        """Resident memory of the service and of its children, in MB."""
        from retrieval.service.metrics import children_of, resident_bytes

        return resident_bytes([self.pid]) / 1e6, resident_bytes(children_of(self.pid)) / 1e6


@contextmanager
def served(gallery: Path | None, *words: str) -> Iterator[Served]:
    """Start a service, wait until it is warm, and end it.

    Raises:
        SystemExit: when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="nearbeat-served-") as name:
        folder = Path(name)
        own = {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder / "state"), "TMPDIR": name}
        command = [sys.executable, "-c", RUN, "serve", "--port", "0", *words]
        command += [] if gallery is None else ["--gallery", str(gallery)]
        with (folder / "said").open("w+") as said:
            process = subprocess.Popen(command, env=os.environ | own, stderr=said, stdout=subprocess.DEVNULL)
            try:
                url = _address(process, folder / "said")
                client = Client(url)
                while client.get("/api/v1/health/ready").status != 200:
                    time.sleep(0.2)
                yield Served(url, process.pid, folder)
            finally:
                process.terminate()
                process.wait()


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    while process.poll() is None:
        if found := re.search(r"listens at (http://\S+?:\d+)/", said.read_text()):
            return found[1]
        time.sleep(0.1)
    raise SystemExit(f"the service did not start:\n{said.read_text()}")
