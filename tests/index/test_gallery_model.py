"""Any order of changes, openings and searches agrees with a dictionary and brute force."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from index import Gallery
from index.errors import DuplicateCase
from tests.index.gallery_samples import by_hand, clumped, new_gallery, sample_case

ROWS = clumped(40, 6, seed=1)
numbers = st.lists(st.integers(0, 39), max_size=6, unique=True)


class GalleryMachine(RuleBasedStateMachine):
    """The gallery beside its model: what it holds, in order, and the ids it has ever held."""

    @initialize()
    def make(self):
        self.folder = Path(tempfile.mkdtemp())
        self.gallery = new_gallery(self.folder / "g", 6)
        self.reader = Gallery.open(self.folder / "g")
        self.held: list[int] = []
        self.ever: set[int] = set()
        self.generation = 0

    def teardown(self):
        if hasattr(self, "folder"):
            assert self.gallery.verify().ok
            self.gallery.close()
            self.reader.close()
            shutil.rmtree(self.folder)

    @rule(which=numbers)
    def add(self, which):
        cases = [sample_case(number) for number in which]
        if self.ever & set(which):
            with pytest.raises(DuplicateCase):
                self.gallery.add(cases, ROWS[which])
            return
        self.gallery.add(cases, ROWS[which])
        self.held += which
        self.ever |= set(which)
        self.generation += bool(which)

    @rule(pick=st.integers(0, 39), many=st.integers(1, 4))
    def delete(self, pick, many):
        gone = self.held[pick : pick + many]
        assert self.gallery.delete([sample_case(number).case_id for number in gone]) == self.generation + bool(gone)
        self.generation += bool(gone)
        self.held = [number for number in self.held if number not in gone]

    @rule()
    def compact(self):
        self.gallery.compact()

    @rule(read_only=st.booleans())
    def reopen(self, read_only):
        name = "reader" if read_only else "gallery"
        getattr(self, name).close()
        setattr(self, name, Gallery.open(self.folder / "g", read_only=read_only))
        assert getattr(self, name).notices == ()

    @rule(query=st.integers(0, 39), k=st.integers(1, 12), use_reader=st.booleans(), own=st.booleans())
    def search(self, query, k, use_reader, own):
        gallery = self.reader if use_reader else self.gallery
        patient = sample_case(query).patient_key if own else None
        allowed = [n for n in self.held if patient is None or sample_case(n).patient_key != patient]
        hits = gallery.search(ROWS[[query]], k=k, exclude_patients=[patient])[0]
        ids = [sample_case(number).case_id for number in allowed]
        assert [(hit.case_id, hit.score) for hit in hits] == by_hand(ROWS[allowed], ids, ROWS[query], k)

    @invariant()
    def holds_what_the_model_holds(self):
        if not hasattr(self, "folder"):
            return
        for gallery in (self.gallery, self.reader):
            cases = [sample_case(number) for number in self.held]
            assert gallery.cases(gallery.ids()) == cases
            assert np.array_equal(gallery.vectors(), ROWS[self.held])
            assert gallery.info().generation == self.generation


GalleryMachine.TestCase.settings = settings(max_examples=8, stateful_step_count=15, deadline=None)
TestGalleryModel = GalleryMachine.TestCase
