"""The image of an encoding: its window, its scales, its places on the 3 x 4 grid, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as scipy_signal

from retrieval.ecg.beats import find_beats
from retrieval.ecg.encodings import PAGE, Encoding, encoded_image, tower_image, window_shown
from retrieval.ecg.encodings.image import RANGE_MV, window_image
from retrieval.ecg.encodings.window import cut, prepared, typical_beat
from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import simulate
from retrieval.errors import BadArgument

NAMES = ("gasf", "rp", "mtf", "gasf+rp+mtf", "mtf+gasf")


@pytest.fixture(scope="module")
def recording():
    return simulate(5, "normal", rate=100.0).recording


def constant(levels, samples=1000):
    """A prepared signal whose leads stand still at these levels in mV."""
    return np.repeat(np.asarray(levels, float)[:, None], samples, axis=1)


# --- the choice ---


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"name": "gaf"},
            "no encoding is called 'gaf'; there are page, signal, gasf, rp, mtf and several of the last three",
        ),
        ({"name": "gasf+gasf"}, "no encoding is called 'gasf\\+gasf'"),
        ({"name": "gasf+page"}, "no encoding is called 'gasf\\+page'"),
        ({"name": ""}, "no encoding is called ''"),
        ({"name": "gasf", "form": "row"}, "the form of an encoding is 'row'; there are grid and concat"),
        ({"name": "gasf", "seconds": 0.1}, "an encoding of 0.1 s was asked for; it takes 0.2 to 10 s"),
        ({"name": "gasf", "seconds": float("nan")}, "an encoding of nan s"),
        ({"normalise": True}, "form, seconds and normalise belong to gasf, rp and mtf"),
        ({"seconds": 2.0}, "form, seconds and normalise belong to gasf, rp and mtf"),
    ],
)
def test_what_is_no_encoding_is_refused(settings, sentence):
    with pytest.raises(BadArgument, match=f"^{sentence}"):
        Encoding(**settings)


@pytest.mark.parametrize("encoding", [PAGE, Encoding("gasf"), Encoding("rp+mtf", "concat", 2.5, True)])
def test_settings_come_back(encoding):
    assert Encoding.from_settings(encoding.settings()) == encoding


@pytest.mark.parametrize(
    "settings", [{"name": 3}, {"nam": "gasf"}, {"name": "gasf", "seconds": "1"}, {"name": "rp", "normalise": 1}]
)
def test_settings_of_another_type_are_refused(settings):
    with pytest.raises(TypeError):
        Encoding.from_settings(settings)


# --- the window ---


@pytest.mark.parametrize("rate", [100.0, 250.0, 500.0])
@pytest.mark.parametrize("condition", ["normal", "lbbb", "atrial_fibrillation", "low_voltage", "sinus_tachycardia"])
def test_beats_are_found_where_the_simulator_put_them(rate, condition):
    case = simulate(31, condition, rate=rate)
    found = find_beats(prepared(case.recording, published=False)) / 100
    told = np.array(case.truth.r_times_s)
    inner = told[(told > 0.3) & (told < 9.6)]
    assert all(np.abs(found - beat).min() < 0.09 for beat in inner)
    assert len(found) <= len(told) + 1


def test_no_beat_is_found_on_a_flat_recording_and_its_middle_is_shown():
    flat = np.zeros((12, 1000))
    assert len(find_beats(flat)) == 0
    assert typical_beat(flat, find_beats(flat), 100) == 500
    image = encoded_image(Recording(np.zeros((12, 1000), np.float32), 100.0), Encoding("rp"))
    assert (image == 255).all()


def test_an_extrasystole_does_not_stand_for_all():
    """Of a regular rhythm with premature ventricular beats, a usual beat is taken."""
    for seed in range(8):
        case = simulate(seed, "pvc", rate=100.0)
        ready = prepared(case.recording, published=False)
        beat = typical_beat(ready, find_beats(ready), 100) / 100
        nearest = int(np.abs(np.array(case.truth.r_times_s) - beat).argmin())
        assert not case.truth.ectopic[nearest]


def test_a_window_has_35_samples_before_the_beat_and_zeros_beyond_the_ends():
    ramp = np.tile(np.arange(1.0, 1001.0), (12, 1))
    assert cut(ramp, 500, 100)[0].tolist() == list(range(466, 566))
    assert cut(ramp, 10, 100)[3, :25].tolist() == [0.0] * 25
    assert cut(ramp, 10, 100)[3, 25:].tolist() == list(range(1, 76))
    assert cut(ramp, 990, 100)[3, -55:].tolist() == [0.0] * 55
    assert not cut(ramp, 5000, 100).any()


@pytest.mark.parametrize(("beat", "seconds"), [(500, 1.0), (10, 1.0), (990, 1.0), (500, 2.5), (500, 10.0)])
def test_what_is_shown_is_what_was_cut(beat, seconds):
    ramp = np.tile(np.arange(1.0, 1001.0), (12, 1))
    encoding = Encoding("rp", seconds=seconds)
    shown = window_shown(beat, encoding, 1000)
    part = cut(ramp, beat, round(seconds * 100))[0]
    np.testing.assert_array_equal(ramp[0][shown], part[part > 0])


# --- the filters ---


@pytest.mark.parametrize("published", [False, True])
def test_filters_are_butterworth_run_forth_and_back(published):
    """Against scipy's, away from the ends, where each pads in its own way."""
    wave = np.cumsum(np.random.default_rng(4).standard_normal((12, 1000)), axis=1) / 20
    high = scipy_signal.butter(2, 0.5, "highpass", fs=100, output="sos")
    wanted = scipy_signal.sosfiltfilt(high, wave)
    if published:
        wanted = scipy_signal.sosfiltfilt(scipy_signal.butter(2, 15, fs=100, output="sos"), wanted)
    got = prepared(Recording(wave.astype(np.float32), 100.0), published=published)
    np.testing.assert_allclose(got[:, 250:750], wanted[:, 250:750], atol=0.02)


