"""Forms as they arrive: text fields and files, held in memory and nowhere else, bounded while they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import parse_qs

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from retrieval.errors import BadArgument, EmptyFile, TooLarge
from retrieval.web.asked import Upload

MAX_FILES, MAX_FIELDS, MAX_TEXT_BYTES = 6, 200, 100_000


@dataclass(frozen=True)
class Sent:
    """A form: its text fields, each with all its values, and its files in order, empty ones left out."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: tuple[tuple[str, bytes], ...] = ()

    def upload(self) -> Upload | None:
        """The files as one upload: a WFDB record's header before its samples, a table before what declares it.

        Raises:
            EmptyFile: when a file holds nothing.
        """
        if not self.files:
            return None
        suffixes = {".hea": 0, ".json": 2}
        ordered = sorted(self.files, key=lambda file: suffixes.get(PurePath(file[0]).suffix.lower(), 1))
        (name, data), *others = ordered
        if not data:
            raise EmptyFile(f"'{name}' is empty (0 bytes)")
        return Upload(data, name, dict(others))


async def read_form(request: Request, most_bytes: int) -> Sent:
    """Read the form of a request.

    Raises:
        TooLarge: when it is over ``most_bytes``.
        BadArgument: when it is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _bounded(request.stream(), most_bytes if kind == "multipart/form-data" else MAX_TEXT_BYTES)
    if kind != "multipart/form-data":
        raw = b"".join([part async for part in body])
        return Sent(parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=False, max_num_fields=MAX_FIELDS))
    parser = MultiPartParser(
        request.headers, body, max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_TEXT_BYTES
    )
    parser.spool_max_size = most_bytes + 1  # a file that is held in memory is never written to a disk
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise BadArgument("the form could not be read; send it again") from error
    texts: dict[str, list[str]] = {}
    files: list[tuple[str, bytes]] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if value.filename:
                files.append((value.filename, await value.read()))
            await value.close()
        elif value:
            texts.setdefault(name, []).append(value)
    return Sent(texts, tuple(files))


async def _bounded(stream: AsyncGenerator[bytes, None], most_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for part in stream:
        received += len(part)
        if received > most_bytes:
            raise TooLarge(f"more than {most_bytes / 1e6:.0f} MB were sent; an ECG page is smaller")
        yield part
