"""What a whole audit would take, from a random sample of it: time, processor time, room on disk, rejected files.

Whole chunks are drawn, since ECGs are encoded by chunks, and the intervals come from drawing the chunks of the sample
anew: files that lie side by side are often alike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.auditing.discoveries import interval
from retrieval.auditing.examining import Examiner
from retrieval.auditing.journal import Journal
from retrieval.auditing.running import CHUNK, Plan, archive_for, refer, run_through, take_up
from retrieval.engine import Engine
from retrieval.errors import BadArgument
from retrieval.filling import Progress

DRAWS = 1_000
OUTPUT_BYTES = 1_500
"""Room that an ECG takes in the tables, beside the journal."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Span:
        """The figure of so many."""
        return Span(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Estimate:
    """What the whole would take.

    Args:
        total: ECGs of the archive.
        done: ECGs that the journal holds by now; the audit does not examine them again.
        seconds: from now to the end.
        processor_seconds: of all processes, for the same.
        megabytes: on disk at the end, journal and tables.
        rejected: share of files that cannot be read.
    """

    total: int
    done: int
    seconds: Span
    processor_seconds: Span
    megabytes: float
    rejected: Span

    def as_json(self) -> dict[str, object]:
        """As an object of ``nearbeat.audit-estimate/1``."""
        return {"schema": "nearbeat.audit-estimate/1", **asdict(self)}


def estimate(
    engine: Engine, plan: Plan, out: str | Path, sample: int, progress: Progress | None = None, seed: int = 0
) -> Estimate:
    """Examine a random sample of an archive, and say what the whole would take.

    The sample is kept in the journal: the audit goes on from it.

    Args:
        engine: an open gallery.
        plan: as for the audit.
        out: as for the audit.
        sample: how many ECGs, in whole chunks of ``CHUNK``.
        progress: called with (ECGs done, all of the sample).
        seed: of the sample.

    Raises:
        BadArgument: when fewer than 1 ECG are to be sampled; and as ``audit``.
    """
    if sample < 1:
        raise BadArgument(f"a sample of {sample} ECGs was asked for; it needs at least 1")
    archive = archive_for(engine, plan)
    chunks = -(-archive.total // CHUNK)
    drawn = np.random.default_rng(seed).choice(chunks, min(chunks, -(-sample // CHUNK)), replace=False)
    chosen = set(drawn.tolist())
    with Journal(Path(out)) as journal:
        take_up(journal, engine, plan, archive)
        examiner = Examiner(engine, plan.k)
        if not archive.gallery:
            refer(journal, examiner, progress)
        before, room, clock, used = journal.done(), journal.room(), _Clock(), _processor()
        entries = (entry for entry in archive.after(0) if entry.number // CHUNK in chosen)
        size = min(len(chosen) * CHUNK, archive.total)
        run_through(journal, examiner, archive, entries, _shifted(progress, before, size), clock.tick)
        used, held = _processor() - used, journal.done()
        whole = journal.room()
        each_room = (whole - room) / (held - before) if held > before else whole / max(1, held)
        bad = sum(1 for _ in journal.rows("status = 'rejected'"))
    each = clock.each(seed)
    processor = each.times(used / max(1e-9, sum(clock.seconds)))
    left = archive.total - held
    return Estimate(
        total=archive.total,
        done=held,
        seconds=each.times(left),
        processor_seconds=processor.times(left),
        megabytes=(whole + each_room * left + OUTPUT_BYTES * archive.total) / 1e6,
        rejected=Span(bad / max(1, held), *interval(bad, held)),
    )


class _Clock:
    """Seconds of each chunk."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.seconds: list[float] = []
        self._last = time.monotonic()

    def tick(self, size: int) -> None:
        """A chunk of so many ECGs is done."""
        now = time.monotonic()
        self.sizes.append(size)
        self.seconds.append(now - self._last)
        self._last = now

    def each(self, seed: int) -> Span:
        """Seconds per ECG, with an interval."""
        if not self.sizes:
            return Span(0.0, 0.0, 0.0)
        sizes, seconds = np.array(self.sizes, dtype=np.float64), np.array(self.seconds)
        drawn = np.random.default_rng(seed).integers(0, len(sizes), (DRAWS, len(sizes)))
        ratios: Floats = seconds[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        low, high = np.quantile(ratios, [0.025, 0.975])
        return Span(float(seconds.sum() / sizes.sum()), float(low), float(high))


def _processor() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _shifted(progress: Progress | None, before: int, size: int) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, _: progress(max(0, done - before), size)
