"""An open gallery's hold on Milvus: what is committed for those who read, the claim of the one who writes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from index.errors import GalleryBusy, GalleryError, WrongBundle
from index.milvus import ledger
from index.milvus.claim import Claim
from index.milvus.layout import EXACT
from index.milvus.ledger import GRACE_S, State
from index.milvus.store import Store

PURGE_FROM = 1000
"""Deleted cases whose rows are still there, from which on a writer deletes rows on its way."""


class View:
    """One commit, as a block of reads sees it, and the numbers of the ids that it has looked up."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.numbers: dict[str, int] = {}
        self.begun = time.monotonic()

    def check_age(self, store: Store) -> None:
        """Refuse to go on when rows that this view counts may have been deleted since."""
        if time.monotonic() - self.begun > GRACE_S / 2:
            raise GalleryBusy(
                f"{store.place}: a snapshot of the gallery is good for {GRACE_S / 2:g} s; take a new one"
            )


class Session:
    """One gallery, open in one process; reads of several threads go on side by side, changes one after the other."""

    def __init__(self, store: Store, state: State, *, read_only: bool) -> None:
        self.store = store
        self.meta = state
        self.read_only = read_only
        self._views = threading.local()
        self._lock = threading.RLock()
        self._claim: Claim | None = None
        self._state: State | None = None
        self._closed = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[View]:
        """One unchanging view of the gallery; inside another one of this thread, that one."""
        self._check_open()
        held: View | None = getattr(self._views, "view", None)
        if held is not None:
            held.check_age(self.store)
            yield held
            return
        view = View(ledger.read_state(self.store))
        self._refuse_moved(view.state)
        self._views.view = view
        try:
            yield view
        finally:
            self._views.view = None

    @contextlib.contextmanager
    def writing(self) -> Iterator[State]:
        """The committed state for a change; whatever fails inside, the next change looks again and cleans up."""
        self._check_open()
        if self.read_only:
            raise GalleryError(
                f"{self.store.place}: the gallery was opened for reading; open it with read_only=False"
            )
        if getattr(self._views, "view", None) is not None:
            raise GalleryError(f"{self.store.place}: a gallery cannot be changed inside a snapshot; leave it first")
        with self._lock:
            state = self._state if self._state is not None else self._take_over()
            self._refuse_moved(state)
            yield state

    def begin(self, state: State) -> State:
        """What a change starts from: the next sequence, and no rows that nobody can ask for any more.

        From here on the change may be cut off, so that the next one looks again, unless :meth:`commit` ends it.
        """
        self._state = None
        if len(state.gone_numbers) > PURGE_FROM:
            state = ledger.purge(self.store, state, time.time() - GRACE_S)
        return replace(state, sequence=state.sequence + 1)

    def commit(self, state: State) -> None:
        """Make a state the newest; on return it is, and was not taken back.

        Raises:
            GalleryBusy: when another writer has taken over.
        """
        claim = self._claim
        if claim is None:
            raise GalleryError(f"{self.store.place}: there is no claim to write; open the gallery again")
        claim.hold()
        ledger.write_commit(self.store, state)
        claim.confirm()
        self._state = state
        with contextlib.suppress(GalleryError):  # what is left of older commits the next one removes
            ledger.drop_commits_before(self.store, state)

    def close(self) -> None:
        """Give the claim back and let go of the connection; once is enough."""
        if self._closed:
            return
        self._closed = True
        if self._claim is not None:
            self._claim.release()
        self.store.close()

    def _take_over(self) -> State:
        """Get the claim where it is not held, and clean up after whoever was cut off."""
        if self._claim is None:
            self._claim = Claim.take(self.store)
            cut_off = self._claim.after_dead
        else:
            self._claim.confirm()
            cut_off = True
        found = ledger.read_state(self.store)
        state = found.after_cut_off() if cut_off else found
        ledger.sweep(self.store, found)
        if found.indexing:  # it was cut off: back to the index that needs no measuring
            self.store.make_index(EXACT)
            state = replace(state, index=None, indexing=False)
        state = ledger.purge(self.store, state, time.time() - GRACE_S)
        state = replace(state, epoch=state.epoch + 1, sequence=state.sequence + 1)
        self.commit(state)
        return state

    def _refuse_moved(self, state: State) -> None:
        if (state.bundle_sha256, state.dim) != (self.meta.bundle_sha256, self.meta.dim):
            raise WrongBundle(
                f"{self.store.place}: another gallery was built at this place since it was opened, of the bundle "
                f"{state.bundle_name} ({state.bundle_sha256[:12]}); open it again with that bundle"
            )

    def _check_open(self) -> None:
        if self._closed:
            raise GalleryError(f"{self.store.place}: the gallery was closed; open it again")
