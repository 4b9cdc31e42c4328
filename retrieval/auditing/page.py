"""The audit as one self-contained page: nothing is fetched, it reads without its script, and it prints."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from retrieval.auditing.across import DUPLICATES, PATIENTS
from retrieval.auditing.discoveries import interval
from retrieval.auditing.groups import BY, groups
from retrieval.auditing.journal import Journal, Row
from retrieval.auditing.marks import DECISIONS, Marks
from retrieval.auditing.settling import DISAGREES, UNSURE
from retrieval.auditing.tables import Cells, Cross, beside, cells
from retrieval.ecg.statements import words_of

HTML = "audit.html"
LISTED = 500
"""ECGs that the page lists, those with pictures among them; the tables hold all."""
LINES = 200
"""Duplicates, patients and rejected files that are listed."""


def write_page(journal: Journal, marks: Marks, path: Path) -> None:
    """Write the page beside its place, and rename."""
    with beside(path) as scratch:
        scratch.write_text(render(journal, marks), encoding="utf-8")


def render(journal: Journal, marks: Marks) -> str:
    """The page as text; everything that came from a file or a gallery is escaped."""
    jinja = Environment(
        loader=PackageLoader("retrieval.auditing", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _own("audit.css"), _own("audit.js")
    cross = Cross.of(journal)
    listed = [_item(journal, row, cells(row, marks, cross)) for row in _suspicious(journal)]
    return jinja.get_template("audit.html").render(
        style=Markup(style),  # noqa: S704  # our own file
        script=Markup(script),  # noqa: S704  # our own file
        style_hash=_hash(style),
        script_hash=_hash(script),
        facts=_facts(journal),
        counts=_counts(journal),
        marked=_marked(journal, marks),
        decisions=DECISIONS,
        listed=listed,
        tables=[(by, found) for by in BY if (found := list(groups(journal, by)))],
        duplicates=_first(journal.findings(DUPLICATES)),
        patients=_first(journal.findings(PATIENTS)),
        rejected=list(islice(journal.rows("status = 'rejected'"), LINES)),
        lines=LINES,
    )


def _suspicious(journal: Journal) -> list[Row]:
    """Those that were flagged or are worth a look; where there are none, the first ones all the same."""
    found = list(journal.rows("verdict IN (?, ?) AND place <= ?", (DISAGREES, UNSURE, LISTED), order="place"))
    return found or list(islice(journal.rows("score IS NOT NULL", order="place"), 20))


def _item(journal: Journal, row: Row, found: Cells) -> dict[str, Any]:
    card = journal.card(row.number) or {"picture": None, "cases": []}
    statements = row.facts.get("statements") or {}
    return {
        "cells": found,
        "says": ", ".join(words_of(code) for code in statements),
        "near": [(case_id, score) for case_id, score in row.facts.get("nearest") or []],
        "vote": [(words_of(code), cases, lift) for code, cases, lift in row.facts.get("vote") or [] if cases > 1],
        "card": card,
    }


def _facts(journal: Journal) -> dict[str, Any]:
    known = {key: journal.get(key) or "" for key in ("source", "gallery", "bundle", "reference", "reference_ecgs")}
    return {
        **known,
        "cases": int(journal.get("cases") or 0),
        "simulated": journal.get("simulated") == "yes",
        "level": float(journal.get("level") or 0),
        "k": int(journal.get("k") or 0),
    }


def _counts(journal: Journal) -> dict[str, int]:
    sql = (
        "SELECT count(*), sum(status = 'rejected'), count(p), sum(verdict = 'disagrees'), sum(verdict = 'unsure') "
        "FROM rows"
    )
    found = journal.connection.execute(sql).fetchone()
    return dict(zip(("ecgs", "rejected", "judged", "disagrees", "unsure"), (n or 0 for n in found), strict=True))


def _marked(journal: Journal, marks: Marks) -> dict[str, Any]:
    """How many marks there are; and of the flags that were decided, which share was confirmed, with its interval."""
    flagged = Counter(marks.of(row.file).mark for row in journal.rows("verdict = ?", (DISAGREES,)))
    decided = flagged["confirmed"] + flagged["dismissed"]
    low, high = interval(flagged["confirmed"], decided)
    return {"all": len(marks), "confirmed": flagged["confirmed"], "decided": decided, "low": low, "high": high}


def _first(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"all": len(found), "first": found[:LINES]}


def _own(file: str) -> str:
    return files("retrieval.auditing").joinpath("templates", file).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
