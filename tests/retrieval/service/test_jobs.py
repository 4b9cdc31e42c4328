from __future__ import annotations

import io
import json
import threading
import time

import pytest

from retrieval.errors import BadArgument
from retrieval.service import job_routes, shapes
from retrieval.service.job_runner import JobRunner
from retrieval.service.jobs import RESULTS, JobLimits, Jobs
from retrieval.service.problems import MissingJob, Refused
from retrieval.service.tokens import TokenFile

JOBS = "/api/v1/jobs"


def handed(client, *files, **data):
    return client.post(JOBS, files=[("files", file) for file in files], data=data)


def finished(client, job_id):
    for _ in range(600):
        told = client.get(f"{JOBS}/{job_id}").json()
        if told["state"] not in ("waiting", "running"):
            return told
        time.sleep(0.05)
    raise AssertionError("the job did not end")


def test_a_job_answers_in_the_order_of_its_files(client, desk, csv):
    told = handed(client, ("a.csv", csv), ("b.png", b"x"), ("c.csv", csv), k=2, where="has AFIB")
    assert told.status_code == 202
    shapes.JobShape.model_validate(told.json())
    job_id = told.json()["id"]
    assert finished(client, job_id) == {**told.json(), "state": "done", "done": 3, "refused": 1}
    results = client.get(f"{JOBS}/{job_id}/results")
    assert results.headers["content-type"] == "application/x-ndjson"
    one, refused, other = (json.loads(line) for line in results.text.splitlines())
    shapes.AnswerShape.model_validate(one)
    alone = desk.query(desk.read(csv, "a.csv"), 2, "has AFIB").as_json()
    assert one == json.loads(json.dumps(alone))
    assert other["hits"] == one["hits"]
    assert refused["query"] == {"file": "b.png"}
    assert refused["error"]["kind"] == "unsupported_format"
    assert client.get(JOBS).json()["jobs"][0]["id"] == job_id


def test_no_upload_is_kept_once_it_is_answered(client, settings, csv):
    job_id = handed(client, ("a.csv", csv), ("b", b"x")).json()["id"]
    finished(client, job_id)
    assert sorted(file.name for file in (settings.jobs / job_id).iterdir()) == ["job.json", "results.jsonl"]
    assert client.delete(f"{JOBS}/{job_id}").status_code == 204
    assert not (settings.jobs / job_id).exists()
    assert client.get(f"{JOBS}/{job_id}").status_code == 404


