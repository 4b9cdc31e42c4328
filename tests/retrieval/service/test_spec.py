"""What OpenAPI says is what the service does: Schemathesis asks each route as described, and otherwise."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from retrieval.service.specification import with_empty_fields, without_null

EXAMPLES = os.environ.get("NEARBEAT_SPEC_EXAMPLES", "4")
"""Requests of each route in the phase that draws them; docs/service.md has the figures of a long run."""
PHASES = os.environ.get("NEARBEAT_SPEC_PHASES", "examples,fuzzing")
CHECKS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "413", "415", "422", "429", "501", "503"]

[[operations]]
include-name = "POST /api/v1/jobs"
checks.negative_data_rejection.enabled = false
"""
"""Whether bytes are an ECG, and a text a condition, stands in no schema: 413, 415, 422 say so, 400 is for the rest.
A job takes files of any bytes in and judges them later, also the text of an object that stands for no file.
"""


def test_it_describes_everything_under_the_version(client):
    found = client.get("/api/v1/openapi.json").json()
    assert all(path.startswith("/api/v1/") for path in found["paths"])
    names = {path.removeprefix("/api/v1/").partition("/")[0] for path in found["paths"]}
    assert names == {"read", "query", "search", "like", "cases", "info", "jobs", "health", "metrics", "session"}
    for path, methods in found["paths"].items():
        for method, told in methods.items():
            assert told.get("summary"), (path, method)
            errors = {status for status in told["responses"] if status.startswith(("4", "5"))}
            assert {"400", "401", "403", "405", "421", "500", "503"} <= errors, (path, method)


def test_neither_forms_nor_queries_take_null(client):
    found = client.get("/api/v1/openapi.json").json()
    bodies = {name: shape for name, shape in found["components"]["schemas"].items() if name.startswith("Body_")}
    assert bodies
    assert '{"type": "null"}' not in str(bodies).replace("'", '"')
    assert without_null(found) == found


def test_an_empty_field_is_one_left_out(client):
    """Forms of the web know no difference between the two, and the description says so."""
    asked = {"text": "sinus rhythm", "by": "", "k": "", "evidence": "", "where": ""}
    said = client.post("/api/v1/search", data=asked)
    assert said.status_code == 200
    assert said.json() == client.post("/api/v1/search", data={"text": "sinus rhythm"}).json()
    assert client.post("/api/v1/search", data={"text": ""}).status_code == 400
    found = client.get("/api/v1/openapi.json").json()
    fields = found["components"]["schemas"]["Body_search_api_v1_search_post"]["properties"]
    empty = {"type": "string", "const": ""}
    assert [name for name, field in fields.items() if empty in field.get("anyOf", ())] == [
        "k",
        "by",
        "as_written",
        "evidence",
    ]
    assert fields["by"]["anyOf"][0]["enum"] == ["vectors", "words", "both"]


def test_what_must_stand_in_a_form_may_not_be_empty():
    number = {"type": "integer", "title": "K"}
    shape = {"properties": {"k": number | {}, "of": number | {}}, "required": ["of"]}
    with_empty_fields({"components": {"schemas": {"Body_x": shape}}})
    assert shape["properties"] == {
        "k": {"title": "K", "anyOf": [{"type": "integer"}, {"type": "string", "const": ""}]},
        "of": number,
    }


@pytest.mark.slow
def test_schemathesis_finds_nothing(live, tmp_path):
    pytest.importorskip("schemathesis")
    (tmp_path / "schemathesis.toml").write_text(CHECKS)
    run = "from schemathesis.cli import schemathesis; schemathesis()"
    command = [sys.executable, "-c", run, "--config-file", "schemathesis.toml", "run"]
    command += [f"{live}/api/v1/openapi.json", "--max-examples", EXAMPLES, "--phases", PHASES, "--no-color"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    print(done.stdout[-3000:])  # noqa: T201  # the figures of a long run
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert re.search(r"(\d+) generated, \1 passed", done.stdout), done.stdout[-3000:]
