"""Pages that other people's software draws: ecg-plot and dicom-ecg-plot with simulated ECGs, and real PDF prints.

Both packages are optional and no dependency of ours: ``pip install ecg-plot dicom-ecg-plot`` beside matplotlib.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from eval.bench.pages.clean import CleanPage, Mask, PlacedLead, Rgb
from eval.bench.truth import PictureTruth
from retrieval.ecg.recording import LEADS, Recording
from retrieval.ecg.simulator import simulate

DPI = (100, 150, 200)
PRINT_PX_PER_MM = 200 / 25.4
INK_OF_TEXT = 40
"""Gray levels by which print changes a pixel that counts as print."""


def installed(package: str) -> bool:
    """Whether an optional package can be imported."""
    return importlib.util.find_spec(package) is not None


def ecg_plot_page(seed: int) -> CleanPage:
    """A simulated ECG drawn by ``ecg_plot``: every lead in a panel of its own, each ruled from its own corner."""
    plot = importlib.import_module("ecg_plot").plot
    rng = np.random.default_rng([78, seed])
    recording = simulate(seed).recording
    name = str(rng.choice(["3x4", "3x4+1", "6x2", "12x1"]))
    options: dict[str, Any] = {
        "3x4": {"layout": "12lead", "time_mode": "sequential"},
        "3x4+1": {"layout": "12lead", "time_mode": "sequential", "rhythm_lead": "II"},
        "6x2": {"layout": "columns", "columns": 2, "time_mode": "sequential"},
        "12x1": {"layout": "stacked"},
    }[name]
    chart = plot(_about_median(recording), sample_rate=recording.rate, lead_names=list(LEADS), **options)
    px_per_mm = DPI[rng.choice(len(DPI))] / 25.4
    figure, _ = chart.to_matplotlib()
    pixels, text = _rendered(figure, px_per_mm * 25.4)
    tops = sorted({panel.baseline for panel in chart.panels})
    leads = tuple(
        PlacedLead(chart.record.names[p.lead], tops.index(p.baseline), p.x, p.width, p.baseline) for p in chart.panels
    )
    scale = pixels.shape[1] / chart.width_mm
    return CleanPage(pixels, scale, name, _by_row(leads), float(np.diff(tops).mean()), text=text)


DICOM_LAYOUTS = {
    "3x4": [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]],
    "3x4+1": [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11], [1]],
    "6x2": [[0, 6], [1, 7], [2, 8], [3, 9], [4, 10], [5, 11]],
    "12x1": [[i] for i in range(12)],
}


def dicom_ecg_plot_page(seed: int) -> CleanPage:
    """A simulated ECG drawn by ``dicom-ecg-plot`` on its A4 sheet with a field of 250 x 170 mm."""
    plotter = importlib.import_module("ecg.plotter")
    constants = importlib.import_module("ecg.constants")
    rng = np.random.default_rng([79, seed])
    recording = simulate(seed).recording
    name = str(rng.choice(list(DICOM_LAYOUTS)))
    rows = DICOM_LAYOUTS[name]
    reader = _reader(recording, rng)
    drawn = plotter.ECGPlotter(reader, _about_median(recording), {name: rows})
    drawn.draw(name, 10.0, minor_axis=True, interpretation=False)
    pixels, text = _rendered(drawn.fig, float(DPI[rng.choice(len(DPI))]))
    drawn.close()
    width, height = constants.PAPER_SIZES["a4"]["w_mm"], constants.PAPER_SIZES["a4"]["h_mm"]
    row_mm = constants.PLOT_HEIGHT / len(rows)
    leads = []
    for r, row in enumerate(rows):
        # As the plotter places its rows: from the field's lower edge, on whole big squares.
        up = round(constants.PLOT_HEIGHT * (1.0 - 1.0 / (len(rows) * 2)) - r * row_mm) + 2.5
        baseline = height - constants.MARGIN_BOTTOM - (up - up % 5)
        share = constants.PLOT_WIDTH / len(row)
        left = (width - constants.PLOT_WIDTH) / 2
        leads += [PlacedLead(LEADS[i], r, left + c * share, share, baseline) for c, i in enumerate(row)]
    return CleanPage(pixels, pixels.shape[1] / width, name, tuple(leads), row_mm, text=text)


def _reader(recording: Recording, rng: np.random.Generator) -> SimpleNamespace:
    """What the plotter asks of a DICOM file."""
    names = [SimpleNamespace(ChannelSourceSequence=[SimpleNamespace(CodeMeaning=f"Lead {n}")]) for n in LEADS]
    patient = {
        "PatientName": f"{rng.choice(['Muster', 'Rossi', 'Novak'])}^{rng.choice(['Anna', 'Luca'])}",
        "PatientID": str(rng.integers(10**5, 10**7)),
        "PatientSex": str(rng.choice(["F", "M"])),
        "PatientBirthDate": f"19{rng.integers(30, 99)}0{rng.integers(1, 9)}12",
    }
    return SimpleNamespace(
        samples=recording.signal.shape[1],
        duration=recording.seconds,
        sampling_frequency=recording.rate,
        channel_definitions=names,
        dicom=patient,
    )


def _about_median(recording: Recording) -> Any:
    return recording.signal - np.median(recording.signal, axis=1, keepdims=True)


def _by_row(leads: tuple[PlacedLead, ...]) -> tuple[PlacedLead, ...]:
    return tuple(sorted(leads, key=lambda lead: (lead.row, lead.x_mm)))


def _rendered(figure: Any, dpi: float) -> tuple[Rgb, Mask]:
    """Pixels of a matplotlib figure, and where its print changes them."""
    agg = importlib.import_module("matplotlib.backends.backend_agg")
    canvas = agg.FigureCanvasAgg(figure)
    figure.set_dpi(dpi)

    texts = figure.findobj(importlib.import_module("matplotlib.text").Text)
    shown = [text for text in texts if text.get_visible()]
    for text in shown:
        text.set_visible(False)
    canvas.draw()
    bare = np.array(np.asarray(canvas.buffer_rgba())[:, :, :3])
    for text in shown:  # over the drawing that is there: a second one would take as long again
        text.set_visible(True)
        text.draw(canvas.get_renderer())
    whole = np.array(np.asarray(canvas.buffer_rgba())[:, :, :3])
    importlib.import_module("matplotlib.pyplot").close(figure)
    change = np.abs(whole.astype(np.int16) - bare.astype(np.int16)).max(axis=2)
    dark = bare.min(axis=2) < 110  # a trace under the print
    return whole, (change > INK_OF_TEXT) & ~dark


def print_page(file: Path, truth: PictureTruth) -> CleanPage:
    """A real PDF print as our reader renders it, with the truth that was measured by hand."""
    from retrieval.intake.pdf_reader import render_pages

    pixels, _ = next(render_pages(file))
    scale = truth.px_per_mm[0] * pixels.shape[1] / truth.size[0]
    mm = 1 / truth.px_per_mm[0]
    leads = [
        PlacedLead(
            lead.lead,
            lead.row,
            float(lead.box[0, 0]) * mm,
            float(lead.box[1, 0] - lead.box[0, 0]) * mm,
            float(lead.box[:, 1].mean()) * mm,
        )
        for lead in truth.leads
    ]
    high = float(truth.leads[0].box[3, 1] - truth.leads[0].box[0, 1]) * mm
    return CleanPage(np.ascontiguousarray(pixels), scale, truth.layout, tuple(leads), high)


RENDERERS: dict[str, tuple[str, Callable[[int], CleanPage]]] = {
    "ecg_plot": ("ecg_plot", ecg_plot_page),
    "dicom-ecg-plot": ("ecg.plotter", dicom_ecg_plot_page),
}
"""Names, the module that each needs, and the page of a seed."""
