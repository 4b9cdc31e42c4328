"""Readers that hang, grow, crash or lie are stopped and told, and leave nothing behind."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.simulator import simulate
from retrieval.ecg.spoil import spoil
from retrieval.errors import (
    BadArgument,
    BadInput,
    EmptyFile,
    FileMissing,
    NotAnEcg,
    ReaderFailed,
    TookTooLong,
    TooLarge,
)
from retrieval.intake import read
from retrieval.intake.worker import Reader, read_safely
from tests.retrieval.conftest import heartbeats
from tests.retrieval.intake import bad_readers

pytestmark = pytest.mark.slow


def reader_of(function, **limits):
    return Reader(reader=f"tests.retrieval.intake.bad_readers:{function.__name__}", **limits)


def refusal(function, error, path="x.png", **limits):
    with reader_of(function, **limits) as reader, pytest.raises(error) as caught:
        reader.read(path)
    assert type(caught.value) is error
    message = str(caught.value)
    assert Path(path).name in message
    assert "\n" not in message.replace("two\nlines", "")
    return message


def is_gone(pid):
    """No such process, and no zombie of it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture(autouse=True)
def nothing_left(tmp_path_factory, monkeypatch):
    """No child, no zombie, no thread, no open descriptor and no temporary file outlives a test."""
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    before, running, born = descriptors(), set(threading.enumerate()), children()
    yield
    assert descriptors() == before
    assert not [thread.name for thread in set(threading.enumerate()) - running if "nearbeat" in thread.name]
    assert list(temporary.iterdir()) == []
    assert children() <= born


def children():
    """The processes that this one has started and not yet seen the end of, zombies too."""
    stats = [(stat.parent.name, stat) for stat in Path("/proc").glob("[0-9]*/stat")]
    return {name for name, stat in stats if parent_of(stat) == os.getpid()}


def parent_of(stat):
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def descriptors():
    own = Path("/proc/self/fd")
    return sum(1 for _ in own.iterdir()) if own.exists() else 0


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    from PIL import Image

    path = tmp_path_factory.mktemp("page") / "page.png"
    Image.fromarray(draw_page(heartbeats(5), PageStyle(px_per_mm=4.0)).pixels).save(path)
    return path


def test_a_page_is_read_as_in_this_process(page_file):
    here, there = read(page_file), read_safely(page_file)
    assert (there.file, there.kind, there.report, there.findings) == (
        here.file,
        here.kind,
        here.report,
        here.findings,
    )
    assert np.array_equal(there.page.pixels, here.page.pixels)
    assert there.page.layout == here.page.layout


def test_the_number_of_threads_changes_nothing(tmp_path):
    rng = np.random.default_rng(4)
    drawn = draw_page(simulate(5).recording, PageStyle(layout="3x4+1"))
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), cv2.cvtColor(spoil(drawn.pixels, rng, "photo", 2), cv2.COLOR_RGB2BGR))
    found = []
    for threads in (1, 2):
        with Reader(threads=threads) as reader:
            found.append(reader.read(path))
    assert np.array_equal(found[0].page.pixels, found[1].page.pixels)
    assert found[0].report == found[1].report


def test_a_page_is_shown_as_it_looks(page_file, tmp_path):
    picture = cv2.cvtColor(cv2.imread(str(page_file)), cv2.COLOR_BGR2RGB)
    with Reader() as reader:
        shown, size = reader.look(page_file)
        assert np.array_equal(shown, picture)
        assert size == picture.shape[1::-1]
        large = tmp_path / "large.png"
        cv2.imwrite(str(large), cv2.resize(picture, (3000, 2000)))
        shown, size = reader.look(large)
        assert size == (3000, 2000)
        assert shown.shape == (1200, 1800, 3)
        with pytest.raises(BadArgument, match="there is no 2"):
            reader.look(page_file, 2)
        table = tmp_path / "ecg.npy"
        np.save(table, np.zeros((12, 5000), np.float32))
        with pytest.raises(BadInput):
            reader.look(table)


def test_a_recording_is_read_as_in_this_process(tmp_path):
    from tests.retrieval.wfdb_files import write_wfdb

    write_wfdb(tmp_path, "record", heartbeats(6))
    here, there = read(tmp_path / "record.hea"), read_safely(tmp_path / "record.hea")
    assert np.array_equal(there.recording.signal, here.recording.signal)
    assert (there.recording.rate, there.recording.age) == (here.recording.rate, here.recording.age)
    assert np.array_equal(there.page.pixels, here.page.pixels)


