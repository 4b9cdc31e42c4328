"""A gallery moves to another bundle: every case is encoded anew; the old vectors serve until all are there."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from index import Case, Gallery
from index.errors import GalleryError, UnknownCase
from retrieval.ecg.page import Gray, canonical_page
from retrieval.filling import CHUNK, Progress
from retrieval.waveforms import unpack

if TYPE_CHECKING:
    from retrieval.towers.bundle import Bundle


class NotEmbeddable(GalleryError):
    """A case keeps nothing that a tower could read."""

    kind = "not_embeddable"


def reembed(path: str | Path, towers: Bundle, *, progress: Progress | None = None) -> int:
    """Make the vectors of a gallery anew with other towers; called again after a kill, it goes on.

    Args:
        path: the gallery.
        towers: the bundle to move to.
        progress: called with (cases done, all).

    Returns:
        The new generation, or the present one when the gallery is of that bundle already.

    Raises:
        NotEmbeddable: when a case keeps neither its waveform nor its page; the gallery stays as it is.
        ReembedUnderWay: when a move to a third bundle is under way.
    """
    with Gallery.open(path, read_only=False) as gallery:
        if gallery.bundle_sha256 == towers.sha256:
            return gallery.info().generation
        waiting = gallery.reembed_begin(towers.name, towers.sha256, towers.dim)
        total = len(gallery)
        done = total - waiting
        while ids := gallery.reembed_pending(CHUNK):
            with suppress(UnknownCase):  # deleted or replaced by another process meanwhile: what waits is asked anew
                images = [image_of(case, towers) for case in gallery.cases(ids)]
                gallery.reembed_put(ids, towers.encode_pages(images))
                done += len(ids)
                if progress:
                    progress(min(done, total), total)
        generation = gallery.reembed_finish()
        gallery.prepare_index()
        return generation


def image_of(case: Case, towers: Bundle) -> Gray:
    """What the image tower reads of a case that a gallery keeps.

    Raises:
        NotEmbeddable: when the case keeps neither waveform nor page, or only a page and the tower reads waveforms.
    """
    recording = None if case.waveform is None else unpack(case.waveform)
    page = _page(case.page) if case.page is not None else None
    if page is None and recording is not None:
        page = canonical_page(recording).pixels
    if page is None or (recording is None and not towers.encoding.is_page):
        kept = "neither waveform nor page" if page is None else "only its page, and the bundle reads waveforms"
        raise NotEmbeddable(f"case {case.case_id!r} keeps {kept}; delete it, or move to another bundle")
    return towers.image_of(page, recording)


def _page(png: bytes) -> Gray:
    import cv2

    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
