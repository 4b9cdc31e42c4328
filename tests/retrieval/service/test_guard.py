from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.service.chain import ChainLog, verify
from retrieval.service.guard import bearer, check_host, check_site, cookie
from retrieval.service.problems import Refused
from retrieval.service.sessions import COOKIE
from retrieval.service.settings import LOOPBACK
from retrieval.service.tokens import TokenFile

API = "/api/v1"
PAGE = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def holders(tmp_path):
    return TokenFile(tmp_path / "tokens.json")


@pytest.fixture
def read_token(holders):
    return holders.add("ward", "read")


@pytest.fixture
def write_token(holders):
    return holders.add("lab", "write")


@pytest.fixture
def guarded(serve, holders, read_token, write_token):
    return serve(tokens=holders)


def shown(token):
    return {"authorization": f"Bearer {token}"}


def test_without_a_token_nothing_is_told(guarded):
    for path in ("/info", "/cases/case-00", "/metrics", "/jobs", "/nothing"):
        told = guarded.get(API + path)
        assert (told.status_code, told.json()["error"]["kind"]) == (401, "token_needed")
        assert told.headers["www-authenticate"] == "Bearer"
    for path in ("/health/live", "/health/ready", "/openapi.json"):
        assert guarded.get(API + path).status_code in (200, 503)


def test_a_token_opens(guarded, read_token):
    assert guarded.get(f"{API}/info", headers=shown(read_token)).json()["service"]["role"] == "read"
    assert guarded.get(f"{API}/metrics", headers=shown(read_token)).status_code == 200


@pytest.mark.parametrize("header", ["Bearer ", "Bearer x", "Basic YTpi", "", "Bearer nb_\xff"])
def test_what_is_no_token_does_not(guarded, header):
    assert guarded.get(f"{API}/info", headers={"authorization": header.encode("latin-1")}).status_code == 401


def test_a_wrong_token_is_refused_even_where_none_is_needed(guarded):
    assert guarded.get(f"{API}/health/live", headers=shown("x")).status_code == 401


def test_a_revoked_token_is_refused_from_the_next_request_on(guarded, holders, read_token):
    assert guarded.get(f"{API}/info", headers=shown(read_token)).status_code == 200
    holders.revoke("ward")
    assert guarded.get(f"{API}/info", headers=shown(read_token)).status_code == 401


def test_a_damaged_file_of_tokens_lets_nobody_in(guarded, holders, read_token):
    holders.path.write_text("{")
    assert guarded.get(f"{API}/info", headers=shown(read_token)).status_code == 503
    assert str(holders.path) not in guarded.get(f"{API}/info", headers=shown(read_token)).text


def test_jobs_need_the_role_write(guarded, read_token, write_token):
    assert guarded.get(f"{API}/jobs", headers=shown(read_token)).status_code == 403
    assert guarded.post(f"{API}/jobs", headers=shown(read_token), files={"files": ("a", b"x")}).status_code == 403
    assert guarded.get(f"{API}/jobs", headers=shown(write_token)).status_code == 200


def test_a_browser_is_sent_to_log_in_and_out(guarded, read_token):
    told = guarded.get("/", headers=PAGE, follow_redirects=False)
    assert (told.status_code, told.headers["location"]) == (303, "/login")
    assert "<form" in guarded.get("/login").text
    assert guarded.post("/login", data={"token": "x"}).status_code == 401
    told = guarded.post("/login", data={"token": f" {read_token} "}, follow_redirects=False)
    assert (told.status_code, told.headers["location"]) == (303, "/")
    set_cookie = told.headers["set-cookie"].lower()
    assert all(part in set_cookie for part in ("httponly", "samesite=strict", "path=/"))
    assert "secure" not in set_cookie
    assert read_token not in set_cookie
    assert guarded.get(f"{API}/info").status_code == 200
    assert 'action="/logout"' in guarded.get("/").text
    assert guarded.post("/logout", follow_redirects=False).status_code == 303
    assert guarded.get(f"{API}/info").status_code == 401


def test_the_session_of_a_revoked_token_ends(guarded, holders, read_token):
    assert guarded.post(f"{API}/session", data={"token": read_token}).status_code == 204
    assert guarded.get(f"{API}/info").status_code == 200
    holders.revoke("ward")
    assert guarded.get(f"{API}/info").status_code == 401


def test_a_session_through_the_api(guarded, read_token):
    assert guarded.post(f"{API}/session", data={"token": "x"}).status_code == 401
    guarded.post(f"{API}/session", data={"token": read_token})
    cookie = guarded.cookies[COOKIE]
    assert guarded.delete(f"{API}/session").status_code == 204
    guarded.cookies.set(COOKIE, cookie)
    assert guarded.get(f"{API}/info").status_code == 401


def test_under_tls_the_cookie_stays_with_it(serve, holders, read_token):
    told = serve(tokens=holders, secure=True).post(f"{API}/session", data={"token": read_token})
    assert "secure" in told.headers["set-cookie"].lower()


