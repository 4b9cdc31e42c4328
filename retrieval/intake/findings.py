"""What a user should know about an ECG before trusting it: electrodes exchanged, leads lacking, gain, noise, pacing.

Each finding is a warning, never a diagnosis. How often each fires rightly and wrongly: docs/findings.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retrieval.ecg.beats import RATE, Rows, without_drift
from retrieval.ecg.layouts import LAYOUTS
from retrieval.ecg.page import CANONICAL, CanonicalPage, canonical_cells
from retrieval.ecg.recording import LEADS, Recording, Signal
from retrieval.intake.electrodes import exchanged_electrodes, median_beat
from retrieval.intake.faults import (
    flat_lead_findings,
    flat_leads,
    limb_leads_disagree,
    mains_noise,
    missing_leads,
    repeated_leads,
    saturated,
    unusual_amplitude,
)
from retrieval.intake.pacing import paced
from retrieval.intake.result import Finding, IntakeReport
from retrieval.intake.tracing import LeadSignals, lead_signals

LEAST_BEATS = 3
LEAST_SHOWN = 0.4
"""Share of its place on the page that a lead must fill to count as found."""
INK_UNDER = 190
TRUSTED = 0.5
"""Certainty of the report from which the names of the leads are believed."""
PAGE_BEATS = 2
PAGE_CERTAINTY = 0.5
"""Of exchanged electrodes on a page, as measured: two or three beats of a lead say less than ten."""
PAGE_SAME = 0.035
PAGE_FLAT_MV = 0.06
"""Little more than one pixel."""
PAGE_BLUR_MV = 0.012
"""A quarter of a pixel."""


def recording_findings(recording: Recording) -> tuple[Finding, ...]:
    """What stands out in a recording of 12 leads.

    Kinds: ``lead_flat``, ``lead_twice``, ``limb_leads_disagree``, ``limb_lead_reversal``, ``paced``,
    ``unusual_amplitude``, ``saturated``, ``mains_noise``.
    """
    signal, rate = recording.signal, recording.rate
    flat = flat_leads(signal)
    alive = [lead for lead in LEADS if lead not in flat]
    found = flat_lead_findings(flat)
    if not alive:
        return found
    rows = [LEADS.index(lead) for lead in alive]
    found += repeated_leads(alive, signal[rows].astype(np.float64))
    found += unusual_amplitude(signal[rows]) + saturated(signal, rate) + mains_noise(signal, rate)
    if flat:
        return found  # with a lead off, the others' electrodes cannot be judged
    ready = without_drift(recording)
    disagree = limb_leads_disagree(signal)
    pacing = paced(ready)
    if disagree or pacing:
        return found + disagree + pacing  # a paced beat may point anywhere
    return found + exchanged_electrodes(median_beat([(LEADS, ready)], LEAST_BEATS))


def page_findings(
    page: CanonicalPage, report: IntakeReport | None = None, traced: LeadSignals | None = None
) -> tuple[Finding, ...]:
    """What stands out on a canonical page, read back from its traces.

    Kinds: ``lead_missing``, ``lead_flat``, ``lead_twice``, ``limb_lead_reversal``, ``unusual_amplitude``. Where the
    report was not sure of the layout, the leads' names are not known and nothing is said. ``traced`` is what
    ``lead_signals`` gives of the page, where that is known already.
    """
    if report is not None and (report.certainty < TRUSTED or report.layout == "unknown"):
        return ()
    if page.layout not in LAYOUTS:
        return ()
    signals, rate = traced or lead_signals(page)
    groups = _plotted_together(page, signals)
    shown = [lead for leads, _ in groups for lead in leads]
    found = missing_leads(_without_ink(page))
    if not shown:
        return found
    flat = {
        lead for leads, rows in groups for lead, row in zip(leads, rows, strict=True) if np.ptp(row) < PAGE_FLAT_MV
    }
    for leads, rows in groups:
        alive = [k for k, lead in enumerate(leads) if lead not in flat]
        found += repeated_leads([leads[k] for k in alive], rows[alive], PAGE_SAME)
    found += unusual_amplitude(signals[[LEADS.index(lead) for lead in shown]])
    beats = median_beat([(leads, _at_100_hz(rows, rate)) for leads, rows in groups], PAGE_BEATS, steady=True)
    # One flat limb lead has its reason in the electrodes; with another lead off they cannot be judged.
    exchanged = exchanged_electrodes(beats, PAGE_BLUR_MV) if len(flat) < 2 and flat <= set(LEADS[:3]) else ()
    exchanged = tuple(replace(finding, certainty=PAGE_CERTAINTY) for finding in exchanged)
    return found + (exchanged or flat_lead_findings([lead for lead in LEADS if lead in flat]))


def _plotted_together(page: CanonicalPage, signals: Signal) -> list[tuple[tuple[str, ...], Rows]]:
    """Leads that stand in the same column, with that column's traces ``[leads, columns]``, their gaps filled."""
    cells = {cell.lead: cell for cell in reversed(canonical_cells(page.layout))}
    groups: list[tuple[tuple[str, ...], Rows]] = []
    for place in sorted({cell.x_mm for cell in cells.values()}):
        column = {lead: cells[lead] for lead in LEADS if lead in cells and cells[lead].x_mm == place}
        kept = {lead: _filled(signals[LEADS.index(lead)], cell.start, cell.stop) for lead, cell in column.items()}
        rows = {lead: row for lead, row in kept.items() if row is not None}
        if rows:
            groups.append((tuple(rows), np.stack(list(rows.values()))))
    return groups


def _without_ink(page: CanonicalPage) -> list[str]:
    """Leads in whose place, three quarters of a row up and down, hardly any column holds ink."""
    scale, cells = CANONICAL.px_per_mm, canonical_cells(page.layout)
    baselines = sorted({cell.baseline_mm for cell in cells})
    reach = 0.75 * (baselines[1] - baselines[0]) * scale
    inked: dict[str, float] = dict.fromkeys(LEADS, 0.0)
    for cell in cells:
        left, middle = round(cell.x_mm * scale), cell.baseline_mm * scale
        top = max(0, round(middle - reach))
        place = page.pixels[top : round(middle + reach), left : left + round(cell.width_mm * scale)]
        inked[cell.lead] = max(inked[cell.lead], float((place < INK_UNDER).any(axis=0).mean()))
    return [lead for lead, share in inked.items() if share < LEAST_SHOWN]


def _filled(row: Signal, start: float, stop: float) -> Rows | None:
    """The part of a lead from ``start`` to ``stop`` (shares of the row), gaps bridged; ``None`` where it lacks."""
    part = row[round(start * len(row)) : round(stop * len(row))].astype(np.float64)
    known = np.flatnonzero(np.isfinite(part))
    if len(known) < LEAST_SHOWN * len(part):
        return None
    part = np.interp(np.arange(len(part)), known, part[known])
    return part - np.median(part)


def _at_100_hz(rows: Rows, rate: float) -> Rows:
    columns = rows.shape[1]
    at = np.arange(0, columns, rate / RATE)
    return np.stack([np.interp(at, np.arange(columns), row) for row in rows])
