"""The simulator as a whole: labels, words, determinism, and Einthoven's law."""

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.recording import check, einthoven_error
from retrieval.ecg.simulator import CONDITIONS, simulate
from retrieval.ecg.simulator.conditions import TABLE
from retrieval.ecg.simulator.criteria import CRITERIA, measure
from retrieval.ecg.simulator.mix import RHYTHM_ONLY, can_carry
from retrieval.ecg.simulator.patient import draw_patient
from retrieval.ecg.simulator.rhythm import RHYTHMS
from retrieval.ecg.simulator.shapes import SHAPES
from retrieval.ecg.simulator.wording import axis_type
from retrieval.ecg.statements import STATEMENTS, superclasses, synonyms
from retrieval.errors import BadArgument

SEEDS = st.integers(0, 2**31 - 1)


def fingerprint(case):
    content = case.recording.signal.tobytes() + repr((case.statements, case.report_en, case.report_de)).encode()
    return hashlib.sha256(content).hexdigest()


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from([100.0, 250.0, 500.0]))
def test_any_seed_gives_a_sound_labelled_recording(seed, rate):
    case = simulate(seed, rate=rate)
    assert case.recording.signal.shape == (12, round(10 * rate))
    assert einthoven_error(case.recording.signal) < 1e-5
    assert check(case.recording) == ()
    assert set(case.statements) <= set(STATEMENTS)
    assert case.statements
    assert case.report_en.endswith(".")
    assert case.report_de.endswith(".")
    assert "{" not in case.report_en + case.report_de
    assert 25 < case.truth.heart_rate < 215
    assert 10 <= case.recording.age <= 95


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_is_labelled_in_both_languages(condition):
    case = simulate(11, condition)
    assert case.condition == condition
    assert set(TABLE[condition].statements) <= set(case.statements) <= set(STATEMENTS)
    for code in case.statements:
        assert any(word.lower() in case.report_en.lower() for word in synonyms(code, "en"))
        assert any(word.lower() in case.report_de.lower() for word in synonyms(code, "de"))


def test_there_are_enough_conditions_and_they_cover_every_superclass():
    assert len(CONDITIONS) >= 18
    covered = {name for condition in TABLE.values() for name in superclasses(condition.statements)}
    assert covered == {"NORM", "MI", "STTC", "CD", "HYP"}
    assert len({code for condition in TABLE.values() for code in condition.statements}) >= 40


def test_tables_name_only_what_exists():
    for name, condition in TABLE.items():
        assert condition.shape in SHAPES, name
        assert condition.rhythm in RHYTHMS, name
        for low, high in (condition.rate, condition.pr, condition.qrs, condition.qtc, condition.axis, condition.age):
            assert low < high, name
    assert set(CRITERIA) <= set(SHAPES)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_patient_shows_the_signs_of_the_condition(condition):
    wanted = TABLE[condition]
    for seed in range(12):
        patient = draw_patient(wanted, np.random.default_rng(seed))
        assert wanted.axis[0] - 1 <= patient.axis <= wanted.axis[1] + 1
        assert CRITERIA.get(wanted.shape, lambda _: True)(measure(patient.beat, patient.leads))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_sinus_code_follows_the_rate(seed):
    for condition, code in (("normal", "SR"), ("sinus_bradycardia", "SBRAD"), ("sinus_tachycardia", "STACH")):
        case = simulate(seed, condition)
        assert code in case.statements
        assert case.statements["NORM"] == 100.0
        assert len({"SR", "SBRAD", "STACH"} & set(case.statements)) == 1
    for condition in ("atrial_fibrillation", "atrial_flutter", "paced", "av_block_3"):
        assert not {"SR", "NORM"} & set(simulate(seed, condition).statements)


def test_same_seed_same_case_in_another_process():
    program = (
        "import hashlib; from retrieval.ecg.simulator import simulate; c = simulate(77); "
        "print(hashlib.sha256(c.recording.signal.tobytes() "
        "+ repr((c.statements, c.report_en, c.report_de)).encode()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == fingerprint(simulate(77))
    assert fingerprint(simulate(77)) != fingerprint(simulate(78))


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_patient_and_words_do_not_depend_on_rate_or_noise(seed):
    usual, other = simulate(seed), simulate(seed, rate=500.0, noise=False)
    assert usual.truth == other.truth
    assert (usual.statements, usual.report_en, usual.report_de) == (
        other.statements,
        other.report_en,
        other.report_de,
    )
    clean = simulate(seed, noise=False).recording.signal
    # Decimating the clean signal twice as finely sampled gives the same samples.
    assert np.abs(clean - other.recording.signal[:, ::2]).max() < 2e-3


def test_noise_is_small_beside_the_heart():
    sizes = []
    for seed in range(20):
        noisy, clean = (simulate(seed, "normal", noise=noise).recording.signal for noise in (True, False))
        sizes.append(float((noisy - clean).std()))
        assert einthoven_error(noisy - clean) < 1e-5
    assert min(sizes) > 0.002
    assert np.median(sizes) < 0.12
    assert max(sizes) < 0.4


def test_mix_is_broad_and_overlays_a_rhythm_on_some_shapes():
    names = Counter(simulate(seed, rate=50.0, seconds=2.0).condition for seed in range(500))
    assert len({name.split("+")[0] for name in names}) > 0.85 * len(CONDITIONS)
    assert 0.05 < names["normal"] / 500 < 0.3
    assert 0.05 < sum(count for name, count in names.items() if "+" in name) / 500 < 0.3


def test_overlay_has_the_statements_of_both():
    case = simulate(3, "inferior_mi_old+atrial_fibrillation")
    assert {"IMI", "AFIB"} <= set(case.statements)
    assert not {"SR", "NORM"} & set(case.statements)
    assert case.truth.pr_ms is None


def test_every_overlay_of_the_mix_can_be_named():
    for base in (name for name in CONDITIONS if can_carry(TABLE[name])):
        for rhythm in RHYTHM_ONLY:
            assert simulate(1, f"{base}+{rhythm}", rate=50.0, seconds=2.0).condition == f"{base}+{rhythm}"


def test_reports_have_many_wordings():
    cases = [simulate(seed, "lbbb", rate=50.0, seconds=2.0) for seed in range(40)]
    assert len({case.report_en for case in cases}) > 25
    assert len({case.report_de for case in cases}) > 25


def test_german_axis_types():
    angles = (-60, 0, 45, 75, 100, 140)
    types = ["überdrehter Linkstyp", "Linkstyp", "Indifferenztyp", "Steiltyp", "Rechtstyp", "überdrehter Rechtstyp"]
    assert [axis_type(angle, "de") for angle in angles] == types
    assert axis_type(-40, "en") == "left axis deviation"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"condition": "gout"}, "no condition is called 'gout'"),
        ({"condition": "lbbb+rbbb"}, "do not go together"),
        ({"condition": "normal+atrial_fibrillation"}, "do not go together"),
        ({"seed": -1}, "seed -1"),
        ({"rate": 5.0}, "rate 5.0 Hz"),
        ({"seconds": 0.5}, "0.5 s"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(BadArgument, match=message):
        simulate(**{"seed": 1, **arguments})
