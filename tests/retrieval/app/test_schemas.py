"""What each command prints with ``--json`` is what docs/schemas says, and has no field that it does not name."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from retrieval.app.main import build_app
from retrieval.app.reference import commands_of
from retrieval.service.chain import ChainLog
from tests.retrieval.conftest import heartbeats
from tests.retrieval.corpora.physionet_server import corpus, serving
from tests.retrieval.wfdb_files import write_wfdb
from tests.toy_bundle import write_toy_bundle

jsonschema = pytest.importorskip("jsonschema")

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "schemas"
SCHEMAS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
BY_TITLE = {schema["title"]: schema for schema in SCHEMAS.values()}
COMMANDS = commands_of(build_app())
WITH_JSON = {name for name, command in COMMANDS.items() if any("--json" in one.opts for one in command.params)}

RUNS = {
    "query": ("query page.png {towers}", "query record.hea none.png --patient p1 --log log.db {towers}"),
    "search": ('search "atrial fibrillation" {towers}',),
    "intake": ("intake page.png", "intake record.hea none.png"),
    "gallery build": ("gallery build --simulated 4 --out new {bundle}",),
    "gallery add": ("gallery add g --files . --reports reports.csv {bundle}",),
    "gallery info": ("gallery info g",),
    "gallery verify": ("gallery verify g",),
    "gallery delete": ("gallery delete g case-1",),
    "gallery compact": ("gallery compact g",),
    "gallery snapshot": ("gallery snapshot g --out copy",),
    "gallery restore": ("gallery snapshot g --out copy", "gallery restore copy --out back"),
    "gallery diff": ("gallery diff g g",),
    "gallery export": ("gallery export g --out out",),
    "gallery import": ("gallery export g --out out", "gallery import out --out back"),
    "gallery reembed": ("gallery reembed g --bundle other",),
    "replay": ("query page.png --log log.db {towers}", "replay 1 --log log.db"),
    "audit": ("audit reports.csv --out audited {towers}",
              "audit reports.csv --out est --sample 1 --price 2 {towers}"),
    "audit-mark": ("audit reports.csv --out audited {towers}", "audit-mark audited record.hea confirmed"),
    "cohort": ('cohort "atrial fibrillation" --out cohort.csv {towers}',),
    "token add": ("token add phone --tokens tokens.json",),
    "token list": ("token add phone --tokens tokens.json", "token list --tokens tokens.json"),
    "serve-log verify": ("serve-log verify log.jsonl",),
    "doctor": ("doctor {towers}",),
    "corpus fetch": ("corpus fetch ptbxl --to ptb-xl --from {server}",),
    "corpus check": ("corpus fetch ptbxl --to ptb-xl --from {server}", "corpus check ptb-xl",
                     "corpus check . --reports reports.csv"),
}  # fmt: skip
"""What is run for each command; ``--json`` is put behind."""


def strict(schema):
    """The same schema, which allows no other field."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if "properties" in made and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


def check(line):
    found = json.loads(line)
    schema = BY_TITLE[found.get("schema", "nearbeat.answer/1")]
    jsonschema.validate(found, strict(schema), cls=jsonschema.Draft202012Validator)
    return found


@pytest.fixture
def place(tmp_path, monkeypatch, toy_gallery, ecg_files):
    shutil.copytree(toy_gallery, tmp_path / "g")
    shutil.copy(ecg_files / "page.png", tmp_path)
    write_wfdb(tmp_path, "record", heartbeats(30))
    (tmp_path / "reports.csv").write_text("path,report,statements\nrecord.hea,Normal ECG,NORM\nnone.png,x,\n")
    write_toy_bundle(tmp_path / "other", seed=1)
    log = ChainLog(tmp_path / "log.jsonl")
    log.append("search")
    log.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name):
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "urn:" + schema["title"].replace(".", ":").replace("/", ":")
    assert f"[{name}.json]" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_no_command_is_forgotten():
    assert set(RUNS) == WITH_JSON


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_what_is_printed_is_what_the_schema_says(name, place, run, toy_bundle):
    with serving(corpus()) as server:
        bundle = f"--bundle {toy_bundle}"
        values = {"bundle": bundle, "towers": f"{bundle} --gallery g", "server": server.base}
        for line in RUNS[name]:
            done = run(*shlex.split(line.format(**values)), "--json")
            assert done.exit_code in (0, 3), f"{line}\n{done.output}\n{done.exception!r}"
            printed = done.stdout.splitlines()
            assert printed, line
            for text in printed:
                assert text.isascii()
                check(text)


def test_a_field_too_many_or_of_another_kind_is_seen():
    good = {"schema": "nearbeat.diff/1", "only_first": [], "only_second": [], "case": [], "vector": ["a"]}
    check(json.dumps(good))
    for bad in ({**good, "more": 1}, {**good, "case": "a"}, {key: good[key] for key in list(good)[:3]}):
        with pytest.raises(jsonschema.ValidationError):
            check(json.dumps(bad))
