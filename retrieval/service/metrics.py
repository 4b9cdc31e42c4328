"""Figures for Prometheus: how many requests, how long they took, how much memory is held."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from index.errors import NearBeatError
from retrieval.service.desk import Desk

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one service, in a registry of its own."""

    def __init__(self, desk: Desk) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "nearbeat_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "nearbeat_request_seconds", "Time to answer.", ("route",), buckets=BUCKETS, registry=self.registry
        )
        self.at_work = Gauge("nearbeat_requests_at_work", "Requests at work or waiting.", registry=self.registry)
        self.registry.register(_Facts(desk))

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; 499 is one whose client went away."""
        self.requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Facts:
    """What is looked up when it is asked for."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: looking at the gallery at registration would cost a start its time."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Gallery, readiness and memory."""
        yield GaugeMetricFamily("nearbeat_ready", "Whether the service is warm.", value=float(self._desk.ready))
        with suppress(NearBeatError):
            found = self._desk.info()
            yield GaugeMetricFamily("nearbeat_gallery_cases", "Cases of the gallery.", value=found.cases)
            yield GaugeMetricFamily("nearbeat_gallery_generation", "Its generation.", value=found.generation)
        memory = GaugeMetricFamily(
            "nearbeat_resident_bytes", "Resident memory, where Linux tells it.", labels=("of",)
        )
        memory.add_metric(("service",), resident_bytes([os.getpid()]))
        memory.add_metric(("readers",), resident_bytes(children_of(os.getpid())))
        yield memory


def resident_bytes(pids: Iterable[int]) -> float:
    """Resident memory of processes together; 0 where the system does not tell."""
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
                "SC_PAGE_SIZE"
            )
    return float(total)


def children_of(pid: int) -> list[int]:
    """The processes that a process started, by Linux' account."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            if int(stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found
