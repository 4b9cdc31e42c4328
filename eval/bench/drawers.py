"""Other drawing libraries, each drawing the page that ``retrieval.ecg.drawing`` draws, as fast as it can be asked to.

Every drawer keeps its ruled paper between pages, as ours does, takes the same plan of the page, smooths its lines
(but where it says so) and leaves pixels in whatever order of channels it likes best: none is charged for a
conversion that ours does not need.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from retrieval.ecg.plan import PagePlan
from retrieval.ecg.ruling import BOLD_MM, FINE_MM
from retrieval.ecg.style import GRIDS, Colour

Pixels = NDArray[np.uint8]
Lines = list[NDArray[np.float64]]
Rules = list[tuple[Lines, float, Colour]]
Draw = Callable[[PagePlan], Pixels]
"""A page as RGB; a drawer of this kind is made once for a page's size, and then called page after page."""


def lines_px(plan: PagePlan) -> Lines:
    """Pulses and traces in pixels; a pixel's edge is a whole number."""
    lines = [*(pulse.points for pulse in plan.pulses), *map(plan.polyline, plan.cells)]
    return [line * plan.style.px_per_mm for line in lines]


def rules_px(plan: PagePlan) -> Rules:
    """The rules in pixels, with width and colour, the fine ones first."""
    scale, (fine, bold) = plan.style.px_per_mm, GRIDS[plan.style.grid]
    found: Rules = []
    for step, wide, colour in ((1, FINE_MM, fine), (5, BOLD_MM, bold)):
        upright = [np.array([(x, 0), (x, plan.height_mm)]) * scale for x in np.arange(0, plan.width_mm + 0.01, step)]
        level = [np.array([(0, y), (plan.width_mm, y)]) * scale for y in np.arange(0, plan.height_mm + 0.01, step)]
        found.append((upright + level, max(1.0, wide * scale), colour))
    return found


def shape_px(plan: PagePlan) -> tuple[int, int]:
    """Height and width."""
    return round(plan.height_mm * plan.style.px_per_mm), round(plan.width_mm * plan.style.px_per_mm)


def font_px(plan: PagePlan, capital_mm: float) -> float:
    """Size of a common sans-serif face whose capitals have that height."""
    return capital_mm * plan.style.px_per_mm / 0.72


def opencv(plan: PagePlan, smooth: bool = True) -> Draw:
    """``cv2.polylines`` in fixed point, and ``cv2.putText``."""
    kind, shift = (cv2.LINE_AA, 4) if smooth else (cv2.LINE_8, 0)

    def put(canvas: Pixels, lines: Lines, width: float, colour: Colour) -> None:
        points = [np.rint((line - 0.5) * (1 << shift)).astype(np.int32).reshape(-1, 1, 2) for line in lines]
        # OpenCV's thickness t comes out as 2 t - 1 pixels.
        cv2.polylines(canvas, points, False, colour, max(1, round((width + 1) / 2)), kind, shift)

    paper = np.full((*shape_px(plan), 3), 255, np.uint8)
    for lines, width, colour in rules_px(plan):
        put(paper, lines, width, colour)
    canvas = paper.copy()

    def draw(page: PagePlan) -> Pixels:
        np.copyto(canvas, paper)
        put(canvas, lines_px(page), page.style.trace_mm * page.style.px_per_mm, page.style.trace)
        for text in page.letterings:
            at = round(text.x_mm * page.style.px_per_mm), round(text.base_mm * page.style.px_per_mm)
            high = round(text.capital_mm * page.style.px_per_mm)
            size = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, high, 1)
            cv2.putText(canvas, text.text, at, cv2.FONT_HERSHEY_SIMPLEX, size, page.style.trace, 1, cv2.LINE_AA)
        return canvas

    return draw


def pillow(plan: PagePlan, smooth: bool = True) -> Draw:
    """``ImageDraw.line``, which knows no smoothing: smoothed ones are drawn three times as large and reduced."""
    times, (height, width) = 3 if smooth else 1, shape_px(plan)

    def put(image: Image.Image, lines: Lines, wide: float, colour: Colour) -> None:
        layer = Image.new("L", (width * times, height * times)) if smooth else image
        pen = ImageDraw.Draw(layer)
        for line in lines:
            points = (line * times - 0.5).ravel().tolist()
            pen.line(points, fill=255 if smooth else colour, width=round(wide * times), joint=None)
        if smooth:
            image.paste(colour, (0, 0), layer.reduce(times))

    paper = Image.new("RGB", (width, height), "white")
    for lines, wide, colour in rules_px(plan):
        put(paper, lines, wide, colour)
    fonts = {text.capital_mm: ImageFont.load_default(font_px(plan, text.capital_mm)) for text in plan.letterings}

    def draw(page: PagePlan) -> Pixels:
        image, scale = paper.copy(), page.style.px_per_mm
        put(image, lines_px(page), page.style.trace_mm * scale, page.style.trace)
        pen = ImageDraw.Draw(image)
        for text in page.letterings:
            place = text.x_mm * scale, text.base_mm * scale
            pen.text(place, text.text, page.style.trace, fonts[text.capital_mm], anchor="ls")
        return np.asarray(image)

    return draw


