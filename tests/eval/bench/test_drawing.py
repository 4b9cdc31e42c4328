"""The benchmark of drawers: all draw the same page, and the tables say what was and was not there."""

import numpy as np
import pytest

from eval.bench import drawers, drawing
from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.plan import plan_page
from retrieval.ecg.simulator import simulate

STYLE = PageStyle(px_per_mm=100 / 25.4, layout="3x4", header=("SIMULATED",))


@pytest.fixture(scope="module")
def recording():
    return simulate(7, rate=500.0).recording


@pytest.mark.parametrize("name", [name for name in drawing.OTHERS if "not smoothed" not in name])
def test_the_others_draw_our_page(name, recording):
    """Texts aside, which are set in other faces; OpenCV's and Pillow's lines are whole pixels wide."""
    plan = plan_page(recording, STYLE)
    try:
        draw = drawing.OTHERS[name](plan)
    except ImportError as missing:
        pytest.skip(str(missing))
    ours, theirs = draw_page(recording, STYLE), draw(plan)
    assert theirs.shape == ours.pixels.shape
    apart = np.abs(theirs.astype(int) - ours.pixels)[~ours.mask("text")]
    assert apart.mean() < 8
    samples = np.concatenate([ours.to_px(ours.samples(cell).points) for cell in ours.cells])
    x, y = np.rint(samples).astype(int).T
    assert np.mean(theirs[y, x].max(axis=1) < 160) > 0.9
    assert draw(plan).tobytes() == theirs.tobytes()


def test_a_drawer_keeps_nothing_of_the_page_before(recording):
    plans = [plan_page(simulate(seed, rate=500.0).recording, STYLE) for seed in (1, 2)]
    draw = drawers.opencv(plans[0])
    first = draw(plans[0]).copy()
    assert not np.array_equal(draw(plans[1]), first)
    assert np.array_equal(draw(plans[0]), first)


@pytest.mark.slow
def test_the_tables(monkeypatch, capsys):
    monkeypatch.setattr(drawing, "OTHERS", {"OpenCV": drawers.opencv, "gone": absent})
    drawing.main(["--repeat", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines if "NearBeat**" in line] == [
        "| **NearBeat**, memory used again",
        "| **NearBeat**, new memory for each page",
        "| **NearBeat**, ruling drawn anew as well",
    ]
    assert "| gone | not installed |  |  |  |" in lines
    assert any(line.startswith("| canonical page, 512 x 256 | ") for line in lines)


def absent(plan):
    raise ImportError("not here")
