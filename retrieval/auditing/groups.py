"""How the ECGs of each site, device and reader fare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.auditing.discoveries import LOOK, interval
from retrieval.auditing.journal import Journal

BY = ("site", "device", "reader")
MOST = 50
"""Groups that a table lists, the largest first."""


@dataclass(frozen=True)
class Group:
    """The ECGs of one site, device or reader.

    Args:
        name: of the site, device or reader.
        ecgs: all of them.
        rejected: could not be read.
        judged: their reports were compared with their nearest cases.
        suspicious: of those, with a p-value of at most ``LOOK``; by chance it is that share of them.
        share: the same as a share of the judged; None where none was.
        low, high: its 95 % interval.
        flagged: disagree at the level of false flags that was aimed at.
    """

    name: str
    ecgs: int
    rejected: int
    judged: int
    suspicious: int
    share: float | None
    low: float
    high: float
    flagged: int

    @property
    def unlike(self) -> str:
        """``more`` or ``fewer`` than chance gives, where the whole interval lies there; else nothing."""
        if self.share is None:
            return ""
        return "more" if self.low > LOOK else "fewer" if self.high < LOOK else ""


def groups(journal: Journal, by: str) -> Iterator[Group]:
    """The groups of one kind, the largest first; none where no ECG has one.

    Args:
        journal: settled.
        by: one of ``BY``.
    """
    if by not in BY:
        raise ValueError(f"ECGs are grouped by {', '.join(BY)}, not by '{by}'")
    sql = f"""SELECT {by}, count(*), sum(status = 'rejected'), count(p), sum(p <= ?), sum(verdict = 'disagrees')
        FROM rows WHERE {by} IS NOT NULL GROUP BY {by} ORDER BY count(*) DESC, {by} LIMIT ?"""  # noqa: S608
    for name, ecgs, rejected, judged, suspicious, flagged in journal.connection.execute(sql, (LOOK, MOST)):
        low, high = interval(suspicious or 0, judged)
        share = suspicious / judged if judged else None
        yield Group(name, ecgs, rejected, judged, suspicious or 0, share, low, high, flagged)
