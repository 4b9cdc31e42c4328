"""A service over the small gallery: in this process for most tests, on a real socket for those that need one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient

from index import Gallery
from retrieval.ecg.recording import LEADS
from retrieval.engine import Engine
from retrieval.errors import NearBeatError
from retrieval.intake import Intake, read
from retrieval.intake.picture import read_picture
from retrieval.service.application import create_app
from retrieval.service.desk import Desk
from retrieval.service.running import listen
from retrieval.service.settings import Settings
from retrieval.service.warming import example_page


class ReaderHere:
    """Reads in this process, at once: what is tested is not the limits of a child."""

    def start(self, path: Path, page: int | None = None, **more: Any) -> Future[Intake]:
        future: Future[Intake] = Future()
        try:
            future.set_result(read(path, page, **more))
        except NearBeatError as error:
            future.set_exception(error)
        return future

    def look(self, path: Path, page: int | None = None) -> Any:
        arrays = read_picture(str(path), page)[1]
        return arrays["picture"], (int(arrays["size"][0]), int(arrays["size"][1]))

    def close(self) -> None:
        return


@pytest.fixture(scope="session")
def png() -> bytes:
    """A printed page of a simulated ECG."""
    return example_page()


@pytest.fixture(scope="session")
def csv(make_recording) -> bytes:
    """A recording as text, which is read far faster than a page; it goes by the name ``ecg.csv``."""
    recording = make_recording(30)
    rows = [",".join(f"{value:.3f}" for value in row) for row in recording.signal.T]
    return "\n".join([f"# rate: {recording.rate:g}", "# unit: mV", ",".join(LEADS), *rows, ""]).encode()


@pytest.fixture(scope="session")
def record(tmp_path_factory, make_recording) -> dict[str, bytes]:
    """The two files of a WFDB record."""
    import wfdb

    folder, recording = tmp_path_factory.mktemp("record"), make_recording(30)
    leads = {"sig_name": list(LEADS), "units": ["mV"] * 12, "fmt": ["16"] * 12}
    samples = recording.signal.T.astype(float)
    wfdb.wrsamp("record", fs=recording.rate, p_signal=samples, write_dir=str(folder), **leads)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def desk(small_gallery, towers) -> Iterator[Desk]:
    with Desk(Engine(Gallery.open(small_gallery), towers), reader=ReaderHere()) as opened:  # type: ignore[arg-type]
        yield opened


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(names=frozenset({"testserver"}), jobs=tmp_path / "jobs")


@pytest.fixture
def serve(desk, settings) -> Iterator[Callable[..., TestClient]]:
    """Begin a service whose settings differ from the usual ones as named; its client."""
    clients: list[TestClient] = []

    def begin(**others: Any) -> TestClient:
        own = replace(settings, **others)
        desk.limits = own.limits
        client = TestClient(create_app(desk, own, warm=False), raise_server_exceptions=False)
        clients.append(client)
        return client.__enter__()

    yield begin
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve) -> TestClient:
    return serve()


@pytest.fixture
def live(desk, settings) -> Iterator[str]:
    """The address of the service on a socket of this machine."""
    bound = listen("127.0.0.1", 0)
    app = create_app(desk, replace(settings, names=frozenset()), warm=False)
    desk.ready = True
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        bound.close()
