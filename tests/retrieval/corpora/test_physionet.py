"""Fetching PTB-XL from a local server that has PhysioNet's layout and life's faults."""

from __future__ import annotations

import datetime
import email.utils
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.corpora import physionet
from retrieval.corpora.checking import check
from retrieval.corpora.download import Unreachable, retry_after
from retrieval.corpora.physionet import Wish, fetch
from retrieval.corpora.ptbxl import PtbXl
from retrieval.corpora.sources import PTBXL
from retrieval.corpora.sums import read_sums
from retrieval.errors import BadArgument, CorpusError
from tests.retrieval.corpora.physionet_server import (
    corpus,
    cut_after,
    hang_up,
    serving,
    status,
    with_sums,
    wrong,
)

DATA = "records100/00000/00001_lr.dat"


@pytest.fixture(scope="module")
def files():
    return corpus()


@pytest.fixture
def waits():
    return []


def bring(place, folder, waits=None, **wish):
    wait = waits.append if waits is not None else (lambda seconds: None)
    return fetch(PTBXL, folder, Wish(base=place.base, **wish), wait=wait)


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_of_it_in_the_layout_of_the_source(files, tmp_path):
    with serving(files) as place:
        done = bring(place, tmp_path / "new" / "ptb-xl", rates=(100, 500))
    assert content(done.folder) == files
    assert (done.fetched, done.present, done.failed) == (len(files) - 1, 0, ())
    assert done.bytes == sum(len(body) for path, body in files.items() if path != "SHA256SUMS.txt")
    corpus_here = PtbXl.open(done.folder)
    assert corpus_here.missing(range(1, 11)) == 0


def test_a_part_by_folds_and_rate(files, tmp_path):
    with serving(files) as place:
        bring(place, tmp_path, folds=(2,), rates=(500,))
    here = {path for path in content(tmp_path) if path.startswith("records")}
    assert here == {f"records500/00000/0000{n}_hr{suffix}" for n in (2, 5) for suffix in (".dat", ".hea")}
    assert PtbXl.open(tmp_path).missing([2]) == 2  # the records at 100 Hz


def test_tables_alone(files, tmp_path):
    with serving(files) as place:
        bring(place, tmp_path, rates=())
    assert set(content(tmp_path)) == {"SHA256SUMS.txt", "ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt"}


def test_what_is_there_is_not_fetched_again_and_what_is_wrong_is(files, tmp_path):
    with serving(files) as place:
        bring(place, tmp_path)
        (tmp_path / DATA).write_bytes(b"altered")
        place.asked.clear()
        again = bring(place, tmp_path)
    assert place.asked == [(DATA, None)]
    assert (again.fetched, again.present) == (1, 14)
    assert (tmp_path / DATA).read_bytes() == files[DATA]


@pytest.mark.parametrize(
    "fault", [cut_after(500), hang_up, status(502), status(429)], ids=["cut", "hung", "502", "429"]
)
def test_a_fault_that_passes_is_overcome(files, tmp_path, waits, fault):
    with serving(files, faults={DATA: [fault, fault]}) as place:
        done = bring(place, tmp_path, waits)
    assert done.failed == ()
    assert (tmp_path / DATA).read_bytes() == files[DATA]
    assert place.times(DATA) == 3
    assert len(waits) == 2


def test_a_cut_connection_is_gone_on_with_where_it_was(files, tmp_path):
    with serving(files, faults={DATA: [cut_after(500), cut_after(300)]}) as place:
        bring(place, tmp_path)
    assert [asked for path, asked in place.asked if path == DATA] == [None, "bytes=500-", "bytes=800-"]


def test_a_part_of_an_earlier_call_is_gone_on_with(files, tmp_path):
    with serving(files) as place:
        (tmp_path / DATA).parent.mkdir(parents=True)
        (tmp_path / f"{DATA}.part").write_bytes(files[DATA][:700])
        bring(place, tmp_path)
    assert [asked for path, asked in place.asked if path == DATA] == ["bytes=700-"]
    assert content(tmp_path).keys() == {path for path in files if "500/" not in path}


def test_a_server_without_range_gives_the_whole_again(files, tmp_path):
    with serving(files, faults={DATA: [cut_after(500)]}, ranges=False) as place:
        bring(place, tmp_path)
    assert [asked for path, asked in place.asked if path == DATA] == [None, "bytes=500-"]
    assert (tmp_path / DATA).read_bytes() == files[DATA]


