"""Ten thousand damaged uploads of every format, after which the service still answers.

Run by hand: ``python -m eval.bench.service_uploads [--number 10000] [--seed 0] [--clients 4] [--gallery G]
[--keep FOLDER]``.

Files are those that ``eval.bench.intake_refusals`` damages, in every format that is read. Three of four are damaged
behind their start alone, so that signature, sizes and types stand as they were and the decoders meet the damage. Past
the header checks counts what was damaged there, is still taken for its kind by its first bytes, and was not refused
for these. A failure is whatever is no answer of the documented form: no response, a status that the API does not
name, 500 or 503. In between, and at the end, a sound file must give the very answer that it gave at the start.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import local

import numpy as np

from eval.bench.refusals.damage import DAMAGES
from eval.bench.refusals.whole_files import FORMATS, Format, Sample, sample
from eval.bench.served import Client, Served, Told, served
from index.errors import NearBeatError
from retrieval.app.console import progress_bar
from retrieval.intake.sniff import sniff
from retrieval.service.chain import verify

SAMPLES, MIDDLE_SHARE, SOUND_EVERY = 4, 0.75, 250
START = 4096
"""Bytes at the start that damage in the middle leaves alone; a quarter of a file that is shorter."""
AT_THE_HEADER = frozenset({"unsupported_format", "empty_file", "companion_missing", "encrypted_file", "too_large"})
TAKEN = frozenset({200, 413, 415, 422, 501})
Threads = local()


@dataclass(frozen=True)
class Damaged:
    """One upload: which format, how it was damaged, whether behind its start alone, and its files."""

    number: int
    form: str
    damage: str
    middle: bool
    files: tuple[tuple[str, str, bytes], ...]

    @property
    def data(self) -> bytes:
        """Of the damaged file itself."""
        return self.files[0][2]


@dataclass(frozen=True)
class Outcome:
    """What became of one: the answer, and whether it was met behind the header checks."""

    upload: Damaged
    told: Told
    past: bool

    @property
    def failed(self) -> bool:
        """Whether the service did not answer as it says that it does."""
        return self.told.status not in TAKEN or self.told.kind == "nothing"


@cache
def formats() -> dict[str, Format]:
    """Every format that is read, HEIC where its package is installed."""
    try:
        import pillow_heif
    except ImportError:
        return dict(FORMATS)
    pillow_heif.register_heif_opener()
    from eval.bench.refusals.whole_files import _picture

    return {**FORMATS, "HEIC": Format(".heic", _picture("HEIF", quality=80))}


@cache
def _sample(seed: int) -> Sample:
    return sample(seed)


@cache
def whole(form: str, seed: int) -> tuple[tuple[str, bytes], ...]:
    """A sound file and what belongs to it, as ``(name, bytes)``."""
    this, one = formats()[form], _sample(seed)
    parts = [(this.suffix, this.write), *this.beside]
    return tuple((f"ecg{suffix}", write(one).replace(b"{stem}", b"ecg")) for suffix, write in parts)


def damaged(number: int, seed: int) -> Damaged:
    """The upload of that number; formats and damages in turn, so that each meets each."""
    names = list(formats())
    rng = np.random.default_rng([seed, number])
    form, damage = names[number % len(names)], DAMAGES[number // len(names) % len(DAMAGES)]
    (name, data), *others = whole(form, int(rng.integers(SAMPLES)))
    middle = bool(rng.random() < MIDDLE_SHARE)
    start = min(START, len(data) // 4) if middle else 0
    made = data[:start] + damage(data[start:], rng)
    files = [("file", name, made), *(("beside", other, content) for other, content in others)]
    return Damaged(number, form, damage.__name__, middle, tuple(files))


def ask(upload: Damaged, url: str) -> Outcome:
    """Send one upload as a query."""
    if not hasattr(Threads, "client"):
        Threads.client = Client(url)
    told = Threads.client.upload("/api/v1/query", upload.files, {"k": "3", "evidence": "false"})
    past = upload.middle and told.kind not in AT_THE_HEADER and _still_its_kind(upload)
    return Outcome(upload, told, past)


def run(service: Served, number: int, seed: int, clients: int) -> tuple[list[Outcome], int]:
    """Send them all; the outcomes, and how often a sound file was not answered as at the start."""
    client, outcomes, wrong = Client(service.url), [], 0
    for form in formats():
        for one in range(SAMPLES):
            whole(form, one)  # not in several threads at once
    first = _sound(client)
    with progress_bar("Sending damaged files") as progress, ThreadPoolExecutor(clients) as threads:
        for begin in range(0, number, SOUND_EVERY):
            numbers = range(begin, min(begin + SOUND_EVERY, number))
            for outcome in threads.map(lambda n: ask(damaged(n, seed), service.url), numbers):
                outcomes.append(outcome)
                progress(len(outcomes), number)
            wrong += _sound(client) != first
    return outcomes, wrong


def _sound(client: Client) -> bytes:
    """The answer to a sound file; two of them are the same to the byte."""
    name, data = whole("PNG", 0)[0]
    told = client.upload("/api/v1/query", [("file", name, data)], {"k": "3"})
    if told.status != 200:
        sys.stderr.write(f"a sound file was answered with {told.status} {told.kind}\n")
    return told.body


def _still_its_kind(upload: Damaged) -> bool:
    return _kind_of(upload.data, upload.files[0][1]) == _kind_of(whole(upload.form, 0)[0][1], upload.files[0][1])


def _kind_of(data: bytes, name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        path.with_name("ecg.hea").touch()
        try:
            return sniff(path)
        except NearBeatError as error:
            return error.kind


def report(outcomes: Sequence[Outcome], wrong: int, before: tuple[float, float], after: tuple[float, float]) -> str:
    """What happened, as Markdown."""
    past = sum(outcome.past for outcome in outcomes)
    failed = [outcome for outcome in outcomes if outcome.failed]
    slowest = max(outcome.told.seconds for outcome in outcomes)
    lines = [
        "| format | uploads | past the header checks | answered | refused | failed |",
        "|---|---|---|---|---|---|",
    ]
    for form in formats():
        own = [outcome for outcome in outcomes if outcome.upload.form == form]
        answered, bad = sum(o.told.status == 200 for o in own), sum(o.failed for o in own)
        counts = (len(own), sum(o.past for o in own), answered, len(own) - answered - bad, bad)
        lines.append(f"| {form} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    kinds = Counter(outcome.told.kind for outcome in outcomes)
    said = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
    return "\n".join(
        [
            *lines,
            "",
            f"{len(outcomes):,} uploads, {past:,} ({past / len(outcomes):.0%}) past the header checks; "
            f"{len(failed)} failures; {wrong} wrong answers to a sound file; slowest {slowest:.1f} s.",
            f"Outcomes: {said}.",
            f"Resident: service {before[0]:.0f} MB before, {after[0]:.0f} MB after; readers {before[1]:.0f} and "
            f"{after[1]:.0f} MB.",
        ]
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--gallery", type=Path, help="without it, the default of simulated cases")
    parser.add_argument("--keep", type=Path, help="folder for the uploads that failed")
    given = parser.parse_args()
    with served(given.gallery) as service:
        before = service.resident_mb()
        outcomes, wrong = run(service, given.number, given.seed, given.clients)
        after = service.resident_mb()
        left = [file.name for file in service.folder.glob("nearbeat-desk-*/*")]
        chain = verify(next((service.folder / "state" / "nearbeat").glob("service-*.jsonl")))
    failed = [outcome for outcome in outcomes if outcome.failed]
    for outcome in failed:
        sys.stderr.write(
            f"{outcome.upload.number} {outcome.upload.form} {outcome.told.status} {outcome.told.body[:200]!r}\n"
        )
        if given.keep is not None:
            given.keep.mkdir(parents=True, exist_ok=True)
            (given.keep / f"{outcome.upload.number}-{outcome.upload.files[0][1]}").write_bytes(outcome.upload.data)
    sys.stdout.write(report(outcomes, wrong, before, after) + "\n")
    sys.stdout.write(
        f"Uploads left behind: {len(left)}. Log: {chain.lines:,} lines, {len(chain.problems)} problems.\n"
    )
    raise SystemExit(1 if failed or wrong or left or chain.problems else 0)


if __name__ == "__main__":
    main()
