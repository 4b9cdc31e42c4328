"""What a disk may hold after the power went: only what was forced to it, or any part of the rest besides.

A model of the strictest file system that POSIX allows. A file's bytes are sure from its fsync on, and a name from the
fsync of its folder on; of what came later any part may be there, whatever its order. Renames in one folder are whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

_HEAD = struct.Struct("<5q")
DONE_CALL = "="
"""The kind of an entry that is no call: the step was acknowledged."""
LOST_ON_START = "-shm"
"""SQLite makes this file anew when nobody has the database open; it is in memory only."""


@dataclass(frozen=True)
class Call:
    """A call that changed a file, as the C library wrote it down: its kind, paths, place or size, and bytes."""

    kind: str
    path: str
    other: str
    offset: int
    data: bytes


def calls_of(trace: bytes, root: Path) -> list[Call]:
    """The calls of a trace, with paths from ``root`` on."""
    found, at, base = [], 0, len(str(root.resolve())) + 1
    while at < len(trace):
        kind, path, other, data, offset = _HEAD.unpack_from(trace, at)
        at += _HEAD.size
        name, new_name = (part.decode()[base:] for part in (trace[at : at + path], trace[at + path :][:other]))
        at += path + other
        found.append(Call(chr(kind), name, new_name, offset, trace[at : at + data]))
        at += data
    return found


@dataclass
class _File:
    sure: bytearray = field(default_factory=bytearray)
    now: bytearray = field(default_factory=bytearray)
    since: list[Call] = field(default_factory=list)

    def change(self, call: Call) -> None:
        _apply(self.now, call)
        self.since.append(call)

    def sync(self) -> None:
        self.sure, self.since = bytearray(self.now), []

    def left(self, rng: Random | None) -> bytes:
        """Its bytes after the power went; with ``rng`` some of the calls since the last fsync are done as well."""
        found = bytearray(self.sure)
        for call in self.since if rng else ():
            if rng is not None and rng.random() < 0.5:
                cut = rng.random() < 0.2 and len(call.data) > 1
                _apply(found, Call(call.kind, "", "", call.offset, call.data[: len(call.data) // (1 + cut)]))
        return bytes(found)


@dataclass
class _Folder:
    sure: dict[str, _File | _Folder] = field(default_factory=dict)
    now: dict[str, _File | _Folder] = field(default_factory=dict)
    since: list[dict[str, _File | _Folder]] = field(default_factory=list)
    """What it held after each call since its last fsync."""

    def changed(self) -> None:
        self.since.append(dict(self.now))

    def sync(self) -> None:
        self.sure, self.since = dict(self.now), []

    def left(self, rng: Random | None) -> dict[str, _File | _Folder]:
        return rng.choice([self.sure, *self.since]) if rng else self.sure


def _apply(content: bytearray, call: Call) -> None:
    if call.kind == "w":
        content.extend(bytes(max(0, call.offset - len(content))))
        content[call.offset : call.offset + len(call.data)] = call.data
    else:
        content[:] = content[: call.offset].ljust(call.offset, b"\0")


class Disk:
    """A folder as a disk holds it, and the calls that change it.

    Args:
        start: a folder whose content is sure.
    """

    def __init__(self, start: Path) -> None:
        self._root = _read(start)

    def do(self, call: Call) -> None:
        """One call, in the order of the trace."""
        if call.kind in "wts":
            found = self._find(call.path)
            if isinstance(found, _File):  # one that was removed has no name any more
                found.sync() if call.kind == "s" else found.change(call)
            return
        if call.kind == "d":
            found = self._find(call.path)
            if isinstance(found, _Folder):
                found.sync()
            return
        folder, name = self._parent(call.path)
        if call.kind == "c":
            folder.now[name] = _File()
        elif call.kind == "m":
            folder.now[name] = _Folder()
        elif call.kind in "ux":
            folder.now.pop(name, None)
        elif call.kind == "r":
            moved = folder.now.pop(name)
            target, new_name = self._parent(call.other)
            target.now[new_name] = moved
            if target is not folder:
                target.changed()
        folder.changed()

    def write_to(self, folder: Path, rng: Random | None = None) -> None:
        """What is left after the power goes now: what is sure, and with ``rng`` some of the rest."""
        for path, content in _files(self._root, Path(), rng):
            place = folder / path
            if content is None:
                place.mkdir(parents=True, exist_ok=True)
            elif not path.name.endswith(LOST_ON_START):
                place.write_bytes(content)

    def _find(self, path: str) -> _File | _Folder | None:
        found: _File | _Folder | None = self._root
        for part in Path(path).parts:
            found = found.now.get(part) if isinstance(found, _Folder) else None
        return found

    def _parent(self, path: str) -> tuple[_Folder, str]:
        found = self._find(str(Path(path).parent))
        if not isinstance(found, _Folder):
            raise ValueError(f"the trace names {path}, whose folder was never made")
        return found, Path(path).name


def _read(place: Path) -> _Folder:
    found = _Folder()
    for entry in place.iterdir():
        content = None if entry.is_dir() else bytearray(entry.read_bytes())
        found.now[entry.name] = _read(entry) if content is None else _File(content, bytearray(content))
    found.sync()
    return found


def _files(folder: _Folder, path: Path, rng: Random | None) -> Iterator[tuple[Path, bytes | None]]:
    """The paths and bytes of what is left; a folder has none."""
    yield path, None
    for name, entry in folder.left(rng).items():
        if isinstance(entry, _Folder):
            yield from _files(entry, path / name, rng)
        else:
            yield path / name, entry.left(rng)
