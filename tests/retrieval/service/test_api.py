from __future__ import annotations

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.errors import GalleryDamaged
from retrieval.engine import Engine
from retrieval.service import shapes
from retrieval.service.headers import CSP
from retrieval.service.settings import Limits
from retrieval.waveforms import unpack

API = "/api/v1"


def ecg(data, name="ecg.csv"):
    return {"file": (name, data)}


def test_a_query_answers_with_the_command_lines_objects(client, desk, csv):
    told = client.post(f"{API}/query", files=ecg(csv), data={"k": 3})
    assert told.status_code == 200
    whole = told.json()
    shapes.ResultShape.model_validate(whole)
    intake = desk.read(csv, "ecg.csv")
    answer = desk.query(intake, 3)
    assert whole["answer"] == json.loads(json.dumps(answer.as_json()))
    assert whole["evidence"] == json.loads(json.dumps(desk.weigh(answer).as_json()))
    assert whole["intake"]["schema"] == "nearbeat.intake/1"


def test_a_page_is_read_with_a_correction(client, png):
    told = client.post(f"{API}/read", files=ecg(png, "page.png"), data={"correction": '{"speed": 50}', "page": 1})
    assert told.status_code == 200
    shapes.IntakeShape.model_validate(told.json())
    assert told.json()["report"]["speed"] == 50


@pytest.mark.parametrize(
    "correction", ["", "x", "[]", "1", '{"speed": -1}', '{"colour": 1}', "[" * 3000, '{"turns": "x"}']
)
def test_a_correction_that_is_none_is_refused(client, csv, correction):
    told = client.post(f"{API}/read", files=ecg(csv), data={"correction": correction})
    assert told.status_code == (200 if correction == "" else 422)
    if correction:
        assert told.json()["error"]["kind"] == "bad_argument"


def test_where_patient_and_text_count(client, csv):
    def hits(**more):
        told = client.post(f"{API}/query", files=ecg(csv), data={"k": 12, "evidence": "false", **more})
        assert told.status_code == 200, told.text
        return told.json()["answer"]

    everything = hits()
    assert len(everything["hits"]) == 12
    assert {tuple(hit["statements"]) for hit in hits(where="has AFIB")["hits"]} == {("AFIB",)}
    assert [case["case_id"] for case in hits(patient="p0")["earlier"]] == ["case-00", "case-01"]
    assert hits(text="atrial fibrillation")["query"]["text"] == "atrial fibrillation"


def test_a_record_of_two_files(client, record):
    head, samples = record["record.hea"], record["record.dat"]
    files = [("file", ("record.hea", head)), ("beside", ("record.dat", samples))]
    assert client.post(f"{API}/query", files=files).json()["answer"]["query"]["kind"] == "wfdb"
    twice = [*files, ("beside", ("record.dat", samples))]
    assert client.post(f"{API}/query", files=twice).status_code == 422


def test_a_sentence(client):
    told = client.post(f"{API}/search", data={"text": "atrial fibrillation", "k": 2, "by": "words"})
    shapes.ResultShape.model_validate(told.json())
    assert told.json()["answer"]["hits"][0]["statements"] == {"AFIB": None}
    assert told.json()["intake"] is None
    assert told.json()["answer"]["query"]["also"] == ["Vorhofflimmern"]
    plain = client.post(f"{API}/search", data={"text": "atrial fibrillation", "k": 2, "as_written": "true"})
    assert "also" not in plain.json()["answer"]["query"]


def test_more_like_a_case(client):
    told = client.get(f"{API}/like/case-00", params={"k": 3})
    shapes.ResultShape.model_validate(told.json())
    assert "case-00" not in [hit["case_id"] for hit in told.json()["answer"]["hits"]]


def test_a_case_with_what_is_kept_of_it(client, desk):
    plain = client.get(f"{API}/cases/case-04").json()
    shapes.WholeCaseShape.model_validate(plain)
    assert plain["waveform"] is plain["page"] is None
    whole = client.get(f"{API}/cases/case-04", params={"waveform": "true", "page": "true"}).json()
    shapes.WholeCaseShape.model_validate(whole)
    kept = unpack(desk.case("case-04").waveform)
    assert whole["waveform"]["rate"] == kept.rate
    assert whole["waveform"]["leads"]["V3"] == pytest.approx(kept.lead("V3").tolist(), abs=6e-4)
    assert base64.b64decode(whole["page"]["base64"]).startswith(b"\x89PNG")
    assert "patient_key" not in whole


def test_a_case_whose_id_is_a_path(desk, small_gallery, towers, client):
    from index import Case, Gallery

    with Gallery.open(small_gallery, read_only=False) as gallery:
        gallery.add([Case("2020/ward 3/é?.png", "x", {})], towers.encode_texts(["x"]))
    told = client.get(f"{API}/cases/2020%2Fward%203%2F%C3%A9%3F.png")
    assert told.json()["case_id"] == "2020/ward 3/é?.png"
    assert client.get(f"{API}/like/2020%2Fward%203%2F%C3%A9%3F.png").status_code == 200


def test_info_and_what_is_allowed(client):
    told = client.get(f"{API}/info").json()
    shapes.InfoShape.model_validate(told)
    assert (told["path"], told["cases"], told["statements"]["AFIB"]) == ("gallery", 12, 4)


REFUSALS = [
    (b"", "empty.png", 422, "empty_file"),
    (b"nonsense", "a.png", 415, "unsupported_format"),
    (b"\x89PNG\r\n\x1a\n" + b"x" * 99, "a.png", 422, "damaged_file"),
    (b"# rate: 500\nI,II\n1,2\n", "a.csv", 422, None),
]


