"""Cases read, drawn and encoded by Ray Data, on the processors of this machine or of many; one process writes.

Parts of a stream go to a pool of actors, each with the bundle's towers, and come back in the stream's order, so that
a gallery is the same to the byte wherever its vectors were made, and what one way of building began, another ends.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from index.errors import NearBeatError
from retrieval import errors
from retrieval.errors import BadArgument
from retrieval.filling import CHUNK, Chunks, Embedded, Item, Reading
from retrieval.ray_session import RayFailed, RaySettings, ray_module, ray_session
from retrieval.ray_worker import Worker, item_of
from retrieval.streams import Refusal, Stream

if TYPE_CHECKING:
    from retrieval.towers.bundle import Bundle

LEG = 65_536
"""Items whose parts Ray holds at a time, so that memory does not grow with the archive; each leg starts its workers
anew, which takes seconds of the minutes that it lasts."""
CHUNKS_OF_A_PART = 4
"""At most; a part that is not finished when a build is killed is done again, and its start takes some 0.3 s."""
RESTARTS = 3
"""Of a worker: one that always dies of the same part ends the build, instead of dying of it for ever."""
NO_PROGRESS_S = 5_400.0
"""Ray Data gives up after so many seconds without any result; a part of files that all take too long ends before."""


def reading_on_ray(settings: RaySettings | None = None) -> Reading:
    """What ``build_gallery`` and ``add_to_gallery`` take as ``reading`` to embed on Ray.

    Args:
        settings: where, and with how many workers.

    Raises:
        ExtraMissing: when Ray is not installed.
    """
    chosen = settings or RaySettings()
    ray_module(chosen.address)

    def reading(stream: Stream, first: int, towers: Bundle) -> Chunks:
        return _chunks(stream, first, towers, chosen)

    return reading


@dataclass(frozen=True)
class _Work:
    """What one leg of a stream is done with."""

    ray: Any
    workers: int
    stream: Stream
    towers: Bundle

    def rows(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        """A row for each item of a leg, in the order of the stream."""
        data, part = self.ray.data, self.stream.part
        assert part is not None  # noqa: S101 - _chunks has looked
        size = part_size(last - first, self.workers)
        parts = [{"first": n, "part": part(n, min(n + size, last))} for n in range(first, last, size)]
        # The parts are blocks of the object store, not a source that Ray has to read: its read tasks need a
        # processor each, and wait for ever where the actors hold them all.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of ray_remote_args_fn, which has no successor yet
            embedded = data.from_items(parts, override_num_blocks=len(parts)).map_batches(
                Worker,
                fn_constructor_kwargs=Worker.settings(self.towers),
                batch_size=1,
                batch_format="numpy",
                # A pool that may grow begins with what is free, however few processors that are.
                compute=data.ActorPoolStrategy(min_size=1, max_size=self.workers, initial_size=self.workers),
                num_cpus=1,
                ray_remote_args_fn=lambda: {"max_restarts": RESTARTS, "max_task_retries": RESTARTS},
            )
        for block in embedded.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from block.to_pylist()


def part_size(items: int, workers: int) -> int:
    """How many items go to a worker at once: whole chunks, few enough that every worker gets several parts."""
    return CHUNK * max(1, min(CHUNKS_OF_A_PART, items // (CHUNK * workers * 4)))


def _chunks(stream: Stream, first: int, towers: Bundle, settings: RaySettings) -> Chunks:
    if stream.part is None:
        raise BadArgument("this stream can be read by its own process only; leave --engine ray out")
    if first >= stream.total:
        return
    with ray_session(settings) as (ray, workers):
        _quiet(ray)
        work = _Work(ray, workers, stream, towers)
        for start in range(first, stream.total, LEG):
            yield from _grouped(work, start, min(start + LEG, stream.total))


def _grouped(work: _Work, first: int, last: int) -> Iterator[Sequence[Item]]:
    """The items of a leg in chunks.

    Raises:
        NearBeatError: what ended a worker, as it would have ended a build without Ray.
        RayFailed: when Ray lost a worker for good, or gives no result, or another number of them.
    """
    chunk: list[Embedded | Refusal] = []
    expected = first
    try:
        for row in work.rows(first, last):
            if row["failure"]:
                kind, message = json.loads(row["failure"])
                raise _error(kind, message) or _stopped(expected, work, message)
            if row["number"] != expected:
                raise RayFailed(f"Ray gave item {row['number']} where {expected} comes; run the same command again")
            chunk.append(item_of(row))
            expected += 1
            if len(chunk) == CHUNK or expected == last:
                yield chunk
                chunk = []
    except _failures(work.ray) as error:
        said = next(iter(str(error).strip().splitlines()), "no reason given").partition(". ")[0]
        raise _stopped(expected, work, f"{type(error).__name__}: {said}") from error
    if expected != last:
        raise RayFailed(f"Ray gave {expected - first} of {last - first} items; run the same command again")


def _failures(ray: Any) -> tuple[type[Exception], ...]:
    of_data = ray.data.exceptions
    return (ray.exceptions.RayError, of_data.SystemException, of_data.ExecutionTimeoutError, TimeoutError)


def _stopped(item: int, work: _Work, reason: str) -> RayFailed:
    return RayFailed(
        f"Ray stopped at item {item} of {work.stream.total} ({reason}); what was written stays, and the same command "
        "goes on from there, with or without --engine ray"
    )


def _error(kind: str, message: str) -> NearBeatError | None:
    """The error that a worker told of, where it is one of ours."""
    known = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, NearBeatError)]
    return next((one(message) for one in known if one.kind == kind), None)


def _quiet(ray: Any) -> None:
    """Results in order, and nothing on the terminal beside our own bar."""
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.execution_options.verbose_progress = False
    context.execution_no_progress_timeout_s = NO_PROGRESS_S
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
