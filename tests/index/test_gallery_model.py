"""Any order of changes, crashes, openings and searches agrees with a dictionary and brute force."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from index import Case, Filter, Gallery, Ingest, all_of, diff_galleries, parse_where
from index.errors import DuplicateCase, GalleryError, NoReembed, ReembedUnderWay, UnknownCase, WrongBundle
from tests.index.gallery_samples import by_hand, clumped, fused_by_hand, new_gallery, sample_case

DIMS = (6, 4)
ROWS = [clumped(80, dim, seed=dim) for dim in DIMS]
"""For each of two bundles the vectors: of case n, and behind the first 40 of what replaces it."""
BUNDLES = [("toy", "ab" * 32, 6), ("other", "cd" * 32, 4)]
WORDS = ["vorhofflimmern", "sinusrhythmus", "linksschenkelblock", "Überleitung"]
FILTERS = {
    "all": (None, lambda case: True),
    "women": (Filter(sex="female"), lambda case: case.sex == "female"),
    "adults": (Filter(age_from=30, age_to=60), lambda case: case.age is not None and 30 <= case.age <= 60),
    "site": (Filter(site="site-1"), lambda case: case.site == "site-1"),
    "dates": (
        Filter(recorded_from="1992-01-01", recorded_to="1996-06-30"),
        lambda case: "1992-01-01" <= case.recorded[:10] <= "1996-06-30",
    ),
    "present": (Filter(present=("NORM",)), lambda case: "NORM" in case.statements),
    "absent": (
        Filter(absent=("IMI",), sex="male"),
        lambda case: "IMI" not in case.statements and case.sex == "male",
    ),
    "written": (
        parse_where('not (sex = male or age < 30) and report ~ "sinusrhythmus"'),
        lambda case: case.sex == "female" and case.age >= 30 and "sinusrhythmus" in case.report,
    ),
}
"""Conditions, and what they say in plain Python."""
numbers = st.lists(st.integers(0, 39), max_size=6, unique=True)


def case_of(number: int) -> Case:
    """Case n, or what replaces it."""
    case = sample_case(number % 40)
    text = " ".join(word for bit, word in enumerate(WORDS) if number >> bit & 1)
    return replace(case, report=text + " neu" * (number >= 40))


def id_of(number: int) -> str:
    return sample_case(number % 40).case_id


class GalleryMachine(RuleBasedStateMachine):
    """The gallery beside its model: what it holds, in order, and the ids it has ever held.

    A number from 40 on is a case that was replaced; ``next`` holds those that have a vector of the other bundle.
    """

    @initialize()
    def make(self):
        self.folder = Path(tempfile.mkdtemp())
        self.gallery = new_gallery(self.folder / "g", 6)
        self.reader = Gallery.open(self.folder / "g")
        self.held: list[int] = []
        self.ever: set[int] = set()
        self.generation = 0
        self.bundle = 0
        self.next: set[int] | None = None
        self.ingests: dict[str, Ingest] = {}
        self.copies = 0

    def teardown(self):
        if hasattr(self, "folder"):
            assert self.gallery.verify().ok
            self.gallery.close()
            self.reader.close()
            shutil.rmtree(self.folder)

    @property
    def rows(self) -> np.ndarray:
        return ROWS[self.bundle]

    @rule(which=numbers, stream=st.sampled_from([None, "a", "b"]), finished=st.booleans())
    def add(self, which, stream, finished):
        cases = [case_of(number) for number in which]
        taken = stream and Ingest(stream, len(self.held), finished, (("f", str(len(which)), "ü"),))
        if self.ever & set(which):
            with pytest.raises(DuplicateCase):
                self.gallery.add(cases, self.rows[which], ingest=taken)
            return
        self.gallery.add(cases, self.rows[which], ingest=taken)
        self.held += which
        self.ever |= set(which)
        self.generation += bool(which)
        if taken:
            self.ingests[stream] = taken

    @rule(pick=st.integers(0, 39), many=st.integers(1, 4))
    def delete(self, pick, many):
        gone = self.held[pick : pick + many]
        assert self.gallery.delete([id_of(number) for number in gone]) == self.generation + bool(gone)
        self.generation += bool(gone)
        self.forget(gone)

    @rule(pick=st.integers(0, 39), many=st.integers(1, 4))
    def replace(self, pick, many):
        old = self.held[pick : pick + many]
        new = [(number + 40) % 80 for number in old]
        self.gallery.replace([case_of(number) for number in new], self.rows[new])
        self.generation += bool(new)
        self.forget(old)
        self.held += new

    def forget(self, gone):
        self.held = [number for number in self.held if number not in gone]
        if self.next is not None:
            self.next -= set(gone)

    @rule()
    def replace_what_is_not_there(self):
        stranger = next(number for number in range(41) if number not in self.held and number + 40 not in self.held)
        with pytest.raises(UnknownCase):
            self.gallery.replace(
                [case_of(n) for n in [*self.held[:1], stranger]], self.rows[[*self.held[:1], stranger]]
            )

    @rule()
    def compact(self):
        self.gallery.compact()

    @rule(read_only=st.booleans())
    def reopen(self, read_only):
        name = "reader" if read_only else "gallery"
        getattr(self, name).close()
        setattr(self, name, Gallery.open(self.folder / "g", read_only=read_only))
        assert getattr(self, name).notices == ()

    @rule(many=st.integers(0, 40))
    def reembed(self, many):
        self.next = self.next or set()
        waiting = [number for number in self.held if number not in self.next]
        assert self.gallery.reembed_begin(*BUNDLES[1 - self.bundle]) == len(waiting)
        assert self.gallery.reembed_pending(many) == [id_of(number) for number in waiting[:many]]
        self.gallery.reembed_put([id_of(n) for n in waiting[:many]], ROWS[1 - self.bundle][waiting[:many]])
        self.next |= set(waiting[:many])

    @rule()
    def finish_reembedding(self):
        if self.next is None or self.next != set(self.held):
            with pytest.raises(NoReembed if self.next is None else ReembedUnderWay):
                self.gallery.reembed_finish()
            return
        self.generation += 1
        assert self.gallery.reembed_finish() == self.generation
        self.bundle, self.next = 1 - self.bundle, None
        with pytest.raises(WrongBundle):
            self.reader.vectors()
        self.reopen(read_only=True)

    @rule()
    def cancel_reembedding(self):
        self.gallery.reembed_cancel()
        self.next = None

    @precondition(lambda self: self.copies < 3)
    @rule(from_reader=st.booleans())
    def backup_and_restore(self, from_reader):
        """The restored gallery goes on in the place of the one that was backed up."""
        self.copies += 1
        copy, again = self.folder / f"copy{self.copies}", self.folder / f"again{self.copies}"
        (self.reader if from_reader else self.gallery).backup(copy)
        Gallery.restore(copy, again)
        with Gallery.open(again) as restored:
            assert list(diff_galleries(restored, self.gallery)) == []
        self.gallery.close()
        self.reader.close()
        shutil.rmtree(self.folder / "g")
        again.rename(self.folder / "g")
        self.gallery = Gallery.open(self.folder / "g", read_only=False)
        self.reader = Gallery.open(self.folder / "g")

    @rule(spilled=st.booleans(), read_only_first=st.booleans())
    def crash(self, spilled, read_only_first):
        """The gallery goes on from the bytes that a writer leaves who is killed in the middle of a transaction."""
        connection = self.gallery._session._connection
        connection.execute(f"PRAGMA cache_size = {1 if spilled else 2000}")  # 1: unfinished pages reach the files
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE cases SET report = 'half done', extra = printf('%.*c', 5000, 'x')")
        connection.execute("DELETE FROM vectors")
        connection.execute("UPDATE state SET generation = generation + 7")
        left = shutil.copytree(self.folder / "g", self.folder / "left", ignore=shutil.ignore_patterns("*-shm"))
        connection.execute("ROLLBACK")
        self.gallery.close()
        self.reader.close()
        shutil.rmtree(self.folder / "g")
        left.rename(self.folder / "g")
        for read_only in (True, False) if read_only_first else (False, True):
            opened = Gallery.open(self.folder / "g", read_only=read_only)
            assert opened.notices == ()
            setattr(self, "reader" if read_only else "gallery", opened)

    @rule(which=numbers, kind=st.sampled_from(["add", "replace", "delete"]), steps=st.integers(1, 400))
    def fail_within(self, which, kind, steps):
        """A change that breaks off after so many steps of SQLite's machine is not there, and the next one works."""
        new = [number for number in which if number not in self.ever]
        held = self.held[: len(which)]
        other = [(number + 40) % 80 for number in held]
        if not (new if kind == "add" else held):
            return
        connection = self.gallery._session._connection
        connection.set_progress_handler(lambda: 1, steps)
        try:
            if kind == "add":
                self.gallery.add([case_of(n) for n in new], self.rows[new])
            elif kind == "replace":
                self.gallery.replace([case_of(n) for n in other], self.rows[other])
            else:
                self.gallery.delete([id_of(n) for n in held])
        except GalleryError as error:
            assert "interrupted" in str(error)  # noqa: PT017  # either is right
        else:
            self.generation += 1
            self.forget(held if kind != "add" else [])
            self.held += new if kind == "add" else other if kind == "replace" else []
            self.ever |= set(new) if kind == "add" else set()
        finally:
            connection.set_progress_handler(None, 0)

    @rule(which=numbers)
    def read_while_another_writes(self, which):
        """A snapshot stays what it was, whatever is committed beside it."""
        new = [number for number in which if number not in self.ever]
        with self.reader.snapshot() as generation:
            assert generation == self.generation
            self.add(new, None, False)
            assert self.reader.ids() == [id_of(n) for n in self.held[: len(self.held) - len(new)]]
            assert len(self.reader.vectors()) == len(self.held) - len(new)

    @rule(
        query=st.integers(0, 39),
        k=st.integers(1, 12),
        use_reader=st.booleans(),
        own=st.booleans(),
        word=st.sampled_from([None, *WORDS]),
        name=st.sampled_from(sorted(FILTERS)),
    )
    def search(self, query, k, use_reader, own, word, name):
        gallery = self.reader if use_reader else self.gallery
        patient = sample_case(query).patient_key if own else None
        condition, holds = FILTERS[name]
        allowed = [n for n in self.allowed(patient) if holds(case_of(n)) and (word is None or self.says(n, word))]
        where = all_of(condition, None if word is None else Filter(text=word))
        hits = gallery.search(self.rows[[query]], k=k, exclude_patients=[patient], where=where)[0]
        assert [(hit.case_id, hit.score) for hit in hits] == self.nearest(query, k, allowed)

    @rule(query=st.integers(0, 39), k=st.integers(1, 12), use_reader=st.booleans(), word=st.sampled_from(WORDS))
    def search_by_words(self, query, k, use_reader, word):
        """Which cases, the order of equal reports, and the fusion with the nearest; BM25 itself has its own test."""
        gallery = self.reader if use_reader else self.gallery
        said = gallery.search_words(word, 99)
        assert {hit.case_id for hit in said} == {id_of(n) for n in self.held if self.says(n, word)}
        assert [(-hit.score, hit.case_id) for hit in said] == sorted((-hit.score, hit.case_id) for hit in said)
        both = fused_by_hand(self.nearest(query, 99, self.held), [(hit.case_id, hit.score) for hit in said])
        found = gallery.search_hybrid(self.rows[query], word, k)
        assert [hit.score for hit in found] == pytest.approx(sorted(both.values(), reverse=True)[:k], abs=2e-6)
        assert [both[hit.case_id] for hit in found] == pytest.approx([hit.score for hit in found], abs=2e-6)

    def allowed(self, patient):
        return [n for n in self.held if patient is None or case_of(n).patient_key != patient]

    def says(self, number, word):
        return word in case_of(number).report

    def nearest(self, query, k, allowed):
        return by_hand(self.rows[allowed], [id_of(number) for number in allowed], self.rows[query], k)

    @invariant()
    def holds_what_the_model_holds(self):
        if not hasattr(self, "folder"):
            return
        for gallery in (self.gallery, self.reader):
            cases = [case_of(number) for number in self.held]
            assert gallery.cases(gallery.ids()) == cases
            assert np.array_equal(gallery.vectors(), self.rows[self.held])
            assert gallery.info().generation == self.generation
            assert gallery.bundle_sha256 == BUNDLES[self.bundle][1]
            assert {name: gallery.ingest(name) for name in self.ingests} == self.ingests
            target = gallery.reembedding()
            assert (target and target.bundle_sha256) == (None if self.next is None else BUNDLES[1 - self.bundle][1])


GalleryMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
TestGalleryModel = GalleryMachine.TestCase
