"""One line of the result table: a measure, and what each system reaches in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from eval.bootstrap import Estimate
from eval.systems import CHECKED, REFERENCES

__all__ = ["Measure", "Unit"]

Unit = Literal["%", "place", "area"]


@dataclass(frozen=True)
class Measure:
    """A figure of the protocol for every system that can be measured by it.

    Args:
        task: number of the task in the protocol.
        setting: what was searched, such as ``"page to report, within device, deduplicated"``.
        metric: such as ``"R@10"``.
        unit: ``"%"`` and ``"area"`` are 0..1 inside, ``"place"`` counts from 1 and is better when low.
        scores: system name to estimate.
        ceiling: what a perfect model reaches; None where that is the end of the scale.
        headline: whether it belongs into the short table.
        notes: system name to a remark, such as the k that fold 9 chose.
        change: system name to the paired difference from the same ECGs' clean pages, where the pages were spoiled.
        refused: how many of the pages intake refused, where intake read them; None where it did not.
    """

    task: int
    setting: str
    metric: str
    unit: Unit
    scores: Mapping[str, Estimate]
    ceiling: float | None = None
    headline: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
    change: Mapping[str, Estimate] = field(default_factory=dict)
    refused: int | None = None

    @property
    def key(self) -> str:
        """Stable name in results.json."""
        return f"task{self.task} | {self.setting} | {self.metric}"

    def leads(self) -> bool | None:
        """Whether the bundle is better than every baseline with intervals that do not touch; None without either.

        References are left out: the oracle reads the answer, the others the samples or the reports.
        """
        ours = self.scores.get(CHECKED)
        others = [score for name, score in self.scores.items() if name != CHECKED and name not in REFERENCES]
        if ours is None or not others:
            return None
        if self.unit == "place":
            return all(ours.interval[1] < other.interval[0] for other in others)
        return all(ours.interval[0] > other.interval[1] for other in others)
