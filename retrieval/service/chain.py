"""A log in which each line holds the hash of the line before it: what is changed or taken out of its middle shows.

It says who asked for what in form, and which cases answered; no pixels, no names, no sentences. Sentences, conditions
and files stand there as keyed digests, whose key is in the first line: who has the sentence can tell whether it was
asked, and equal sentences look different in different logs. Nothing in a file can show that its last lines were taken
off: keep the head, which the service prints at its start and ``verify`` after each check, in another place.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from retrieval.errors import NearBeatError
from retrieval.service.who import ACTOR, REQUEST

try:
    import fcntl
except ImportError:  # on Windows, two services that write to one log are the user's to avoid
    fcntl = None

VERSION = 1
NOTHING = "0" * 64
"""What stands for the line before the first."""
MAX_LINE = 1 << 22
"""Bytes; a longer line is none of ours."""


class BadChain(NearBeatError):
    """A log that cannot be written on, or whose chain is broken."""

    kind = "bad_chain"


@dataclass(frozen=True)
class ChainReport:
    """What a check of a log found; ``problems`` are sentences, none of them means that the chain holds.

    Args:
        lines: that hold.
        head: hash of the last of them.
        first_at, last_at: times of the first and the last.
        healed: how often a line that a crash had cut off was taken away.
        problems: what is wrong.
    """

    lines: int
    head: str
    first_at: str = ""
    last_at: str = ""
    healed: int = 0
    problems: tuple[str, ...] = field(default=())


class ChainLog:
    """A log that is open for writing, by one service at a time; each line is on the disk before the answer leaves.

    Args:
        path: the file, made when absent.

    Raises:
        BadChain: when another service writes to it, or its end is not what this program wrote.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.notice = ""
        """What was mended when it was opened."""
        self._lock = threading.Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")  # noqa: PTH123,SIM115
        try:
            _alone(self._file, self.path)
            self._begin()
        except BaseException:
            self._file.close()
            raise

    @property
    def head(self) -> str:
        """Hash of the last line."""
        return self._head

    def digest(self, data: str | bytes) -> str:
        """What stands in the log for something that shall not: 32 hexadecimal digits under this log's key."""
        raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
        return hmac.new(self._key, raw, "sha256").hexdigest()[:32]

    def append(
        self,
        action: str,
        asked: Mapping[str, Any] | None = None,
        *,
        ids: Sequence[str] = (),
        generation: int | None = None,
        bundle: str | None = None,
        outcome: str = "ok",
    ) -> None:
        """Put down one line; actor and request are those that ``who`` knows.

        Raises:
            BadChain: when the disk does not take it; the answer must not leave then.
        """
        line: dict[str, Any] = {
            "actor": ACTOR.get(),
            "request": REQUEST.get(),
            "action": action,
            "asked": dict(asked or {}),
            "ids": list(ids),
            "generation": generation,
            "bundle": bundle,
            "outcome": outcome,
        }
        with self._lock:
            self._write(line)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._file.close()

    def _begin(self) -> None:
        last, torn, first = _ends(self._file)
        self._seq, self._head = 0, NOTHING
        if last is not None and first is not None:
            began, line = _checked(first, None, 1), _checked(last, None, None)
            if isinstance(began, str) or isinstance(line, str):
                raise BadChain(f"{self.path} does not end as this program left it; keep it, and name another file")
            self._seq, self._head, self._key = line["seq"], line["hash"], bytes.fromhex(began["asked"]["key"])
        if torn:
            self._file.seek(-torn, os.SEEK_END)
            self._file.truncate()
        if last is None:
            self._key = secrets.token_bytes(32)
            self._write(
                {"actor": "service", "action": "begun", "asked": {"version": VERSION, "key": self._key.hex()}}
            )
        if torn:
            self.notice = f"the log {self.path} ended in the middle of a line of {torn} bytes, which was taken off"
            self._write({"actor": "service", "action": "healed", "asked": {"bytes": torn}})

    def _write(self, line: Mapping[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        whole = {"seq": self._seq + 1, "at": at, **line, "prev": self._head}
        whole["hash"] = _hash(whole)
        try:
            end = self._file.seek(0, os.SEEK_END)
            try:
                self._file.write(_canonical(whole) + b"\n")
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(end)
                raise
        except (OSError, ValueError) as error:
            raise BadChain(f"{self.path} takes no more lines ({error}); make room, or name another file") from error
        self._seq, self._head = whole["seq"], whole["hash"]


def verify(path: str | Path, head: str | None = None) -> ChainReport:
    """Check each line of a log against its hash and the line before.

    Args:
        path: the log; a service may be writing to it.
        head: the hash of a line that must be there: one that was noted down before.

    Raises:
        BadChain: when there is no such file.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            return _verified(file, head)
    except OSError as error:
        raise BadChain(f"{place}: the log cannot be read ({error.strerror}); check the path") from error


def _verified(file: BinaryIO, head: str | None) -> ChainReport:
    lines, last, first_at, last_at, healed, seen = 0, NOTHING, "", "", 0, head is None
    problems: list[str] = []
    for number, raw in _lines(file):
        line = _checked(raw, last, number)
        if isinstance(line, str):
            problems.append(line)
            break
        lines, last, last_at = number, line["hash"], line["at"]
        first_at = first_at or last_at
        healed += line["action"] == "healed"
        seen = seen or line["hash"] == head
    if not problems and not seen:
        problems.append(f"no line has the hash {head}: lines were taken off the end, or this is another log")
    if not lines and not problems:
        problems.append("it holds no line")
    return ChainReport(lines, last, first_at, last_at, healed, tuple(problems))


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while raw := file.readline(MAX_LINE):
        number += 1
        yield number, raw


def _checked(raw: bytes, last: str | None, number: int | None) -> dict[str, Any] | str:
    """A line that holds, or a sentence that says why it does not."""
    where = f"line {number}" if number else "the last line"
    if not raw.endswith(b"\n"):
        return f"{where} is cut off after {len(raw)} bytes: a crash, which the next start of the service mends"
    try:
        line = json.loads(raw)
        said = line.pop("hash")
        good = raw == _canonical({**line, "hash": said}) + b"\n" and said == _hash(line)
        known = isinstance(line["seq"], int) and isinstance(line["at"], str) and isinstance(line["action"], str)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{where} is no line of such a log"
    if not good or not known:
        return f"{where} is not as it was written"
    if number is not None and line["seq"] != number:
        return f"{where} says to be line {line['seq']}: lines were taken out or put in"
    if last is not None and line["prev"] != last:
        return f"{where} does not follow the line before it: lines were taken out, put in or changed"
    return {**line, "hash": said}


def _ends(file: BinaryIO) -> tuple[bytes | None, int, bytes | None]:
    """The last whole line, how many bytes follow it, and the first line; ``None`` where there is no whole line."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - 2 * MAX_LINE)
    file.seek(start)
    whole, newline, torn = file.read().rpartition(b"\n")
    if not newline:
        return None, len(torn), None
    file.seek(0)
    return whole.rpartition(b"\n")[2] + b"\n", len(torn), file.readline(MAX_LINE)


def _hash(line: Mapping[str, Any]) -> str:
    """SHA-256 of a line without its hash; the hash of the line before is a part of it."""
    return hashlib.sha256(_canonical(line)).hexdigest()


def _canonical(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _alone(file: BinaryIO, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BadChain(f"another service writes to {path}; name another file for this one") from error
