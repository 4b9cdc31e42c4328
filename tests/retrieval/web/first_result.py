"""From upload to the whole page of the answer, on a warm service: by the clock, and in seconds of processor time.

``python -m tests.retrieval.web.first_result GALLERY`` opens the gallery, serves it on loopback and brings it each of
the simulated examples. By hand, never in a test.
"""

from __future__ import annotations

import http.client
import os
import statistics
import sys
import time
import uuid
from pathlib import Path

from retrieval.engine import open_gallery
from retrieval.service.application import create_app
from retrieval.service.desk import Desk
from retrieval.service.settings import Settings
from retrieval.web.asked import Upload
from retrieval.web.examples import EXAMPLES, example_upload
from tests.retrieval.web.browser import served

TIMES = 5
COOKIE = "nearbeat_visit=" + "t" * 32


def bring(port: int, upload: Upload) -> int:
    """Post an upload and fetch the page it leads to; gives the page's status."""
    edge = uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{upload.name}"\r\n\r\n'
    body = head.encode() + upload.data + f"\r\n--{edge}--\r\n".encode()
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    link.request("POST", "/search", body, {"Content-Type": f"multipart/form-data; boundary={edge}", "Cookie": COOKIE})
    reply = link.getresponse()
    reply.read()
    link.request("GET", reply.getheader("Location") or "/", headers={"Cookie": COOKIE})
    page = link.getresponse()
    page.read()
    link.close()
    return page.status


def processor_seconds() -> float:
    """Of this process and those it started, as Linux counts them."""
    ticks, own = os.sysconf("SC_CLK_TCK"), os.getpid()
    whole = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(stat.parent.name) == own or int(parts[1]) == own:
            whole += (int(parts[11]) + int(parts[12])) / ticks
    return whole


def main() -> None:
    """Measure and print."""
    desk = Desk(open_gallery(sys.argv[1] if len(sys.argv) > 1 else None))
    desk.warm()
    with served(create_app(desk, Settings(names=frozenset()), warm=False)) as origin:
        port = int(origin.rpartition(":")[2])
        for name in EXAMPLES:
            upload, clock = example_upload(name), []
            assert bring(port, upload) == 200
            before = processor_seconds()
            for _ in range(TIMES):
                start = time.perf_counter()
                assert bring(port, upload) == 200
                clock.append(time.perf_counter() - start)
            spent = (processor_seconds() - before) / TIMES
            middle, least = statistics.median(clock), min(clock)
            print(f"{name}: {middle:.2f} s by the clock (least {least:.2f}), {spent:.2f} s of processor")  # noqa: T201


if __name__ == "__main__":
    main()
