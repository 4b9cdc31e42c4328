"""The search: what comes back, in which order, and what is kept apart or refused."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from index import Gallery
from index.errors import BadSearch, GalleryMissing, WrongBundle
from retrieval import open_gallery
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording
from retrieval.engine import Engine, sentence
from retrieval.errors import BadArgument, BadInput, BadSignal, EmptySentence


@pytest.fixture
def engine(small_gallery, towers):
    with open_gallery(small_gallery, towers) as opened:
        yield opened


def test_a_case_is_nearest_to_its_own_ecg(engine, make_recording):
    answer = engine.query(make_recording(5), k=3)
    assert [hit.rank for hit in answer.hits] == [1, 2, 3]
    assert answer.hits[0].case_id == "case-05"
    assert answer.hits[0].score == pytest.approx(1, abs=1e-5)
    assert answer.hits[0].report == "Sinus rhythm. Inferior infarct."
    assert answer.hits[0].statements == {"IMI": 80.0, "SR": None}


def test_scores_are_cosines_in_falling_order(engine, towers, make_recording):
    answer = engine.query(make_recording(99), k=12)
    own = towers.encode_pages([canonical_page(make_recording(99)).pixels])[0].astype(float)
    with Gallery.open(engine.gallery.path) as gallery:
        ids = [hit.case_id for hit in answer.hits]
        expected = gallery.vectors(ids).astype(float) @ own
    assert [hit.score for hit in answer.hits] == pytest.approx(expected, abs=1e-6)
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)
    assert answer.query.vector is not None
    assert np.allclose(answer.query.vector, own, atol=1e-6)


def test_the_same_patients_ecgs_are_listed_apart(engine, make_recording):
    answer = engine.query(make_recording(0, patient_key="p0"), k=12)
    assert {hit.case_id for hit in answer.hits} == {f"case-{i:02d}" for i in range(2, 12)}
    assert [case.case_id for case in answer.earlier] == ["case-00", "case-01"]
    by_hand = engine.query(make_recording(0), k=12, patient_key="p0")
    assert by_hand.hits == answer.hits


def test_many_at_once_answer_as_each_alone(engine, make_recording):
    recordings = [make_recording(seed) for seed in (3, 40, 41)]
    assert engine.query_all(recordings, k=4) == [engine.query(recording, k=4) for recording in recordings]


def test_a_sentence_finds_reports_with_its_words_and_says_how_near_their_ecgs_lie(engine, towers):
    own = towers.encode_texts(["fibrillation"])[0]
    with Gallery.open(engine.gallery.path) as gallery:
        said = gallery.search_words("fibrillation", k=12)
        fused = gallery.search_hybrid(own, "fibrillation", k=12)
    words = engine.search("fibrillation", k=12, by="words")
    assert {hit.report for hit in words.hits} == {"Atrial fibrillation."}
    both = engine.search("fibrillation", k=12)
    assert (words.ranked_by, both.ranked_by) == ("words", "both")
    for answer, expected in ((words, said), (both, fused)):
        assert [hit.case_id for hit in answer.hits] == [n.case_id for n in expected]
        nearness = engine.gallery.vectors([hit.case_id for hit in answer.hits]).astype(float) @ own
        assert [hit.score for hit in answer.hits] == pytest.approx(nearness, abs=1e-6)


def test_only_cases_that_meet_the_condition_answer(engine, make_recording):
    everyone = engine.query(make_recording(5), k=12).hits
    some = engine.query(make_recording(5), k=12, where="has AFIB").hits
    assert some
    assert [hit.case_id for hit in some] == [hit.case_id for hit in everyone if "AFIB" in hit.statements]
    normal = engine.search("infarct", k=12, where="lacks AFIB and lacks IMI").hits
    assert {tuple(hit.statements) for hit in normal} == {("NORM", "SR")}
    with pytest.raises(BadSearch, match="column"):
        engine.query(make_recording(5), where="age >>= 3")


def test_fewer_neighbours_are_the_first_of_more(engine, make_recording):
    assert engine.query(make_recording(50), k=3).hits == engine.query(make_recording(50), k=9).hits[:3]


def test_a_page_is_as_good_as_its_recording(engine, make_recording):
    recording = make_recording(60)
    assert engine.query(canonical_page(recording)).hits == engine.query(recording).hits


def test_a_sentence_as_written_finds_what_its_vector_finds(engine, towers):
    answer = engine.search("  atrial \n fibrillation ", k=2, by="vectors", as_written=True)
    assert (answer.query.text, answer.query.kind, answer.query.file) == ("atrial fibrillation", "text", None)
    with Gallery.open(engine.gallery.path) as gallery:
        (expected,) = gallery.search(towers.encode_texts(["atrial fibrillation"]), k=2)
    assert [(hit.case_id, hit.score) for hit in answer.hits] == [(n.case_id, n.score) for n in expected]


def test_a_finding_is_asked_in_its_usual_terms_as_well_and_the_answer_says_so(engine, towers):
    terms = ("Vorhofflimmern", "atrial fibrillation")
    with Gallery.open(engine.gallery.path) as gallery:
        vector = towers.encode_texts(terms).astype(float).sum(axis=0)
        vector = (vector / np.linalg.norm(vector)).astype(np.float32)
        expected = gallery.search_hybrid(vector, "Vorhofflimmern atrial fibrillation", k=12)
    answer = engine.search("Vorhofflimmern", k=12)
    assert answer.query.also == ("atrial fibrillation",)
    assert answer.as_json()["query"] == {
        "file": None,
        "kind": "text",
        "warnings": [],
        "text": "Vorhofflimmern",
        "also": ["atrial fibrillation"],
    }
    assert [hit.case_id for hit in answer.hits] == [near.case_id for near in expected]
    words = engine.search("Vorhofflimmern", k=12, by="words")  # no report has the German word
    assert {hit.report for hit in words.hits} == {"Atrial fibrillation."}
    plain = engine.search("Vorhofflimmern", k=12, by="words", as_written=True)
    assert (plain.hits, plain.query.also) == ((), ())
    assert "also" not in plain.as_json()["query"]


def test_a_term_that_is_asked_again_is_not_encoded_again(engine, towers, make_recording, monkeypatch):
    first = engine.search("AF", k=12)
    monkeypatch.delattr(type(towers), "encode_texts")
    assert engine.search("AF", k=12) == first
    assert engine.search("Vorhofflimmern", k=12, by="vectors").hits
    assert engine.query(make_recording(7), k=12, text="AF").hits


def test_what_is_sought_beside_an_ecg_is_asked_in_its_usual_terms_as_well(engine, make_recording):
    german, english = (engine.query(make_recording(7), k=12, text=text) for text in ("Vorhofflimmern", "AF"))
    assert (german.query.also, english.query.also) == (
        ("atrial fibrillation",),
        ("atrial fibrillation", "Vorhofflimmern"),
    )
    plain = engine.query(make_recording(7), k=12, text="Vorhofflimmern", as_written=True)
    assert plain.query.also == ()
    assert [hit.score for hit in plain.hits] != [hit.score for hit in german.hits]


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "?!…", "--"])
def test_a_sentence_without_a_word_is_refused(engine, text):
    with pytest.raises(EmptySentence, match="no word"):
        engine.search(text)


def test_a_sentence_of_one_sign_that_is_a_word_is_taken():
    assert sentence("Ω") == "Ω"


def test_an_answer_names_gallery_and_model(engine, small_gallery, towers, make_recording):
    answer = engine.query(make_recording(1))
    assert (answer.gallery.path, answer.gallery.cases, answer.gallery.simulated) == (str(small_gallery), 12, False)
    assert (answer.model.name, answer.model.sha256) == (towers.name, towers.sha256)
    assert answer.exact is True
    assert [hit.simulated for hit in engine.query(make_recording(10), k=1).hits] == [True]


def test_the_generation_is_that_of_the_answer(small_gallery, towers, make_recording):
    with open_gallery(small_gallery, towers) as engine:
        before = engine.query(make_recording(5), k=12)
        with Gallery.open(small_gallery, read_only=False) as gallery:
            raised = gallery.delete(["case-05"])
        after = engine.query(make_recording(5), k=12)
    assert (before.gallery.cases, after.gallery.cases) == (12, 11)
    assert before.gallery.generation < after.gallery.generation == raised
    assert "case-05" not in {hit.case_id for hit in after.hits}


def test_a_gallery_of_another_bundle_is_refused(small_gallery, towers):
    other = type(towers)("e" * 64)
    with pytest.raises(WrongBundle, match="bundle"):
        open_gallery(small_gallery, other)


def test_no_gallery_is_one_sentence(tmp_path, towers):
    with pytest.raises(GalleryMissing, match="nowhere"):
        open_gallery(tmp_path / "nowhere", towers)


def test_k_below_one_is_refused(engine, make_recording):
    with pytest.raises(BadArgument, match="k is 0"):
        engine.query(make_recording(1), k=0)
    with pytest.raises(BadArgument, match="k is -1"):
        engine.search("infarct", k=-1)


def test_a_recording_in_microvolts_is_refused(engine, make_recording):
    recording = make_recording(1)
    with pytest.raises(BadSignal, match="microvolts"):
        engine.query(Recording(recording.signal * 1000, recording.rate))


def test_the_command_line_starts_without_the_heavy_libraries():
    heavy = ("torch", "onnxruntime", "cv2", "faiss", "jinja2", "pandas", "wfdb", "PIL", "transformers", "scipy")
    code = (
        "import sys, retrieval.app.main as m; m.build_app(); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_are_read_in_a_process_of_their_own_that_ends_with_the_engine(small_gallery, towers, tmp_path):
    page = tmp_path / "page.png"
    page.write_bytes(b"\x89PNG\r\n\x1a\n nothing that a decoder should see here")
    with open_gallery(small_gallery, towers) as opened:
        with pytest.raises(BadInput, match=r"page\.png"):
            opened.query(page)
        child = _child_of(opened)
        assert child is not None
        assert child.pid != os.getpid()
        assert child.poll() is None
    assert child.wait(timeout=10) is not None


def _child_of(engine: Engine) -> subprocess.Popen[bytes] | None:
    reader = engine._reader
    return reader._all[0]._process if reader is not None else None
