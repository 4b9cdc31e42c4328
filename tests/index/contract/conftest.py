"""One fixture, ``backend``: each engine in turn, its server started once and killed at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.index.contract.backends import Backend, Folder, Milvus
from tests.index.contract.servers import Lite, Server, Standalone, missing

LITE = ("pymilvus", "milvus_lite")
SERVER = ("pymilvus", "milvus")
IN_MILVUS = [
    "milvus-lite file",
    "milvus-lite server",
    pytest.param("milvus server", marks=pytest.mark.slow),
]


@pytest.fixture(scope="session")
def lite_file(tmp_path_factory: pytest.TempPathFactory) -> Milvus:
    if reason := missing(*LITE):
        pytest.skip(reason)
    file = tmp_path_factory.mktemp("lite") / "galleries.db"
    return Milvus("milvus-lite file", 3, f"milvus+file:{file}#contract")


@pytest.fixture(scope="session")
def lite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Milvus]:
    if reason := missing(*LITE):
        pytest.skip(reason)
    yield from _served(Lite(tmp_path_factory.mktemp("lite-server")), "milvus-lite server", 3)


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Milvus]:
    if reason := missing(*SERVER):
        pytest.skip(reason)
    yield from _served(Standalone(tmp_path_factory.mktemp("milvus")), "milvus server", 4)


def _served(server: Server, name: str, examples: int) -> Iterator[Milvus]:
    server.start()
    try:
        yield Milvus(name, examples, f"milvus+http://{server.address}/contract", server)
    finally:
        server.kill()


@pytest.fixture(params=["folder", *IN_MILVUS])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    if request.param == "folder":
        return Folder(tmp_path_factory.mktemp("folder"))
    return in_milvus(request)


@pytest.fixture(params=IN_MILVUS)
def milvus(request: pytest.FixtureRequest) -> Milvus:
    """Those of the engines that are Milvus."""
    return in_milvus(request)


def in_milvus(request: pytest.FixtureRequest) -> Milvus:
    names = {"milvus-lite file": "lite_file", "milvus-lite server": "lite_server", "milvus server": "milvus_server"}
    found = request.getfixturevalue(names[request.param])
    if found.server is not None and not found.server.well():
        found.server.restart()
    return found
