"""Batches: files handed in together, answered one after the other, with results that outlive a restart.

A job is a folder: ``job.json``, an upload for each file until it is answered, and ``results.jsonl``, a line for each
answered file, durable before the upload goes. So the number of whole lines is how far a job came; a service that
starts again cuts off a line that a crash left torn and goes on behind it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from retrieval.errors import BadArgument, NearBeatError
from retrieval.service.problems import MissingJob, Refused

try:
    import fcntl
except ImportError:  # on Windows, two services with one folder of jobs are the user's to avoid
    fcntl = None

SCHEMA = "nearbeat.job/1"
RESULTS, CARD, LOCK = "results.jsonl", "job.json", ".lock"
State = Literal["waiting", "running", "done", "stopped"]


@dataclass(frozen=True)
class JobLimits:
    """How much is kept.

    Args:
        kept: jobs, finished or not; the oldest finished one gives way to a new one.
        waiting: jobs that are not finished.
        bytes: of uploads that wait, all jobs together.
        days: after which a finished job is removed.
    """

    kept: int = 50
    waiting: int = 8
    bytes: int = 2_000_000_000
    days: float = 7.0


@dataclass
class Job:
    """One batch.

    Args:
        job_id: random; whoever does not know it cannot ask for it.
        owner: the actor who brought it; others do not see it.
        k, where: as of a query.
        names: of the files.
        made: seconds since 1970.
        done: how many are answered or refused.
        refused: how many of these were refused.
        state: ``waiting``, ``running``, ``done``, or ``stopped`` where the service cannot go on with it.
    """

    job_id: str
    owner: str
    k: int
    where: str | None
    names: tuple[str, ...]
    made: float
    done: int = field(default=0, compare=False)
    refused: int = field(default=0, compare=False)
    state: State = field(default="waiting", compare=False)

    @property
    def unfinished(self) -> bool:
        """Whether files of it wait to be answered."""
        return self.state in ("waiting", "running")

    def as_json(self) -> dict[str, Any]:
        """The job as an object of ``nearbeat.job/1``."""
        own = {"id": self.job_id, "state": self.state, "files": len(self.names), "done": self.done}
        return {
            "schema": SCHEMA,
            **own,
            "refused": self.refused,
            "made": int(self.made),
            "k": self.k,
            "where": self.where,
        }


class Jobs:
    """The jobs of a folder.

    Args:
        folder: made when absent; one service at a time.
        limits: how much is kept.

    Raises:
        BadArgument: when another service uses the folder.
    """

    def __init__(self, folder: Path, limits: JobLimits | None = None) -> None:
        self.folder, self.limits = folder, limits or JobLimits()
        self._lock, self.changed = threading.RLock(), threading.Condition()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held = (folder / LOCK).open("a")
        if fcntl is not None:
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self._held.close()
                raise BadArgument(f"{folder}: another service keeps its jobs there; name another folder") from error
        self._jobs: dict[str, Job] = {}
        self.lost: tuple[str, ...] = ()
        """Folders that hold no job that can be gone on with; they are left alone and told of."""
        self._load()

    def close(self) -> None:
        """Let go of the folder."""
        self._held.close()

    def add(self, owner: str, files: Sequence[tuple[str, IO[bytes]]], k: int, where: str | None) -> Job:
        """Take a batch in.

        Raises:
            Refused: with 429 when as much waits as is kept.
        """
        with self._lock:
            self._tidy()
            self._check_room(sum(_size(file) for _, file in files))
            names = tuple(name for name, _ in files)
            job = Job(secrets.token_hex(16), owner, k, where, names, time.time())
            made = self.folder / f".{job.job_id}"
            made.mkdir(mode=0o700)
            try:
                for number, (_, file) in enumerate(files):
                    with (made / _upload(number)).open("xb") as copy:
                        shutil.copyfileobj(file, copy, 1 << 20)
                _write_card(made, job)
                made.rename(self.folder / job.job_id)  # a job is there whole, or not at all
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
            self._jobs[job.job_id] = job
        self._tell()
        return job

    def get(self, job_id: str, owner: str) -> Job:
        """A job of this owner.

        Raises:
            MissingJob: when there is none, or it is another's.
        """
        job = self._jobs.get(job_id)
        if job is None or job.owner != owner:
            raise MissingJob("no job of yours has this id; finished ones are kept for a week at most")
        return job

    def of(self, owner: str) -> list[Job]:
        """All jobs of this owner, the newest first."""
        with self._lock:
            self._tidy()
            return sorted((job for job in self._jobs.values() if job.owner == owner), key=lambda job: -job.made)

    def remove(self, job: Job) -> None:
        """Forget a job with its uploads and results, whatever has become of it."""
        with self._lock:
            self._jobs.pop(job.job_id, None)
            job.state = "stopped"
            shutil.rmtree(self.folder / job.job_id, ignore_errors=True)
        self._tell()

    def next(self) -> Job | None:
        """The oldest that is not finished."""
        with self._lock:
            return min((job for job in self._jobs.values() if job.unfinished), key=lambda job: job.made, default=None)

    def upload(self, job: Job, number: int) -> Path:
        """The file of that number, from 0."""
        return self.folder / job.job_id / _upload(number)

    def put(self, job: Job, result: Mapping[str, Any]) -> None:
        """Keep the result of the next file, then let go of the file."""
        with self._lock:
            if job.job_id not in self._jobs:  # it was removed meanwhile
                return
            with (self.folder / job.job_id / RESULTS).open("ab") as file:
                file.write(json.dumps(result, allow_nan=False).encode("ascii") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self.upload(job, job.done).unlink(missing_ok=True)
            job.done += 1
            job.refused += "error" in result
            job.state = "done" if job.done == len(job.names) else "running"
        self._tell()

    def stop(self, job: Job) -> None:
        """Say that a job cannot be gone on with."""
        job.state = "stopped"
        self._tell()

    def results(self, job: Job) -> Iterator[bytes]:
        """The lines that there are by now."""
        with suppress(FileNotFoundError), (self.folder / job.job_id / RESULTS).open("rb") as file:
            for _ in range(job.done):
                yield file.readline()

    def _load(self) -> None:
        lost = []
        for folder in sorted(self.folder.iterdir()):
            if folder.name.startswith(".") and folder.is_dir() and len(folder.name) == 33:
                shutil.rmtree(folder, ignore_errors=True)  # a batch that never came in whole
            elif folder.is_dir():
                try:
                    job = _read_job(folder)
                    self._jobs[job.job_id] = job
                except (OSError, ValueError, KeyError, TypeError, NearBeatError):
                    lost.append(folder.name)
        self.lost = tuple(lost)

    def _check_room(self, size: int) -> None:
        open_jobs = [job for job in self._jobs.values() if job.unfinished]
        waiting = sum(_size_of(self.folder / job.job_id) for job in open_jobs)
        if len(open_jobs) >= self.limits.waiting or waiting + size > self.limits.bytes:
            raise Refused(
                429, "too_many_jobs", "as many jobs wait as are taken; wait for one to end", {"Retry-After": "60"}
            )

    def _tidy(self) -> None:
        """Remove finished jobs that are old, and the oldest where there are too many."""
        finished = sorted((job for job in self._jobs.values() if not job.unfinished), key=lambda job: job.made)
        too_many = len(self._jobs) - self.limits.kept + 1
        for number, job in enumerate(finished):
            if number < too_many or job.made < time.time() - 86400 * self.limits.days:
                self.remove(job)

    def _tell(self) -> None:
        with self.changed:
            self.changed.notify_all()


def _read_job(folder: Path) -> Job:
    """A job as the last service left it, its torn last line cut off."""
    card = json.loads((folder / CARD).read_text(encoding="ascii"))
    job = Job(**{**card, "names": tuple(card["names"])})
    if job.job_id != folder.name:
        raise ValueError("the card is another job's")
    results = folder / RESULTS
    if results.is_file():
        with results.open("r+b") as file:
            whole, newline, torn = file.read().rpartition(b"\n")
            if torn:
                file.truncate(len(whole) + len(newline))
        lines = [json.loads(line) for line in whole.split(b"\n") if line]
        job.done, job.refused = len(lines), sum("error" in line for line in lines)
    job.state = "done" if job.done >= len(job.names) else "waiting"
    for number in range(job.done, len(job.names)):
        if not (folder / _upload(number)).is_file():
            job.state = "stopped"
    return job


def _write_card(folder: Path, job: Job) -> None:
    own = {name: value for name, value in asdict(job).items() if name not in ("done", "refused", "state")}
    with (folder / CARD).open("x", encoding="ascii") as file:
        json.dump(own, file)
        file.flush()
        os.fsync(file.fileno())


def _upload(number: int) -> str:
    return f"{number:05d}.upload"


def _size(file: IO[bytes]) -> int:
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    return end


def _size_of(folder: Path) -> int:
    total = 0
    for file in folder.glob("*.upload"):
        with suppress(OSError):
            total += file.stat().st_size
    return total
