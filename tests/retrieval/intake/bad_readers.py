"""What a reader may do when a file makes it: each is called in a child process in the place of the real one."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from retrieval.ecg.page import CANONICAL, CanonicalPage
from retrieval.errors import NotAnEcg
from retrieval.intake.result import Finding, Intake


def blank(path, page, declared):
    """A good reader: it notes its process and its working folder where the test can see them."""
    note = Finding("note", f"{os.getpid()} {Path.cwd()} {page} {declared}")
    return Intake(path, "image", CanonicalPage(np.full(CANONICAL.shape, 255, np.uint8)), None, (note,))


def patient(path, page, declared):
    """A good reader, too: it says how many seconds it has."""
    from retrieval.intake.patience import patience

    note = Finding("note", str(patience().seconds))
    return Intake(path, "image", CanonicalPage(np.full(CANONICAL.shape, 255, np.uint8)), None, (note,))


def sleep(path, page, declared):
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def spin(path, page, declared):
    while True:
        pass


def ignore_signals(path, page, declared):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sleep(path, page, declared)


def eat_at_once(path, page, declared):
    return np.ones(1 << 30)


def eat_slowly(path, page, declared):
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20)))


def eat_shared(path, page, declared):
    """Memory that RLIMIT_DATA does not count."""
    import mmap

    kept = []
    while True:
        kept.append(mmap.mmap(-1, 16 << 20))
        kept[-1].write(b"x" * (16 << 20))
        time.sleep(0.01)


def segfault(path, page, declared):
    ctypes.string_at(0)


def abort(path, page, declared):
    os.abort()


def leave(path, page, declared):
    os._exit(0)


def leave_in_the_middle(path, page, declared):
    """Half an answer, on the pipe itself."""
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, (10_000).to_bytes(8, "big") + b"half")
        except OSError:
            continue
    os._exit(0)


def lie_about_length(path, page, declared):
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            continue
    time.sleep(60)


def unforeseen(path, page, declared):
    raise RuntimeError("two\nlines")


def cut_the_wire(path, page, declared):
    from retrieval.intake import wire

    def fail(*_, **__):
        raise OSError("the wire is cut")

    wire.json = type("Cut", (), {"dumps": fail})()
    return blank(path, page, declared)


def refuse(path, page, declared):
    raise NotAnEcg(f"'{Path(path).name}' is a drawing of a cat")


def chatter(path, page, declared):
    print("to stdout")  # noqa: T201
    os.write(1, b"to descriptor 1")
    sys.stderr.write("to stderr")
    return blank(path, page, declared)


def phone_home(path, page, declared):
    socket.create_connection(("127.0.0.1", 9))


def call_a_program(path, page, declared):
    subprocess.run(["/bin/true"], check=True)


def pid_of(intake):
    return int(intake.findings[0].message.split()[0])
