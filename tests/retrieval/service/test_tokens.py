from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import BadArgument
from retrieval.service.sessions import HOURS, MOST, Sessions
from retrieval.service.tokens import Actor, BadTokens, TokenFile


@pytest.fixture
def tokens(tmp_path):
    return TokenFile(tmp_path / "conf" / "tokens.json")


def test_a_token_names_its_holder_and_role(tokens):
    token = tokens.add("ward", "read")
    assert tokens.actor_of(token) == Actor("ward", "read")
    assert tokens.actor_of(token[:-1]) is None
    assert tokens.actor_of("") is None


def test_it_is_256_random_bits_and_kept_nowhere(tokens):
    made = {tokens.add(f"t{i}", "read") for i in range(20)}
    assert len(made) == 20
    assert all(len(token) == len("nb_") + 43 for token in made)  # 43 letters of base64 hold 256 bits
    text = tokens.path.read_text()
    assert not any(token in text or token[3:] in text for token in made)


@pytest.mark.skipif(os.name == "nt", reason="rights of files are others there")
def test_only_its_user_reads_the_file(tokens):
    tokens.add("ward", "read")
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600


def test_roles():
    assert Actor("a", "write").may("read")
    assert Actor("a", "write").may("write")
    assert Actor("a", "read").may("read")
    assert not Actor("a", "read").may("write")


def test_a_revoked_token_is_refused_at_once_by_one_who_has_the_file_open(tokens):
    token = tokens.add("ward", "write")
    other = TokenFile(tokens.path)
    assert other.actor_of(token) is not None
    tokens.revoke("ward")
    assert other.actor_of(token) is None
    assert other.actor_named("ward") is None
    assert not other.any_good()
    assert other.tokens()[0].revoked


def test_a_name_is_used_once(tokens):
    tokens.add("ward", "read")
    tokens.revoke("ward")
    with pytest.raises(BadTokens, match="made before"):
        tokens.add("ward", "read")
    with pytest.raises(BadTokens, match="no token named"):
        tokens.revoke("ward")


@pytest.mark.parametrize("name", ["", "a b", "ä", "../x", "-x", "x" * 65, "a\n"])
def test_names_that_cannot_be(tokens, name):
    with pytest.raises(BadArgument):
        tokens.add(name, "read")
    assert not tokens.path.exists()


@pytest.mark.parametrize(("name", "role"), [("a", "admin"), ("local", "read")])
def test_roles_that_cannot_be(tokens, name, role):
    with pytest.raises(BadArgument):
        tokens.add(name, role)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 2, "tokens": []}', '{"version": 1, "tokens": [{"name": "a"}]}', "\x00", "null"],
)
def test_a_damaged_file_lets_nobody_in(tokens, text):
    tokens.path.parent.mkdir()
    tokens.path.write_text(text)
    with pytest.raises(BadTokens):
        tokens.actor_of("nb_x")


def test_a_role_that_was_tampered_with_is_refused(tokens):
    token = tokens.add("ward", "read")
    whole = json.loads(tokens.path.read_text())
    whole["tokens"][0]["role"] = "root"
    tokens.path.write_text(json.dumps(whole))
    with pytest.raises(BadTokens):
        tokens.actor_of(token)


def test_many_at_once_lose_none(tokens):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda i: TokenFile(tokens.path).add(f"t{i}", "read"), range(16)))
    assert {tokens.actor_of(token).name for token in made} == {f"t{i}" for i in range(16)}


@given(st.text(max_size=50))
def test_no_other_text_is_a_token(text):
    class One(TokenFile):
        def tokens(self):
            return ()

    assert One("x").actor_of(text) is None


def test_a_session_ends_by_time_and_by_logging_out():
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    cookie = sessions.begin("ward")
    assert sessions.name_of(cookie) == "ward"
    assert sessions.name_of(cookie + "x") is None
    now[0] = 3600 * HOURS + 1
    assert sessions.name_of(cookie) is None
    other = sessions.begin("ward")
    sessions.end(other)
    assert sessions.name_of(other) is None


def test_sessions_are_bounded():
    sessions = Sessions()
    cookies = [sessions.begin("ward") for _ in range(MOST + 5)]
    assert sessions.name_of(cookies[0]) is None
    assert sessions.name_of(cookies[5]) == "ward"
