"""Galleries from PTB-XL, from a folder of files with a CSV of reports, and of simulated cases (the default).

A gallery is built beside its place and renamed into it: whoever looks finds no gallery, or a whole one. What a killed
build has done stays beside that place, and the same build goes on from there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from index import Gallery, in_milvus, open_at
from index.connection import DATABASE
from index.errors import GalleryBusy, GalleryError, GalleryExists
from retrieval.filling import BuildReport, Progress, Reading, fill, fingerprint, read_here
from retrieval.streams import Refusal, Stream, files_stream, ptbxl_stream, simulated_stream

if TYPE_CHECKING:
    from retrieval.towers.bundle import Bundle

try:
    import fcntl
except ImportError:  # there is no such lock on Windows: two builds of one gallery at once are the user's to avoid
    fcntl = None

DEFAULT_CASES = 400
_DEFAULT_RECIPE = 1
"""Raise it when the simulator or the choice of cases changes, so that old default galleries are left alone."""


def build_gallery(
    path: str | Path,
    stream: Stream,
    towers: Bundle,
    *,
    replace: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
    reading: Reading = read_here,
) -> BuildReport:
    """Encode the cases of a stream and store them in a new gallery; called again after a kill, it goes on.

    Args:
        path: the folder to make, or a place in Milvus.
        stream: the cases, and files that were refused on the way.
        towers: the bundle; its hash is written into the gallery.
        replace: take the place of a gallery that stands there.
        wait: for another process that builds the same gallery, instead of refusing.
        progress: called with (items done, all).
        reading: where the cases are read and encoded; a build begun in one place may be finished in another.

    Raises:
        GalleryExists: when something stands there and ``replace`` is not given.
        GalleryBusy: when another process builds it.
        GalleryError: when not one case could be used.
    """
    if in_milvus(path):
        return _build_in_milvus(path, stream, towers, replace, progress, reading)
    target = Path(path)
    _check_target(target, replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.parent / f".{target.name}.building"
    with _alone(made, target, wait):
        _check_target(target, replace)  # another process may have finished it meanwhile
        with _unfinished(made, stream, towers) as gallery:
            report = fill(gallery, stream, towers, progress=progress, reading=reading)
        if not report.cases:
            shutil.rmtree(made)
            raise GalleryError(_nothing_usable(report.refused))
        _move_into_place(made, target, replace)
    return BuildReport(target, report.cases, report.refused, report.missing, report.resumed)


def add_to_gallery(
    path: str | Path,
    stream: Stream,
    towers: Bundle,
    *,
    update: bool = False,
    progress: Progress | None = None,
    reading: Reading = read_here,
) -> BuildReport:
    """Take a stream into a gallery that stands; called again after a kill, it goes on and doubles nothing.

    Args:
        path: the gallery, a folder or a place in Milvus.
        stream: the cases.
        towers: the bundle that made the gallery's vectors.
        update: whether a case whose id is there takes the place of that one; else it is refused by name.
        progress: called with (items done, all).
        reading: where the cases are read and encoded.

    Raises:
        GalleryMissing: when there is none.
        WrongBundle: when another bundle made its vectors.
    """
    with open_at(path, read_only=False, bundle_sha256=towers.sha256) as gallery:
        return fill(gallery, stream, towers, update=update, progress=progress, reading=reading)


def _build_in_milvus(
    place: str | Path, stream: Stream, towers: Bundle, replace: bool, progress: Progress | None, reading: Reading
) -> BuildReport:
    from retrieval.milvus_building import build_in_milvus

    if replace:
        raise GalleryExists(f"{place}: a gallery in Milvus is not replaced by a build; drop it first")
    report = build_in_milvus(place, stream, towers, progress, reading)
    if not report.cases:
        raise GalleryError(_nothing_usable(report.refused))
    return report


def build_from_ptbxl(
    folder: str | Path, folds: Sequence[int], path: str | Path, towers: Bundle, progress: Progress | None = None
) -> BuildReport:
    """A gallery of the records of these folds that are there; the others are counted.

    Raises:
        CorpusError: when the folder is no PTB-XL, or holds no record of the folds.
    """
    return build_gallery(path, ptbxl_stream(folder, folds), towers, progress=progress)


def build_from_files(
    folder: str | Path, table: str | Path, path: str | Path, towers: Bundle, progress: Progress | None = None
) -> BuildReport:
    """A gallery of the files that a CSV of reports names; bad files are refused one by one.

    Raises:
        BadInput: when the table cannot be read.
    """
    return build_gallery(path, files_stream(folder, table), towers, progress=progress)


def build_simulated(
    path: str | Path,
    towers: Bundle,
    cases: int = DEFAULT_CASES,
    *,
    replace: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """A gallery of simulated cases, each condition equally often."""
    return build_gallery(path, simulated_stream(cases), towers, replace=replace, wait=wait, progress=progress)


def default_gallery(towers: Bundle, progress: Progress | None = None) -> Path:
    """The embedded default: simulated cases, built once for each bundle under the user's cache directory."""
    path = default_path(towers.sha256)
    if not (path / DATABASE).is_file():
        with suppress(GalleryExists):  # when another process was quicker, it built the same cases
            build_simulated(path, towers, DEFAULT_CASES, wait=True, progress=progress)
    return path