def test_refusals_are_those_of_this_process(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "letter.png").write_text("dear sir\n" * 50)
    names = ["empty.png", "letter.png", "none.png"]
    with Reader() as reader:
        for name, expected in zip(names, (EmptyFile, BadInput, FileMissing), strict=True):
            with pytest.raises(expected) as here:
                read(tmp_path / name)
            with pytest.raises(expected) as there:
                reader.read(tmp_path / name)
            assert type(there.value) is type(here.value)
            assert str(there.value) == str(here.value)


@pytest.mark.parametrize("function", [bad_readers.sleep, bad_readers.ignore_signals])
def test_one_that_sleeps_is_stopped(function, tmp_path):
    note = tmp_path / "pid"
    message = refusal(function, TookTooLong, str(note), seconds=1.5)
    assert "1.5 s" in message
    assert is_gone(int(note.read_text()))


def test_one_that_spins_is_stopped():
    assert "1 s" in refusal(bad_readers.spin, TookTooLong, seconds=1)


@pytest.mark.parametrize("function", [bad_readers.eat_at_once, bad_readers.eat_slowly, bad_readers.eat_shared])
def test_one_that_eats_memory_is_stopped(function):
    assert "400 MB" in refusal(function, TooLarge, memory_mb=400, seconds=60)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (bad_readers.segfault, "SIGSEGV"),
        (bad_readers.abort, "SIGABRT"),
        (bad_readers.leave, "exit code 0"),
        (bad_readers.leave_in_the_middle, "exit code 0"),
        (bad_readers.unforeseen, "RuntimeError"),
        (bad_readers.phone_home, "socket"),
        (bad_readers.call_a_program, "subprocess"),
    ],
)
def test_one_that_breaks_is_told(function, says):
    assert says in refusal(function, ReaderFailed)


def children_that_fail(monkeypatch, fates):
    """Let the children that are started next end as told, before they are ready; ``None`` is a sound one."""
    import subprocess
    import sys

    from retrieval.intake import keeper

    sound, started = keeper._start, []

    def start(memory_mb, threads):
        fate = fates[len(started)] if len(started) < len(fates) else None
        started.append(fate)
        if fate is None:
            return sound(memory_mb, threads)
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([sys.executable, "-I", "-S", "-c", fate], **pipes)

    monkeypatch.setattr(keeper, "_start", start)
    return started


@pytest.mark.parametrize("fate", ["import nothing_of_that_name", "import os; os._exit(1)", "1 / 0"])
def test_a_child_that_could_not_begin_is_no_fault_of_the_file(fate, monkeypatch):
    started = children_that_fail(monkeypatch, [fate])
    with reader_of(bad_readers.blank) as reader:
        assert reader.read("x.png").file == "x.png"
    assert started == [fate, None]


def test_the_time_that_a_child_takes_to_start_is_not_the_files(monkeypatch):
    import sys

    slowly = f"import sys, time; time.sleep(1.5); sys.path[:] = {sys.path!r}; import retrieval.intake.child as c; "
    started = children_that_fail(monkeypatch, [slowly + "c.main(900)"])
    with reader_of(bad_readers.blank, seconds=1) as reader:
        assert reader.read("x.png").file == "x.png"
    assert len(started) == 1


def test_a_child_that_never_gets_ready_is_not_waited_for(monkeypatch):
    from retrieval.intake import keeper

    monkeypatch.setattr(keeper, "START_SECONDS", 0.2)
    started = children_that_fail(monkeypatch, ["input()", "input()"])
    assert "failed of itself" in refusal(bad_readers.blank, ReaderFailed)
    assert len(started) == 2


def test_two_children_that_could_not_begin_are_told_with_what_they_said(monkeypatch):
    started = children_that_fail(monkeypatch, ["import nothing_of_that_name"] * 2)
    message = refusal(bad_readers.blank, ReaderFailed)
    assert "No module named 'nothing_of_that_name'" in message
    assert "damaged" not in message
    assert len(started) == 2


def test_a_child_that_fails_outside_of_a_file_says_why(monkeypatch):
    started = children_that_fail(monkeypatch, [])
    message = refusal(bad_readers.cut_the_wire, ReaderFailed)
    assert "OSError: the wire is cut" in message
    assert len(started) == 2


def test_an_answer_of_absurd_length_is_none():
    refusal(bad_readers.lie_about_length, ReaderFailed, seconds=5)


def test_its_own_refusal_comes_through():
    assert "a cat" in refusal(bad_readers.refuse, NotAnEcg)


