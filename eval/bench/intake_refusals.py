"""A thousand inputs that are no ECG, or no longer: what the intake makes of each, within 10 s and 1 GB.

Run by hand: ``python -m eval.bench.intake_refusals [--number N] [--seed S] [--workers W] [--real FOLDER …]
[--keep OUT]``.

Pictures without an ECG must be refused, or taken with a certainty under 0.5, which says that they are doubted. Files
that were damaged may be refused or read: what is read is compared with the sound file. Nothing may crash, hang or
grow. ``--real`` adds the other side: files that do hold ECGs, of which each refusal is a false one. ``--keep`` writes
the inputs that failed, to look at.

The inputs are generated and the real files are not: the two never stand in one table.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from eval.bench.refusals.inputs import Input, inputs, write_whole
from eval.bench.refusals.verdicts import AS_IT_WAS, CHANGED_SAID, REFUSED, Outcome, judge, table
from retrieval.app.console import progress_bar
from retrieval.intake.worker import Reader, Reply

GOOD = frozenset({REFUSED, AS_IT_WAS, CHANGED_SAID})
SIDE_FILES = frozenset({".dat", ".atr", ".json", ".csv", ".txt", ".md"})


def run(given: Sequence[Input], reader: Reader, keep: Path | None = None) -> list[Outcome]:
    """Have ``reader`` read each input, as many at a time as it has workers; the outcomes are in order."""
    sound = _sound_files(given, reader)
    with progress_bar("Reading what is no ECG") as progress, ThreadPoolExecutor(reader.workers) as threads:
        outcomes = []
        for outcome in threads.map(partial(_one, reader=reader, sound=sound, keep=keep), given):
            outcomes.append(outcome)
            progress(len(outcomes), len(given))
    return outcomes


def _sound_files(given: Iterable[Input], reader: Reader) -> dict[tuple[str, int], Reply]:
    """What is read of the files before they are damaged.

    Raises:
        SystemExit: when one of them is refused; nothing could be learnt from damaging it.
    """
    replies = {}
    for form, seed in sorted({one.whole for one in given if one.whole is not None}):
        with tempfile.TemporaryDirectory(prefix="nearbeat-refusals-") as folder:
            replies[form, seed] = reader.ask(str(write_whole(Path(folder), form, seed)))
    for (form, seed), reply in replies.items():
        if "error" in reply.message:
            sys.stderr.write(f"the sound {form} of seed {seed} was refused: {reply.message['error']['message']}\n")
    return replies


def _one(given: Input, reader: Reader, sound: dict[tuple[str, int], Reply], keep: Path | None) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="nearbeat-refusals-") as folder:
        path = given.make(Path(folder))
        start = time.perf_counter()
        reply = reader.ask(str(path))
        seconds = time.perf_counter() - start
        outcome = judge(given, reply, sound.get(given.whole) if given.whole else None, seconds)
        if keep is not None and outcome.verdict not in GOOD and path.is_file():
            shutil.copytree(folder, keep / given.name, dirs_exist_ok=True, symlinks=True)
    return outcome


def report(outcomes: Sequence[Outcome]) -> str:
    """The table, and a line for each input that was not refused as it should be."""
    bad = [one for one in outcomes if one.verdict not in GOOD]
    lines = [f"- {one.given.name}: {one.verdict}, {one.own_seconds:.1f} s: {one.reason}" for one in bad]
    return "\n".join([table(outcomes), "", f"{len(bad)} of {len(outcomes)} not as they should be", "", *lines])


def false_refusals(folders: Sequence[Path], reader: Reader) -> str:
    """How many of the ECGs in these folders are refused, and why; every file is taken to hold one."""
    files = [
        file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix.lower() not in SIDE_FILES
    ]
    refused, taken = [], Counter[str]()
    with progress_bar("Reading real ECGs") as progress:
        for number, file in enumerate(files, start=1):
            message = reader.ask(str(file)).message
            if "error" in message:
                refused.append(f"- {file.name}: {message['error']['kind']}: {message['error']['message']}")
            else:
                taken[message["intake"]["kind"]] += 1
            progress(number, len(files))
    kinds = ", ".join(f"{number} {kind}" for kind, number in taken.most_common())
    return "\n".join([f"{len(refused)} of {len(files)} real ECGs refused; read: {kinds or 'none'}", *refused])


def main(arguments: list[str] | None = None) -> None:
    """Run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--real", type=Path, nargs="*", default=[])
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args(arguments)
    with Reader(options.workers) as reader:
        if options.number:
            outcomes = run(inputs(options.number, options.seed), reader, options.keep)
            sys.stdout.write(report(outcomes) + "\n")
        if options.real:
            sys.stdout.write("\n" + false_refusals(options.real, reader) + "\n")


if __name__ == "__main__":
    main()
