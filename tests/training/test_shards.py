"""Shards hold what the folder holds, are read case by case, and a run from them is the run from the folder."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("datasets")

import torch
from rich.console import Console
from typer.testing import CliRunner

from retrieval.ecg.simulator import simulate
from retrieval.errors import BadArgument, CorpusError
from tests.retrieval.corpora.test_ptbxl import line, write_database, write_record
from tests.training.tiny import tiny_recipe, write_tiny_bert
from training import pack as packing
from training.case_list import JoinedCases, KeptCases
from training.cases import load_corpus, statement_targets
from training.checkpoint import read_state
from training.material import load_material
from training.pack import pack, sources_of
from training.progress import Told
from training.recipe import CorpusSpec, Stage
from training.shards import MANIFEST, ShardCases, open_shards, to_microvolts, to_millivolts
from training.texts import TextStream
from training.trainer import Trainer

pytestmark = [pytest.mark.train, pytest.mark.slow]

SAID = ("{'SR': 0.0, 'AFIB': 100.0}", "{'NORM': 100.0}", "{'IMI': 15.0, 'SR': 0.0}", "{'CLBBB': 100.0}")


@pytest.fixture
def told():
    return Told(Console(quiet=True))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Twenty simulated ECGs as PTB-XL keeps them: folds 1, 2 and 9."""
    folder = tmp_path_factory.mktemp("archive")
    for i in range(1, 21):
        write_record(folder, i, np.round(simulate(i, rate=100.0).recording.signal.T[:1000], 3))
    folds = (1, 2, 9, 1)
    lines = [line(i, strat_fold=str(folds[i % 4]), scp_codes=SAID[i % 4], report=f"befund {i}") for i in range(1, 21)]
    return write_database(folder, lines)


