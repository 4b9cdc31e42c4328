"""A Ray to work in: one of this program's own, which nobody else can reach, or a cluster that runs already."""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index.errors import NearBeatError
from retrieval.errors import BadArgument, ExtraMissing

NOWHERE = "http://127.0.0.1:9"
"""The port of the discard service, where nothing listens: what is sent there goes nowhere."""
SILENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_REPORT_URL": NOWHERE,  # a cluster reports even that its reports are switched off
    "RAY_DATA_USAGE_DISABLED": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what ends the work is told as an error of ours
}
"""Environment in which Ray reports nothing about its use, and little on the terminal."""
PRIVATE = SILENT | {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # with no cluster on any system, every server binds to loopback
    # At its start Ray asks the metadata services of three clouds where it is.
    "http_proxy": NOWHERE,
    "https_proxy": NOWHERE,
    "no_proxy": "127.0.0.1,localhost,::1",
    # Whoever else is on this machine may not join; without a token of ours, Ray keeps one in the home folder.
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}
"""Environment of a Ray of our own: nothing listens beyond this machine, and nothing leaves it."""
PREFIX = "nearbeat-ray-"


class RayFailed(NearBeatError):
    """Ray could not be started, or lost what it was computing."""

    kind = "ray"


@dataclass(frozen=True)
class RaySettings:
    """Where to embed.

    Args:
        address: of a running cluster (``auto`` or ``host:port``); without one, a Ray on this machine that ends with
            the work.
        workers: processes that read, draw and encode, a processor each; without a number, one fewer than there are
            processors, which leaves one to whoever writes.
        object_store_mb: memory for results that wait to be written, of a Ray on this machine.
    """

    address: str | None = None
    workers: int | None = None
    object_store_mb: int = 512

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise BadArgument(f"{self.workers} Ray workers were asked for; at least 1 is needed")
        if self.address is not None and "://" in self.address:
            raise BadArgument(
                f"{self.address} is the address of a Ray client; run the build on a machine of the cluster, with "
                "--ray-address auto, since the one that writes takes all results through its own object store"
            )


def ray_module(address: str | None = None) -> Any:
    """Ray, imported so that it reports nothing, and on this machine only unless a cluster is asked for.

    Raises:
        ExtraMissing: when it is not installed.
    """
    with environment(PRIVATE if address is None else SILENT):
        try:
            importlib.import_module("ray.data")
            return importlib.import_module("ray")
        except ImportError as error:
            raise ExtraMissing("--engine ray needs Ray Data; install it with pip install 'nearbeat[ray]'") from error


@contextmanager
def ray_session(settings: RaySettings) -> Iterator[tuple[Any, int]]:
    """Ray and the most workers that its processors allow; a Ray that was started here is gone at the end.

    Raises:
        ExtraMissing: when Ray is not installed.
        RayFailed: when it does not start, or no cluster is at the address.
    """
    ray = ray_module(settings.address)
    if ray.is_initialized():
        yield ray, _workers(settings, _processors(ray))
        return
    start = _start_here if settings.address is None else _connect
    with start(ray, settings) as processors:
        yield ray, _workers(settings, processors)


def _workers(settings: RaySettings, processors: int) -> int:
    """Of a cluster, one processor is left free, so that nothing of Ray's own can wait for ever."""
    most = max(1, processors - 1)
    return min(settings.workers or most, most)


def _processors(ray: Any) -> int:
    return int(ray.cluster_resources().get("CPU", 0))


@contextmanager
def _start_here(ray: Any, settings: RaySettings) -> Iterator[int]:
    """A Ray of this process: no dashboard, its files under a folder that goes with it."""
    workers = settings.workers or max(1, (os.cpu_count() or 1) - 1)
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_short_folder()))
    options = {
        "num_cpus": workers + 1,
        "num_gpus": 0,
        "include_dashboard": False,
        "object_store_memory": settings.object_store_mb << 20,
        "_temp_dir": str(folder),
    }
    try:
        with environment(PRIVATE):
            _init(ray, "Ray did not start on this machine", **options)
            _check_loopback(ray)
            yield workers + 1
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _connect(ray: Any, settings: RaySettings) -> Iterator[int]:
    try:
        with environment(SILENT):
            silent = f"no Ray cluster answers at {settings.address} (if it asks for a token, set RAY_AUTH_MODE=token)"
            _init(ray, silent, address=settings.address)
            yield _processors(ray)
    finally:
        ray.shutdown()


def _init(ray: Any, failure: str, **options: Any) -> None:
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except (RuntimeError, ConnectionError, TimeoutError, ValueError) as error:
        raise RayFailed(f"{failure}: {error}") from error


def _check_loopback(ray: Any) -> None:
    """Whoever imported Ray before us may have set it up for a cluster, whose servers other machines can reach."""
    address = ray.util.get_node_ip_address()
    if not address.startswith("127.") and address != "::1":
        raise RayFailed(
            f"Ray listens at {address}, where other machines reach it; it was imported before "
            "retrieval.ray_session could keep it on this machine: import that first"
        )


def _short_folder() -> str:
    """Ray's sockets lie some 70 characters below its folder, and a socket's path has at most 107."""
    return min(tempfile.gettempdir(), "/tmp", key=len)  # noqa: S108 - mkdtemp makes a folder of this user's alone


def _sweep() -> None:
    """Remove the folders of killed processes: there may be recordings among what Ray wrote to disk."""
    for folder in Path(_short_folder()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not _runs(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the length of a block; processes that are started in it inherit them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
