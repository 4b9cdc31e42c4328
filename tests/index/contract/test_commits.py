"""Commits are all or none, one writer at a time, and what is refused changes nothing."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import CaseGallery, Filter, Gallery, Ingest
from index.errors import BadSearch, BadVector, DuplicateCase, GalleryBusy, GalleryError, UnknownCase, WrongBundle
from index.milvus import MilvusGallery, ledger
from index.milvus.claim import Claim
from tests.index.contract.backends import DIM, Backend, Milvus
from tests.index.contract.test_answers import as_bytes
from tests.index.gallery_samples import SHA, clumped, sample_case, unit

REPOSITORY = Path(__file__).resolve().parents[3]
ROWS = clumped(40, DIM)


def same(gallery: CaseGallery, reference: CaseGallery) -> None:
    """The facts and answers of two galleries."""
    ids = reference.ids()
    assert gallery.ids() == ids
    assert gallery.cases(ids) == reference.cases(ids)
    assert gallery.added(ids) == reference.added(ids)
    assert gallery.statement_counts() == reference.statement_counts()
    ours, theirs = gallery.info(), reference.info()
    assert (ours.generation, ours.cases, ours.patients) == (theirs.generation, theirs.cases, theirs.patients)
    for where in (None, Filter(sex="male"), Filter(age_to=40, absent="SR")):
        ours, theirs = (one.find(ROWS[:3], 7, ["patient-1", None, None], where) for one in (gallery, reference))
        assert as_bytes(ours) == as_bytes(theirs)


numbers = st.lists(st.integers(0, 11), min_size=1, max_size=5)
steps = st.lists(st.tuples(st.sampled_from(["add", "delete", "replace"]), numbers), min_size=1, max_size=8)


def test_random_sequences(backend: Backend, tmp_path: Path):
    """What each step gives or refuses, and the gallery after it, as in a folder."""
    count = iter(range(10**6))

    @settings(
        max_examples=backend.examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(steps)
    def check(taken):
        options = {"bundle_name": "toy", "bundle_sha256": SHA, "dim": DIM}
        with (
            Gallery.create(tmp_path / f"{next(count)}", **options) as reference,
            backend.fresh() as gallery,
        ):
            for place, (step, chosen) in enumerate(taken):
                assert apply(gallery, step, chosen, place) == apply(reference, step, chosen, place)
            same(gallery, reference)

    check()


def apply(gallery: CaseGallery, step: str, chosen: list[int], place: int) -> object:
    try:
        cases = [sample_case(number, report=f"step {place}") for number in chosen]
        if step == "add":
            return gallery.add(cases, ROWS[[number + place for number in chosen]], ingest=Ingest("s", place))
        if step == "replace":
            return gallery.replace(cases, ROWS[[number + place for number in chosen]])
        return gallery.delete([case.case_id for case in cases])
    except GalleryError as error:
        return type(error)


def test_what_is_refused_changes_nothing(backend: Backend):
    with backend.fresh() as gallery:
        gallery.add([sample_case(1), sample_case(2)], ROWS[:2])
        gallery.delete(["case-00002"])
        refusals = [
            (DuplicateCase, lambda: gallery.add([sample_case(3), sample_case(1)], ROWS[:2])),
            (DuplicateCase, lambda: gallery.add([sample_case(3), sample_case(2)], ROWS[:2])),
            (DuplicateCase, lambda: gallery.add([sample_case(3), sample_case(3)], ROWS[:2])),
            (BadVector, lambda: gallery.add([sample_case(3)], ROWS[:2])),
            (BadVector, lambda: gallery.add([sample_case(3)], 2 * ROWS[:1])),
            (UnknownCase, lambda: gallery.replace([sample_case(1), sample_case(2)], ROWS[:2])),
            (UnknownCase, lambda: gallery.delete(["case-00001", "case-00009"])),
            (UnknownCase, lambda: gallery.cases(["case-00002"])),
            (UnknownCase, lambda: gallery.vectors(["none"])),
            (BadSearch, lambda: gallery.search(ROWS[:1], k=0)),
            (BadSearch, lambda: gallery.search(ROWS[:2], exclude_patients=["a"])),
            (BadVector, lambda: gallery.search(unit(1, DIM + 1))),
        ]
        for kind, asked in refusals:
            with pytest.raises(kind):
                asked()
        assert (gallery.ids(), gallery.info().generation) == (["case-00001"], 2)
        with gallery.snapshot(), pytest.raises(GalleryError, match="snapshot"):
            gallery.delete(["case-00001"])
    with pytest.raises(GalleryError, match="closed"):
        gallery.ids()
    with pytest.raises(WrongBundle, match="cd"):
        backend.open(bundle_sha256="cd" * 32)
    with backend.open() as reader, pytest.raises(GalleryError, match="reading"):
        reader.add([sample_case(5)], ROWS[:1])


@pytest.mark.parametrize("what", ["add", "half a commit"])
def test_killed_in_the_middle(backend: Backend, what, tmp_path: Path):
    """Nothing of the change is seen, the next writer goes on, and nothing of it is left."""
    check_killed(backend, what, tmp_path)


@pytest.mark.parametrize("what", ["delete", "replace"])
def test_killed_while_cases_are_taken_out(lite_server: Milvus, what, tmp_path: Path):
    check_killed(lite_server, what, tmp_path)


def check_killed(backend: Backend, what: str, tmp_path: Path) -> None:
    with (
        backend.fresh() as gallery,
        Gallery.create(tmp_path / "r", bundle_name="toy", bundle_sha256=SHA, dim=DIM) as reference,
    ):
        for one in (gallery, reference):
            one.add([sample_case(number) for number in range(20)], ROWS[:20])
        gallery.close()
        kill_in(backend.place, what)
        with backend.open() as reader:
            same(reader, reference)
            assert reader.retired(["case-00001"]) == set()
        with backend.open(read_only=False) as writer:
            for one in (writer, reference):
                one.delete(["case-00019"])
                one.add([sample_case(number, report="later") for number in range(100, 110)], ROWS[20:30])
            same(writer, reference)
            assert writer.verify().ok
    if isinstance(backend, Milvus):
        with backend.store() as store:
            assert len(store.query(store.cases, "number >= 0", ["number"])) == 30
            assert len(store.query(store.ledger, 'kind == "commit"', ["key"])) == 1


def kill_in(place: str, what: str) -> None:
    command = [sys.executable, "-m", "tests.index.contract.cut_off", place, what]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=120, check=False)
    assert done.returncode == -9, done.stderr.decode()


def test_two_readers_beside_a_writer(backend: Backend):
    """Each sees whole commits: threes of cases, one of them taken away again by the next commit."""
    problems: list[str] = []
    with backend.fresh() as writer:
        done = threading.Event()
        threads = [threading.Thread(target=look, args=(backend, done, problems)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(0, 24, 3):
            writer.add([sample_case(number + more) for more in range(3)], ROWS[number : number + 3])
            writer.delete([f"case-{number:05d}"])
        done.set()
        for thread in threads:
            thread.join()
    assert problems == []


def look(backend: Backend, done: threading.Event, problems: list[str]) -> None:
    try:
        with backend.open() as reader:
            while not done.is_set():
                with reader.snapshot() as generation:
                    count = (generation + 1) // 2 * 3 - generation // 2
                    ids = reader.ids()
                    found = reader.find(ROWS[:1], 99)
                    hits = [hit.case_id for hit in found.neighbours[0]]
                    if len(reader) != count or sorted(hits) != sorted(ids) or found.generation != generation:
                        problems.append(f"generation {generation}: {count} {len(reader)} {sorted(hits)} {ids}")
                    reader.cases(hits)
    except Exception as error:
        problems.append(repr(error))


def test_a_second_writer_waits_and_is_refused(milvus: Milvus):
    with milvus.fresh() as first:
        first.add([sample_case(1)], ROWS[:1])
        with milvus.store() as store, pytest.raises(GalleryBusy, match="another process"):
            Claim.take(store, wait_s=0.4)
        first.add([sample_case(2)], ROWS[1:2])
    with milvus.open(read_only=False) as second:
        assert second.add([sample_case(3)], ROWS[2:3]) == 3


def test_of_two_who_claim_at_once_never_both_get_it(lite_file: Milvus):
    holding: list[int] = []
    most: list[int] = []

    def claim(name: int) -> None:
        with lite_file.store() as store:
            for _ in range(3):
                taken = Claim.take(store, wait_s=60)
                holding.append(name)
                most.append(len(holding))
                time.sleep(random.random() / 50)
                holding.remove(name)
                taken.release()

    with lite_file.fresh():
        threads = [threading.Thread(target=claim, args=(name,)) for name in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(most), max(most)) == (9, 1)


def test_a_writer_that_stood_still_commits_nothing(lite_server: Milvus, monkeypatch):
    """Its lease ran out while its rows were written; another wrote; what comes late never counts."""
    with lite_server.fresh() as gallery, lite_server.open(read_only=False) as other:
        sleeper = gallery
        sleeper.add([sample_case(1)], ROWS[:1])
        assert isinstance(sleeper, MilvusGallery)
        claim = sleeper._session._claim
        assert claim is not None
        claim._stop.set()  # no beat any more
        claim._thread.join()
        monkeypatch.setattr("index.milvus.claim.Claim.take", short_lease(Claim.take))
        late: list[str] = []
        insert = sleeper._session.store.insert

        def slow(collection, rows):
            if collection == sleeper._session.store.cases and not late:
                late.append("")
                assert other.delete(["case-00001"]) == 2  # takes over
            insert(collection, rows)

        monkeypatch.setattr(sleeper._session.store, "insert", slow)
        claim._lease_s = 1e9  # it does not look before its commit: the worst moment to wake up
        with pytest.raises(GalleryBusy, match="took over"):
            sleeper.add([sample_case(2)], ROWS[1:2], ingest=Ingest("late", 1))
        assert other.ids() == []
        assert other.add([sample_case(3)], ROWS[2:3]) == 3
        with lite_server.open() as reader:
            assert reader.ids() == ["case-00003"]
            assert (reader.ingest("late"), reader.retired(["case-00001"])) == (None, {"case-00001"})
            assert reader.verify().ok


def short_lease(take):
    def taken(store, wait_s=30.0, lease_s=0.3):
        return take(store, wait_s, lease_s)

    return taken


def test_rows_of_deleted_cases_are_removed_in_the_end(milvus: Milvus, monkeypatch):
    with milvus.fresh() as gallery:
        cases = [sample_case(number, page=b"page" * 30) for number in range(20)]
        gallery.add(cases, ROWS[:20])
        gallery.delete([case.case_id for case in cases[:15]])
        wanted = gallery.find(ROWS[:2], 9)
        with milvus.store() as store:
            assert len(store.query(store.cases, "number >= 0", ["number"])) == 20
        gallery.compact()
        with milvus.store() as store:
            assert len(store.query(store.cases, "number >= 0", ["number"])) == 5
            assert len(store.query(store.pieces, "number >= 0", ["number"])) == 10
            assert ledger.read_state(store).gone == ()
        assert gallery.find(ROWS[:2], 9) == wanted
        monkeypatch.setattr("index.milvus.session.PURGE_FROM", 0)
        monkeypatch.setattr("index.milvus.session.GRACE_S", -1.0)
        gallery.delete(["case-00015"])
        gallery.delete(["case-00016"])
        with milvus.store() as store:
            assert len(store.query(store.cases, "number >= 0", ["number"])) == 4
        with pytest.raises(DuplicateCase):
            gallery.add([cases[3]], ROWS[:1])
        assert gallery.verify().ok


def test_damage_is_named(lite_server: Milvus):
    with lite_server.fresh() as gallery:
        gallery.add([sample_case(number) for number in range(4)], ROWS[:4])
        store = gallery._session.store
        row = store.query(store.cases, "number == 2", ["*"])[0]
        store.delete(store.cases, "number == 2")
        row["vector"] = ROWS[9]
        row["document"] = row["document"].replace("report 2", "report 3")
        store.insert(store.cases, [row])
        store.delete(store.cases, "number == 3")
        report = gallery.verify()
        assert not report.ok
        assert len(report.problems) == 3
        with pytest.raises(GalleryError, match="case-00002"):
            gallery.cases(["case-00002"])


def test_a_state_of_many_parts_survives(lite_file: Milvus):
    state = ledger.State("toy", SHA, DIM, simulated=True, counts={f"code {n}": n for n in range(20_000)})
    gone = (ledger.Gone(1.5, tuple(range(0, 40_000, 2))),)
    state = replace(state, gone=gone, sequence=7, index=ledger.Index({"a": 1}, {"nprobe": 4}, 9, 0.99))
    with lite_file.fresh(), lite_file.store() as store:
        rows = ledger.write_commit(store, state)
        assert len(rows) > 5
        assert ledger.read_state(store) == state
        store.delete(store.ledger, f'key == "{rows[3]["key"]}"')
        assert ledger.read_state(store).sequence == 0


def test_numbers_left_out_after_a_writer_was_cut_off(lite_file: Milvus):
    state = ledger.State("toy", SHA, DIM, simulated=False, epoch=3, sequence=9, spans=((0, 5),))
    after = state.after_cut_off()
    assert after.spans[0] == (0, 5)
    assert after.next > 5 + ledger.MOST_AT_ONCE
    late = replace(after, sequence=12, epoch=4)
    assert not late.counts_record(3, 10)
    assert late.counts_record(3, 9)
    assert late.counts_record(4, 12)
    assert not late.counts_record(4, 13)
    assert np.array_equal(after.after_cut_off().spans[:-1], after.spans[:-1])
