"""The pictures of the report, as PNG and SVG beside it. Needs matplotlib and scikit-learn: the extra ``[eval]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.details import StatementScore
from eval.measures import Measure
from eval.pictures import LOOKS
from eval.protocol import Result
from eval.systems import CHANCE, CHECKED, PIXELS, System
from eval.tasks.robustness import AUROC, CLEAN, NDCG
from retrieval.ecg.statements import SUPERCLASSES
from retrieval.errors import ExtraMissing
from retrieval.scoring import superclass_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

__all__ = ["Figure", "draw_figures"]

# Okabe and Ito, Color universal design (2008): told apart by the colour-blind, and in gray.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, GRAY, PALE = "#222222", "#8A8A8A", "#D5D5D5"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "nearbeat",
}
DPI = 200
KINDS = ("diagnostic", "form", "rhythm")
PHOTOS = ("clean picture", *(f"photo, strength {strength}" for strength in (1, 2, 3)))


@dataclass(frozen=True)
class Figure:
    """A picture of the report.

    Args:
        task: whose section shows it.
        title: in a few words.
        caption: what is seen, with the numbers behind it.
        files: names beside the report, the PNG first.
    """

    task: int
    title: str
    caption: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class _Drawn:
    task: int
    name: str
    title: str
    caption: str
    canvas: Canvas


def draw_figures(result: Result, out: Path) -> list[Figure]:
    """Draw every picture that the result has the numbers for.

    Raises:
        ExtraMissing: when matplotlib or scikit-learn is not installed.
    """
    try:
        import matplotlib
        import sklearn.manifold  # noqa: F401  # told now, not after the first pictures
    except ImportError as error:
        raise ExtraMissing(
            f"the figures need {error.name}, which is not installed; get them with: pip install 'nearbeat[eval]'"
        ) from error
    drawers: Sequence[Callable[[Result], _Drawn | None]] = (by_statement, embedding_map, reliability, robustness)
    out.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        drawn = [one for drawer in drawers if (one := drawer(result)) is not None]
        return [_write(one, out) for one in drawn]


def _write(drawn: _Drawn, out: Path) -> Figure:
    files = tuple(f"{drawn.name}.{kind}" for kind in ("png", "svg"))
    metadata: Mapping[str, Any] = {"png": {"Software": None}, "svg": {"Date": None}}
    for file in files:
        kind = file.rsplit(".", 1)[1]
        drawn.canvas.savefig(out / file, dpi=DPI, metadata=metadata[kind], facecolor="white")
    return Figure(drawn.task, drawn.title, drawn.caption, files)


def _canvas(width: float, height: float) -> Canvas:
    """A page of paper of that size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(canvas)
    return canvas


def by_statement(result: Result) -> _Drawn | None:
    """Bars of mean average precision for each statement, sorted, with chance as a tick; all on one scale."""
    groups = {kind: [one for one in result.details.statements if one.kind == kind] for kind in KINDS}
    groups = {kind: sorted(found, key=lambda one: one.mean_ap.value) for kind, found in groups.items() if found}
    if not groups:
        return None
    columns = [[kind for kind in kinds if kind in groups] for kinds in (KINDS[:1], KINDS[1:])]
    columns = [kinds for kinds in columns if kinds]
    tallest = max(sum(len(groups[kind]) + 3 for kind in kinds) for kinds in columns)
    canvas = _canvas(7.2, 0.5 + 0.18 * tallest)
    grids = canvas.add_gridspec(1, len(columns))
    for column, kinds in enumerate(columns):
        heights = [len(groups[kind]) + 3 for kind in kinds]
        if sum(heights) < tallest:
            heights.append(tallest - sum(heights))  # Left free, so that bars are as thick as in the longer column.
        rows = grids[column].subgridspec(len(heights), 1, height_ratios=heights)
        for row, kind in enumerate(kinds):
            axes = canvas.add_subplot(rows[row])
            _bars(axes, groups[kind])
            axes.set_title(f"{kind} statements ({len(groups[kind])})", loc="left")
            if row == len(kinds) - 1:
                axes.set_xlabel("mean average precision (%)")
    canvas.axes[0].legend(loc="lower right", handlelength=1.2)
    total = len(result.split.queries.rows)
    caption = (
        "Retrieval by statement: mean average precision over the queries of fold 10 that carry it (n in brackets, "
        f"of {total:,}), among {len(result.split.gallery.rows):,} gallery cases. Whiskers: 95 % interval by patient. "
        "Statements with fewer than 10 queries are left out. Black ticks: a random order."
    )
    return _Drawn(1, "retrieval-by-statement", "Retrieval by statement", caption, canvas)


