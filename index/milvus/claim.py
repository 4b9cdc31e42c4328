"""One writer at a time: a claim in the ledger, kept up by a beat, checked before and after each commit.

Milvus can neither lock nor compare and swap; a read that waits for every acknowledged write is all there is. That is
enough for a flag: a writer inserts its claim and only then looks for others. Of two that do so at once at least one
sees the other, and whoever sees another takes its own claim back and tries again after a moment of random length. So
never two hold it.

A writer that was killed leaves its claim behind. It is dead when its process is gone from this machine, or when no
beat of it came for :data:`LEASE_S`, by the clock of the one who waits. Whoever takes over puts up its own claim,
deletes the dead one, and only then reads what is committed. A writer that only stood still so long finds its claim
deleted when it looks after its commit: as long as it finds it, its commit came before the other's reading and counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from index.errors import GalleryBusy, GalleryError
from index.milvus.store import Row, Store, quoted

LEASE_S = 10.0
WAIT_S = 30.0
"""How long a writer waits for another before it is refused: more than a lease, so that the dead are outlived."""
_BEATS_IN_A_LEASE = 4
_LOOK_AGAIN_S = 0.25
CLAIM, BEAT = "claim", "beat"


class Claim:
    """The right to write to a gallery; made by :meth:`take`, given back by :meth:`release`."""

    def __init__(self, store: Store, lease_s: float) -> None:
        self._store = store
        self._lease_s = lease_s
        self.name = uuid.uuid4().hex
        self._beaten = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="nearbeat-claim", daemon=True)
        self.after_dead = False
        """Whether a writer was found dead, whose rows may still be under way."""

    @classmethod
    def take(cls, store: Store, wait_s: float = WAIT_S, lease_s: float = LEASE_S) -> Claim:
        """Wait for the right to write.

        Raises:
            GalleryBusy: when another writer held it for all of ``wait_s``.
        """
        claim = cls(store, lease_s)
        seen: dict[str, tuple[int, float]] = {}
        until = time.monotonic() + wait_s
        while True:
            living, dead = claim._others(seen)
            if not living:
                claim._put_up()
                living, dead = claim._others(seen)
                if not living:
                    break
                claim._take_down([claim.name])
            if time.monotonic() > until:
                raise GalleryBusy(
                    f"{store.place}: another process is writing to the gallery; try again when it is done"
                )
            time.sleep(_LOOK_AGAIN_S * (0.5 + random.random()))  # noqa: S311  # no secret
        claim.after_dead = bool(dead)
        claim._take_down(dead)
        claim._thread.start()
        return claim

    def hold(self) -> None:
        """Make sure that the claim stands, as it must right before a commit: by the clock, or by looking.

        Raises:
            GalleryBusy: when another writer has taken over.
        """
        if time.monotonic() - self._beaten > self._lease_s / 2:
            self.confirm()

    def confirm(self) -> None:
        """Make sure by looking that the claim stands.

        Raises:
            GalleryBusy: when another writer has taken over.
        """
        if not self._store.query(self._store.ledger, f"key == {quoted(_key(self.name))}", ("key",)):
            raise GalleryBusy(
                f"{self._store.place}: this process stood still for so long that another one took over the writing; "
                "the last change may not have been committed, open the gallery again and look"
            )

    def release(self) -> None:
        """Give the right back; where that fails, others find the claim dead after a while."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(GalleryError):
            self._take_down([self.name])

    def _put_up(self) -> None:
        text = json.dumps({"machine": machine(), "pid": os.getpid()})
        self._store.insert(self._store.ledger, [_row(_key(self.name), CLAIM, text)])
        self._beaten = time.monotonic()

    def _take_down(self, claims: list[str]) -> None:
        for name in claims:
            self._store.delete(self._store.ledger, f"key == {quoted(_key(name))}")
            self._store.delete(self._store.ledger, f"text == {quoted(name)} and kind == {quoted(BEAT)}")

    def _others(self, seen: dict[str, tuple[int, float]]) -> tuple[list[str], list[str]]:
        """The other claims that live, and those that are dead."""
        expression = f"kind in [{quoted(CLAIM)}, {quoted(BEAT)}]"
        rows = self._store.query(self._store.ledger, expression, ("key", "kind", "part", "text"))
        beats: dict[str, int] = {}
        for row in rows:
            if row["kind"] == BEAT:
                beats[row["text"]] = max(row["part"], beats.get(row["text"], 0))
        living, dead = [], []
        for row in rows:
            name = row["key"].removeprefix(f"{CLAIM}/")
            if row["kind"] == CLAIM and name != self.name:
                beat = (beats.get(name, 0), time.monotonic())
                if name not in seen or seen[name][0] != beat[0]:
                    seen[name] = beat
                silent = beat[1] - seen[name][1] > self._lease_s
                (dead if silent or _is_gone(row["text"]) else living).append(name)
        return living, dead

    def _beat(self) -> None:
        count = 0
        while not self._stop.wait(self._lease_s / _BEATS_IN_A_LEASE):
            count += 1
            begun = time.monotonic()
            with contextlib.suppress(GalleryError):
                beat = _row(f"{BEAT}/{self.name}/{count}", BEAT, self.name, count)
                self._store.insert(self._store.ledger, [beat])
                self._beaten = begun
                self._store.delete(self._store.ledger, f"key == {quoted(f'{BEAT}/{self.name}/{count - 1}')}")


def machine() -> str:
    """What tells the processes that this one can see from any others: the boot and the space of process ids."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    return ""


def _is_gone(text: str) -> bool:
    """Whether the process that put up a claim is known to have ended."""
    holder: dict[str, Any] = json.loads(text)
    if not holder["machine"] or holder["machine"] != machine() or sys.platform == "win32":
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _key(name: str) -> str:
    return f"{CLAIM}/{name}"


def _row(key: str, kind: str, text: str, part: int = 0) -> Row:
    """A row of the ledger that belongs to no commit: its sequence is 0."""
    fixed = {"epoch": 0, "sequence": 0, "parts": 1, "nothing": [0.0, 1.0]}
    return {"key": key, "kind": kind, "part": part, "text": text, **fixed}
