"""Many clients at once for some minutes: errors, waiting times, and memory of the service over time.

Run by hand: ``python -m eval.bench.service_load [--clients 32] [--seconds 300] [--think 0] [--gallery G]``; for the
first result of a single user, ``--clients 1 --seconds 30``.

Each client asks, waits for the answer, thinks for ``--think`` seconds, and asks again: of ten questions four are
scanned pages, two recordings, two sentences, one a neighbour's neighbours and one a case with its waveform. Without
time to think, the clients keep the service busy all the time: the waiting times are then those of a queue, its length
divided by what the machine does in a second. Pages and recordings are simulated.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np

from eval.bench.served import Client, Served, Told, served
from eval.bench.service_uploads import whole

SAMPLE_SECONDS = 2.0
SENTENCES = ("left bundle branch block", "Vorhofflimmern", "inferior infarct", "normal ECG", "paced rhythm")
MIX = (
    "PNG page",
    "PNG page",
    "JPEG page",
    "JPEG page",
    "recording",
    "recording",
    "sentence",
    "sentence",
    "like",
    "case",
)


@dataclass
class Course:
    """What was seen: seconds of each answer by its sort, errors, and memory over time."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, float, float]] = field(default_factory=list)
    seconds_in_all: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, sort: str, told: Told) -> None:
        """Take an answer down."""
        with self.lock:
            self.seconds[sort].append(told.seconds)
            if told.status != 200:
                self.errors.append(f"{sort}: {told.status} {told.kind}")


def questions(cases: Sequence[str]) -> dict[str, Callable[[Client, np.random.Generator], Told]]:
    """How each sort of question is asked."""

    def upload(form: str) -> Callable[[Client, np.random.Generator], Told]:
        def send(client: Client, rng: np.random.Generator) -> Told:
            name, data = whole(form, int(rng.integers(4)))[0]
            return client.upload("/api/v1/query", [("file", name, data)], {"k": "10"})

        return send

    def case(client: Client, rng: np.random.Generator) -> Told:
        return client.get(f"/api/v1/cases/{quote(cases[int(rng.integers(len(cases)))], safe='')}?waveform=true")

    def like(client: Client, rng: np.random.Generator) -> Told:
        return client.get(f"/api/v1/like/{quote(cases[int(rng.integers(len(cases)))], safe='')}")

    def sentence(client: Client, rng: np.random.Generator) -> Told:
        return client.form("/api/v1/search", {"text": SENTENCES[int(rng.integers(len(SENTENCES)))]})

    return {
        "PNG page": upload("PNG"),
        "JPEG page": upload("JPEG"),
        "recording": upload("DICOM waveform"),
        "sentence": sentence,
        "like": like,
        "case": case,
    }


def run(service: Served, clients: int, seconds: float, think: float) -> Course:
    """Ask for so long; memory is looked at meanwhile."""
    course, until = Course(), time.monotonic() + seconds
    found = Client(service.url).form("/api/v1/search", {"text": "ECG", "k": "20"}).json["answer"]["hits"]
    ways = questions([hit["case_id"] for hit in found])

    def work(number: int) -> None:
        client, rng = Client(service.url), np.random.default_rng(number)
        while time.monotonic() < until:
            sort = MIX[int(rng.integers(len(MIX)))]
            course.note(sort, ways[sort](client, rng))
            time.sleep(think)

    for form in ("PNG", "JPEG", "DICOM waveform"):
        for seed in range(4):
            whole(form, seed)  # made before the time runs
    begun, until = time.monotonic(), time.monotonic() + seconds
    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        course.memory.append((time.monotonic() - begun, *service.resident_mb()))
        time.sleep(SAMPLE_SECONDS)
    course.seconds_in_all = time.monotonic() - begun  # those who asked in time are waited for
    return course


def report(course: Course) -> str:
    """Waiting times, errors and memory as Markdown."""
    everything = [value for values in course.seconds.values() for value in values]
    lines = ["| question | answers | p50 s | p95 s | p99 s | longest s |", "|---|---|---|---|---|---|"]
    for sort, values in [*sorted(course.seconds.items()), ("all", everything)]:
        marks = [float(np.percentile(values, share)) for share in (50, 95, 99, 100)]
        lines.append(f"| {sort} | {len(values):,} | " + " | ".join(f"{mark:.2f}" for mark in marks) + " |")
    speed, errors = len(everything) / course.seconds_in_all, len(course.errors)
    lines += ["", f"{speed:.1f} answers a second over {course.seconds_in_all:.0f} s; {errors} errors."]
    lines += ["", "| part of the time | service MB | readers MB |", "|---|---|---|"]
    for name, part in zip(
        ("first", "second", "third", "last"), np.array_split(np.array(course.memory), 4), strict=True
    ):
        if len(part):
            lines.append(
                f"| {name} quarter | {statistics.median(part[:, 1]):.0f} | {statistics.median(part[:, 2]):.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--think", type=float, default=0.0, help="seconds between an answer and the next question")
    parser.add_argument("--gallery", type=Path, help="without it, the default of simulated cases")
    given = parser.parse_args()
    with served(given.gallery) as service:
        course = run(service, given.clients, given.seconds, given.think)
    sys.stdout.write(report(course) + "\n")
    for error in course.errors[:10]:
        sys.stderr.write(error + "\n")
    raise SystemExit(1 if course.errors else 0)


if __name__ == "__main__":
    main()
