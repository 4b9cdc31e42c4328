"""What a service allows, and who may ask: set once at its start, never changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.errors import BadArgument

if TYPE_CHECKING:
    from retrieval.service.chain import ChainLog
    from retrieval.service.tokens import TokenFile

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Limits:
    """How much one request may take, and how many may be at work.

    Args:
        body_bytes: of a request with one ECG; it is cut off there, whatever its header promised.
        job_bytes: of a request that brings several.
        job_files: ECGs of one job.
        body_seconds: in which a request must have arrived.
        request_seconds: in which its answer must have been taken.
        seconds: of reading a file (``retrieval.intake.worker``).
        memory_mb: of a process that reads files.
        workers: processes that read files, and pages that are encoded, at a time.
        at_once: requests at work or waiting; more are sent away with 503 and told when to come again.
        streams: event streams that are open.
        k: most cases of an answer.
        letters: of a sentence or a condition.
    """

    body_bytes: int = 50_000_000
    job_bytes: int = 500_000_000
    job_files: int = 200
    body_seconds: float = 60.0
    request_seconds: float = 300.0
    seconds: float = 10.0
    memory_mb: int = 1024
    workers: int = 2
    at_once: int = 64
    streams: int = 32
    k: int = 200
    letters: int = 1000

    def __post_init__(self) -> None:
        for name in ("body_bytes", "job_bytes", "job_files", "workers", "at_once", "streams", "k", "letters"):
            if getattr(self, name) < 1:
                raise BadArgument(f"the service's limit {name} is {getattr(self, name)}; at least 1 is needed")


@dataclass(frozen=True)
class Settings:
    """How a service stands on the network.

    Args:
        host: the address it listens at.
        port: the port.
        secure: whether it speaks TLS: cookies are then bound to it, and browsers are told to stay with it.
        names: host names under which it may be addressed, without a port; empty for any. A page elsewhere whose name
            is made to point to this machine is refused by them (DNS rebinding).
        tokens: who may ask; ``None`` where the service is open to whoever reaches it, which only loopback may be.
        log: where requests and answers are put down; ``None`` for nowhere.
        jobs: folder of the jobs and their results; ``None`` where none are taken.
        limits: see ``Limits``.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    secure: bool = False
    names: frozenset[str] = LOOPBACK
    tokens: TokenFile | None = None
    log: ChainLog | None = None
    jobs: Path | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def open(self) -> bool:
        """Whether nobody is asked for a token."""
        return self.tokens is None

    @property
    def origin(self) -> str:
        """How a browser on this machine addresses it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' * self.secure}://{host}:{self.port}"