def default_path(bundle_sha256: str) -> Path:
    """Where the default gallery of a bundle stands, whether it is built or not."""
    cache = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"
    return root / "nearbeat" / "galleries" / f"simulated-{DEFAULT_CASES}-r{_DEFAULT_RECIPE}-{bundle_sha256[:16]}"


@contextmanager
def _alone(made: Path, target: Path, wait: bool) -> Iterator[None]:
    """Hold the lock of a build; the file goes with the folder's last build."""
    lock = made.with_name(f"{made.name}.lock")
    with lock.open("w") as held:
        if fcntl is not None:
            try:
                fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise GalleryBusy(f"{target}: another process is building this gallery; wait for it") from error
        try:
            yield
        finally:
            if not made.exists():
                lock.unlink(missing_ok=True)


@contextmanager
def _unfinished(made: Path, stream: Stream, towers: Bundle) -> Iterator[Gallery]:
    """The gallery of a build: that of the same build where one was stopped, else an empty one."""
    if (made / DATABASE).is_file():
        try:
            gallery = Gallery.open(made, read_only=False, bundle_sha256=towers.sha256)
        except GalleryError:  # of another bundle, or cut off while it was made: there is nothing to go on from
            pass
        else:
            with gallery:
                if gallery.ingest(fingerprint(stream, towers)):
                    yield gallery
                    return
    shutil.rmtree(made, ignore_errors=True)
    with Gallery.create(
        made, bundle_name=towers.name, bundle_sha256=towers.sha256, dim=towers.dim, simulated=stream.simulated
    ) as gallery:
        yield gallery


def _check_target(target: Path, replace: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not replace:
        raise GalleryExists(f"{target} is there already; name a new folder, or remove that one first")
    if not (target / DATABASE).exists():
        raise GalleryExists(
            f"{target} holds something that is no gallery, and is not overwritten; name another folder"
        )


def _move_into_place(made: Path, target: Path, replace: bool) -> None:
    if replace and target.exists():
        aside = made.with_name(f"{made.name}.replaced")
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
        shutil.rmtree(aside)
    try:
        made.rename(target)  # takes the place of an empty folder, never of a full one
    except OSError as error:
        raise GalleryExists(f"{target} appeared while its gallery was built; remove it and build again") from error


def _nothing_usable(refused: Sequence[Refusal]) -> str:
    if not refused:
        return "there is no case to put into the gallery; the table of reports has no line"
    first = refused[0]
    return f"not one of {len(refused)} files could be used; the first, {first.file}: {first.message}"
