"""Task 5: pictures of the same ECGs, read back; refusals, pairing, the cache, and the real intake once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from eval.baselines import random_vectors
from eval.bootstrap import PatientBootstrap
from eval.metrics.vote_area import vote_area
from eval.pictures import GRIDS, LOOKS, Look, everyday_style
from eval.reading import PageReader, ReadPage, code_that_reads, read_one
from eval.split import split_by_fold
from eval.systems import CHECKED, System, chance
from eval.tasks.robustness import AUROC, CLEAN, LEFT_OUT, NDCG, Seen, drawn_by_patient, robustness_measures
from retrieval.ecg.page import CANONICAL, canonical_page
from retrieval.ecg.simulator import simulate
from retrieval.ecg.spoil import HELD_OUT
from retrieval.errors import NotAnEcg
from tests.eval.corpus import MemoryCorpus, make_rows
from training.augment import TRAINING_LAYOUTS

pytestmark = pytest.mark.slow

ROWS = np.arange(0, 120, 2)
PAIR = "page to report R@10, overall, raw"
BACK = "report to page R@10, overall, raw"


@pytest.fixture(scope="module")
def split():
    return split_by_fold(MemoryCorpus(make_rows()))


def page_of(number):
    """A page that carries a number."""
    pixels = np.full(CANONICAL.shape, 255, np.uint8)
    pixels.ravel()[:4] = np.frombuffer(np.uint32(number).tobytes(), np.uint8)
    return pixels


def reading_system(split, spoil=0.0):
    """Vectors of statements and of reports in one; a page gives the vector of the query whose number it carries."""
    codes = sorted({code for part in split.parts for row in part.rows for code in row.statements})
    texts = sorted({row.report for row in split.queries.rows})

    def rows_of(part):
        table = np.zeros((len(part.rows), len(codes) + len(texts)))
        for i, row in enumerate(part.rows):
            table[i, [codes.index(code) for code in row.statements]] = 1 / np.sqrt(len(row.statements))
            if row.report in texts:
                table[i, len(codes) + texts.index(row.report)] = 1
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    def encode_texts(reports):
        table = np.zeros((len(reports), len(codes) + len(texts)), np.float32)
        table[np.arange(len(reports)), [len(codes) + texts.index(report) for report in reports]] = 1
        return table

    queries = rows_of(split.queries)
    noise = random_vectors(len(queries), queries.shape[1], np.random.default_rng(0))

    def encode_pages(pages):
        numbers = [int(np.frombuffer(page.ravel()[:4].tobytes(), np.uint32)[0]) for page in pages]
        mixed = (1 - spoil) * queries[numbers] + spoil * noise[numbers]
        return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)

    return System(CHECKED, rows_of(split.gallery), rows_of(split.validation), queries, encode_texts, encode_pages)


def lines_of(split, looks, spoil=0.0, draws=50):
    systems = [reading_system(split, spoil), chance(*(len(part.rows) for part in split.parts))]
    lines = robustness_measures(split, systems, ROWS, looks, draws)
    return {(line.setting, line.metric): line for line in lines}


def test_pages_that_were_read_without_a_fault_change_nothing(split):
    lines = lines_of(split, [Seen("same", [ReadPage(page_of(i)) for i in ROWS])])
    assert {setting for setting, _ in lines} == {CLEAN, "same"}
    for (setting, metric), line in lines.items():
        assert line.refused == (None if setting == CLEAN else 0)
        if setting == "same":
            assert line.change[CHECKED].value == pytest.approx(0), metric
            np.testing.assert_allclose(line.change[CHECKED].draws, 0, atol=1e-12)
            assert line.scores[CHECKED].queries == lines[CLEAN, metric].scores[CHECKED].queries
    assert lines[CLEAN, AUROC].scores[CHECKED].value > 0.9
    assert lines[CLEAN, PAIR].scores[CHECKED].value > 0.8


def test_spoiled_pages_lose_and_the_loss_is_paired(split):
    lines = lines_of(split, [Seen("spoiled", [ReadPage(page_of(i)) for i in ROWS])], spoil=0.8)
    for metric in (NDCG, AUROC, PAIR, BACK):
        line, clean = lines["spoiled", metric], lines[CLEAN, metric]
        change = line.change[CHECKED]
        assert change.value == pytest.approx(line.scores[CHECKED].value - clean.scores[CHECKED].value)
        assert change.interval[1] < 0, metric


def test_a_refused_page_finds_nothing_and_both_counts_are_told(split):
    pages = [
        ReadPage(None, "NotAnEcg: no ECG") if i % 3 == 0 else ReadPage(page_of(row)) for i, row in enumerate(ROWS)
    ]
    look = Seen("refused", pages)
    lines = lines_of(split, [look])
    assert len(look.refusals) == 20
    for metric in (NDCG, PAIR, BACK):
        all_of_them, of_read = lines["refused", metric], lines["refused" + LEFT_OUT, metric]
        assert all_of_them.refused == 20
        assert of_read.refused == 0
        assert of_read.change[CHECKED].value == pytest.approx(0)
        ours, read = all_of_them.scores[CHECKED], of_read.scores[CHECKED]
        assert ours.queries > read.queries
        assert ours.value == pytest.approx(read.value * read.queries / ours.queries)
    assert lines["refused", AUROC].change[CHECKED].value < 0
    assert lines["refused", AUROC].scores[CHECKED].value > 0.5


def test_when_every_page_is_refused_nothing_is_found(split):
    lines = lines_of(split, [Seen("dark", [ReadPage(None, "NotAnEcg: dark")] * len(ROWS))])
    assert "dark" + LEFT_OUT not in {setting for setting, _ in lines}
    assert lines["dark", NDCG].scores[CHECKED].value == 0
    assert lines["dark", BACK].scores[CHECKED].value == 0
    assert lines["dark", AUROC].scores[CHECKED].value == pytest.approx(0.5)


def test_only_the_sought_page_is_replaced_from_report_to_page(split):
    """A page that shows nothing known is not found, though all others are clean."""
    system = reading_system(split)
    nothing = replace(system, encode_pages=lambda pages: np.eye(system.queries.shape[1])[[0] * len(pages)])
    look = Seen("other", [ReadPage(page_of(i)) for i in ROWS])
    lines = {(m.setting, m.metric): m for m in robustness_measures(split, [nothing], ROWS, [look], 0)}
    # It ties with all that say nothing of the text, so it is found as often as chance finds it.
    assert lines["other", BACK].scores[CHECKED].value < 0.1
    assert lines[CLEAN, BACK].scores[CHECKED].value > 0.8


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_a_refused_vote_is_a_coin_in_every_pair(seed, refused):
    rng = np.random.default_rng(seed)
    labels, votes = rng.random((40, 1)) < 0.4, rng.integers(0, 6, (40, 1)).astype(float)
    labels[:2, 0] = True, False
    votes[rng.choice(np.arange(2, 40), refused, replace=False)] = np.nan
    found = vote_area(PatientBootstrap([None] * 40, 10, seed=1), labels, votes)
    won = [
        0.5 if np.isnan(a) or np.isnan(b) else float(a > b) + 0.5 * float(a == b)
        for a in votes[labels[:, 0], 0]
        for b in votes[~labels[:, 0], 0]
    ]
    assert found.value == pytest.approx(np.mean(won))
    assert np.isfinite(found.draws).all()


def test_without_refusals_the_vote_is_the_plain_area():
    rng = np.random.default_rng(5)
    labels, votes = rng.random((60, 3)) < 0.4, rng.random((60, 3))
    bootstrap = PatientBootstrap([str(i // 2) for i in range(60)], 20)
    found, plain = vote_area(bootstrap, labels, votes), bootstrap.auroc(labels, votes)
    assert found.value == pytest.approx(roc_auc_score(labels, votes, average="macro"))
    np.testing.assert_allclose(found.draws, plain.draws)


def test_ecgs_are_drawn_by_patient_and_a_larger_draw_holds_a_smaller_one():
    patients = [str(i // 3) for i in range(60)] + [None, None]
    few, more = drawn_by_patient(patients, 7), drawn_by_patient(patients, 20)
    assert more[:7].tolist() == few.tolist()
    assert len(set(more.tolist())) == 20
    # Whole patients, but for the last.
    assert sorted(patients.count(patients[i]) for i in more[:6]).count(1) <= 2
    assert len({patients[i] for i in more}) <= 9
    assert drawn_by_patient(patients, 7, seed=1).tolist() != few.tolist()
    assert len(drawn_by_patient(patients, 1000)) == 62


def test_held_out_looks_are_those_of_the_protocol():
    unseen = {look.name: look for look in LOOKS if look.unseen}
    layouts = {look.layout for look in unseen.values()} - {"3x4+1"}
    assert layouts == {"12x1", "6x2+1"}
    assert not layouts & {name for name, _ in TRAINING_LAYOUTS}
    assert {look.grid for look in unseen.values()} - {None} == {"green", "gray"}
    assert not {"green", "gray"} & set(GRIDS)
    assert len({look.name for look in LOOKS}) == len(LOOKS)
    recording = simulate(1).recording
    for look in LOOKS:
        picture = look.of(7, recording)
        certain = (
            {s.effect for s in picture.recipe.steps if s.chances == (1.0, 1.0, 1.0)} if picture.recipe else set()
        )
        effects = {step.effect for step in picture.recipe.steps} if picture.recipe else set()
        assert (effects & HELD_OUT) == (certain & HELD_OUT)
        assert bool(effects & HELD_OUT) == look.held_out
        assert (picture.style.grid in GRIDS) == (look.grid is None)
    assert "moire" in {step.effect for look in LOOKS if look.held_out for step in look.of(7, recording).recipe.steps}


def test_a_picture_is_the_same_each_time_and_another_for_another_look():
    recording = simulate(2).recording
    one, other = (Look("photo", kind="photo", strength=strength).of(3, recording) for strength in (1, 2))
    np.testing.assert_array_equal(one.pixels(), one.pixels())
    keys = {look.of(ecg, recording).key for look in LOOKS for ecg in (3, 4)}
    assert len(keys) == 2 * len(LOOKS)
    assert one.key != other.key
    assert everyday_style(3) == everyday_style(3)


@dataclass(frozen=True)
class Counted:
    """A picture that counts how often it is read."""

    key: str
    answer: object
    times: list

    def read(self):
        self.times.append(1)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_pages_and_refusals_are_kept_and_a_damaged_one_is_read_again(tmp_path):
    times = []
    answers = [page_of(1), NotAnEcg("no ECG on it"), page_of(3), ZeroDivisionError("oh")]
    pictures = [Counted(str(i), answer, times) for i, answer in enumerate(answers)]
    told = []
    with PageReader(tmp_path / "pages", 1) as reader:
        first = reader.read(pictures, told.append)
    assert told == [0, 1, 2, 3, 4]
    assert [page.refusal for page in first] == ["", "NotAnEcg: no ECG on it", "", "failed: ZeroDivisionError('oh')"]
    with PageReader(tmp_path / "pages", 1) as reader:
        again = reader.read(pictures, told.append)
    assert len(times) == 4
    np.testing.assert_array_equal(again[2].pixels, first[2].pixels)
    assert again[1] == first[1]
    files = sorted((tmp_path / "pages").glob("*"))
    assert len(files) == 4
    assert all(file.suffix == ".npz" for file in files)
    files[0].write_bytes(files[0].read_bytes()[:50])
    with PageReader(tmp_path / "pages", 1) as reader:
        reader.read(pictures, told.append)
    assert len(times) == 5


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path):
    times = []
    pictures = [Counted(str(i), page_of(i), times) for i in range(5)]

    def stop(done):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), PageReader(tmp_path, 1) as reader:
        reader.read(pictures, stop)
    with PageReader(tmp_path, 1) as reader:
        pages = reader.read(pictures, lambda done: None)
    assert len(times) == 5
    assert [page.pixels[0, 0] for page in pages] == [0, 1, 2, 3, 4]


def test_other_code_reads_other_pages(tmp_path, monkeypatch):
    times = []
    picture = Counted("a", page_of(1), times)
    for code in ("one", "one", "two"):
        monkeypatch.setattr("eval.reading.code_that_reads", lambda code=code: code)
        with PageReader(tmp_path, 1) as reader:
            reader.read([picture], lambda done: None)
    assert len(times) == 2
    assert len(code_that_reads()) == 64 or code_that_reads() == "two"


@pytest.mark.slow
def test_the_real_intake_reads_a_picture_in_another_process(tmp_path):
    recording = simulate(5).recording
    pictures = [Look("clean picture").of(1, recording), Look("green grid", grid="green").of(1, recording)]
    with PageReader(None, 2) as reader:
        pages = reader.read(pictures, lambda done: None)
    clean = canonical_page(recording).pixels < 128
    for page in pages:
        assert page.refusal == ""
        ink = page.pixels < 128
        # Lines a pixel wide coincide within a pixel or two.
        near = np.stack([np.roll(ink, shift, axis=0) for shift in (-2, -1, 0, 1, 2)]).any(axis=0)
        assert (near & clean).sum() > 0.5 * clean.sum()


def test_a_blank_sheet_is_refused():
    blank = replace(Look("clean picture").of(1, simulate(5).recording))
    object.__setattr__(blank, "pixels", lambda: np.full((400, 600, 3), 255, np.uint8))
    assert read_one(blank).pixels is None
    assert read_one(blank).refusal.startswith("NotAnEcg")
