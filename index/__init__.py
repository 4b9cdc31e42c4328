"""The gallery of documented cases: durable on disk, searched exactly."""

from index.case import Case, GalleryInfo, NearDuplicate, Neighbour, VerifyReport
from index.contract import CaseGallery
from index.diff import Difference, diff_galleries
from index.filters import Condition, Filter, Where, all_of
from index.found import Found
from index.gallery import Gallery
from index.ingest import Ingest
from index.places import in_milvus, open_at
from index.reembed import NextBundle
from index.where import parse_where

__all__ = [
    "Case",
    "CaseGallery",
    "Condition",
    "Difference",
    "Filter",
    "Found",
    "Gallery",
    "GalleryInfo",
    "Ingest",
    "NearDuplicate",
    "Neighbour",
    "NextBundle",
    "VerifyReport",
    "Where",
    "all_of",
    "diff_galleries",
    "in_milvus",
    "open_at",
    "parse_where",
]