def test_what_libraries_print_does_not_disturb_the_answer(capfd):
    with reader_of(bad_readers.chatter) as reader:
        assert reader.read("x.png").kind == "image"
        assert reader.read("y.png").file == "y.png"
    assert capfd.readouterr() == ("", "")


def test_one_child_serves_many_files_and_is_replaced_after_a_fall(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with reader_of(bad_readers.blank) as reader:
        first, second = reader.read("a.png"), reader.read("b.png", page=3)
        assert bad_readers.pid_of(first) == bad_readers.pid_of(second)
        assert f"{tmp_path} 3 None" in second.findings[0].message
        reader.reader = "tests.retrieval.intake.bad_readers:segfault"
        with pytest.raises(ReaderFailed):
            reader.read("c.png")
        assert is_gone(bad_readers.pid_of(first))
        reader.reader = "tests.retrieval.intake.bad_readers:blank"
        assert bad_readers.pid_of(reader.read("d.png")) != bad_readers.pid_of(first)


def test_files_ahead_come_in_order_from_several_children():
    names = [f"{i}.png" for i in range(25)]
    with reader_of(bad_readers.blank, workers=2) as reader:
        taken = [coming.result() for coming in reader.ahead(iter(names))]
    assert [one.file for one in taken] == names
    assert all(is_gone(pid) for pid in {bad_readers.pid_of(one) for one in taken})


def test_no_more_files_are_begun_than_somebody_waits_for():
    asked = []

    def names():
        for i in range(100):
            asked.append(i)
            yield f"{i}.png"

    with reader_of(bad_readers.blank) as reader:
        taken = reader.ahead(names())
        next(taken).result()
        assert len(asked) <= 4


def test_leaving_the_block_ends_what_still_runs(tmp_path):
    note = tmp_path / "pid"
    with reader_of(bad_readers.sleep, seconds=60) as reader:
        waiting = [reader.start(note) for _ in range(3)]
        while not (note.exists() and note.read_text()):
            threading.Event().wait(0.02)
    assert is_gone(int(note.read_text()))
    assert isinstance(waiting[0].exception(), ReaderFailed)
    assert all(one.cancelled() for one in waiting[2:])


def test_a_name_of_any_bytes_goes_there_and_back():
    name = "\udcff\u202e\n.png"
    with reader_of(bad_readers.blank) as reader:
        assert reader.read(name).file == name


def test_the_folder_it_is_called_in_cannot_put_its_modules_in_the_way(tmp_path, monkeypatch, page_file):
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    assert read_safely(page_file).kind == "image"


class Stopped:
    """A process that does nothing, and remembers that it was killed."""

    pid, killed = 0, False

    def kill(self):
        self.killed = True


@pytest.mark.parametrize(("worked", "waited", "looks"), [(0.0, 0.0, 1), (0.0, 0.9, 3), (0.3, 0.0, 3), (0.9, 0.0, 1)])
def test_one_that_waits_for_a_processor_is_given_more_time_than_one_that_sleeps(worked, waited, looks, monkeypatch):
    """Of every second it works and waits so much; it is looked at so often before it is killed."""
    from itertools import count

    from retrieval.intake import keeper

    seconds, process, looked, asked = 0.01, Stopped(), count(), count()

    def spent(pid):
        return worked * seconds * (next(looked) // 2)  # at the beginning, and then before and after each pause

    def kept_waiting(pid):
        return waited * seconds * ((next(asked) + 1) // 2)

    monkeypatch.setattr(keeper, "_processor_seconds", spent)
    monkeypatch.setattr(keeper, "_kept_waiting", kept_waiting)
    watch = keeper._Watch(process, seconds)
    watch._thread.join()
    assert (watch.late, process.killed) == (True, True)
    assert next(asked) == 2 * looks


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="no Linux, or none that counts waiting")
def test_a_process_that_shares_its_processor_is_seen_to_wait():
    import subprocess
    import sys

    from retrieval.intake import keeper

    one = min(os.sched_getaffinity(0))
    spin = f"import os; os.sched_setaffinity(0, {{{one}}})\nwhile True: pass"
    both = [subprocess.Popen([sys.executable, "-c", spin]) for _ in "12"]
    try:
        while keeper._processor_seconds(both[0].pid) < 0.4:
            pass
        assert keeper._kept_waiting(both[0].pid) > 0.05
    finally:
        for process in both:
            process.kill()
            process.wait()
    assert keeper._kept_waiting(both[0].pid) == 0.0
