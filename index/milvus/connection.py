"""How Milvus is reached: a server, or a file that milvus-lite serves inside this process."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from pathlib import Path
from typing import Any

from index.errors import ExtraMissing, GalleryBusy
from index.milvus.place import Place

TIMEOUT_S = 60.0
"""For one call."""
PATIENCE_S, PAUSE_S = 20.0, 0.5
"""How long a server that is not ready is asked again, and how often."""
NOT_READY = "service not ready"


def pymilvus() -> Any:
    """The package.

    Raises:
        ExtraMissing: when it is not installed.
    """
    try:
        milvus = importlib.import_module("pymilvus")
    except ImportError as error:
        raise ExtraMissing(
            "a gallery in Milvus needs pymilvus; install the extra: pip install 'nearbeat[milvus]'"
        ) from error
    # It logs each error with its traceback before it raises it; ours say it in a sentence.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    return milvus


def connect(place: Place) -> Any:
    """A client of the server, or of the file.

    Raises:
        ExtraMissing: when pymilvus or milvus-lite is not installed.
        GalleryBusy: when another process has the file open.
    """
    milvus = pymilvus()
    address = place.address if place.file is None else _LITE.serve(place.file)
    try:
        return _client(milvus, address, place.token)
    except BaseException:
        disconnect(place)
        raise


def _client(milvus: Any, address: str, token: str) -> Any:
    """A client; a server that says that it is not ready, as a busy one does for seconds, is asked again."""
    # By default it pings every 10 s, and a server of gRPC's own defaults cuts off whoever pings so often.
    options = {"grpc.keepalive_time_ms": 600_000, "grpc.keepalive_permit_without_calls": False}
    began = time.monotonic()
    while True:
        try:
            return milvus.MilvusClient(uri=address, token=token, timeout=TIMEOUT_S / 6, grpc_options=options)
        except milvus.MilvusException as error:
            if NOT_READY not in str(error) or time.monotonic() - began > PATIENCE_S:
                raise
        time.sleep(PAUSE_S)


def disconnect(place: Place) -> None:
    """Let go of milvus-lite's file when nobody else here uses it; of a server there is nothing to let go."""
    if place.file is not None:
        _LITE.release(place.file)


def sentence_of(error: Any) -> str:
    """What an error of pymilvus says, in one line."""
    return " ".join(str(getattr(error, "message", "") or error).split())[:300]


class _Lite:
    """The servers that milvus-lite runs in this process, one for each file, ended with the last gallery of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[Path, int] = {}

    def serve(self, file: Path) -> str:
        manager = self._manager()
        path = file.absolute()
        with self._lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)
            address = manager.start_and_get_uri(str(path))
            if not address:
                raise GalleryBusy(
                    f"{file}: milvus-lite cannot open the file; another process has it open, perhaps, and a file "
                    "serves one process at a time"
                )
            self._users[path] = self._users.get(path, 0) + 1
        return address

    def release(self, file: Path) -> None:
        path = file.absolute()
        with self._lock:
            self._users[path] = self._users.get(path, 1) - 1
            if self._users[path] <= 0:
                del self._users[path]
                self._manager().release_server(str(path))

    def _manager(self) -> Any:
        pymilvus()
        try:
            return importlib.import_module("milvus_lite.server_manager").server_manager_instance
        except ImportError as error:
            raise ExtraMissing(
                "a gallery in a file of Milvus needs milvus-lite; install the extra: pip install 'nearbeat[milvus]'"
            ) from error


_LITE = _Lite()
