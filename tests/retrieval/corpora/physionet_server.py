"""A server on loopback with PhysioNet's layout, and with the faults that a test asks for."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.retrieval.corpora.test_ptbxl import COLUMNS, line

ROOT = "/files/ptb-xl/1.0.3/"
Fault = Callable[["Handler", bytes], None]


@dataclass
class Place:
    """What a server offers, what it does wrong, and what it was asked.

    Args:
        files: by their path under ``ROOT``.
        faults: for a path, what the next requests get instead of the file, one fault each.
        ranges: whether the server knows ``Range``.
        asked: path and ``Range`` of each request.
    """

    files: dict[str, bytes]
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    port: int = 0
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base(self) -> str:
        """The address of the corpus."""
        return f"http://127.0.0.1:{self.port}{ROOT}"

    def times(self, path: str) -> int:
        """How often a file was asked for."""
        return Counter(path for path, _ in self.asked)[path]


class Handler(BaseHTTPRequestHandler):
    """Answers as PhysioNet does, connections kept open."""

    protocol_version = "HTTP/1.1"
    place: Place

    def do_GET(self) -> None:
        place, path = self.place, self.path.partition(ROOT)[2]  # as a proxy is asked, with the address before it
        with place.lock:
            place.asked.append((path, self.headers.get("Range")))
            place.at_once += 1
            place.most_at_once = max(place.most_at_once, place.at_once)
            queue = place.faults.get(path)
            fault = queue.pop(0) if queue else None
        try:
            self._answer(place.files.get(path), fault)
        finally:
            with place.lock:
                place.at_once -= 1

    def _answer(self, body: bytes | None, fault: Fault | None) -> None:
        if fault is not None:
            fault(self, body or b"")
        elif body is None:
            self.reply(404, b"<h1>Not Found</h1>")
        else:
            self.give(body)

    def give(self, body: bytes) -> None:
        """The file, or the part of it that was asked for."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted is None or not self.place.ranges:
            self.reply(200, body)
            return
        first = int(wanted[1])
        if first >= len(body):
            self.reply(416, b"", **{"Content-Range": f"bytes */{len(body)}"})
            return
        self.reply(206, body[first:], **{"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"})

    def reply(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        """Send an answer; ``length`` claims another one than the body has."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Nothing on the terminal."""


def cut_after(count: int) -> Fault:
    """The connection ends after some bytes of the answer."""

    def fault(handler: Handler, body: bytes) -> None:
        found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        first = int(found[1]) if found and handler.place.ranges else 0
        headers = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"} if first else {}
        handler.reply(206 if first else 200, body[first : first + count], len(body) - first, **headers)

    return fault


def wrong(handler: Handler, body: bytes) -> None:
    """As many bytes as the file has, and not those."""
    handler.reply(200, bytes(255 - byte for byte in body))


def status(code: int, **headers: str) -> Fault:
    """An answer with this status and a page of HTML."""
    return lambda handler, body: handler.reply(code, b"<html>sorry</html>", **headers)


def hang_up(handler: Handler, body: bytes) -> None:
    """No answer at all."""
    handler.close_connection = True


def corpus(records: int = 6, rates: tuple[int, ...] = (100, 500)) -> dict[str, bytes]:
    """Files as PhysioNet offers them: ``records`` records in folds 1, 2, 3, 1, …; contents made up."""
    import csv
    import io

    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    files: dict[str, bytes] = {}
    for ecg_id in range(1, records + 1):
        row = line(ecg_id, strat_fold=str((ecg_id - 1) % 3 + 1))
        writer.writerow(row)
        stems = {100: row["filename_lr"], 500: row["filename_hr"]}
        for rate in rates:
            files[f"{stems[rate]}.hea"] = f"{ecg_id:05d} 12 {rate}\n".encode()
            files[f"{stems[rate]}.dat"] = sha256(f"{ecg_id} {rate}".encode()).digest() * 40
    files["ptbxl_database.csv"] = out.getvalue().encode()
    files["scp_statements.csv"] = b",description\nNORM,normal ECG\n"
    files["LICENSE.txt"] = b"CC BY 4.0\n"
    return with_sums(files)


def with_sums(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files and the list of their checksums, written as PhysioNet writes it."""
    listed = "".join(f"{sha256(body).hexdigest()} {path}\n" for path, body in sorted(files.items()))
    return {**files, "SHA256SUMS.txt": listed.encode()}


@contextmanager
def serving(files: dict[str, bytes], **options: object) -> Iterator[Place]:
    """Serve until the block ends."""
    place = Place(files, **options)  # type: ignore[arg-type]  # the fields of Place
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"place": place}))
    server.daemon_threads = True
    place.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield place
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