@pytest.fixture(scope="module")
def shards(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "shards"
    assert pack(sources_of(archive), folder, Told(Console(quiet=True)), rows=8) == 20
    return folder


def of_folder(archive, **changes):
    return CorpusSpec("ptbxl", folder=str(archive), **changes)


def of_shards(shards, **changes):
    return CorpusSpec("shards", folder=str(shards), **changes)


@pytest.mark.parametrize("folds", ["1-8", "9", "2"])
def test_every_case_is_that_of_the_folder(archive, shards, folds):
    wanted = load_corpus(of_folder(archive, folds=folds), 3).cases
    got = load_corpus(of_shards(shards, folds=folds), 3).cases
    assert len(got) == len(wanted) > 0
    for own, other in zip(got, wanted, strict=True):
        assert own.signal.dtype == np.float32
        assert np.array_equal(own.signal, other.signal)
        assert (own.case_id, own.texts, own.patient_key) == (other.case_id, other.texts, other.patient_key)
        assert own.statements == other.statements
    for column in ("statements", "patient_keys", "texts"):
        assert list(getattr(got, column)()) == list(getattr(wanted, column)())


def test_what_needs_no_waveform_reads_none(shards, monkeypatch):
    """All that a run asks of every case before its first step."""

    def refused(*_):
        raise AssertionError("a waveform was read")

    monkeypatch.setattr("training.shards._row", refused)
    monkeypatch.setattr("training.shards.to_millivolts", refused)
    cases = JoinedCases([open_shards(of_shards(shards, folds="1-8"), 3), KeptCases(())])
    assert not cases.kept
    assert statement_targets(cases.statements()).shape == (len(cases), 76)
    assert len(list(cases.texts())) == len(set(cases.patient_keys())) == len(cases)
    with pytest.raises(AssertionError, match="a waveform was read"):
        cases[0]


def test_a_case_reads_its_own_row_alone(shards, monkeypatch):
    read = []
    row = ShardCases.__getitem__.__globals__["_row"]
    monkeypatch.setattr("training.shards._row", lambda rows, number: read.append(number) or row(rows, number))
    cases = open_shards(of_shards(shards, folds="9"), 3)
    assert cases[2].case_id == "ptbxl-00010"
    assert read == [9]


def test_the_same_run_to_the_bit(archive, shards, tmp_path, told):
    bert = write_tiny_bert(tmp_path / "bert")
    states, logs = [], []
    for name, spec in (("folder", of_folder), ("shards", of_shards)):
        source = {"folder": archive, "shards": shards}[name]
        recipe = tiny_recipe(
            bert,
            corpora=(spec(source, folds="1-8"), CorpusSpec("simulated", cases=4)),
            validation=spec(source, folds="9"),
            stages=(Stage("align", 1, contrastive=1.0, statements=1.0, signal=5.0),),
        )
        Trainer(recipe, tmp_path / name, told).run()
        states.append(read_state(tmp_path / name)["model"])
        logs.append((tmp_path / name / "log.jsonl").read_text())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert logs[0] == logs[1]
    assert "vote_auroc" in logs[0]


@pytest.mark.parametrize("unlocked", [0, 1])
def test_texts_too_many_to_keep_are_run_when_they_are_asked_for(shards, tmp_path, told, unlocked):
    """The vectors of the kept ones and of the others agree, and both train."""
    bert = write_tiny_bert(tmp_path / "bert")
    stage = Stage("align", 1, contrastive=1.0, unlocked_layers=unlocked)
    recipe = tiny_recipe(bert, corpora=(of_shards(shards, folds="1-8"),), validation=None, stages=(stage,))
    few = tiny_recipe(
        bert,
        corpora=recipe.corpora,
        validation=None,
        stages=(stage,),
        text=type(recipe.text)(str(bert), prefix="", max_tokens=48, kept_texts=10),
    )
    kept, run = Trainer(recipe, tmp_path / "kept", told), Trainer(few, tmp_path / "run", told)
    banks = kept.text_bank(stage), run.text_bank(stage)
    assert isinstance(banks[1], TextStream)
    assert not isinstance(banks[0], TextStream)
    texts = kept.material.cases[0].texts
    vectors = [
        bank.embed(trainer.model.eval(), texts, trainer.device)
        for bank, trainer in zip(banks, (kept, run), strict=True)
    ]
    torch.testing.assert_close(*vectors, atol=1e-5, rtol=0)
    run.run()
    assert not (tmp_path / "run" / "texts.npz").exists()


def test_a_packing_that_was_killed_goes_on(archive, shards, tmp_path, told, monkeypatch):
    out, made = tmp_path / "out", []
    whole = packing._write

    def killed(path, rows, step):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(path.name)
        return whole(path, rows, step)

    monkeypatch.setattr(packing, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        pack(sources_of(archive), out, told, rows=8)
    with pytest.raises(CorpusError, match="was not packed to the end; run the same 'nearbeat pack' again"):
        open_shards(of_shards(out), 3)
    made.clear()
    pack(sources_of(archive), out, told, rows=8)
    assert made == ["shard-00002.arrow"]
    for file in sorted(shards.iterdir()):
        assert (out / file.name).read_bytes() == file.read_bytes(), file.name


def test_a_folder_of_something_else_is_refused(archive, shards, tmp_path, told):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadArgument, match="holds other files; give an empty folder"):
        pack(sources_of(archive), tmp_path, told)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(BadArgument, match="holds the shards of another corpus"):
        pack(sources_of(archive)[:5], shards, told, rows=8)
    with pytest.raises(CorpusError, match="holds no shards"):
        open_shards(of_shards(tmp_path), 3)
    with pytest.raises(BadArgument, match="needs folder"):
        CorpusSpec("shards")


def test_damage_is_told(archive, tmp_path, told):
    out = tmp_path / "out"
    pack(sources_of(archive)[:9], out, told, rows=8)
    shard = out / "shard-00001.arrow"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(CorpusError, match="is missing or cut short"):
        open_shards(of_shards(out), 3)
    (out / MANIFEST).write_text(json.dumps({"shards": 3}))
    with pytest.raises(CorpusError, match=r"shards\.json is damaged"):
        open_shards(of_shards(out), 3)


def test_shards_of_ones_own_as_parquet(tmp_path):
    """The five columns suffice: no fold is any fold, and 500 Hz become 100 Hz."""
    from datasets import Dataset

    time = np.arange(5000) / 500
    leads = np.stack([np.round(1000 * np.sin(2 * np.pi * (time + k / 12))) for k in range(12)])
    rows = {
        "case_id": ["a", "b"],
        "signal": [leads.astype(np.int16).reshape(-1)] * 2,
        "rate": [500.0, 500.0],
        "statements": ['{"AFIB": null}', "{}"],
        "report": ["flimmern", ""],
    }
    Dataset.from_dict(rows).to_parquet(str(tmp_path / "own.parquet"))
    cases = open_shards(of_shards(tmp_path, folds="3"), 3)
    assert [case.case_id for case in cases] == ["a", "b"]
    assert cases[0].texts[0] == "flimmern"
    assert cases[1].texts == ("",)
    at = (np.arange(983) + 0.5) / 100 - 0.001
    wanted = np.stack([np.sin(2 * np.pi * (at + k / 12)) for k in range(12)])
    np.testing.assert_allclose(cases[0].signal, wanted, atol=2e-3)
    assert len(open_shards(of_shards(tmp_path, cases=1), 3)) == 1


def test_the_same_case_on_both_sides_is_refused_where_no_patient_is_known(tmp_path, told):
    from datasets import Dataset

    signal = np.zeros(12 * 983, np.int16)
    rows = {"case_id": ["a"], "signal": [signal], "rate": [100.0], "statements": ["{}"], "report": ["x"]}
    Dataset.from_dict(rows).to_parquet(str(tmp_path / "own.parquet"))
    recipe = tiny_recipe(tmp_path, corpora=(of_shards(tmp_path),), validation=of_shards(tmp_path, folds="9"))
    with pytest.raises(CorpusError, match=r"1 patients \(a, …\) are trained on and validated on"):
        load_material(recipe, told)


def test_microvolts_are_exact_and_what_is_no_ecg_is_refused():
    signal = np.array([[k / 1000 + lead for k in range(983)] for lead in range(12)], np.float32)
    assert np.array_equal(to_millivolts(to_microvolts(signal, "x"), 100.0, "x"), signal)
    for bad in (33.0, np.nan):
        with pytest.raises(CorpusError, match=r"case x reaches beyond 32\.767 mV"):
            to_microvolts(np.full((12, 983), bad, np.float32), "x")
    with pytest.raises(CorpusError, match=r"lasts 5\.00 s; training needs 9\.83 s"):
        to_millivolts(np.zeros(12 * 500, np.int16), 100.0, "x")
    with pytest.raises(CorpusError, match="no multiple of 12 leads"):
        to_millivolts(np.zeros(13, np.int16), 100.0, "x")


def test_the_command_packs_and_says_how_many(archive, tmp_path):
    from retrieval.app.main import build_app

    done = CliRunner().invoke(build_app(), ["pack", str(archive), str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "20 records" in done.output
    assert len(open_shards(of_shards(tmp_path / "out", folds="1-10"), 0)) == 20
