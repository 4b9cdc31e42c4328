"""The audit: every ECG of an archive beside its nearest cases, to look first where report and cases disagree."""

from __future__ import annotations

from retrieval.auditing.entries import Archive, Entry, archive_of, archive_of_gallery
from retrieval.auditing.marks import Mark, Marks, digest_of, read_marks
from retrieval.auditing.running import AuditSummary, Plan, audit, export
from retrieval.auditing.sampling import Estimate, estimate

__all__ = [
    "Archive",
    "AuditSummary",
    "Entry",
    "Estimate",
    "Mark",
    "Marks",
    "Plan",
    "archive_of",
    "archive_of_gallery",
    "audit",
    "digest_of",
    "estimate",
    "export",
    "read_marks",
]