@pytest.mark.parametrize("extra", [0, 9], ids=["whole", "longer"])
def test_a_part_that_is_whole_or_longer(files, tmp_path, extra):
    (tmp_path / DATA).parent.mkdir(parents=True)
    (tmp_path / f"{DATA}.part").write_bytes(files[DATA] + b"x" * extra)
    with serving(files) as place:
        done = bring(place, tmp_path)
    assert done.failed == ()
    assert (tmp_path / DATA).read_bytes() == files[DATA]


def test_a_part_of_another_file_is_thrown_away(files, tmp_path):
    (tmp_path / DATA).parent.mkdir(parents=True)
    (tmp_path / f"{DATA}.part").write_bytes(b"something else")
    with serving(files) as place:
        bring(place, tmp_path)
    assert (tmp_path / DATA).read_bytes() == files[DATA]
    assert [asked for path, asked in place.asked if path == DATA] == ["bytes=14-", None]


def test_a_wrong_checksum_is_fetched_again_once(files, tmp_path):
    with serving(files, faults={DATA: [wrong]}) as place:
        assert bring(place, tmp_path).failed == ()
    assert place.times(DATA) == 2


def test_a_checksum_that_stays_wrong_is_said_and_the_others_come(files, tmp_path):
    with serving(files, faults={DATA: [wrong, wrong, wrong]}) as place:
        done = bring(place, tmp_path)
    (failure,) = done.failed
    assert (failure.file, failure.kind) == (DATA, "wrong_checksum")
    assert "came twice" in failure.message
    assert place.times(DATA) == 2
    assert done.fetched == 14
    assert not any(path.startswith(DATA) for path in content(tmp_path))


def test_a_file_that_is_not_there_is_said_at_once_and_the_others_come(files, tmp_path):
    offered = {path: body for path, body in files.items() if path != DATA}
    with serving(offered) as place:
        done = bring(place, tmp_path)
    (failure,) = done.failed
    assert (failure.file, failure.kind) == (DATA, "not_offered")
    assert "404" in failure.message
    assert (place.times(DATA), done.fetched) == (1, 14)


def test_503_with_retry_after_is_obeyed(files, tmp_path, waits):
    soon = email.utils.format_datetime(
        datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=50), usegmt=True
    )
    faults = {DATA: [status(503, Retry_After="7"), status(503, Retry_After=soon), status(503, Retry_After="86400")]}
    with serving(files, faults=faults) as place:
        assert bring(place, tmp_path, waits).failed == ()
    assert waits[0] == 7
    assert 0 < waits[1] <= 50
    assert waits[2] == 120  # no longer than that, whatever is asked for


def test_a_server_that_is_gone_ends_the_work_and_the_same_command_goes_on(files, tmp_path):
    gone = {path: [hang_up] * 99 for path in files if path.startswith("records")}
    with serving(files, faults=gone) as place:
        with pytest.raises(Unreachable, match="the same command goes on"):
            bring(place, tmp_path, connections=1)
        asked = len(place.asked)
        assert asked <= 4 + 3 * 5 + 1  # not five times for each of the twelve files
        place.faults.clear()
        assert bring(place, tmp_path).present == 3  # the tables


def test_nobody_listens(tmp_path):
    with serving({}) as place:
        pass
    with pytest.raises(CorpusError, match=r"SHA256SUMS\.txt cannot be had"):
        bring(place, tmp_path)


def test_a_page_to_log_in_is_no_list_of_checksums_and_is_not_kept(files, tmp_path):
    page = b"<html>Welcome to the hospital's guest network. Please log in.</html>"
    with serving({**files, "SHA256SUMS.txt": page}) as place:
        with pytest.raises(CorpusError, match="log in"):
            bring(place, tmp_path)
        assert not (tmp_path / "SHA256SUMS.txt").exists()
        place.files["SHA256SUMS.txt"] = files["SHA256SUMS.txt"]
        assert bring(place, tmp_path).failed == ()


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/outside", "a/../../b", "C:/x", "a\\b"])
def test_a_path_that_leaves_the_folder_is_not_followed(files, tmp_path, path):
    listed = files["SHA256SUMS.txt"] + f"{'0' * 64} {path}\n".encode()
    with serving({**files, "SHA256SUMS.txt": listed}) as place, pytest.raises(CorpusError, match="outside"):
        bring(place, tmp_path / "in")
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def test_another_corpus_at_the_address(tmp_path):
    with serving(with_sums({"LICENSE.txt": b"x"})) as place, pytest.raises(CorpusError, match="no place of PTB-XL"):
        bring(place, tmp_path)


