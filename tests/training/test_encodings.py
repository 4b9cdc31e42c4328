"""A recipe's ``encoding`` from the YAML to a bundle that answers recordings and refuses pictures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from rich.console import Console

from index import Gallery
from retrieval.ecg.beats import find_beats
from retrieval.ecg.encodings import PAGE, Encoding, tower_image, window_shown
from retrieval.ecg.encodings.window import prepared
from retrieval.ecg.page import CanonicalPage
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import simulate
from retrieval.engine import Engine
from retrieval.errors import BadArgument, NoWaveform
from retrieval.galleries import build_gallery, build_simulated
from retrieval.intake.result import Intake
from retrieval.streams import NewCase, Stream, simulated_cases
from retrieval.towers.bundle import Bundle
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training.augment import vary_signal
from training.cases import TrainingCase
from training.loader import PageDataset
from training.progress import Told
from training.recipe import Recipe, load_recipe
from training.run import export_best
from training.trainer import LOG, Trainer

pytestmark = pytest.mark.train

GASF = Encoding("gasf")
KEY = (3, 1, 2)
REST = "corpora: [{kind: simulated, cases: 4}]\nstages: [{name: read, epochs: 1, signal: 1}]\n"


# --- the recipe ---


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("", PAGE),
        ("encoding: page\n", PAGE),
        ("encoding: gasf\n", GASF),
        ("encoding: gasf+rp+mtf\n", Encoding("gasf+rp+mtf")),
        ("encoding: {name: rp, form: concat, normalise: true}\n", Encoding("rp", "concat", 1.0, True)),
        ("encoding: {name: mtf, seconds: 2}\n", Encoding("mtf", seconds=2.0)),
    ],
)
def test_a_recipe_names_its_encoding(tmp_path, line, wanted):
    (tmp_path / "own.yaml").write_text("name: own\n" + line + REST)
    assert load_recipe(tmp_path / "own.yaml").encoding == wanted


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("encoding: gaf\n", "no encoding is called 'gaf'; there are page, signal, gasf, rp, mtf"),
        ("encoding: 3\n", "own.yaml: encoding is 3; it must be a mapping of settings"),
        (
            "encoding: {nam: gasf}\n",
            "own.yaml: encoding has no setting 'nam'; there are form, name, normalise, seconds",
        ),
        ("encoding: {name: gasf, form: row}\n", "own.yaml: encoding: form is 'row'; it must be one of grid, concat"),
        ("encoding: {name: gasf, normalise: 1}\n", "own.yaml: encoding: normalise is 1; it must be bool"),
    ],
)
def test_an_encoding_that_does_not_exist_is_refused(tmp_path, line, sentence):
    (tmp_path / "own.yaml").write_text("name: own\n" + line + REST)
    with pytest.raises(BadArgument) as refusal:
        load_recipe(tmp_path / "own.yaml")
    assert str(refusal.value).startswith(sentence)


# --- the loader ---


@pytest.fixture(scope="module")
def cases():
    signals = [simulate(i, "normal", rate=100.0).recording.signal[:, 2:985] for i in range(3)]
    return [TrainingCase(f"c{i}", signal, {}, ("one",)) for i, signal in enumerate(signals)]


def test_a_batch_holds_the_encoding_and_says_what_it_shows(cases):
    order = np.array([0, 1, 2, 0, 0])
    dataset = PageDataset(cases, order, KEY, 1.0, GASF)
    pages = PageDataset(cases, order, KEY, 1.0)
    for place in range(5):
        ink, signal, shown, known, case, _, _ = dataset[place]
        assert (ink.shape, ink.dtype, int(case)) == ((1, 256, 512), np.float32, order[place])
        assert not np.array_equal(ink, pages[place][0])
        np.testing.assert_array_equal(signal, pages[place][1])  # what is to be decoded stays the same
        assert not (shown & ~known).any()
        assert (shown == shown[0]).all()
        assert 40 <= shown[0].sum() <= 100
        varied = vary_signal(cases[case].signal, 100.0, np.random.default_rng([*KEY, place]), 1.0)
        beats = find_beats(prepared(Recording(varied, 100.0), published=False))
        assert any(np.array_equal(window_shown(b, GASF, len(shown[0])) & known[0], shown[0]) for b in beats)


def test_a_record_is_another_beat_each_time_and_the_same_one_when_resumed(cases):
    order = np.zeros(8, int)
    first = [PageDataset(cases, order, KEY, 1.0, GASF)[place] for place in range(8)]
    again = [PageDataset(cases, order, KEY, 1.0, GASF)[place] for place in reversed(range(8))][::-1]
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert len({item[2].argmax(axis=1)[0] for item in first}) > 3


def test_at_strength_0_the_image_is_what_a_query_gets(cases):
    item = PageDataset(cases, np.array([1]), KEY, 0.0, GASF)[0]
    wanted = (255 - tower_image(Recording(cases[1].signal, 100.0), GASF).astype(np.float32)) / 255
    np.testing.assert_allclose(item[0][0], wanted, atol=0.02)


# --- from the first step to an answer ---


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    recipe: Recipe = tiny_recipe(write_tiny_bert(tmp_path_factory.mktemp("bert")), encoding=GASF, name="tiny-gasf")
    trainer = Trainer(recipe, tmp_path_factory.mktemp("run"), Told(Console(quiet=True)))
    trainer.run()
    return trainer


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    return Bundle.load(export_best(trained, tmp_path_factory.mktemp("out") / "bundle"))


def test_a_run_on_gasf_is_measured_on_gasf(trained):
    rows = [json.loads(line) for line in (trained.folder / LOG).read_text().splitlines()]
    assert [row["stage"] for row in rows] == ["read", "align", "align"]
    assert all(0 <= row["vote_auroc"] <= 1 for row in rows if row["stage"] == "align")


def test_the_bundle_says_what_it_reads(bundle):
    assert bundle.encoding == GASF
    assert json.loads((bundle.folder / "bundle.json").read_text())["encoding"] == GASF.settings()
    assert "gasf of 1 s, grid, a fixed scale in mV" in (bundle.folder / "README.md").read_text()


def test_a_gallery_of_its_vectors_finds_a_recording_again(trained, bundle, tmp_path):
    report = build_simulated(tmp_path / "g", bundle, 12)
    # Without the patient's key, whose own ECGs would not be counted.
    recordings = [replace(case.recording, patient_key=None) for case in simulated_cases(12) if case.recording]
    with Engine(Gallery.open(report.path, read_only=True, bundle_sha256=bundle.sha256), bundle) as engine:
        answers = engine.query_all(recordings, 1)
    assert [answer.hits[0].case.case_id for answer in answers] == [f"sim-{i:06d}" for i in range(12)]
    assert min(answer.hits[0].score for answer in answers) > 0.999
    images = bundle.encode_pages([tower_image(recordings[0], GASF)])
    np.testing.assert_allclose(answers[0].query.vector, images[0], atol=1e-6)


def test_a_picture_is_refused_with_the_way_out(bundle, tmp_path):
    build_simulated(tmp_path / "g", bundle, 2)
    case = next(simulated_cases(1))
    photo = Intake("photo.jpg", "jpeg", CanonicalPage(case.page))
    with Engine(Gallery.open(tmp_path / "g", read_only=True), bundle) as engine:
        with pytest.raises(NoWaveform) as refusal:
            engine.query(photo)
        with pytest.raises(NoWaveform, match=r"^the bundle tiny-gasf reads gasf images"):
            engine.query(CanonicalPage(case.page))
    assert str(refusal.value) == (
        "'photo.jpg': the bundle tiny-gasf reads gasf images, which are computed from the samples of a recording; a "
        "picture of a page has none: bring the waveform file, or use a bundle that reads pages"
    )


def test_a_picture_among_the_files_of_a_gallery_is_refused_alone(bundle, tmp_path):
    first, second = simulated_cases(2)
    report = build_gallery(tmp_path / "g", Stream.of([first, NewCase(second.case, second.page)]), bundle)
    assert report.cases == 1
    assert [(r.file, r.kind) for r in report.refused] == [("sim-000001", "no_waveform")]
