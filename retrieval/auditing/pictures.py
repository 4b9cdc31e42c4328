"""Small pictures of the ECGs that the page shows, and what it says of their nearest cases."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import Case, CaseGallery
from retrieval.auditing.entries import Entry
from retrieval.auditing.journal import Journal, Row
from retrieval.auditing.tables import statements_text
from retrieval.ecg.page import canonical_page
from retrieval.errors import BadInput, ExtraMissing, NearBeatError
from retrieval.filling import Progress
from retrieval.intake.worker import Reader, workers_for
from retrieval.waveforms import unpack

SHOWN = 3
"""Nearest cases with a picture."""
GRAYS = 8

Pixels = NDArray[np.uint8]


def keep_cards(
    journal: Journal, gallery: CaseGallery, entries: Sequence[Entry], progress: Progress | None = None
) -> None:
    """Draw these ECGs and their nearest cases once more, and keep that for the page.

    Args:
        journal: with the rows of the entries.
        gallery: with their nearest cases.
        entries: those that the page shows with pictures.
        progress: called with (done, all).
    """
    journal.keep_cards(_cards(journal, gallery, entries, progress))


def png(pixels: Pixels) -> str:
    """A page in few grays as PNG in base 64: about 6 kB."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(pixels).quantize(GRAYS).save(data, "PNG", optimize=True)
    return base64.b64encode(data.getvalue()).decode()


def page_of(case: Case) -> Pixels | None:
    """The canonical page of a case; None where it holds neither a recording nor a page."""
    try:
        if case.waveform is not None:
            return canonical_page(unpack(case.waveform)).pixels
        if case.page is not None:
            from PIL import Image

            with Image.open(io.BytesIO(case.page)) as image:
                return np.asarray(image.convert("L"))
    except (NearBeatError, OSError):
        return None  # the case is still shown, without its picture
    return None


def _cards(
    journal: Journal, gallery: CaseGallery, entries: Sequence[Entry], progress: Progress | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    with Reader(workers_for(len(entries))) as reader:
        paths: list[Path] = [entry.path for entry in entries if entry.path is not None]
        coming = reader.ahead(paths)
        for done, entry in enumerate(entries, 1):
            (row,) = journal.rows("number = ?", (entry.number,))
            if entry.path is None:
                own = page_of(gallery.cases([entry.file])[0])
            else:
                try:
                    own = next(coming).result().page.pixels
                except (BadInput, ExtraMissing):
                    own = None  # it could be read before, and is gone now
            yield row.number, {"picture": None if own is None else png(own), "cases": _cases(gallery, row)}
            if progress:
                progress(done, len(entries))


def _cases(gallery: CaseGallery, row: Row) -> list[dict[str, Any]]:
    nearest = (row.facts.get("nearest") or [])[:SHOWN]
    found = []
    for (case_id, score), case in zip(nearest, gallery.cases([one for one, _ in nearest]), strict=True):
        drawn = page_of(case)
        found.append(
            {
                "case_id": case_id,
                "score": score,
                "report": case.report,
                "statements": statements_text(case.statements),
                "age": case.age,
                "sex": case.sex,
                "picture": None if drawn is None else png(drawn),
            }
        )
    return found
