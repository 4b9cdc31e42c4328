"""Does the gallery lose anything? Its writer is killed at every write, at random moments, and its disk fills.

Run by hand: ``python -m eval.bench.gallery_crash --out DIR [--kills 300] [--seed 1] [--only PHASE …] [--small]``.

Every phase of writing is run from a gallery of its own. At each call that changes a file (SQLite's calls among them)
the writer is killed before the call, and after half of it; the call fails once; the disk is full from it on. Beside
that come ``--kills`` kills at random moments, shared among the phases. After each, a reader and a writer must find
the gallery of before or after the change under way: every committed case byte for byte, nothing that was not
committed, searches as by brute force, ``verify`` content, and going on must lead to where it was to lead. What is
done is put down in ``DIR/trials.jsonl``, and a run that was cut off goes on there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sqlite3
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from eval.bench.gallery_crash_faults import Mode, start_again_with_shim, why_not
from eval.bench.gallery_crash_phases import Phase, Size, phases
from eval.bench.gallery_crash_trials import Bench, Result, Stop, may_mount
from index.connection import WAIT_S

POWER = (Mode.POWER_SURE, Mode.POWER_SOME)
ROOMS = tuple(4096 * pages for pages in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96))
FAULTS = (Mode.KILL_BEFORE, Mode.KILL_WITHIN, Mode.DISK_FULL, Mode.FAIL_ONCE)
SMALL = Size(cases=10, step=2, waveform=50)
COLUMNS = (
    ("killed at random", ("RANDOM",)),
    ("killed before a call", ("KILL_BEFORE",)),
    ("killed within a call", ("KILL_WITHIN",)),
    ("disk full", ("DISK_FULL", "FILE_LIMIT", "SMALL_DISK")),
    ("a call fails", ("FAIL_ONCE",)),
    ("power lost", ("POWER_SURE", "POWER_SOME")),
)
KINDS = {"c": "create", "w": "write", "t": "truncate", "s": "fsync", "d": "fsync of a folder", "r": "rename",
         "u": "unlink", "m": "mkdir or rmdir"}  # fmt: skip

Row = dict[str, Any]


def stops(kinds: str, seconds: float, kills: int, rng: Random, every: int = 1) -> Iterator[Stop]:
    """All the ways in which a phase is stopped.

    Args:
        kinds: the calls of an undisturbed run.
        seconds: how long that takes.
        kills: how many kills at random moments.
        rng: chooses those.
        every: only every so many-th call, another one for each mode.
    """
    for shift, mode in enumerate(FAULTS):
        for at in range(shift % every, len(kinds), every):
            yield Stop(mode, at, beside=at % 4 == 3, writer_first=at % 2 == 1)
    for number in range(kills):
        delay = rng.random() * seconds
        yield Stop(after_s=delay, beside=number % 4 == 3, writer_first=number % 2 == 1)
    for mode in (Mode.FILE_LIMIT, Mode.SMALL_DISK):
        for number, room in enumerate(ROOMS[:: max(1, every // 4)]):
            yield Stop(mode, room=room, beside=number % 4 == 3, writer_first=number % 2 == 1)


def power_stops(trace: str, every: int = 1) -> Iterator[Stop]:
    """The power goes after each entry of a trace."""
    for shift, mode in enumerate(POWER):
        for at in range(shift % every, len(trace), every):
            yield Stop(mode, at, writer_first=at % 2 == 1)


def row_of(result: Result, kinds: str) -> Row:
    """A trial as a line of the file."""
    stop, finding = result.stop, result.finding
    kind = kinds[stop.at] if 0 <= stop.at < len(kinds) else ""
    return {
        "phase": result.phase,
        "mode": "RANDOM" if stop.after_s is not None else stop.mode.name,
        "at": stop.at,
        "kind": kind,
        "beside": stop.beside,
        "killed": result.killed,
        "failed": result.failed,
        **dataclasses.asdict(finding),
    }


def run(bench: Bench, phase: Phase, kills: int, rng: Random, done: set[str], every: int = 1) -> Iterator[Row]:
    """The trials of a phase that are not done yet, each as it is finished."""
    kinds, seconds = bench.points(phase)
    mounts = may_mount(bench.folder)
    trace = "".join(call.kind for call in bench.trace(phase))
    planned = [*stops(kinds, seconds, kills, rng, every), *power_stops(trace, every)]
    for key, stop in _keyed(planned):
        if key in done:
            continue
        if stop.mode is Mode.SMALL_DISK and not mounts:
            continue
        if stop.mode in POWER:
            yield {"key": key, **row_of(bench.power(phase, stop), trace)}
            continue
        result = bench.trial(phase, stop)
        # A kill that came when all was done is none; it is tried again a little earlier.
        while stop.after_s is not None and not result.killed and not result.finding.wrong:
            stop = dataclasses.replace(stop, after_s=stop.after_s * 0.8)
            result = bench.trial(phase, stop)
        yield {"key": key, **row_of(result, kinds)}


def _keyed(planned: Iterable[Stop]) -> Iterator[tuple[str, Stop]]:
    """Each with what tells it from the others of its phase, so that a later run knows it."""
    kills = 0
    for stop in planned:
        if stop.after_s is not None:
            yield f"RANDOM {kills}", stop
            kills += 1
        else:
            yield f"{stop.mode.name} {max(stop.at, stop.room)}", stop


def table(rows: Sequence[Row]) -> str:
    """The Markdown table by phase, with a last line for all."""
    by_phase: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_phase[row["phase"]].append(row)
    heads = [
        "phase",
        "calls",
        *(head for head, _ in COLUMNS),
        "committed lost",
        "uncommitted visible",
        "do not open",
        "anything else",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for name, those in [*by_phase.items(), ("all", list(rows))]:
        lines.append("| " + " | ".join(map(str, [name, *_counts(those)])) + " |")
    return "\n".join(lines)


def _counts(rows: Sequence[Row]) -> list[int]:
    modes = Counter(row["mode"] for row in rows if _came(row))
    points = {(row["phase"], row["at"]) for row in rows if row["at"] >= 0}
    bad = [row for row in rows if row["wrong"] and not (row["lost"] or row["visible"] or not row["opens"])]
    return [
        len(points),
        *(sum(modes[mode] for mode in those) for _, those in COLUMNS),
        sum(row["lost"] > 0 for row in rows),
        sum(row["visible"] > 0 for row in rows),
        sum(not row["opens"] for row in rows),
        len(bad),
    ]


def _came(row: Row) -> bool:
    """Whether what was to stop the writer came before it had acknowledged everything, or made a call fail."""
    if row["mode"] in ("FILE_LIMIT", "SMALL_DISK"):
        return bool(row["failed"])
    return row["killed"] or row["mode"] not in ("RANDOM", "KILL_BEFORE", "KILL_WITHIN")


def report(rows: Sequence[Row]) -> str:
    """The table, how often each kind of call was hit, and every trial that went wrong."""
    kills = sum(row["killed"] for row in rows)
    kinds = Counter(row["kind"] for row in rows if row["kind"])
    beside = sum(row["beside"] for row in rows)
    said = ", ".join(f"{kinds[kind]} {name}" for kind, name in KINDS.items() if kinds[kind])
    lines = [table(rows), "", f"{len(rows)} trials, {kills} of them SIGKILL; {beside} with a reader beside.", ""]
    lines += [f"Calls stopped at: {said}."]
    wrong = [row for row in rows if row["wrong"] or not row["opens"]]
    lines += [f"- {row['phase']}, {row['mode']} at {row['at']} {row['kind']}: {row['wrong'][0]}" for row in wrong]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run what is not done yet, print the report; 1 where something was lost."""
    parser = argparse.ArgumentParser(prog="python -m eval.bench.gallery_crash", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the trials done and the report")
    parser.add_argument("--kills", type=int, default=300, help="kills at random moments, in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="phases whose names begin so")
    parser.add_argument("--work", type=Path, help="folder for the galleries; a temporary one where none is given")
    parser.add_argument("--small", action="store_true", help="galleries of ten cases")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th call, other ones in each way")
    parser.add_argument(
        "--weakened", action="store_true", help="without SQLite's safety, to see that losses are seen"
    )
    given = parser.parse_args(arguments)
    if (reason := why_not()) is not None:
        parser.error(reason)
    start_again_with_shim(given.out, "eval.bench.gallery_crash", arguments)
    logging.disable(logging.CRITICAL)  # what the gallery warns of is looked for in its notices
    if given.weakened:
        weaken()
    rows = _run_all(given)
    (given.out / "report.md").write_text(report(rows) + "\n", encoding="utf-8")
    sys.stdout.write(report(rows) + "\n")
    return int(any(row["wrong"] or not row["opens"] for row in rows))


def weaken() -> None:
    """Have writers work without a journal, from here on: what the gallery promises is broken then."""
    from index import gallery

    safe = gallery.connect_writer

    def unsafe(database: Path, wait_s: float = WAIT_S) -> sqlite3.Connection:
        connection = safe(database, wait_s)
        connection.execute("PRAGMA journal_mode = OFF").fetchone()
        return connection

    gallery.connect_writer = unsafe


def _run_all(given: argparse.Namespace) -> list[Row]:
    journal: Path = given.out / "trials.jsonl"
    rows = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    all_phases = phases(SMALL if given.small else Size())
    share = -(-given.kills // len(all_phases))
    with tempfile.TemporaryDirectory(prefix="nearbeat-crash-", dir=given.work) as folder, journal.open("a") as file:
        bench = Bench(all_phases, Path(folder))
        for phase in all_phases:
            if given.only and not any(phase.name.startswith(name) for name in given.only):
                continue
            done = {row["key"] for row in rows if row["phase"] == phase.name}
            for row in run(bench, phase, share, Random(f"{given.seed} {phase.name}"), done, given.every):  # noqa: S311
                rows.append(row)
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()
            sys.stderr.write(f"{phase.name}: {sum(row['phase'] == phase.name for row in rows)} trials\n")
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
