"""Where a gallery stands: a folder of this machine, or a place in Milvus; both are opened the same way."""

from __future__ import annotations

from pathlib import Path

from index.contract import CaseGallery
from index.gallery import Gallery
from index.milvus.gallery import MilvusGallery
from index.milvus.place import place_in


def in_milvus(place: str | Path) -> bool:
    """Whether a place is one in Milvus (:mod:`index.milvus.place`) and no folder.

    Raises:
        GalleryError: when it begins as a place in Milvus and is none.
    """
    return place_in(place) is not None


def open_at(place: str | Path, *, read_only: bool = True, bundle_sha256: str | None = None) -> CaseGallery:
    """Open the gallery in a folder or at a place in Milvus.

    Args:
        place: the folder, ``milvus+http://HOST:PORT/NAME`` or ``milvus+file:FILE.db#NAME``.
        read_only: whether changes are refused.
        bundle_sha256: the bundle at hand, when the gallery shall be refused that another bundle made.

    Raises:
        GalleryMissing: when there is none.
        WrongBundle: when another bundle made its vectors.
        ExtraMissing: when it is in Milvus and pymilvus is not installed.
    """
    found = place_in(place)
    if found is not None:
        return MilvusGallery.open(found, read_only=read_only, bundle_sha256=bundle_sha256)
    return Gallery.open(place, read_only=read_only, bundle_sha256=bundle_sha256)
