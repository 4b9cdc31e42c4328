"""The thread that works off jobs, one file at a time, so that whoever waits at a page is served before a batch is."""

from __future__ import annotations

import logging
import threading
from typing import Any

from retrieval.answer import refusal_json
from retrieval.errors import NearBeatError
from retrieval.service.desk import Desk, file_name
from retrieval.service.jobs import Job, Jobs
from retrieval.service.problems import error_json
from retrieval.service.who import ACTOR, REQUEST

log = logging.getLogger("nearbeat.service")

PAUSE_S = 0.5
"""Between two looks for a job, where nobody tells of one."""


class JobRunner:
    """Works off the jobs until it is stopped; a job that is not done then goes on with the next start."""

    def __init__(self, desk: Desk, jobs: Jobs) -> None:
        self.desk, self.jobs = desk, jobs
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nearbeat-jobs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Put down nothing more; the file that is being read is read again after the next start."""
        self._stopping.set()
        with self.jobs.changed:
            self.jobs.changed.notify_all()

    def join(self) -> None:
        """Wait for the end, which comes when the desk is closed."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            job = self.jobs.next()
            if job is None:
                with self.jobs.changed:
                    self.jobs.changed.wait(PAUSE_S)
                continue
            try:
                self._next_file(job)
            except Exception:
                log.exception("job %s stopped", job.job_id)
                self.jobs.stop(job)

    def _next_file(self, job: Job) -> None:
        ACTOR.set(job.owner)
        REQUEST.set(f"job-{job.job_id[:12]}")
        result = self._answer(job)
        if not self._stopping.is_set():  # else the refusal may be the closing's, not the file's
            self.jobs.put(job, result)

    def _answer(self, job: Job) -> dict[str, Any]:
        name = file_name(job.names[job.done])
        try:
            with self.jobs.upload(job, job.done).open("rb") as file:
                intake = self.desk.read(file, name)
            return self.desk.query(intake, job.k, job.where).as_json()
        except NearBeatError as error:
            told = refusal_json(name, error)
            return {**told, **error_json(error.kind, self.desk.plain(str(error)))}
