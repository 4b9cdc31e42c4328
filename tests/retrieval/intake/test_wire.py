"""Every intake comes out of its bytes as it went in, and what is no message is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.page import CANONICAL, CanonicalPage
from retrieval.ecg.recording import LEADS, Recording
from retrieval.errors import DamagedFile
from retrieval.intake.result import Finding, FoundLead, Intake, IntakeReport
from retrieval.intake.wire import arrays_of, intake_json, intake_of, pack, refusal_json, unpack
from tests.retrieval.conftest import heartbeats

numbers = st.floats(-1e6, 1e6, allow_nan=False)
shares = st.floats(0, 1)
quads = st.tuples(*[st.tuples(numbers, numbers)] * 4)
texts = st.text(max_size=12)
leads = st.builds(
    FoundLead,
    lead=st.sampled_from(LEADS),
    row=st.integers(0, 12),
    box=quads,
    seconds=numbers,
    inverted=st.booleans(),
    certainty=shares,
)
reports = st.builds(
    IntakeReport,
    px_per_mm_x=numbers,
    px_per_mm_y=numbers,
    rotation_deg=numbers,
    layout=texts,
    certainty=shares,
    assumed=st.lists(texts, max_size=3).map(tuple),
    rows=st.lists(numbers, max_size=3).map(tuple),
    picture=st.tuples(st.integers(0, 9999), st.integers(0, 9999)),
    speed=numbers,
    gain=numbers,
    chest_gain=numbers,
    order=st.sampled_from(["standard", "cabrera"]),
    corners=st.none() | quads,
    paper=st.none() | quads,
    leads=st.lists(leads, max_size=3).map(tuple),
    masked=st.lists(quads, max_size=2).map(tuple),
)
findings = st.lists(st.builds(Finding, kind=texts, message=texts, certainty=shares), max_size=3).map(tuple)
recordings = st.none() | st.builds(
    lambda seed, key: Recording(heartbeats(seed).signal[:, :700], 250.0, 60.0, "male", key),
    st.integers(0, 3),
    st.none() | texts,
)


@settings(max_examples=60, deadline=None)
@given(texts, reports | st.none(), findings, recordings, st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_there_and_back(file, report, found, recording, number, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, CANONICAL.shape, dtype=np.uint8)
    intake = Intake(file, "image", CanonicalPage(pixels, "3x4"), recording, found, report, number, 9)
    key = recording and recording.patient_key
    message, arrays = unpack(pack({"intake": intake_json(intake), "key": key}, arrays_of(intake)))
    back = intake_of(message["intake"], arrays, message["key"])
    assert (back.file, back.kind, back.findings, back.report) == (file, "image", found, report)
    assert (back.number, back.pages, back.page.layout) == (number, 9, "3x4")
    assert np.array_equal(back.page.pixels, pixels)
    if recording is None:
        assert back.recording is None
        return
    assert np.array_equal(back.recording.signal, recording.signal)
    for name in ("rate", "age", "sex", "patient_key"):
        assert getattr(back.recording, name) == getattr(recording, name)


def test_numbers_of_numpy_become_plain_ones():
    report = IntakeReport(np.float32(7.5), np.float64(7.5), 0.0, "3x4", 1.0, picture=(np.int64(3), 4))
    intake = Intake("x", "image", CanonicalPage(np.zeros(CANONICAL.shape, np.uint8)), report=report)
    assert json.loads(json.dumps(intake_json(intake)))["report"]["picture"] == [3, 4]


def test_the_json_names_no_patient():
    own = Recording(heartbeats(1).signal, 250.0, patient_key="secret-17")
    intake = Intake("x", "wfdb", CanonicalPage(np.zeros(CANONICAL.shape, np.uint8)), own)
    assert "secret-17" not in json.dumps(intake_json(intake))


def test_a_number_that_is_none_is_not_sent():
    with pytest.raises(ValueError):
        pack({"x": float("nan")}, {})


def test_an_array_of_objects_is_neither_sent_nor_taken():
    with pytest.raises(ValueError):
        pack({}, {"x": np.array([print], dtype=object)})
    for kind in ("|O", "|V8", "|S4", "<M8[s]", "nonsense", 7):
        with pytest.raises(ValueError):
            unpack(raw({"message": {}, "arrays": [["x", kind, [1]]]}) + bytes(8))


@pytest.mark.parametrize(
    "text",
    [
        {"message": {}, "arrays": [["x", "<f4", [10**9]]]},
        {"message": {}, "arrays": [["x", "<f4", [-1]]]},
        {"message": {}, "arrays": [["x", "<f4", [2**70]]]},
        {"message": {}, "arrays": [["x"]]},
        {"message": [], "arrays": [["x", "<f4", [1]]]},
        {"arrays": []},
        [],
        "x",
    ],
)
def test_a_message_that_does_not_hold_what_it_says(text):
    with pytest.raises(ValueError):
        unpack(raw(text) + bytes(8))


def raw(value):
    text = json.dumps(value).encode()
    return len(text).to_bytes(8, "big") + text


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_other_bytes_are_no_message(data):
    with pytest.raises(ValueError):
        unpack(data)


def test_a_refusal_is_one_line():
    value = refusal_json("a.png", DamagedFile("'a.png' is\n damaged"))
    assert value["error"] == {"kind": "damaged_file", "message": "'a.png' is damaged"}
