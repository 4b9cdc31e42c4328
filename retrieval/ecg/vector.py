"""The same page as SVG or PDF: lines stay lines, text stays text, and the unit is the millimetre."""

from __future__ import annotations

import math
import unicodedata
import zlib
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from retrieval.ecg.lettering import width_mm
from retrieval.ecg.plan import Lettering, PagePlan
from retrieval.ecg.ruling import BOLD_MM, DOT_MM, FINE_MM
from retrieval.ecg.style import GRIDS, Colour
from retrieval.ecg.traces import Polyline

PT_PER_MM = 72 / 25.4
CAPITAL_EM = 0.718
"""Height of a capital of Helvetica, as its metrics file has it."""
_WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 "
    "278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 "
    "667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 "
    "556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
HELVETICA = {**dict(zip(map(chr, range(32, 127)), map(int, _WIDTHS.split()), strict=True)), "ß": 611}
"""Advance of each letter in thousandths of the size, from the metrics of the fourteen fonts that every viewer has."""


def svg_page(plan: PagePlan) -> str:
    """A page as SVG, its coordinates in millimetres.

    Each trace is a path with its lead in ``data-lead``. Texts are set in Helvetica or what the viewer has for it, and
    drawn together or apart to the length that the plan gives them.
    """
    style, width, height = plan.style, f"{plan.width_mm:g}", f"{plan.height_mm:g}"
    size = f'width="{width}mm" height="{height}mm" viewBox="0 0 {width} {height}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', '<rect width="100%" height="100%" fill="#fff"/>']
    parts += [_svg_rules(plan, *rules) for rules in _rulings(plan)]
    pen = f'fill="none" stroke="{_hex(style.trace)}" stroke-width="{style.trace_mm:g}" '
    parts.append(f'<g {pen}stroke-linecap="round" stroke-linejoin="round">')
    parts += [_svg_path(line, "separator") for line in plan.separators]
    parts += [_svg_path(pulse.points, "pulse") for pulse in plan.pulses]
    parts += [_svg_path(plan.polyline(cell), "trace", cell.printed) for cell in plan.cells]
    parts.append(f'</g><g fill="{_hex(style.trace)}" font-family="Helvetica, Arial, sans-serif">')
    parts += [_svg_text(lettering) for lettering in plan.letterings]
    return "\n".join([*parts, "</g></svg>\n"])


def pdf_pages(plans: Sequence[PagePlan]) -> bytes:
    """Pages as one PDF 1.4, each of its own true size; texts are real text, in Helvetica.

    Letters that Windows-1252 has no place for are printed as question marks.
    """
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(plans)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(plans)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for i, plan in enumerate(plans):
        # Rounded down: a viewer that rounds a page up to whole pixels would add one for a ten-thousandth of a point.
        width, height = (math.floor(size * PT_PER_MM * 1e4) / 1e4 for size in (plan.width_mm, plan.height_mm))
        box = f"[0 0 {width:.4f} {height:.4f}]"
        page = f"/MediaBox {box} /Resources << /Font << /F 3 0 R >> >> /Contents {5 + 2 * i} 0 R"
        objects.append(f"<< /Type /Page /Parent 2 0 R {page} >>".encode())
        content = zlib.compress(_pdf_content(plan))
        head = f"<< /Length {len(content)} /Filter /FlateDecode >>\nstream\n".encode()
        objects.append(head + content + b"\nendstream")
    return _pdf_file(objects)


def _pdf_file(objects: list[bytes]) -> bytes:
    """Objects numbered from 1, with the table that says where each begins."""
    file, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    count = len(objects) + 1
    file += f"xref\n0 {count}\n0000000000 65535 f \n{table}".encode()
    start = file.rindex(b"xref\n0 ")
    file += f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(file)


def _pdf_content(plan: PagePlan) -> bytes:
    style, ink = plan.style, _unit(plan.style.trace)
    # Millimetres from the top left, as everywhere else: the page's own unit is a point from the lower left.
    parts = [f"q {PT_PER_MM:.6f} 0 0 {-PT_PER_MM:.6f} 0 {plan.height_mm * PT_PER_MM:.4f} cm 1 1 1 rg".encode()]
    parts.append(f"0 0 {plan.width_mm:g} {plan.height_mm:g} re f".encode())
    parts += [_pdf_rules(plan, *rules) for rules in _rulings(plan)]
    parts.append(f"{ink} RG {ink} rg {style.trace_mm:g} w 1 J 1 j".encode())
    lines = [*plan.separators, *(pulse.points for pulse in plan.pulses), *map(plan.polyline, plan.cells)]
    parts += [_pdf_path(line) for line in lines]
    parts += [_pdf_text(lettering) for lettering in plan.letterings]
    return b"\n".join([*parts, b"Q\n"])


