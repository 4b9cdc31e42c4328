"""What an opened file offers: pages as pictures, or recordings, each loaded when it is asked for."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from retrieval.errors import BadInput, DamagedFile, ExtraMissing, FileMissing, TooLarge
from retrieval.intake.limits import MAX_BYTES, MAX_UNPACKED
from retrieval.intake.result import Finding, Intake

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from retrieval.ecg.recording import Recording

_T = TypeVar("_T")
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Source:
    """The bytes of a file and where they lie; a ``.gz`` is unpacked, and ``path`` is then its name without that.

    Args:
        path: where the file lies, for its name and its companions.
        data: its content.
    """

    path: Path
    data: bytes

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name


@dataclass(frozen=True)
class Sheet:
    """One page as a picture: ``rgb`` uint8 ``[height, width, 3]``, upright as its file says."""

    rgb: NDArray[np.uint8]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Recorded:
    """One recording of a file, with what its reader had to assume."""

    recording: Recording
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Opened:
    """A file whose header was understood.

    Args:
        kind: the kind of file, as in ``Intake.kind``.
        pages: how many pages or records it has.
        load: page or record by number, from 1; it raises ``BadInput`` for one that cannot be had.
    """

    kind: str
    pages: int
    load: Callable[[int], Sheet | Recorded]


@dataclass(frozen=True)
class Refusal:
    """A page or record that was not read: its number, the kind of error (``BadInput.kind``) and the sentence."""

    number: int
    kind: str
    message: str


@dataclass(frozen=True)
class Contents:
    """All that a file holds: what was read, and what was not with the reason.

    Args:
        file: the path as it was given.
        kind: the kind of file.
        pages: how many pages or records the file has; each is in ``intakes`` or in ``refusals``.
    """

    file: str
    kind: str
    pages: int
    intakes: tuple[Intake, ...]
    refusals: tuple[Refusal, ...]


def load_source(path: Path) -> Source:
    """Read a file's bytes, unpacked where it is gzip.

    Raises:
        FileMissing: not to be opened.
        TooLarge: over 200 MB, or over 64 MB when unpacked.
        DamagedFile: a gzip file that ends early.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise TooLarge(f"'{path.name}' has {size / 1e6:.0f} MB; at most {MAX_BYTES // 10**6} are read")
        data = path.read_bytes()
    except OSError as error:
        raise FileMissing(f"'{path.name}' cannot be read ({error.strerror}); check its permissions") from error
    if not data.startswith(GZIP):
        return Source(path, data)
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return Source(plain, inflate(data, path.name, window=31))


def inflate(data: bytes, name: str, window: int) -> bytes:
    """Unpack zlib's formats (``window`` 31 for gzip, -15 for raw deflate), never past the limit.

    Raises:
        TooLarge: it unpacks to more than 64 MB.
        DamagedFile: it ends early or is no such stream.
    """
    unpacker = zlib.decompressobj(window)
    try:
        plain = unpacker.decompress(data, MAX_UNPACKED + 1)
    except zlib.error as error:
        raise DamagedFile(f"'{name}' cannot be unpacked ({error}); fetch it again") from error
    if len(plain) > MAX_UNPACKED:
        raise TooLarge(f"'{name}' unpacks to more than {MAX_UNPACKED // 10**6} MB, the most that is read")
    if not unpacker.eof:
        raise DamagedFile(f"'{name}' is truncated: its packed content ends early; fetch it again")
    return plain


def understood(kind: str, name: str, work: Callable[[], _T]) -> _T:
    """Do a reader's work; whatever a parser stumbles over in a damaged file becomes ``DamagedFile``.

    Readers check what they know to go wrong and say so better. This is for the rest: a parser of somebody else's
    bytes has more ways to fail than anybody lists.
    """
    try:
        return work()
    except (BadInput, ExtraMissing, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DamagedFile(f"'{name}' cannot be understood as {kind} ({reason}); export it again") from error
