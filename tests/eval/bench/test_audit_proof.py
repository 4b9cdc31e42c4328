"""The proof of the audit: what is planted, and that the audit finds it among simulated ECGs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from eval.bench.audit_planting import BOTH, WAYS, Ecgs, Setting, Texts, nearest, plant
from eval.bench.audit_proof import main, one_seed
from retrieval.ecg.statements import superclasses

KINDS = ({"NORM": 100.0, "SR": None}, {"IMI": 80.0, "SR": None}, {"CLBBB": 100.0, "SR": None}, {"LVH": 50.0})
CENTRES = np.random.default_rng(99).normal(size=(len(KINDS), 16))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def made_up(count, seed=0):
    """ECGs whose vectors lie near those of others with the same statements."""
    rng = np.random.default_rng(seed)
    which = rng.integers(len(KINDS), size=count)
    vectors = unit(CENTRES[which] + 0.4 * rng.normal(size=(count, 16)))
    reports = tuple(f"report {' '.join(KINDS[i])} {rng.integers(9)}" for i in which)
    names = tuple(f"{seed}-{i}" for i in range(count))
    return Ecgs(names, tuple(KINDS[i] for i in which), reports, names, vectors)


def encode(texts):
    """A report lies near the ECGs of its first statement."""
    firsts = [next(iter(kind)) for kind in KINDS]
    noise = [np.random.default_rng(sum(map(ord, text))).normal(size=16) for text in texts]
    return unit(np.stack([CENTRES[firsts.index(text.split()[1])] for text in texts]) + np.stack(noise))


@pytest.mark.parametrize("kind", ["swap", "drop"])
def test_what_is_planted(kind):
    right = made_up(200)
    wrong, places = plant(right, kind, seed=3)
    assert len(places) == 10
    assert plant(right, kind, seed=3)[1] == places
    assert plant(right, kind, seed=4)[1] != places
    for i in range(200):
        if i not in places:
            assert wrong.statements[i] == right.statements[i]
        elif kind == "swap":
            assert not superclasses(wrong.statements[i]) & superclasses(right.statements[i])
            assert wrong.reports[i] != right.reports[i]
        else:
            gone = set(right.statements[i]) - set(wrong.statements[i])
            assert len(gone) == 1
            assert not gone & {"NORM", "SR"}


def test_nobody_is_his_own_neighbour():
    ecgs = made_up(40)
    for i, near in enumerate(nearest(ecgs, ecgs, 10)):
        assert len(near) == 10
        assert i not in [j for j, _ in near]
        assert [score for _, score in near] == sorted((score for _, score in near), reverse=True)


@pytest.mark.parametrize("itself", [False, True])
def test_planted_reports_are_found_and_wrong_ones_vote_where_the_gallery_is_the_archive(itself):
    archive = made_up(200, seed=1)
    gallery = archive if itself else made_up(300, seed=2)
    setting = Setting(archive, gallery, Texts(encode), itself)
    found = one_seed(setting, setting.scores(), None, "swap", seed=0)
    assert found.planted == 10
    assert found.parts[BOTH].area > 0.9
    assert set(found.parts) == set(WAYS)
    wrong, places = plant(archive, "swap", seed=0)
    voting = setting.with_reports(wrong).gallery.statements
    assert voting == (wrong.statements if itself else gallery.statements)
    assert places


@pytest.mark.slow
def test_the_command_prints_tables_of_simulated_ecgs_only(capsys):
    """With few ECGs and two seeds: that it runs, and that the audit is better than chance."""
    main(["--simulated", "60", "--seeds", "2"])
    printed = capsys.readouterr().out
    assert printed.count("### SIMULATED: 60 against 60 others") == 1
    assert "PTB-XL" not in printed
    areas = [float(row) for row in re.findall(r"\| statements and text \|.*\| (\d\.\d+) \(", printed)]
    assert len(areas) == 2
    assert areas[0] > 0.8
