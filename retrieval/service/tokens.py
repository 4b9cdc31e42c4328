"""Tokens: who may ask. The file holds their hashes; a token itself is seen once, when it is made.

A token is 256 random bits, so that one SHA-256 of it is as safe as a slow hash: scrypt and its kind protect passwords
that people choose from lists of guesses, and here is no list to guess from. A slow hash would only let anyone keep
the service busy with wrong tokens.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from retrieval.errors import BadArgument, NearBeatError
from retrieval.service.places import config_folder

try:
    import fcntl
except ImportError:  # on Windows, two commands that change the file at the same moment are the user's to avoid
    fcntl = None

Role = Literal["read", "write"]
ROLES: tuple[Role, ...] = ("read", "write")
PREFIX = "nb_"
"""By which a token that leaked is found in a log or a repository."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VERSION = 1


class BadTokens(NearBeatError):
    """The file of tokens cannot be used, or a name in it is taken or missing."""

    kind = "bad_tokens"


@dataclass(frozen=True)
class Actor:
    """Who asks: the name of a token, and what it may do."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this one may do what needs ``role``; who may write may read."""
        return role == "read" or self.role == "write"


LOCAL = Actor("local", "write")
"""Whoever reaches a service on loopback that asks for no token."""


@dataclass(frozen=True)
class Token:
    """A token as it is kept.

    Args:
        name: of its holder; used once, so that a name in the log means one token.
        role: ``read`` or ``write``.
        sha256: of the token.
        made: when, ISO 8601 in UTC.
        revoked: when it was withdrawn; ``None`` while it is good.
    """

    name: str
    role: Role
    sha256: str
    made: str
    revoked: str | None = None


class TokenFile:
    """The tokens of a file, read again whenever it changes: one that is revoked is refused from then on.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def tokens(self) -> tuple[Token, ...]:
        """All, in the order in which they were made, revoked ones too.

        Raises:
            BadTokens: when the file is damaged; nobody is let in by a file that cannot be read.
        """
        with self._lock:
            try:
                found = self.path.stat()
            except FileNotFoundError:
                self._seen, self._tokens = None, ()
                return ()
            now = (found.st_mtime_ns, found.st_size, found.st_ino)
            if now != self._seen:
                self._tokens = _parsed(self.path)
                self._seen = now
            return self._tokens

    def any_good(self) -> bool:
        """Whether a token is there that is not revoked."""
        return any(token.revoked is None for token in self.tokens())

    def actor_of(self, token: str) -> Actor | None:
        """Whose token this is, ``None`` for one that is unknown or revoked; each takes the same time."""
        digest, found = _digest(token), None
        for kept in self.tokens():
            same = hmac.compare_digest(kept.sha256.encode(), digest.encode())
            if same and kept.revoked is None:
                found = Actor(kept.name, kept.role)
        return found

    def actor_named(self, name: str) -> Actor | None:
        """The holder of that name while its token is good."""
        good = (token for token in self.tokens() if token.name == name and token.revoked is None)
        return next((Actor(token.name, token.role) for token in good), None)

    def add(self, name: str, role: str) -> str:
        """Make a token; it is returned, and kept nowhere.

        Raises:
            BadArgument: when name or role cannot be used.
            BadTokens: when a token of that name was made before.
        """
        if not NAME.fullmatch(name):
            raise BadArgument(f"'{name}' cannot name a token; take 1 to 64 letters, digits and '.', '_', '-'")
        if role not in ROLES or name == LOCAL.name:
            raise BadArgument(
                f"'{role}' for '{name}' is not possible; the roles are read and write, and no name is local"
            )
        token = PREFIX + secrets.token_urlsafe(32)
        with self._changing() as tokens:
            if any(kept.name == name for kept in tokens):
                raise BadTokens(
                    f"a token named '{name}' was made before; take another name, each stands for one token"
                )
            tokens.append(Token(name, cast(Role, role), _digest(token), _now()))
        return token

    def revoke(self, name: str) -> None:
        """Withdraw a token.

        Raises:
            BadTokens: when no good token has that name.
        """
        with self._changing() as tokens:
            at = next((i for i, kept in enumerate(tokens) if kept.name == name and kept.revoked is None), None)
            if at is None:
                raise BadTokens(f"no token named '{name}' is good; nearbeat token list shows them all")
            tokens[at] = Token(**{**asdict(tokens[at]), "revoked": _now()})

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        """The tokens to be changed by one process at a time, written beside their place and renamed into it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path.with_name(self.path.name + ".lock")):
            tokens = list(self.tokens())
            yield tokens
            text = json.dumps({"version": VERSION, "tokens": [asdict(token) for token in tokens]}, indent=1)
            beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)


def default_tokens() -> Path:
    """Where tokens are kept unless the user says so."""
    return config_folder() / "tokens.json"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _parsed(path: Path) -> tuple[Token, ...]:
    try:
        whole = json.loads(path.read_text(encoding="ascii"))
        if whole["version"] != VERSION:
            raise BadTokens(
                f"{path} is a file of tokens of version {whole['version']}, this NearBeat knows {VERSION}"
            )
        return tuple(_token(one) for one in whole["tokens"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadTokens(
            f"{path} is no file of tokens ({error}); restore it, or remove it and make new tokens"
        ) from error


def _token(value: Mapping[str, Any]) -> Token:
    known = {field.name: value[field.name] for field in fields(Token)}
    if known["role"] not in ROLES or len(known["sha256"]) != 64 or not NAME.fullmatch(known["name"]):
        raise ValueError(f"token '{known['name']}' has no role or no hash")
    return Token(**known)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
