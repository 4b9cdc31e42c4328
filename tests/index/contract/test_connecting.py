"""A Milvus server that is not ready is asked again, for a while."""

from __future__ import annotations

import pytest

from index.milvus import connection

pymilvus = pytest.importorskip("pymilvus")


class Server:
    """What ``MilvusClient`` is in these tests: not ready so many times."""

    def __init__(self, times: int, message: str = "service not ready[standalone=1]: Abnormal") -> None:
        self.times, self.message, self.asked = times, message, 0

    def __call__(self, **_: object) -> Server:
        self.asked += 1
        if self.asked <= self.times:
            raise pymilvus.MilvusException(code=1, message=self.message)
        return self


def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(pymilvus, "MilvusClient", server)
    monkeypatch.setattr(connection, "PAUSE_S", 0.0)
    return connection._client(pymilvus, "http://server:19530", "")


def test_it_is_asked_until_it_is_ready(monkeypatch):
    server = Server(3)
    assert client(server, monkeypatch) is server
    assert server.asked == 4


def test_it_is_asked_no_longer_than_that(monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE_S", -1.0)
    server = Server(9)
    with pytest.raises(pymilvus.MilvusException, match="not ready"):
        client(server, monkeypatch)
    assert server.asked == 1


def test_another_error_is_told_at_once(monkeypatch):
    server = Server(9, "authentication failed")
    with pytest.raises(pymilvus.MilvusException, match="authentication"):
        client(server, monkeypatch)
    assert server.asked == 1
