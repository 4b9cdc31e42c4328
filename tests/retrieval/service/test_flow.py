from __future__ import annotations

import asyncio
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from retrieval.engine import Engine
from retrieval.service.flow import Flow, limited
from retrieval.service.metrics import Metrics
from retrieval.service.settings import Limits

API = "/api/v1"


def received(chunks, most, seconds=10.0, clock=None):
    """What an application gets of a body that comes in chunks."""
    left = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    left.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return left.pop(0)

    async def run():
        take, got = limited(receive, most, seconds, *([clock] if clock else [])), b""
        while True:
            message = await take()
            got += message["body"]
            if not message["more_body"]:
                return got

    return asyncio.run(run())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 200))
def test_a_body_passes_whole_or_is_cut_off(chunks, most):
    whole = b"".join(chunks)
    if len(whole) <= most:
        assert received(chunks, most) == whole
    else:
        with pytest.raises(HTTPException) as caught:
            received(chunks, most)
        assert caught.value.status_code == 413


def test_of_an_endless_body_no_more_is_taken_than_is_allowed():
    taken = 0

    async def receive():
        nonlocal taken
        taken += 1000
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    async def run():
        take = limited(receive, 10_000, 10.0)
        while True:
            await take()

    with pytest.raises(HTTPException):
        asyncio.run(run())
    assert taken == 11_000


def test_a_body_that_does_not_arrive_is_given_up():
    async def run():
        async def receive():
            await asyncio.sleep(60)

        await limited(receive, 10, 0.05)()

    with pytest.raises(HTTPException) as caught:
        asyncio.run(run())
    assert caught.value.status_code == 408


def test_a_body_that_trickles_is_given_up():
    now = iter(range(100))
    with pytest.raises(HTTPException) as caught:
        received([b"x"] * 50, 1000, seconds=20.0, clock=lambda: next(now))
    assert caught.value.status_code == 408


def test_what_promises_too_much_is_not_begun(serve):
    client = serve(limits=Limits(body_bytes=1000))
    told = client.post(f"{API}/query", files={"file": ("a.png", b"x" * 2000)})
    assert (told.status_code, told.json()["error"]["kind"]) == (413, "too_large")
    assert "1,000 bytes" in told.json()["error"]["message"]
    assert client.post(f"{API}/jobs", files={"files": ("a.png", b"x" * 2000)}).status_code == 202


def test_what_says_no_length_is_cut_off(serve):
    client = serve(limits=Limits(body_bytes=1000))

    def parts():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield b"x" * 100

    told = client.post(f"{API}/query", content=parts(), headers={"content-type": "multipart/form-data; boundary=b"})
    assert (told.status_code, told.json()["error"]["kind"]) == (413, "too_large")


def test_a_lie_about_the_length_is_no_way_around(serve):
    client = serve(limits=Limits(body_bytes=1000))
    told = client.post(f"{API}/search", content=b"text=" + b"x" * 5000, headers={"content-length": "-1"})
    assert told.status_code in (400, 413)


def test_more_than_can_be_done_is_sent_away_and_told_when_to_come(serve, monkeypatch):
    client = serve(limits=Limits(at_once=2))
    begun, go_on = threading.Semaphore(0), threading.Event()
    search = Engine.search

    def slow(*given, **named):
        begun.release()
        go_on.wait(30)
        return search(*given, **named)

    monkeypatch.setattr(Engine, "search", slow)
    answers = []

    def ask():
        answers.append(client.post(f"{API}/search", data={"text": "sinus"}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        begun.acquire(timeout=30)
    busy = client.post(f"{API}/search", data={"text": "sinus"})
    alive = client.get(f"{API}/health/live")
    figures = client.get(f"{API}/metrics")
    go_on.set()
    for thread in threads:
        thread.join()
    assert (busy.status_code, busy.json()["error"]["kind"], busy.headers["retry-after"]) == (503, "busy", "2")
    assert alive.status_code == 200
    assert "nearbeat_requests_at_work 2.0" in figures.text
    assert answers == [200, 200]
    assert client.post(f"{API}/search", data={"text": "sinus"}).status_code == 200


def test_streams_have_a_limit_of_their_own(desk, settings):
    taken, told = asyncio.Event(), []

    async def app(scope, receive, send):
        taken.set()
        await asyncio.sleep(0.2)

    async def note(message):
        told.append(message)

    async def run():
        flow = Flow(app, Limits(streams=1), Metrics(desk))
        scope = {"type": "http", "method": "GET", "path": f"{API}/jobs/1/events", "headers": []}
        first = asyncio.create_task(flow(scope, None, note))
        await taken.wait()
        await flow(scope, None, note)
        await first
        await flow(scope, None, note)

    asyncio.run(run())
    assert [message["status"] for message in told if "status" in message] == [503]


def test_an_answer_that_takes_for_ever_is_given_up(serve, monkeypatch):
    client, search = serve(limits=Limits(request_seconds=0.2)), Engine.search

    def slow(*given, **named):
        time.sleep(1.5)
        return search(*given, **named)

    monkeypatch.setattr(Engine, "search", slow)
    told = client.post(f"{API}/search", data={"text": "sinus"})
    assert (told.status_code, told.json()["error"]["kind"]) == (503, "busy")
