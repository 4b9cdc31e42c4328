"""The bad inputs are what they say, are made the same way twice, and a sample of them is weathered."""

from __future__ import annotations

import numpy as np
import pytest

from eval.bench.intake_refusals import false_refusals, main, run
from eval.bench.refusals.curves import CURVES
from eval.bench.refusals.damage import DAMAGES
from eval.bench.refusals.inputs import DAMAGED, NO_ECG, TRAP, Input, inputs, write_whole
from eval.bench.refusals.pictures import PICTURES
from eval.bench.refusals.verdicts import (
    AS_IT_WAS,
    BLOAT,
    CHANGED,
    CHANGED_SAID,
    CRASH,
    HANG,
    REFUSED,
    TAKEN,
    TAKEN_UNSURE,
    judge,
    table,
)
from eval.bench.refusals.whole_files import FORMATS, sample
from retrieval.intake import read
from retrieval.intake.keeper import Reply
from retrieval.intake.worker import Reader

RECORDINGS = [name for name, form in FORMATS.items() if form.suffix not in {".png", ".jpg", ".bmp", ".webp", ".gif"}]
RECORDINGS = [name for name in RECORDINGS if not name.startswith(("TIFF", "PDF")) and name != "DICOM picture"]


@pytest.mark.parametrize("maker", [*PICTURES, *CURVES])
def test_pictures_are_pictures_and_depend_on_the_seed_alone(maker):
    one, again, other = (maker(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.dtype == np.uint8
    assert one.ndim == 3
    assert one.shape[2] == 3
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damages_damage_and_depend_on_the_seed_alone(damage):
    data = bytes(range(256)) * 40
    spoilt = [damage(data, np.random.default_rng(seed)) for seed in range(8)]
    assert sum(one != data for one in spoilt) >= 7
    assert spoilt[0] == damage(data, np.random.default_rng(0))
    for short in (b"x", b"12", b"abcdefgh"):
        assert isinstance(damage(short, np.random.default_rng(0)), bytes)


@pytest.mark.parametrize("form", RECORDINGS)
def test_sound_recordings_hold_the_ecg_they_were_made_from(form, tmp_path):
    """Written by hand from the formats' descriptions, and read by the product: two hands that must agree."""
    known = sample(4).recording
    taken = read(write_whole(tmp_path, form, 4))
    assert taken.recording.rate == pytest.approx(known.rate)
    length = min(known.signal.shape[1], taken.recording.signal.shape[1])
    assert length >= 9 * known.rate
    assert np.abs(taken.recording.signal[:, :length] - known.signal[:, :length]).max() < 0.02


def test_a_thousand_inputs_have_a_thousand_names_and_every_kind():
    whole = inputs(1000)
    assert len(whole) == 1000
    assert len({one.name for one in whole}) == 1000
    groups = [one.group for one in whole]
    assert min(groups.count(group) for group in (NO_ECG, DAMAGED, TRAP)) > 50
    assert groups.count(NO_ECG) > 400
    damages = {(one.kind, one.name.split("-")[-2]) for one in whole if one.group == DAMAGED}
    assert len(damages) == len(FORMATS) * len(DAMAGES)


def reply(certainty=None, ink=0, findings=(), **error):
    if error:
        return Reply({"error": {"kind": "k", "message": "m"}, **error})
    pixels = np.full((256, 512), 255, np.uint8)
    pixels[100 + ink : 110 + ink, 50:400] = 0
    report = None if certainty is None else {"certainty": certainty, "layout": "3x4"}
    found = [{"kind": kind} for kind in findings]
    intake = {"kind": "image", "report": report, "recording": {"seconds": 10.0}, "findings": found}
    return Reply({"intake": intake}, {"page": pixels})


def verdict(group, one, sound=None):
    return judge(Input("n", group, "k", lambda folder: folder), one, sound, 1.0).verdict


def test_verdicts():
    assert verdict(NO_ECG, reply(stopped=None)) == REFUSED
    assert verdict(NO_ECG, reply(stopped="crash")) == CRASH
    assert verdict(NO_ECG, reply(stopped="time")) == HANG
    assert verdict(NO_ECG, reply(stopped="memory")) == BLOAT
    assert verdict(NO_ECG, reply(0.9)) == TAKEN
    assert verdict(NO_ECG, reply(0.4)) == TAKEN_UNSURE
    assert verdict(NO_ECG, reply()) == TAKEN  # a recording, where there is none
    sound = reply(0.9)
    assert verdict(DAMAGED, reply(0.9), sound) == AS_IT_WAS
    assert verdict(DAMAGED, reply(0.9, ink=80), sound) == CHANGED
    assert verdict(DAMAGED, reply(0.4, ink=80), sound) == CHANGED_SAID
    assert verdict(DAMAGED, reply(0.9, 80, ["cut_off"]), sound) == CHANGED_SAID


def test_the_table_counts_each_once():
    outcomes = [judge(one, reply(stopped=None), None, 1.0) for one in inputs(90)]
    text = table(outcomes)
    *rows, total = text.splitlines()[2:]
    assert sum(int(row.split("|")[3]) for row in rows) == 90 == int(total.split("|")[3])
    assert "| refused |" in text


@pytest.mark.slow
def test_a_sample_is_weathered(tmp_path):
    """Every trap that is quickly made, some pictures and some damaged files: nothing crashes, hangs or grows."""
    slow_to_make = ("bomb.zip", "bomb.npz", "bomb.csv.gz", "bomb.xml.gz", "streams.pdf", "deflated.dcm", "work.pdf")
    whole = [one for one in inputs(1000) if one.name not in slow_to_make]
    traps = [one for one in whole if one.group == TRAP][:18]
    pictures = [one for one in whole if one.group == NO_ECG][:18:3]
    damaged = [one for one in whole if one.kind in RECORDINGS][:18]
    with Reader(memory_mb=1024) as reader:
        outcomes = run([*traps, *pictures, *damaged], reader, tmp_path)
    assert {one.given.name: one.reason for one in outcomes if one.verdict in {CRASH, HANG, BLOAT}} == {}
    assert max(one.peak_mb for one in outcomes) < 1024
    assert all(one.verdict == REFUSED for one in outcomes if one.given.group == TRAP)
    assert not any(one.verdict == TAKEN for one in outcomes if one.given.group == NO_ECG)


def test_false_refusals_are_counted(tmp_path):
    write_whole(tmp_path, "EDF", 0)
    (tmp_path / "broken.edf").write_bytes(b"0       nothing")
    with Reader() as reader:
        text = false_refusals([tmp_path], reader)
    assert text.startswith("1 of 2 real ECGs refused; read: 1 edf")
    assert "broken.edf" in text


def test_the_command_prints_both_parts_apart(tmp_path, capsys):
    write_whole(tmp_path, "EDF", 0)
    main(["--number", "0", "--real", str(tmp_path)])
    assert capsys.readouterr().out.strip() == "0 of 1 real ECGs refused; read: 1 edf"
