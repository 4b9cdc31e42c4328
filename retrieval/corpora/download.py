"""One file over HTTP: gone on with where it was cut off, and checked before it gets its name."""

from __future__ import annotations

import email.utils
import hashlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.errors import CorpusError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

PART = ".part"
"""What a file is called until it is whole."""
TRIES, REQUESTS, PATIENCE = 5, 200, 120.0
"""How often in a row a server may give nothing, how many requests one file may take, and for how many seconds at most
we wait because a server asks for it."""
CHUNK, LARGEST = 1 << 16, 1 << 30
"""Bytes at a time; and the most that a file may have, so that no server fills the disk."""
CONNECT, READ = 20.0, 60.0
"""Seconds without an answer, and without a byte."""
AGENT = "nearbeat (corpus fetch)"
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_WHOLE, _PART_OF, _BEYOND = 200, 206, 416


class Unreachable(CorpusError):
    """The server gave nothing, several times in a row."""

    kind = "unreachable"


class NotOffered(CorpusError):
    """The server answers, and does not give this file."""

    kind = "not_offered"


class WrongChecksum(CorpusError):
    """The file came twice with another content than its checksum stands for."""

    kind = "wrong_checksum"


class Stopped(CorpusError):
    """Another file, or the user, ended the work."""

    kind = "stopped"


@dataclass(frozen=True)
class Client:
    """Files from one server, over connections that are kept open.

    Args:
        pool: from :func:`pool_of`.
        stop: when set, whoever waits or reads gives up with :class:`Stopped`.
        wait: waits some seconds; the default ends early when ``stop`` is set.
    """

    pool: PoolManager
    stop: threading.Event = field(default_factory=threading.Event)
    wait: Callable[[float], object] | None = None

    def fetch(self, url: str, target: Path, sha256: str | None = None) -> int:
        """Bring a file; what an earlier call left of it is gone on with.

        Returns:
            How many bytes it has.

        Raises:
            Unreachable: when the server gave nothing ``TRIES`` times in a row.
            NotOffered: when it has no such file.
            WrongChecksum: when a second, whole download is not what ``sha256`` says either.
        """
        part = target.with_name(target.name + PART)
        target.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            self._complete(url, part)
            if sha256 is None or file_sha256(part) == sha256:
                size = part.stat().st_size
                part.replace(target)
                return size
            part.unlink()
        raise WrongChecksum(
            f"{url} came twice with another content than its checksum says; the file on the server, or something on "
            "the way to it, is at fault, and nothing of it was kept"
        )

    def _complete(self, url: str, part: Path) -> None:
        """Read on until the part is the whole file."""
        failures, reason = 0, ""
        for _ in range(REQUESTS):
            self._go_on()
            before = _size(part)
            done, reason, delay = self._once(url, part, before)
            if done:
                return
            failures = 1 if _size(part) > before else failures + 1
            if failures >= TRIES:
                break
            self._pause(min(2.0**failures, 30.0) if delay is None else delay)
        raise Unreachable(f"{url} cannot be had: {reason}; the same command goes on with what came so far")

    def _once(self, url: str, part: Path, have: int) -> tuple[bool, str, float | None]:
        """One request: whether the part is whole now, else why not, and how long the server asks to wait."""
        from urllib3.exceptions import HTTPError

        headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        try:
            response = self.pool.request("GET", url, headers=headers, preload_content=False, decode_content=False)
        except HTTPError as error:
            return False, _in_words(error), None
        try:
            return self._take(response, url, part, have)
        except HTTPError as error:
            response.close()  # what is left on this connection is of no use
            return False, _in_words(error), 0.0
        finally:
            response.release_conn()

    def _take(self, response: BaseHTTPResponse, url: str, part: Path, have: int) -> tuple[bool, str, float | None]:
        status = response.status
        if url.startswith("https:") and (response.geturl() or url).startswith("http:"):
            raise CorpusError(f"{url} leads to {response.geturl()}, which is not encrypted; it was not followed")
        if status in _LATER:
            response.drain_conn()
            return False, f"the server answers {status}", retry_after(response.headers.get("Retry-After"))
        if status == _BEYOND and have:
            response.drain_conn()
            if _range_of(response)[1] == have:
                return True, "", None
            part.unlink()
            return False, "the server has less of it than came before", 0.0
        if status == _PART_OF and have and _range_of(response)[0] != have:
            part.unlink()
            response.close()
            return False, "the server gives another part than the one asked for", 0.0
        if status not in (_WHOLE, _PART_OF):
            response.drain_conn()
            raise NotOffered(f"{url} is not to be had: the server answers {status}")
        self._save(response, part, have if status == _PART_OF else 0)
        return True, "", None

    def _save(self, response: BaseHTTPResponse, part: Path, have: int) -> None:
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            for chunk in response.stream(CHUNK):
                file.write(chunk)
                if self.stop.is_set() or file.tell() > LARGEST:
                    response.close()
                    self._go_on()
                    raise NotOffered(f"{part.stem} is longer than {LARGEST >> 20} MiB; no file of a corpus is")

    def _pause(self, seconds: float) -> None:
        if self.wait is None:
            self.stop.wait(seconds)
        else:
            self.wait(seconds)

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Stopped("stopped; the same command goes on with what came so far")


def pool_of(address: str, connections: int) -> PoolManager:
    """Connections that are kept open, through the proxy that the environment names for the address."""
    from urllib.parse import unquote
    from urllib.request import getproxies, proxy_bypass

    from urllib3 import PoolManager, ProxyManager, Retry, Timeout
    from urllib3.util import make_headers, parse_url

    once = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=5, raise_on_status=False)
    options = {"maxsize": connections, "block": True, "retries": once, "timeout": Timeout(connect=CONNECT, read=READ)}
    place, proxies = parse_url(address), getproxies()
    proxy = proxies.get(place.scheme or "") or proxies.get("all")
    if not proxy or proxy_bypass(place.host or ""):
        return PoolManager(**options)
    login = parse_url(proxy).auth
    return ProxyManager(
        proxy, proxy_headers=make_headers(proxy_basic_auth=unquote(login)) if login else None, **options
    )


def retry_after(header: str | None) -> float | None:
    """The seconds that ``Retry-After`` asks for, which may be a number or a date; no more than ``PATIENCE``."""
    if not header:
        return None
    if header.strip().isdigit():
        return min(float(header), PATIENCE)
    try:
        seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
    except ValueError:
        return None
    return min(max(seconds, 0.0), PATIENCE)


def file_sha256(path: Path) -> str:
    """Of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _range_of(response: BaseHTTPResponse) -> tuple[int | None, int | None]:
    """From ``Content-Range``: where the part begins, and how long the whole file is."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if found is None:
        return None, None
    return (int(found[1]) if found[1] else None), (int(found[2]) if found[2].isdigit() else None)


def _in_words(error: Exception) -> str:
    """The innermost reason; what surrounds it names objects of the library."""
    inner = getattr(error, "reason", None) or error
    return re.sub(r"^<[^>]*>:\s*|\w+\([^)]*\):\s*", "", str(inner)) or type(inner).__name__
