"""The desk of the service: one engine and the processes that read files, for any number of threads.

Whatever is handed out names no folder of this machine: of a file its name, of a gallery its folder's name.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, TYPE_CHECKING, Any

from index import Case
from retrieval.answer import Answer, RankedBy
from retrieval.errors import BadArgument, NearBeatError
from retrieval.service.scratch import Scratch
from retrieval.service.settings import Limits

if TYPE_CHECKING:
    from index import GalleryInfo
    from retrieval.engine import Engine, WhereText
    from retrieval.evidence import Evidence
    from retrieval.intake import Intake
    from retrieval.intake.correction import Correction
    from retrieval.intake.worker import Reader
    from retrieval.service.chain import ChainLog

Upload = bytes | IO[bytes]
"""The bytes of a file, or a file that stands at its start."""


class Desk:
    """Reads uploads, asks the engine, and gives evidence; safe to use from several threads. It closes the engine.

    Args:
        engine: an open engine.
        limits: of a request.
        reader: the processes that read files, where they are not to be this desk's own.
        log: where each of these requests and its answer is put down, for the actor that ``who`` knows.
    """

    def __init__(
        self,
        engine: Engine,
        limits: Limits | None = None,
        reader: Reader | None = None,
        log: ChainLog | None = None,
    ) -> None:
        from retrieval.intake.worker import THREADS_FOR_ONE, Reader

        self.engine, self.limits, self.log = engine, limits or Limits(), log
        self.reader = reader or Reader(
            self.limits.workers,
            seconds=self.limits.seconds,
            memory_mb=self.limits.memory_mb,
            threads=THREADS_FOR_ONE,
        )
        self.ready = False
        """Whether ``warm`` has been through."""
        self._scratch = Scratch()
        self._encoders = threading.BoundedSemaphore(self.limits.workers)

    def __enter__(self) -> Desk:
        """Give the desk itself; it is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the desk."""
        self.close()

    def read(
        self,
        data: Upload,
        name: str,
        *,
        page: int | None = None,
        correction: Correction | None = None,
        beside: Mapping[str, Upload] | None = None,
    ) -> Intake:
        """Read an upload in a process of its own.

        Args:
            data: the file.
            name: what it was called where it comes from; folders in it are passed over.
            page: which page, from 1; without it, the first with an ECG.
            correction: what a person set by hand.
            beside: files that belong to it by name, such as the ``.dat`` of a WFDB header.

        Raises:
            BadInput: its children say what is wrong with the file.
        """
        more: dict[str, Any] = {} if correction is None else {"correction": correction}
        asked: dict[str, Any] = {"page": page, "corrected": correction is not None}
        own = file_name(name)
        with self._scratch.folder() as folder, self._refusals("read", asked):
            for other, content in (beside or {}).items():
                _write(folder / file_name(other), content)
            asked["file"] = self._digest(_write(folder / own, data))
            intake = self.reader.start(folder / own, page, **more).result()
        self._put_down("read", {**asked, "kind": intake.kind})
        return replace(intake, file=own)

    def look(self, data: Upload, name: str, page: int | None = None) -> tuple[bytes, tuple[int, int]]:
        """A page of an upload as a JPEG that a browser can show, and the page's own width and height in pixels.

        Raises:
            BadInput: when it has no picture, or its child says what is wrong with the file.
        """
        import cv2

        asked: dict[str, Any] = {"page": page}
        own = file_name(name)
        with self._scratch.folder() as folder, self._refusals("look", asked):
            asked["file"] = self._digest(_write(folder / own, data))
            rgb, size = self.reader.look(folder / own, page)
        self._put_down("look", asked)
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 88))
        return jpeg.tobytes(), size

    def query(
        self,
        intake: Intake,
        k: int,
        where: WhereText | None = None,
        text: str | None = None,
        patient: str | None = None,
        as_written: bool = False,
    ) -> Answer:
        """The ``k`` nearest cases of what was read, with a sentence added to the picture where one is given.

        Raises:
            NearBeatError: as ``Engine.query``.
        """
        more: dict[str, Any] = {} if text is None else {"text": text, "as_written": as_written}
        asked = self._asked(k, where, text) | {"patient": patient is not None}
        with self._encoders, self._refusals("query", asked):
            self._check(k, text, where)
            answer = self.engine.query(intake, k, patient_key=patient, where=where, **more)
        return self._answered("query", asked, answer)

    def search(
        self, text: str, k: int, where: WhereText | None = None, by: RankedBy = "both", as_written: bool = False
    ) -> Answer:
        """The first ``k`` cases for a sentence.

        Raises:
            NearBeatError: as ``Engine.search``.
        """
        asked = self._asked(k, where, text) | {"by": by}
        with self._encoders, self._refusals("search", asked):
            self._check(k, text, where)
            answer = self.engine.search(text, k, where=where, by=by, as_written=as_written)
        return self._answered("search", asked, answer)

    def like(self, case_id: str, k: int, where: WhereText | None = None) -> Answer:
        """The cases nearest to a case of the gallery.

        Raises:
            UnknownCase: when there is none of that id.
        """
        asked = self._asked(k, where, None) | {"case": self._digest(case_id)}
        with self._refusals("like", asked):
            self._check(k, None, where)
            answer = self.engine.like(case_id, k, where=where)
        return self._answered("like", asked, answer)

    def weigh(self, answer: Answer) -> Evidence:
        """What speaks for and against an answer."""
        from retrieval.evidence import weigh

        found = weigh(self.engine, answer)
        if found.contrary is None:
            return found
        hit = found.contrary.hit
        return replace(found, contrary=replace(found.contrary, hit=replace(hit, case=shown_case(hit.case))))

    def case(self, case_id: str) -> Case:
        """One case of the gallery.

        Raises:
            UnknownCase: when there is none of that id.
        """
        with self._refusals("case", {"case": self._digest(case_id)}):
            found = self.engine.gallery.cases([case_id])[0]
        self._put_down("case", {}, ids=[found.case_id])
        return shown_case(found)

    def info(self) -> GalleryInfo:
        """The facts about the gallery."""
        found = self.engine.gallery.info()
        return replace(found, path=place_name(found.path))

    def plain(self, message: str) -> str:
        """A sentence in one line, without the folders of this machine."""
        gallery = str(self.engine.gallery.path)
        if message.startswith(f"{gallery}:"):  # as its errors begin; it may be as short as "."
            message = place_name(gallery) + message.removeprefix(gallery)
        for place in (str(self._scratch.path), str(Path(gallery).resolve()), gallery):
            if Path(place).is_absolute() or "://" in place:
                message = message.replace(place + "/", "").replace(place, place_name(place))
        return " ".join(message.split())

    def warm(self) -> None:
        """Do once what a first request would wait for: start each process, load both towers, load the vectors."""
        from retrieval.service.warming import example_page, example_recording

        page = example_page()
        with self._scratch.folder() as folder:
            _write(folder / "warm.png", page)
            wait([self.reader.start(folder / "warm.png") for _ in range(self.limits.workers)])
        with suppress(NearBeatError):  # an empty gallery has no nearest case
            self.weigh(self.engine.query(example_recording(), 1))
            self.engine.search("sinus rhythm", 1)
        self.ready = True

    def close(self) -> None:
        """End the processes, close the engine, and leave no upload behind."""
        self.ready = False
        self.reader.close()
        self.engine.close()
        self._scratch.remove()

    def _asked(self, k: int, where: WhereText | None, text: str | None) -> dict[str, Any]:
        """What was asked, in form: neither sentence nor condition."""
        given = {"where": where if where is None or isinstance(where, str) else repr(where), "text": text}
        return {"k": k, **{name: None if value is None else self._digest(value) for name, value in given.items()}}

    def _answered(self, action: str, asked: Mapping[str, Any], answer: Answer) -> Answer:
        place, model = answer.gallery, answer.model
        ids = [hit.case_id for hit in answer.hits]
        self._put_down(action, asked, ids=ids, generation=place.generation, bundle=model.sha256)
        return shown(answer)

    @contextmanager
    def _refusals(self, action: str, asked: Mapping[str, Any]) -> Iterator[None]:
        """Put down what is refused inside the block."""
        try:
            yield
        except NearBeatError as error:
            self._put_down(action, asked, outcome=error.kind)
            raise

    def _put_down(self, action: str, asked: Mapping[str, Any], **more: Any) -> None:
        if self.log is not None:
            self.log.append(action, {name: value for name, value in asked.items() if value is not None}, **more)

    def _digest(self, value: str) -> str | None:
        return None if self.log is None else self.log.digest(value)

    def _check(self, k: int, text: str | None, where: WhereText | None) -> None:
        limits = self.limits
        if not 1 <= k <= limits.k:
            raise BadArgument(f"k is {k}; this service answers with 1 to {limits.k} cases")
        for what, value in (("sentence", text), ("condition", where)):
            if isinstance(value, str) and len(value) > limits.letters:
                raise BadArgument(f"the {what} has {len(value)} letters; {limits.letters} are allowed")


def shown(answer: Answer) -> Answer:
    """An answer as strangers may see it: the gallery by its folder's name, no source that is a whole path."""
    return replace(
        answer,
        gallery=replace(answer.gallery, path=place_name(answer.gallery.path)),
        hits=tuple(replace(hit, case=shown_case(hit.case)) for hit in answer.hits),
        earlier=tuple(shown_case(case) for case in answer.earlier),
    )