@pytest.mark.parametrize(("data", "name", "status", "kind"), REFUSALS)
def test_refused_files(client, data, name, status, kind):
    told = client.post(f"{API}/query", files=ecg(data, name))
    assert told.status_code == status
    shapes.ProblemShape.model_validate(told.json())
    assert kind is None or told.json()["error"]["kind"] == kind
    assert name in told.json()["error"]["message"]


def test_a_bomb_is_refused_by_its_header(client):
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 15_000, 15_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    told = client.post(f"{API}/query", files=ecg(bomb, "bomb.png"))
    assert (told.status_code, told.json()["error"]["kind"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "kind"),
    [
        ("GET", "/cases/none", None, 404, "unknown_case"),
        ("GET", "/like/none", None, 404, "unknown_case"),
        ("GET", "/cases/case-00?page=1", None, 400, "bad_argument"),
        ("GET", "/like/case-00?k=0", None, 400, "bad_argument"),
        ("GET", "/like/case-00?k=201", None, 400, "bad_argument"),
        ("GET", "/like/case-00?where=age", None, 422, "bad_search"),
        ("GET", "/nothing", None, 404, "not_found"),
        ("PUT", "/query", None, 405, "method_not_allowed"),
        ("POST", "/query", {"k": "1"}, 400, "bad_argument"),
        ("POST", "/search", {"text": "?!"}, 422, "empty_sentence"),
        ("POST", "/search", {"text": "a" * 1001}, 400, "bad_argument"),
        ("POST", "/search", {"text": "a", "by": "luck"}, 400, "bad_argument"),
        ("POST", "/search", {"text": "a", "evidence": "1"}, 400, "bad_argument"),
        ("POST", "/search", {"text": "a", "where": "drop table"}, 422, "bad_search"),
    ],
)
def test_problems(client, method, path, data, status, kind):
    told = client.request(method, API + path, data=data)
    assert (told.status_code, told.json()["error"]["kind"]) == (status, kind)
    shapes.ProblemShape.model_validate(told.json())


def test_405_lists_what_there_is(client):
    assert client.options(f"{API}/jobs").headers["allow"] == "GET, POST"
    assert client.put(f"{API}/cases/a/b").headers["allow"] == "GET"


def test_what_only_the_operator_can_mend_is_told_without_its_path(client, monkeypatch, caplog):
    def damaged(*_, **__):
        raise GalleryDamaged("/data/secret/gallery: cases.db is damaged")

    monkeypatch.setattr(Engine, "search", damaged)
    told = client.post(f"{API}/search", data={"text": "a"})
    assert (told.status_code, told.json()["error"]["kind"]) == (503, "gallery_damaged")
    assert "secret" not in told.text
    assert "secret" in caplog.text


def test_a_fault_of_ours_is_told_without_a_trace(client, monkeypatch, caplog):
    monkeypatch.setattr(Engine, "search", lambda *_, **__: 1 / 0)
    told = client.post(f"{API}/search", data={"text": "a"})
    assert (told.status_code, told.json()["error"]["kind"]) == (500, "internal")
    assert "Zero" not in told.text
    assert "division" not in told.text
    assert told.headers["content-security-policy"] == CSP
    assert "ZeroDivisionError" in caplog.text
    assert client.get(f"{API}/health/live").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/info", "/api/v1/nothing", "/", "/nothing", "/api/v1/openapi.json"])
def test_each_answer_has_the_headers(client, path):
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers
    assert "server" not in headers
    assert len(headers["x-request-id"]) == 16


def test_under_tls_browsers_are_told_to_stay_with_it(serve):
    assert "max-age" in serve(secure=True).get(f"{API}/info").headers["strict-transport-security"]


def test_health_and_readiness(client, desk):
    assert client.get(f"{API}/health/live").json() == {"status": "live"}
    assert client.get(f"{API}/health/ready").status_code == 503
    desk.ready = True
    assert client.get(f"{API}/health/ready").json() == {"status": "ready"}


def test_metrics_count_by_route_and_not_by_id(client):
    client.get(f"{API}/cases/case-00")
    client.get(f"{API}/cases/some-name")
    client.get("/some/name")
    text = client.get(f"{API}/metrics").text
    assert 'nearbeat_requests_total{method="GET",route="/api/v1/cases/{case_id:path}",status="404"} 1.0' in text
    assert "some-name" not in text
    assert "nearbeat_gallery_cases 12.0" in text
    assert 'nearbeat_resident_bytes{of="service"}' in text


def test_a_service_of_fewer_cases(serve):
    assert serve(limits=Limits(k=5)).get(f"{API}/like/case-00?k=6").status_code == 422


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.text(max_size=80), data=st.binary(max_size=300))
def test_any_upload_is_answered_or_refused_in_the_one_form(client, name, data):
    told = client.post(f"{API}/read", files={"file": (name, data)})
    assert told.status_code in (400, 415, 422)
    shapes.ProblemShape.model_validate(told.json())
    assert "Traceback" not in told.text


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(case_id=st.text(min_size=1, max_size=60))
def test_any_case_is_found_or_not(client, case_id):
    from urllib.parse import quote

    told = client.get(f"{API}/cases/{quote(case_id, safe='', errors='replace')}")
    assert told.status_code in (400, 404)
    shapes.ProblemShape.model_validate(told.json())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text(max_size=60),
    where=st.none() | st.text(max_size=40),
    by=st.sampled_from(["vectors", "words", "both"]),
)
def test_any_sentence_is_answered_or_refused(client, text, where, by):
    fields = {"text": text, "by": by, "evidence": "false"} | ({} if where is None else {"where": where})
    told = client.post(
        f"{API}/search", data={name: value.encode("utf-8", "replace") for name, value in fields.items()}
    )
    assert told.status_code in (200, 400, 422)
    (shapes.ResultShape if told.status_code == 200 else shapes.ProblemShape).model_validate(told.json())