def test_drift_goes_and_the_st_segment_stays():
    t = np.arange(1000) / 100
    beats = sum(
        np.exp(-(((t - r) / 0.02) ** 2)) + 0.3 * ((t > r + 0.05) & (t < r + 0.25)) for r in np.arange(0.5, 10)
    )
    drifting = np.tile(beats + 0.8 * np.sin(2 * np.pi * 0.1 * t) + 3, (12, 1)).astype(np.float32)
    ready = prepared(Recording(drifting, 100.0), published=False)[0]
    isoelectric, segment = ready[540], ready[565]
    assert segment - isoelectric == pytest.approx(0.3, abs=0.08)
    assert abs(np.median(ready[30:70]) - np.median(ready[730:770])) < 0.1


def test_another_rate_gives_nearly_the_same_image():
    slow, fast = (
        encoded_image(simulate(3, "normal", rate=rate).recording, Encoding("rp")) for rate in (100.0, 500.0)
    )
    assert np.abs(slow.astype(int) - fast).mean() < 4


# --- the scales ---


def means(rows, pixels):
    """Averages over equal stretches of the first axis, by differences of its integral."""
    integral = np.pad(rows.cumsum(axis=0), ((1, 0), (0, 0)))
    edges = np.linspace(0, len(rows), pixels + 1)
    at = np.stack([np.interp(edges, np.arange(len(rows) + 1), column) for column in integral.T], axis=1)
    return np.diff(at, axis=0) * pixels / len(rows)