def place_name(place: str | Path) -> str:
    """The last part of where a gallery stands: of its folder, or of its address on another machine."""
    return str(place).rstrip("/").rpartition("/")[2] if "://" in str(place) else Path(place).resolve().name


def shown_case(case: Case) -> Case:
    """A case whose source, where it is a whole path, is the end of that path."""
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(case.source)
        if path.is_absolute():
            return replace(case, source="/".join(path.parts[1:][-2:]))
    return case


def file_name(name: str, most_bytes: int = 120) -> str:
    """The last part of what a client calls a file, made fit for any file system; its suffix is kept."""
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = (
        "".join(letter for letter in last if letter.isprintable() and letter not in '<>:"|?*').strip().rstrip(" .")
    )
    stem, dot, suffix = clean.rpartition(".")
    stem, suffix = (stem, suffix[:12]) if dot else (clean, "")
    short = stem.encode("utf-8", "ignore")[:most_bytes].decode("utf-8", "ignore")
    end = suffix.encode("utf-8", "ignore").decode("utf-8", "ignore")
    return (short or "upload") + (f".{end}" if end else "")


def _write(path: Path, data: Upload) -> str:
    """Write an upload to a place where nothing stands; its SHA-256."""
    source, seen = io.BytesIO(data) if isinstance(data, bytes) else data, hashlib.sha256()
    try:
        with path.open("xb") as file:
            while chunk := source.read(1 << 20):
                seen.update(chunk)
                file.write(chunk)
    except FileExistsError as error:
        raise BadArgument(f"two of the files are called '{path.name}'; give each a name of its own") from error
    return seen.hexdigest()
