"""A real Chromium for the tests of the pages: found where the system has one, and every request written down."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
START_S = 60.0


def chromium() -> str | None:
    """The program, ``None`` where there is none."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    try:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as play:
            own = play.chromium.executable_path
    except Exception:  # no playwright, or none of its own browsers: the tests are skipped with that reason
        return None
    return own if Path(own).is_file() else None


@contextmanager
def served(application: Any) -> Iterator[str]:
    """The application on a free port of loopback; gives its origin."""
    import uvicorn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + START_S
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(START_S)


@contextmanager
def browser() -> Iterator[Any]:
    """A running Chromium."""
    from playwright.sync_api import sync_playwright

    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium(), args=as_root)
        try:
            yield started
        finally:
            started.close()


class Watched:
    """A page of a visitor of its own; at its end no request had left the origin, and nothing had gone wrong."""

    def __init__(self, running: Any, origin: str, **options: Any) -> None:
        self.origin = origin
        self.context = running.new_context(base_url=origin, **{"locale": "en-GB", **options})
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda said: self._heard(said))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _heard(self, said: Any) -> None:
        # The browser's own remark on a page that is a refusal, which the test asked for.
        refusal = "server responded with a status of 4" in said.text and said.location["url"] == self.page.url
        if said.type in ("error", "warning") and not refusal:
            self.problems.append(said.text)

    def close(self) -> None:
        self.context.close()
        outside = [url for url in self.requests if not url.startswith((self.origin + "/", "data:", "blob:"))]
        assert self.requests
        assert outside == []
        assert self.problems == []


def until(page: Any, true: str) -> None:
    """Wait until an expression is true. A page that forbids `eval` cannot be told to look again by itself."""
    end = time.monotonic() + 30
    while not page.evaluate(true):
        assert time.monotonic() < end, f"not true within half a minute: {true}"
        page.wait_for_timeout(50)