def test_no_more_connections_than_asked_for(files, tmp_path):
    with serving(files) as place:
        bring(place, tmp_path, connections=2)
        assert place.most_at_once <= 2
    with pytest.raises(BadArgument, match="1 to 8"):
        Wish(connections=9)


def test_the_proxy_of_the_environment_is_asked_and_one_for_others_is_not(files, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving(files) as place:
        monkeypatch.setenv("http_proxy", f"http://user:secret@127.0.0.1:{place.port}")
        wish = Wish(base="http://physionet.invalid/files/ptb-xl/1.0.3", rates=())
        assert fetch(PTBXL, tmp_path / "one", wish).fetched == 3
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert bring(place, tmp_path / "two", rates=()).fetched == 3


def test_a_disk_without_room_is_told_before_the_records_come(files, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10_000})
    monkeypatch.setattr(physionet.shutil, "disk_usage", lambda folder: usage)
    with serving(files) as place, pytest.raises(CorpusError, match="make room"):
        bring(place, tmp_path)
    assert not (tmp_path / "records100").exists()


def test_two_fetches_into_one_folder(files, tmp_path):
    with serving(files) as place, physionet._alone(tmp_path), pytest.raises(CorpusError, match="another process"):
        bring(place, tmp_path)


def test_an_interrupted_fetch_keeps_its_parts_and_ends_its_threads(files, tmp_path):
    before = threading.active_count()

    def tired(done, total):
        raise KeyboardInterrupt

    with serving(files) as place:
        with pytest.raises(KeyboardInterrupt):
            fetch(PTBXL, tmp_path, Wish(base=place.base), tired)
        assert not any(thread.name.startswith("fetch") for thread in threading.enumerate())
        assert bring(place, tmp_path).failed == ()
    assert threading.active_count() <= before


@given(cuts=st.lists(st.integers(1, 1400), max_size=6), ranges=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_it_is_cut_the_file_is_the_file(files, tmp_path_factory, cuts, ranges):
    folder = tmp_path_factory.mktemp("cut")
    small = {path: body for path, body in files.items() if path != "SHA256SUMS.txt" and "records" not in path}
    small[DATA], small["records100/00000/00001_lr.hea"] = files[DATA], b"header"
    small["ptbxl_database.csv"] = b"\r\n".join(files["ptbxl_database.csv"].split(b"\r\n")[:2]) + b"\r\n"
    faults = [cut_after(cut) for cut in (cuts if ranges else cuts[:4])]
    with serving(with_sums(small), faults={DATA: faults}, ranges=ranges) as place:
        done = bring(place, folder)
    assert done.failed == ()
    assert (folder / DATA).read_bytes() == files[DATA]


def test_check_tells_right_absent_wrong_and_unfinished(files, tmp_path):
    with serving(files) as place:
        bring(place, tmp_path)
    (tmp_path / DATA).write_bytes(b"altered")
    (tmp_path / "records100/00000/00002_lr.dat").unlink()
    (tmp_path / "records100/00000/00002_lr.dat.part").write_bytes(b"ab")
    found = check(tmp_path)
    assert found.wrong == (DATA,)
    assert (found.right, found.absent) == (13, 13)
    assert found.parts == ("records100/00000/00002_lr.dat.part",)


def test_check_without_checksums(tmp_path):
    with pytest.raises(CorpusError, match="corpus fetch"):
        check(tmp_path)


def test_lists_of_checksums_in_three_hands(tmp_path):
    one, two, three = (f"{n:064x}" for n in (1, 2, 3))
    path = tmp_path / "sums"
    path.write_text(f"{one} a b.txt\n{two}  c/d.dat\n{three.upper()} *e\n\n")
    assert read_sums(path) == {"a b.txt": one, "c/d.dat": two, "e": three}


@pytest.mark.parametrize(("header", "seconds"), [(None, None), ("12", 12), ("soon", None), ("9999", 120)])
def test_retry_after(header, seconds):
    assert retry_after(header) == seconds
