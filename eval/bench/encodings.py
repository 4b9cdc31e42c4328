"""How long GASF, RP and MTF of a 12 x 1000 recording take, beside pyts where it is installed, in one run.

``OMP_NUM_THREADS=1 python -m eval.bench.encodings`` prints a Markdown table of processor time, which other work on
the machine does not change. pyts is no dependency: ``uv pip install --target FOLDER pyts`` and ``PYTHONPATH=FOLDER``
put it in.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.encodings import Encoding, encoded_image, gasf, markov_transition_field, recurrence
from retrieval.ecg.encodings.fields import Shape, quantile_states
from retrieval.ecg.page import canonical_page
from retrieval.ecg.simulator import simulate

Rows = NDArray[np.float64]
Call = Callable[[], Any]
BINS = 8


def main() -> None:
    """Measure the fields at full size and at 250 x 250, then the images that the tower takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15, help="timed runs of each; the median is printed")
    repeat: int = parser.parse_args().repeat
    recording = simulate(11, "normal", rate=100.0).recording
    x = recording.signal.astype(np.float64)
    x /= np.abs(x).max(axis=1, keepdims=True)
    image, seconds = load_pyts()
    told = f"pyts (its import {seconds:.0f} s)" if image else "pyts (not installed)"
    row(["12 x 1000 samples to", "ours, ms", f"{told}, ms", "largest difference"])
    row(["---"] * 4)
    for name, size in (("GASF", 1000), ("GASF", 250), ("RP", 1000), ("MTF", 1000), ("MTF", 250)):
        ours = own(name, x, None if size == 1000 else (size, size))
        theirs = reference(image, name, x, size)
        # pyts averages the series before a GASF, ours averages the field: small ones are not the same thing.
        same = theirs is not None and (name, size) != ("GASF", 250)
        gap = f"{np.abs(ours() - theirs()).max():.0e}" if theirs and same else "-"
        other = f"{milliseconds(theirs, repeat):.1f}" if theirs else "-"
        row([f"12 {name} fields of {size} x {size}", f"{milliseconds(ours, repeat):.1f}", other, gap])
    for encoding in [Encoding(n, f) for f in ("grid", "concat") for n in ("gasf", "rp", "mtf", "gasf+rp+mtf")]:
        took = milliseconds(lambda e=encoding: encoded_image(recording, e), repeat)
        row([f"the tower's image, {encoding.name}, {encoding.form}", f"{took:.1f}", "-", "-"])
    took = milliseconds(lambda: canonical_page(recording), repeat)
    row(["the tower's image, page", f"{took:.1f}", "-", "-"])


def load_pyts() -> tuple[Any, float]:
    """``pyts.image`` and the seconds of its import, or ``None`` where it is not installed."""
    if find_spec("pyts") is None:
        return None, 0.0
    start = time.process_time()
    return import_module("pyts.image"), time.process_time() - start


def own(name: str, x: Rows, shape: Shape | None) -> Call:
    """Our field of all rows, counting the states of an MTF too."""
    narrow = x.astype(np.float32)
    if name == "GASF":
        # Rounding to float32 may step over 1.
        return lambda: gasf(np.clip(narrow, -1, 1), shape)
    if name == "RP":
        return lambda: recurrence(narrow, shape)
    return lambda: markov_transition_field(quantile_states(x, BINS), BINS, shape)


def reference(image: Any, name: str, x: Rows, size: int) -> Call | None:
    """The same of pyts, where it is there."""
    if image is None:
        return None
    if name == "GASF":
        made = image.GramianAngularField(image_size=size, sample_range=None)
    elif name == "RP":
        made = image.RecurrencePlot()
    else:
        made = image.MarkovTransitionField(image_size=size, n_bins=BINS)
    return lambda: made.transform(x)


def milliseconds(call: Call, repeat: int) -> float:
    """Median processor time of one call."""
    call()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def row(cells: list[str]) -> None:
    """A row of a Markdown table."""
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