def _bars(axes: Axes, found: Sequence[StatementScore]) -> None:
    places = np.arange(len(found))
    values = 100 * np.array([one.mean_ap.value for one in found])
    ends = 100 * np.array([one.mean_ap.interval for one in found])
    axes.barh(places, values, 0.72, color=SKY, label="this bundle")
    axes.errorbar(values, places, xerr=np.abs(ends.T - values), fmt="none", ecolor=BLUE, elinewidth=0.9)
    axes.plot([100 * one.chance for one in found], places, "|", color=INK, ms=7, mew=1.4, label="chance")
    axes.set_yticks(places, [f"{one.code} ({one.queries:,})" for one in found])
    axes.set_ylim(-0.6, len(found) - 0.4)
    axes.set_xlim(0, 100)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def embedding_map(result: Result) -> _Drawn | None:
    """The pages of fold 10 by t-SNE, once for each superclass."""
    system = next(one for one in result.systems if one.name == CHECKED)
    if len(system.queries) < 10:
        return None
    places = _map(system)
    labels = superclass_labels(result.split.queries.statements)
    wide, high = np.ptp(places, axis=0)
    canvas = _canvas(7.2, 2 * (2.3 * float(np.clip(high / wide, 0.4, 1.5)) + 0.3))
    panels = canvas.subplots(2, 3).ravel()
    for axes, name, mine, colour in zip(
        panels, SUPERCLASSES, labels.T, (GREEN, RED, ORANGE, BLUE, PURPLE), strict=False
    ):
        _cloud(axes, places, mine, colour, f"{name} ({int(mine.sum()):,})")
    devices = result.split.queries.devices
    common = max(dict.fromkeys(devices), key=devices.count)
    recorder = np.array([device == common for device in devices])
    _cloud(panels[5], places, recorder, INK, f"recorder {common} ({int(recorder.sum()):,})")
    caption = (
        f"Embedding map: the {len(places):,} pages of fold 10 by t-SNE of the bundle's vectors (cosine distance, "
        "perplexity 30, PCA start; both axes without a unit). Each panel colours the ECGs of one superclass over all "
        "others in gray; an ECG may be of several. The last panel shows the commonest recorder instead."
    )
    return _Drawn(1, "embedding-map", "Embedding map of fold 10", caption, canvas)


def _map(system: System) -> np.ndarray:
    from sklearn.manifold import TSNE

    vectors = np.asarray(system.queries, np.float32)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    return TSNE(
        metric="cosine", init="pca" if vectors.shape[1] > 1 else "random", perplexity=perplexity, random_state=0
    ).fit_transform(vectors)  # fmt: skip