def test_events_tell_each_step_and_the_end(client, csv):
    job_id = handed(client, ("a.csv", csv), ("b.csv", csv)).json()["id"]
    with client.stream("GET", f"{JOBS}/{job_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = "".join(stream.iter_text()).strip().split("\n\n")
    last = dict(line.split(": ", 1) for line in events[-1].splitlines())
    assert (last["event"], last["id"]) == ("end", "2")
    assert json.loads(last["data"])["state"] == "done"
    assert all("event: progress" in event for event in events[:-1])


def test_a_silent_stream_shows_that_it_lives(client, monkeypatch, desk, csv):
    monkeypatch.setattr(job_routes, "KEEP_ALIVE_S", 0.0)
    go_on = threading.Event()
    read = desk.read
    monkeypatch.setattr(desk, "read", lambda *given, **named: (go_on.wait(0.6) and None) or read(*given, **named))
    job_id = handed(client, ("a.csv", csv)).json()["id"]
    text = client.get(f"{JOBS}/{job_id}/events").text
    assert ": still there" in text
    assert "event: end" in text


@pytest.mark.parametrize(
    ("data", "status"),
    [({"k": 0}, 400), ({"k": 201}, 400), ({"where": "nonsense"}, 422), ({"where": "a" * 1001}, 400)],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_kept(client, settings, data, status):
    assert handed(client, ("a", b"x"), **data).status_code == status
    assert [file.name for file in settings.jobs.iterdir()] == [".lock"]


def test_a_job_without_files_or_with_too_many(client, monkeypatch):
    assert client.post(JOBS, data={"k": 1}).status_code == 400
    assert handed(client, *[(f"{i}", b"x") for i in range(201)]).status_code == 400


def test_a_service_that_takes_no_jobs(serve):
    assert serve(jobs=None).get(JOBS).status_code == 404


def test_jobs_of_others_are_not_there(serve, tmp_path):
    tokens = TokenFile(tmp_path / "tokens.json")
    one, other = ({"authorization": f"Bearer {tokens.add(name, 'write')}"} for name in ("one", "other"))
    client = serve(tokens=tokens)
    job_id = client.post(JOBS, files={"files": ("a", b"x")}, headers=one).json()["id"]
    assert client.get(f"{JOBS}/{job_id}", headers=one).status_code == 200
    for path in ("", "/events", "/results"):
        assert client.get(f"{JOBS}/{job_id}{path}", headers=other).status_code == 404
    assert client.delete(f"{JOBS}/{job_id}", headers=other).status_code == 404
    assert client.get(JOBS, headers=other).json()["jobs"] == []


@pytest.mark.parametrize("job_id", ["x", "0" * 31, "0" * 33, "..", "0" * 31 + "G"])
def test_an_id_that_is_none(client, job_id):
    assert client.get(f"{JOBS}/{job_id}").status_code in (400, 404)


# The folder of jobs, without a service.


def batch(*contents):
    return [(f"{i}.csv", io.BytesIO(content)) for i, content in enumerate(contents)]


@pytest.fixture
def jobs(tmp_path):
    opened = Jobs(tmp_path / "jobs")
    yield opened
    opened.close()


def reopened(jobs):
    jobs.close()
    return Jobs(jobs.folder)


def test_a_job_goes_on_behind_what_is_answered(jobs, desk, csv):
    job = jobs.add("ward", batch(csv, csv, b"x"), 2, None)
    jobs.put(job, {"n": 1})
    again = reopened(jobs)
    (found,) = again.of("ward")
    assert (found.done, found.state, found.names) == (1, "waiting", ("0.csv", "1.csv", "2.csv"))
    runner = JobRunner(desk, again)
    runner.start()
    while found.unfinished:
        time.sleep(0.02)
    runner.stop()
    runner.join()
    lines = [json.loads(line) for line in again.results(found)]
    assert [("n" in line, "hits" in line, "error" in line) for line in lines] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    again.close()


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_a_torn_line_is_cut_off_and_its_file_read_again(jobs, cut):
    job = jobs.add("ward", batch(b"a", b"b"), 2, None)
    jobs.put(job, {"n": 1})
    results = jobs.folder / job.job_id / RESULTS
    whole = results.read_bytes()
    results.write_bytes(whole + b'{"n": 22}'[:cut])
    again = reopened(jobs)
    (found,) = again.of("ward")
    assert found.done == 1
    assert results.read_bytes() == whole
    again.put(found, {"n": 2})
    assert [json.loads(line) for line in again.results(found)] == [{"n": 1}, {"n": 2}]
    assert found.state == "done"
    again.close()


def test_what_a_crash_left_between_line_and_upload_is_no_harm(jobs):
    job = jobs.add("ward", batch(b"a", b"b"), 2, None)
    jobs.put(job, {"n": 1})
    jobs.upload(job, 0).write_bytes(b"a")
    again = reopened(jobs)
    assert again.of("ward")[0].done == 1
    again.close()


def test_a_job_whose_uploads_are_gone_is_said_to_be_stopped(jobs):
    job = jobs.add("ward", batch(b"a", b"b"), 2, None)
    jobs.upload(job, 1).unlink()
    again = reopened(jobs)
    assert again.of("ward")[0].state == "stopped"
    assert again.next() is None
    again.close()


@pytest.mark.parametrize("card", [b"", b"{", b"[]", b'{"job_id": "x"}'])
def test_a_damaged_job_is_told_of_and_left_alone(jobs, card):
    job = jobs.add("ward", batch(b"a"), 2, None)
    (jobs.folder / job.job_id / "job.json").write_bytes(card)
    again = reopened(jobs)
    assert again.lost == (job.job_id,)
    assert again.of("ward") == []
    assert (jobs.folder / job.job_id).is_dir()
    again.close()


def test_a_batch_that_did_not_come_in_whole_is_removed(jobs, monkeypatch):
    half = jobs.folder / ("." + "0" * 32)
    half.mkdir()
    again = reopened(jobs)
    assert not half.exists()
    again.close()


def test_a_full_disk_leaves_no_half_of_a_job(jobs, monkeypatch):
    monkeypatch.setattr("shutil.copyfileobj", lambda *_: (_ for _ in ()).throw(OSError(28, "no space left")))
    with pytest.raises(OSError, match="no space"):
        jobs.add("ward", batch(b"a"), 2, None)
    assert [file.name for file in jobs.folder.iterdir()] == [".lock"]


def test_jobs_are_bounded(tmp_path):
    jobs = Jobs(tmp_path, JobLimits(kept=3, waiting=2, bytes=10))
    with pytest.raises(Refused) as caught:
        jobs.add("ward", batch(b"x" * 11), 2, None)
    assert caught.value.status == 429
    first = jobs.add("ward", batch(b"xxxx"), 2, None)
    jobs.add("ward", batch(b"xxxx"), 2, None)
    with pytest.raises(Refused):
        jobs.add("ward", batch(b"x"), 2, None)
    jobs.put(first, {})
    for _ in range(5):
        jobs.put(jobs.add("ward", batch(b"x"), 2, None), {})
    assert len(jobs.of("ward")) <= 3
    with pytest.raises(MissingJob):
        jobs.get(first.job_id, "ward")
    jobs.close()


def test_finished_jobs_are_removed_after_their_time(tmp_path):
    jobs = Jobs(tmp_path, JobLimits(days=0.0))
    job = jobs.add("ward", batch(b"x"), 2, None)
    assert jobs.of("ward") == [job]
    jobs.put(job, {})
    assert jobs.of("ward") == []
    jobs.close()


def test_a_removed_job_takes_no_more_results(jobs):
    job = jobs.add("ward", batch(b"x"), 2, None)
    jobs.remove(job)
    jobs.put(job, {"n": 1})
    assert job.done == 0
    assert not (jobs.folder / job.job_id).exists()


def test_one_service_at_a_time(jobs):
    pytest.importorskip("fcntl")
    with pytest.raises(BadArgument, match="another service"):
        Jobs(jobs.folder)


def test_a_refusal_by_closing_is_no_result(jobs, desk, csv):
    job = jobs.add("ward", batch(csv), 2, None)
    runner = JobRunner(desk, jobs)
    runner.stop()
    runner._next_file(job)
    assert (job.done, job.state) == (0, "waiting")


def test_a_fault_of_ours_stops_one_job_and_not_the_others(jobs, desk, csv, monkeypatch, caplog):
    query = desk.query
    monkeypatch.setattr(desk, "query", lambda intake, k, where: 1 / 0 if k == 13 else query(intake, k, where))
    bad, good = jobs.add("ward", batch(csv), 13, None), jobs.add("ward", batch(csv), 2, None)
    runner = JobRunner(desk, jobs)
    runner.start()
    while bad.unfinished or good.unfinished:
        time.sleep(0.02)
    runner.stop()
    runner.join()
    assert (bad.state, good.state) == ("stopped", "done")
    assert "ZeroDivisionError" in caplog.text