def tile(image, lead, height=85, width=128):
    return image[lead % 3 * height : lead % 3 * height + height, lead // 3 * width : lead // 3 * width + width]


def test_each_lead_stands_on_its_place_of_the_3_x_4_layout():
    """A lead that moves leaves ink on its own tile only; order down the columns, as a page has it."""
    for lead in range(12):
        signal = np.zeros((12, 1000))
        signal[lead, 500:520] = 1.0
        image = window_image(signal, 500, Encoding("rp"))
        assert tile(image, lead).min() < 200
        others = image.copy()
        tile(others, lead)[:] = 255
        assert (others == 255).all()


def test_a_recurrence_plot_shows_millivolts():
    signal = np.zeros((12, 1000))
    signal[:, 500:] = np.linspace(0.0, 2.2, 12)[:, None]
    image = window_image(signal, 500, Encoding("rp"))
    for lead, step in enumerate(np.linspace(0.0, 2.2, 12)):
        corner = tile(image, lead)[0, -1]  # first against last sample
        assert corner == pytest.approx(255 - 255 * min(step / RANGE_MV, 1), abs=1)


@pytest.mark.parametrize("level", [-1.0, -0.1, 0.1, 0.5, 2.0])
def test_the_diagonal_of_a_gasf_is_linear_in_millivolts(level):
    image = window_image(constant([level] * 12), 500, Encoding("gasf"))
    assert tile(image, 0)[40, 60] == pytest.approx(255 - 255 * abs(level) / RANGE_MV, abs=1)


def test_the_sign_of_a_wave_is_seen_against_another():
    signal = np.zeros((12, 1000))
    signal[:, 480:500], signal[:, 510:530] = 1.0, 1.0
    same = window_image(signal, 500, Encoding("gasf"))
    signal[:, 510:530] = -1.0
    assert np.abs(same.astype(int) - window_image(signal, 500, Encoding("gasf"))).max() > 80


@pytest.mark.parametrize("name", ["gasf", "rp", "mtf"])
def test_amplitude_is_kept_by_default_and_lost_when_normalised(name, recording):
    half = Recording(recording.signal / 2, recording.rate)
    for form in ("grid", "concat"):
        kept = [encoded_image(r, Encoding(name, form)).astype(int) for r in (recording, half)]
        lost = [encoded_image(r, Encoding(name, form, normalise=True)).astype(int) for r in (recording, half)]
        assert np.abs(kept[0] - kept[1]).mean() > 1
        assert np.abs(lost[0] - lost[1]).max() <= 2


def test_normalised_is_the_published_recipe(recording):
    """Written out: each lead over its maximum; GASF from -1, RP cut at 1, MTF of four equally frequent states."""
    ready = prepared(recording, published=True)
    beat = int(find_beats(ready)[3])
    part = cut(ready, beat, 100)
    unit = part / np.abs(part).max(axis=1, keepdims=True)
    angle = np.arccos(np.clip(unit, -1, 1))
    whole = {
        "gasf": (np.cos(angle[:, :, None] + angle[:, None, :]) + 1) / 2,
        "rp": np.minimum(np.abs(unit[:, :, None] - unit[:, None, :]), 1),
    }
    for name, field in whole.items():
        image = window_image(ready, beat, Encoding(name, normalise=True))
        for lead in range(12):
            wanted = means(means(field[lead], 85).T, 128).T
            np.testing.assert_allclose(255 - tile(image, lead).astype(float), 255 * wanted, atol=1.01)


# --- the image ---


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["grid", "concat"])
@pytest.mark.parametrize("seconds", [0.6, 1.0, 2.5])
def test_every_encoding_fills_the_image_of_the_tower(recording, name, form, seconds):
    image = encoded_image(recording, Encoding(name, form, seconds))
    assert (image.shape, image.dtype) == ((256, 512), np.uint8)
    assert np.ptp(image) > 40
    assert image.tobytes() == encoded_image(recording, Encoding(name, form, seconds)).tobytes()
    wide = 512 if form == "concat" else 128
    parts = len(name.split("+"))
    for k in range(parts):
        left = k * (wide // parts)
        assert np.ptp(image[:, left : left + wide // parts]) > 20


def test_several_encodings_stand_side_by_side_in_each_tile(recording):
    """Each third of a tile is the encoding alone, in fewer columns."""
    together = encoded_image(recording, Encoding("gasf+rp+mtf"))
    for place, name in enumerate(("gasf", "rp", "mtf")):
        alone = encoded_image(recording, Encoding(name))
        for lead in (0, 7, 11):
            third = tile(together, lead)[:, place * 42 : place * 42 + 42].astype(float)
            whole = tile(alone, lead).astype(float)
            assert np.abs(third.mean(axis=1) - whole.mean(axis=1)).mean() < 6


def test_a_concatenated_field_compares_leads_with_each_other():
    """Two leads that stand 1 mV apart differ where the one meets the other, and on the grid nowhere."""
    signal = constant([0.0] * 6 + [1.0] * 6)
    joined, apart = (window_image(signal, 500, Encoding("rp", form)) for form in ("concat", "grid"))
    assert joined[10, 400] == pytest.approx(255 * (1 - 1 / RANGE_MV), abs=1)
    assert joined[10, 100] == 255
    assert (apart == 255).all()


def test_the_beat_can_be_chosen(recording):
    images = {encoded_image(recording, Encoding("rp"), lambda beats, k=k: int(beats[k])).tobytes() for k in range(4)}
    assert len(images) == 4


def test_the_tower_reads_the_page_or_the_encoding(recording):
    np.testing.assert_array_equal(tower_image(recording), canonical_page(recording).pixels)
    encoding = Encoding("gasf")
    np.testing.assert_array_equal(tower_image(recording, encoding), encoded_image(recording, encoding))