def _cloud(axes: Axes, places: np.ndarray, mine: np.ndarray, colour: str, title: str) -> None:
    size = 3.0 if len(places) > 500 else 10.0
    axes.scatter(*places[~mine].T, s=size, c=PALE, lw=0, rasterized=True)
    axes.scatter(*places[mine].T, s=size, c=colour, lw=0, alpha=0.8, rasterized=True)
    axes.set_title(title, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_visible(False)


def reliability(result: Result) -> _Drawn | None:
    """Observed over predicted share of the vote, and how many votes stand behind each point."""
    found = result.details.reliability
    if found is None:
        return None
    canvas = _canvas(4.2, 4.4)
    upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    predicted = 100 * np.array([one.predicted for one in found.bins])
    observed = 100 * np.array([one.observed.value for one in found.bins])
    ends = 100 * np.array([one.observed.interval for one in found.bins])
    upper.plot([0, 100], [0, 100], color=GRAY, lw=1, ls="--")
    upper.annotate("as predicted", (84, 88), color=GRAY, fontsize=8, rotation=45, ha="center", va="center")
    upper.errorbar(
        predicted, observed, yerr=np.abs(ends.T - observed), color=BLUE, marker="o", ms=4.5, lw=1.4, elinewidth=1
    )
    upper.set(xlim=(0, 100), ylim=(0, 100), ylabel="ECGs that carry the class (%)")
    votes = [one.votes for one in found.bins]
    lower.bar(predicted, votes, 6.0, color=SKY)
    for x, count in zip(predicted, votes, strict=True):
        lower.annotate(f"{count:,}", (x, count), (0, 2), textcoords="offset points", ha="center", fontsize=7)
    lower.set(xlabel="share of the neighbours' vote (%)", ylabel="votes", ylim=(0, 1.25 * max(votes)))
    lower.spines["left"].set_visible(False)
    lower.set_yticks([])
    k, temperature = found.vote
    caption = (
        f"Reliability of the vote: five superclasses, {sum(votes):,} votes for {len(result.split.queries.rows):,} "
        f"queries of fold 10 (k = {k}, temperature {temperature:g}, chosen on fold 9), in bins of a tenth, each at "
        f"its mean share. Whiskers: 95 % interval by patient. Expected calibration error {100 * found.error:.1f} %."
    )
    return _Drawn(4, "vote-reliability", "Reliability of the vote", caption, canvas)


def robustness(result: Result) -> _Drawn | None:
    """NDCG and AUROC over the strengths of a photo, and in every other look."""
    lines = {(m.setting, m.metric): m for m in result.measures if m.task == 5}
    if (CLEAN, NDCG) not in lines:
        return None
    metrics = [metric for metric in (NDCG, AUROC) if (CLEAN, metric) in lines]
    others = [look.name for look in LOOKS if look.name not in PHOTOS]
    canvas = _canvas(7.2, 1.6 + 2.0 * len(metrics))
    grid = canvas.subplots(len(metrics), 2, squeeze=False, sharey="row", sharex="col", width_ratios=(1, 1.6))
    for axes, metric in zip(grid, metrics, strict=True):
        clean = lines[CLEAN, metric]
        _curve(axes[0], [lines[name, metric] for name in PHOTOS], clean)
        _points(axes[1], [lines[name, metric] for name in others], clean)
        axes[0].set_ylabel(metric.replace(" nDCG", "\nnDCG").replace(" macro", "\nmacro") + _percent(clean))
    _name_the_axes(grid[-1], others)
    grid[0, 0].set_title("phone photo", loc="left")
    grid[0, 1].set_title("other looks", loc="left")
    handles, names = _legend([grid[0, 0], grid[0, 1]])
    canvas.legend(handles, names, loc="outside upper center", ncols=len(names))
    asked = lines[CLEAN, NDCG].scores[CHECKED].queries
    refused = sum(lines[look.name, NDCG].refused or 0 for look in LOOKS)
    caption = (
        f"Robustness: {asked:,} ECGs of fold 10 as pictures, read back by intake ({refused:,} of "
        f"{asked * len(LOOKS):,} refused, which count as nothing found). Blue line: the same ECGs drawn from "
        "their samples. Whiskers: 95 % interval, by patient, of the paired change from that line (for the PCA from "
        "its own)."
    )
    return _Drawn(5, "robustness", "Robustness", caption, canvas)


def _percent(measure: Measure) -> str:
    return " (%)" if measure.unit == "%" else ""


def _name_the_axes(axes: Sequence[Axes], others: Sequence[str]) -> None:
    axes[0].set_xticks(range(len(PHOTOS)), ["none", "1", "2", "3"])
    axes[0].set_xlabel("strength")
    axes[0].set_xlim(-0.4, len(PHOTOS) - 0.6)
    axes[1].set_xticks(range(len(others)), [name.replace(", ", ",\n") for name in others], rotation=40, ha="right")
    axes[1].set_xlim(-0.5, len(others) - 0.5)


def _legend(panels: Sequence[Axes]) -> tuple[list[Any], list[str]]:
    """Each name once."""
    named = {name: handle for axes in panels for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    return list(named.values()), list(named)


def _curve(axes: Axes, lines: Sequence[Measure], clean: Measure) -> None:
    _levels(axes, lines, clean)
    ways = ((CHECKED, BLUE, "o", "this bundle", 0.0), (PIXELS, PURPLE, "s", "PCA of pixels", 0.12))
    for name, colour, marker, title, aside in ways:
        if all(name in line.scores for line in lines):
            values, whiskers = _values(lines, clean, name)
            places = np.arange(len(lines)) + aside
            look: dict[str, Any] = {"color": colour, "marker": marker, "ms": 4.5, "lw": 1.4, "elinewidth": 1}
            axes.errorbar(places, values, yerr=whiskers, label=title, **look)


def _points(axes: Axes, lines: Sequence[Measure], clean: Measure) -> None:
    _levels(axes, lines, clean)
    unseen = {look.name: look.unseen for look in LOOKS}
    values, whiskers = _values(lines, clean, CHECKED)
    for x, line in enumerate(lines):
        held = unseen[line.setting]
        look: dict[str, Any] = {"fmt": "D" if held else "o", "ms": 4.5, "elinewidth": 1}
        look |= {"color": RED, "label": "held out of training"} if held else {"color": BLUE}
        axes.errorbar(x, values[x], yerr=whiskers[:, x : x + 1], **look)


def _levels(axes: Axes, lines: Sequence[Measure], clean: Measure) -> None:
    """Where the clean pages and chance lie."""
    scale = _scale(clean)
    chance = scale * float(np.mean([line.scores[CHANCE].value for line in lines]))
    axes.axhline(scale * clean.scores[CHECKED].value, color=SKY, lw=1.2, label="drawn from the samples")
    axes.axhline(chance, color=GRAY, lw=1, ls=":", label="chance")


def _scale(measure: Measure) -> float:
    return 100.0 if measure.unit == "%" else 1.0


def _values(lines: Sequence[Measure], clean: Measure, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values, and how far the interval of the change from the clean pages reaches below and above each."""
    values = np.array([line.scores[name].value for line in lines])
    ends = np.array([line.change[name].interval for line in lines]) + clean.scores[name].value
    whiskers = np.maximum([values - ends[:, 0], ends[:, 1] - values], 0.0)
    return _scale(clean) * values, _scale(clean) * whiskers
