"""A gallery is built in Milvus: closed to readers until it is whole; a killed build goes on when it is run again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from index.errors import GalleryExists, GalleryMissing
from index.milvus import MilvusGallery
from retrieval.filling import BuildReport, Progress, Reading, fill, fingerprint

if TYPE_CHECKING:
    from retrieval.streams import Stream
    from retrieval.towers.bundle import Bundle


def build_in_milvus(
    place: str | Path, stream: Stream, towers: Bundle, progress: Progress | None, reading: Reading
) -> BuildReport:
    """As ``retrieval.galleries.build_gallery`` at a place in Milvus; with no usable case nothing stays there.

    Raises:
        GalleryExists: when a gallery stands there that is whole.
        GalleryBusy: when another process builds it.
    """
    with _unfinished(str(place), stream, towers) as gallery:
        report = fill(gallery, stream, towers, progress=progress, reading=reading)
        if report.cases:
            gallery.finish_building()
        else:
            gallery.drop()
    return report


@contextmanager
def _unfinished(place: str, stream: Stream, towers: Bundle) -> Iterator[MilvusGallery]:
    """The gallery of a build: that of the same build where one was stopped, else an empty one."""
    try:
        gallery = MilvusGallery.open(place, read_only=False)
    except GalleryMissing:
        pass
    else:
        with gallery:
            if not gallery.building:
                raise GalleryExists(f"{place}: a gallery is there already; name another, or drop that one first")
            if gallery.bundle_sha256 == towers.sha256 and gallery.ingest(fingerprint(stream, towers)):
                yield gallery
                return
            gallery.drop()
    with MilvusGallery.create(
        place,
        bundle_name=towers.name,
        bundle_sha256=towers.sha256,
        dim=towers.dim,
        simulated=stream.simulated,
        building=True,
    ) as gallery:
        yield gallery
