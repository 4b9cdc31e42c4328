"""The gallery of documented cases: durable on disk, searched exactly."""

from index.case import Case, GalleryInfo, Neighbour, VerifyReport
from index.filters import Filter
from index.gallery import Gallery

__all__ = ["Case", "Filter", "Gallery", "GalleryInfo", "Neighbour", "VerifyReport"]
