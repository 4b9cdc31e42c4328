"""A picture of an ECG page in, the canonical page and a report of what was found out."""

from __future__ import annotations

from retrieval.intake.page.reading import read_page

__all__ = ["read_page"]