def test_the_log_names_who_asked_and_not_what(serve, holders, read_token, tmp_path):
    log = ChainLog(tmp_path / "log.jsonl")
    client = serve(tokens=holders, log=log)
    client.post(f"{API}/search", data={"text": "Mr Smith of ward 3"}, headers=shown(read_token))
    client.post(f"{API}/query", files={"file": ("Smith.png", b"x")}, headers=shown(read_token))
    client.post("/login", data={"token": read_token}, follow_redirects=False)
    lines = log.path.read_text().splitlines()
    assert "Smith" not in log.path.read_text()
    assert [(line.split('"action":"')[1].split('"')[0]) for line in lines] == ["begun", "search", "read", "login"]
    assert '"actor":"ward"' in lines[1]
    assert '"outcome":"unsupported_format"' in lines[2]
    assert '"ids":["case-' in lines[1]
    assert '"actor":"ward"' in lines[3]
    assert verify(log.path).problems == ()


def test_nothing_is_answered_that_cannot_be_put_down(serve, tmp_path, monkeypatch):
    log = ChainLog(tmp_path / "log.jsonl")
    client = serve(log=log)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space left")))
    told = client.post(f"{API}/search", data={"text": "sinus"})
    assert told.status_code == 500
    assert "hits" not in told.text
    assert str(log.path) not in told.text


@pytest.mark.parametrize("host", ["localhost", "localhost:8765", "127.0.0.1:1", "[::1]:8765", "LOCALHOST"])
def test_names_of_this_machine(host):
    check_host(host, LOOPBACK)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "localhost@evil.example", "[::1", "a b", "127.0.0.1#", "//"],
)
def test_other_names_are_refused(host):
    with pytest.raises(Refused) as caught:
        check_host(host, LOOPBACK)
    assert caught.value.status == 421


@given(st.text())
def test_no_host_breaks_the_check(host):
    try:
        check_host(host, LOOPBACK)
    except Refused:
        return
    assert host.partition(":")[0].lower() in LOOPBACK or host.startswith("[::1]")


def test_a_name_that_points_here_by_rebinding_is_refused(serve):
    client = serve(names=LOOPBACK)
    assert client.get(f"{API}/info", headers={"host": "evil.example"}).status_code == 421
    assert client.get(f"{API}/info", headers={"host": "localhost:8765"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "foreign"),
    [
        ("POST", "/", {"origin": "https://evil.example"}, True),
        ("POST", "/", {"origin": "null"}, True),
        ("POST", "/", {"origin": "http://["}, True),
        ("POST", "/", {"origin": "http://here:1"}, True),
        ("POST", "/", {"origin": "http://here"}, False),
        ("POST", "/", {}, False),
        ("POST", "/", {"sec-fetch-site": "cross-site"}, True),
        ("POST", "/", {"sec-fetch-site": "same-site"}, True),
        ("POST", "/", {"sec-fetch-site": "same-origin", "origin": "http://here"}, False),
        ("DELETE", "/api/v1/jobs/1", {"sec-fetch-site": "cross-site"}, True),
        ("GET", "/api/v1/info", {"sec-fetch-site": "cross-site"}, True),
        ("GET", "/", {"sec-fetch-site": "cross-site"}, False),
        ("GET", "/api/v1/info", {"sec-fetch-site": "none"}, False),
    ],
)
def test_pages_of_other_sites(method, path, headers, foreign):
    if foreign:
        with pytest.raises(Refused):
            check_site(method, path, {"host": "here", **headers})
    else:
        check_site(method, path, {"host": "here", **headers})


def test_a_page_of_another_site_can_send_nothing(client):
    told = client.post(f"{API}/search", data={"text": "a"}, headers={"origin": "https://evil.example"})
    assert (told.status_code, told.json()["error"]["kind"]) == (403, "foreign_site")
    assert client.post("/", headers={"origin": "https://evil.example", **PAGE}).status_code == 403


def test_headers_that_are_none():
    assert bearer(None) is None
    assert bearer("bearer  x ") == "x"
    assert cookie({"cookie": f"a=b; {COOKIE}=value"}) == "value"
    assert cookie({"cookie": "=;;\x00"}) == ""


@given(st.text())
def test_no_cookie_breaks(text):
    assert isinstance(cookie({"cookie": text}), str)


def test_a_person_reads_a_page_and_a_program_a_problem(serve):
    client = serve(names=LOOPBACK)
    told = client.get("/", headers={"host": "evil.example", **PAGE})
    assert (told.status_code, told.headers["content-type"]) == (421, "text/html; charset=utf-8")
    assert "<script" not in told.text
    assert client.get("/", headers={"host": "evil.example"}).json()["error"]["kind"] == "wrong_host"


def test_the_page_to_log_in_speaks_german(serve, holders):
    client = serve(tokens=holders)
    assert "Anmelden" in client.get("/login", headers={"accept-language": "de-DE,de"}).text
    assert "zurückgezogen" in client.post("/login", data={"token": "x"}, headers={"accept-language": "de"}).text