def _rulings(plan: PagePlan) -> list[tuple[int, float, Colour, bool]]:
    """``(mm between rules, width, colour, dotted)`` of each ruling, the fine one first."""
    if plan.style.grid == "none":
        return []
    fine, bold = GRIDS[plan.style.grid]
    dotted = plan.style.dotted
    return [(1, DOT_MM if dotted else FINE_MM, fine, dotted), (5, BOLD_MM, bold, False)]


def _rules(plan: PagePlan, step: int, dotted: bool) -> list[tuple[float, float, float, float]]:
    """Rules from edge to edge as ``(x, y, x, y)``; dotted ones run across only."""
    across, down = (np.arange(0, size + 0.01, step).tolist() for size in (plan.width_mm, plan.height_mm))
    upright = [] if dotted else [(x, 0.0, x, plan.height_mm) for x in across]
    return upright + [(0.0, y, plan.width_mm, y) for y in down]


def _svg_rules(plan: PagePlan, step: int, wide: float, colour: Colour, dotted: bool) -> str:
    path = "".join(f"M{a:g} {b:g}L{c:g} {d:g}" for a, b, c, d in _rules(plan, step, dotted))
    dots = ' stroke-dasharray="0 1" stroke-linecap="round"' if dotted else ""
    return f'<path d="{path}" stroke="{_hex(colour)}" stroke-width="{wide:g}"{dots}/>'


def _pdf_rules(plan: PagePlan, step: int, wide: float, colour: Colour, dotted: bool) -> bytes:
    path = " ".join(f"{a:g} {b:g} m {c:g} {d:g} l" for a, b, c, d in _rules(plan, step, dotted))
    dash = "1 J [0 1] 0 d" if dotted else "0 J [] 0 d"
    return f"{_unit(colour)} RG {wide:g} w {dash} {path} S [] 0 d".encode()


def _svg_path(line: Polyline, kind: str, lead: str = "") -> str:
    points = " ".join(f"{x:.3f},{y:.3f}" for x, y in line.tolist())
    name = f" data-lead={quoteattr(lead)}" if lead else ""
    return f'<path class="{kind}"{name} d="M{points}"/>'


def _pdf_path(line: Polyline) -> bytes:
    points = [f"{x:.3f} {y:.3f}" for x, y in line.tolist()]
    return (points[0] + " m " + " l ".join(points[1:]) + " l S").encode()


def _svg_text(lettering: Lettering) -> str:
    length = width_mm(lettering.text, lettering.capital_mm)
    place = (
        f'x="{lettering.x_mm:.3f}" y="{lettering.base_mm:.3f}" font-size="{lettering.capital_mm / CAPITAL_EM:.3f}"'
    )
    fit = f'textLength="{length:.3f}" lengthAdjust="spacingAndGlyphs"' if length else ""
    return f'<text class="{lettering.kind}" {place} {fit}>{escape(lettering.text)}</text>'


def _pdf_text(lettering: Lettering) -> bytes:
    size = lettering.capital_mm / CAPITAL_EM
    letters = unicodedata.normalize("NFD", lettering.text)  # an accent takes no width of its own
    natural = sum(HELVETICA.get(x, 556) for x in letters if not unicodedata.combining(x)) / 1000 * size
    stretch = 100 * width_mm(lettering.text, lettering.capital_mm) / natural if natural else 100
    text = lettering.text.encode("cp1252", "replace")
    for special in (b"\\", b"(", b")"):
        text = text.replace(special, b"\\" + special)
    place = f"BT /F {size:.3f} Tf {stretch:.3f} Tz 1 0 0 -1 {lettering.x_mm:.3f} {lettering.base_mm:.3f} Tm ("
    return place.encode() + text + b") Tj ET"


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _unit(colour: Colour) -> str:
    return " ".join(f"{value / 255:.4f}" for value in colour)