def matplotlib(plan: PagePlan) -> Draw:
    """Agg, with the ruled axes kept as a bitmap: only lines and texts are drawn for a page."""
    figures, agg, collections = (
        importlib.import_module(f"matplotlib.{name}") for name in ("figure", "backends.backend_agg", "collections")
    )
    (height, width), dpi = shape_px(plan), plan.style.px_per_mm * 25.4
    figure = figures.Figure(figsize=(width / dpi, height / dpi), dpi=dpi)
    canvas = agg.FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    for lines, wide, colour in rules_px(plan):
        rules = collections.LineCollection(lines, colors=[_unit(colour)], linewidths=[wide * 72 / dpi], snap=False)
        axes.add_collection(rules)
    canvas.draw()
    paper = canvas.copy_from_bbox(figure.bbox)
    pen = {"color": _unit(plan.style.trace), "linewidth": plan.style.trace_mm / 25.4 * 72, "snap": False}
    shown = [axes.plot(*line.T, **pen)[0] for line in lines_px(plan)]
    words = [axes.text(0, 0, "", fontsize=font_px(plan, text.capital_mm) * 72 / dpi) for text in plan.letterings]

    def draw(page: PagePlan) -> Pixels:
        canvas.restore_region(paper)
        for artist, line in zip(shown, lines_px(page), strict=True):
            artist.set_data(line[:, 0], line[:, 1])
            axes.draw_artist(artist)
        for word, text in zip(words, page.letterings, strict=True):
            word.set(text=text.text, x=text.x_mm * page.style.px_per_mm, y=text.base_mm * page.style.px_per_mm)
            axes.draw_artist(word)
        return np.asarray(canvas.buffer_rgba())[..., :3]

    return draw


def _unit(colour: Colour) -> tuple[float, ...]:
    return tuple(value / 255 for value in colour)


def cairo(plan: PagePlan) -> Draw:
    """Image surfaces of cairo; each line is handed over as one array of path elements, not point by point."""
    kit = importlib.import_module("cairocffi")
    height, width = shape_px(plan)
    data = np.zeros((height, width, 4), np.uint8)
    surface = kit.ImageSurface.create_for_data(data.reshape(-1).data, kit.FORMAT_RGB24, width, height)
    context = kit.Context(surface)
    context.set_line_cap(kit.LINE_CAP_ROUND)
    context.set_line_join(kit.LINE_JOIN_ROUND)

    def put(lines: Lines, wide: float, colour: Colour) -> None:
        context.set_source_rgb(*_unit(colour))
        context.set_line_width(wide)
        for line in lines:
            _append_cairo_path(kit, context, line)
            context.stroke()

    context.set_source_rgb(1, 1, 1)
    context.paint()
    for lines, wide, colour in rules_px(plan):
        put(lines, wide, colour)
    surface.flush()
    paper = data.copy()
    context.select_font_face("sans-serif")

    def draw(page: PagePlan) -> Pixels:
        surface.flush()
        np.copyto(data, paper)
        surface.mark_dirty()
        put(lines_px(page), page.style.trace_mm * page.style.px_per_mm, page.style.trace)
        for text in page.letterings:
            context.set_font_size(font_px(page, text.capital_mm))
            context.move_to(text.x_mm * page.style.px_per_mm, text.base_mm * page.style.px_per_mm)
            context.show_text(text.text)
        surface.flush()
        return data[..., 2::-1]

    return draw


def _append_cairo_path(kit: Any, context: Any, line: NDArray[np.float64]) -> None:
    """``cairo_append_path`` of a move and lines, in the library's own layout: a header of 16 bytes, then a point."""
    elements = np.zeros((len(line), 2, 2), np.float64)
    heads = elements[:, 0].view(np.int32)
    heads[:, 0], heads[:, 1] = 1, 2
    heads[0, 0] = 0
    elements[:, 1] = line
    path = kit.ffi.new("cairo_path_t *")
    path.status, path.num_data = 0, 2 * len(line)
    path.data = kit.ffi.cast("cairo_path_data_t *", elements.ctypes.data)
    kit.cairo.cairo_append_path(context._pointer, path)


def skia(plan: PagePlan, by_points: bool = False) -> Draw:
    """A raster surface of Skia over numpy's memory.

    Args:
        plan: a page of the size that will be drawn.
        by_points: ``drawPoints`` as a polygon, each segment by itself, instead of stroking a path.
    """
    kit = importlib.import_module("skia")
    data = np.zeros((*shape_px(plan), 4), np.uint8)
    surface = kit.Surface(data)
    canvas = surface.getCanvas()

    def put(lines: Lines, wide: float, colour: Colour) -> None:
        paint = kit.Paint(AntiAlias=True, Style=kit.Paint.kStroke_Style, StrokeWidth=wide, Color=kit.Color(*colour))
        paint.setStrokeCap(kit.Paint.kRound_Cap)
        paint.setStrokeJoin(kit.Paint.kRound_Join)
        for line in lines:
            points = [kit.Point(x, y) for x, y in line.tolist()]
            if by_points:
                canvas.drawPoints(kit.Canvas.kPolygon_PointMode, points, paint)
            else:
                canvas.drawPath(kit.Path().addPoly(points, False), paint)

    canvas.clear(kit.ColorWHITE)
    for lines, wide, colour in rules_px(plan):
        put(lines, wide, colour)
    paper = data.copy()
    face = kit.Typeface("")
    fonts = {text.capital_mm: kit.Font(face, font_px(plan, text.capital_mm)) for text in plan.letterings}

    def draw(page: PagePlan) -> Pixels:
        np.copyto(data, paper)  # ten times as fast as drawing the sheet as an image
        put(lines_px(page), page.style.trace_mm * page.style.px_per_mm, page.style.trace)
        ink = kit.Paint(AntiAlias=True, Color=kit.Color(*page.style.trace))
        for text in page.letterings:
            x, y = text.x_mm * page.style.px_per_mm, text.base_mm * page.style.px_per_mm
            canvas.drawString(text.text, x, y, fonts[text.capital_mm], ink)
        return data[..., :3]

    return draw
