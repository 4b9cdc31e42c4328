"""Pictures of things that are no ECG and do not look like one: noise, print, tables, faces, places."""

from __future__ import annotations

import cv2
import numpy as np

from eval.bench.refusals.brush import (
    BLACK,
    Rgb,
    Rng,
    any_colour,
    box,
    curve,
    graph_paper,
    line,
    paper,
    rule,
    wander,
    words,
    write,
    write_lines,
)


def noise(rng: Rng) -> Rgb:
    """Independent pixels, grey or coloured, or speckles on white."""
    high, wide = (int(v) for v in rng.integers(300, 1100, 2))
    kind = int(rng.integers(3))
    if kind == 0:
        return rng.integers(0, 256, (high, wide, 3), dtype=np.uint8)
    if kind == 1:
        return np.repeat(rng.normal(128, 40, (high, wide, 1)).clip(0, 255).astype(np.uint8), 3, axis=2)
    return np.where(rng.random((high, wide, 1)) < 0.02, np.uint8(20), np.uint8(250)).repeat(3, axis=2)


def clouds(rng: Rng) -> Rgb:
    """Noise of several octaves."""
    high, wide = 700, 1000
    total = np.zeros((high, wide, 3))
    for octave in range(2, 8):
        small = rng.normal(size=(2**octave, 2**octave, 3))
        total += cv2.resize(small, (wide, high), interpolation=cv2.INTER_CUBIC) / 2 ** (octave * 0.8)
    low, top = total.min(), total.max()
    return ((total - low) / (top - low) * 255).astype(np.uint8)


def blank(rng: Rng) -> Rgb:
    """One colour, with a camera's noise on most of them."""
    sheet = np.full((*(int(v) for v in rng.integers(200, 1400, 2)), 3), rng.integers(0, 256, 3), np.uint8)
    return np.clip(sheet + rng.normal(0, rng.choice([0, 2, 6]), sheet.shape), 0, 255).astype(np.uint8)


def gradient(rng: Rng) -> Rgb:
    """From one colour to another, along a straight line or from a centre."""
    y, x = np.mgrid[0:700, 0:1000] / 1000.0
    angle = rng.uniform(0, 2 * np.pi)
    way = x * np.cos(angle) + y * np.sin(angle) if rng.random() < 0.5 else np.hypot(x - rng.random(), y - 0.4)
    share = ((way - way.min()) / np.ptp(way))[:, :, None]
    return (rng.integers(0, 256, 3) * share + rng.integers(0, 256, 3) * (1 - share)).astype(np.uint8)


def checkerboard(rng: Rng) -> Rgb:
    """Squares of two colours, seen from any angle."""
    step = int(rng.integers(8, 90))
    y, x = np.mgrid[0:900, 0:1200]
    dark = ((x // step + y // step) % 2)[:, :, None] == 0
    board = np.where(dark, np.array(any_colour(rng)), rng.integers(200, 256, 3)).astype(np.uint8)
    turn = cv2.getRotationMatrix2D((600, 450), float(rng.uniform(-30, 30)), 1.0)
    return np.asarray(cv2.warpAffine(board, turn, (1200, 900), borderValue=(255, 255, 255)), np.uint8)


def empty_graph_paper(rng: Rng) -> Rgb:
    """Millimetre paper on which nothing is written."""
    return graph_paper(rng)[0]


def text_page(rng: Rng) -> Rgb:
    """Lines of print under a heading, in one column or two."""
    sheet = paper(rng)
    high, wide = sheet.shape[:2]
    size, columns = int(rng.integers(13, 22)), int(rng.integers(1, 3))
    write(sheet, words(rng, 4).title(), (60, 30), size * 2)
    rows = int((high - 140) / (size * 1.5))
    for column in range(columns):
        lines = [words(rng, max(2, int(wide / columns / size / 3))) for _ in range(rows)]
        write_lines(sheet, lines, (60 + column * (wide - 60) / columns, 110), size, size * 1.5)
    return sheet


def table(rng: Rng) -> Rgb:
    """A ruled table of words and numbers."""
    sheet = paper(rng)
    high, wide = sheet.shape[:2]
    rows, columns = int(rng.integers(8, 24)), int(rng.integers(3, 9))
    step, width = (high - 80) / rows, (wide - 80) / columns
    for row in range(rows + 1):
        line(sheet, (40, 40 + row * step), (wide - 40, 40 + row * step), BLACK, 1)
    for column in range(columns + 1):
        line(sheet, (40 + column * width, 40), (40 + column * width, high - 40), BLACK, 1)
        if column < columns:
            cells = [words(rng, 1) if column == 0 else f"{rng.normal(100, 40):.1f}" for _ in range(rows)]
            write_lines(sheet, cells, (46 + column * width, 44), int(min(step * 0.6, 18)), step)
    return sheet


def form(rng: Rng) -> Rgb:
    """A questionnaire: labels, boxes to tick, lines to write on."""
    sheet = paper(rng)
    high, wide = sheet.shape[:2]
    for y in range(60, high - 40, int(rng.integers(38, 60))):
        write(sheet, words(rng, 2) + ":", (40, y), 17)
        if rng.random() < 0.4:
            for x in range(300, wide - 120, 160):
                box(sheet, (x, y), (x + 16, y + 16), BLACK, 1)
                write(sheet, words(rng, 1), (x + 22, y), 15)
        else:
            line(sheet, (300, y + 20), (wide - 60, y + 20))
    return sheet


def sheet_music(rng: Rng) -> Rgb:
    """Staves of five lines with notes and stems."""
    sheet = paper(rng, (255, 253, 245))
    high, wide = sheet.shape[:2]
    gap = int(rng.integers(8, 14))
    for top in range(60, high - 6 * gap, 10 * gap):
        for number in range(5):
            line(sheet, (50, top + number * gap), (wide - 50, top + number * gap))
        for x in range(110, wide - 70, int(rng.integers(34, 60))):
            y = top + float(rng.integers(-1, 10)) * gap / 2
            cv2.ellipse(sheet, ((x, y), (gap * 1.3, gap), -20), BLACK, -1 if rng.random() < 0.8 else 2)
            line(sheet, (x + gap * 0.6, y), (x + gap * 0.6, y - 3.2 * gap), BLACK, 2)
    return sheet


def notebook(rng: Rng) -> Rgb:
    """Ruled or squared paper with handwriting, which is a wandering line with loops."""
    sheet = paper(rng, (252, 252, 248))
    high, wide = sheet.shape[:2]
    step = int(rng.integers(26, 46))
    if rng.random() < 0.5:
        rule(sheet, step / 2, (190, 205, 230))
    for y in range(step * 2, high, step):
        line(sheet, (0, y), (wide, y), (170, 190, 225))
    line(sheet, (90, 0), (90, high), (225, 120, 120), 2)
    ink = (30, 30, 140) if rng.random() < 0.6 else BLACK
    for y in range(step * 3, high - step, step):
        at = 110.0
        while at < wide - 150:
            length = int(rng.integers(40, 130))
            t = np.linspace(0, length / 5, length * 2)
            x = at + t * 5 + 4 * np.cos(t * 2.4)
            curve(sheet, x, y - 6 + step * 0.25 * np.sin(t * 2.4) * (1 + 0.6 * wander(rng, len(t))), ink, 2)
            at += length + 18
    return sheet


def crossword(rng: Rng) -> Rgb:
    """A square of fields, some black, with numbers."""
    sheet = np.full((900, 900, 3), 255, np.uint8)
    cells = int(rng.integers(9, 22))
    step = 820 / cells
    for row, column in np.ndindex(cells, cells):
        corner = 40 + column * step, 40 + row * step
        box(sheet, corner, (corner[0] + step, corner[1] + step), BLACK, -1 if rng.random() < 0.25 else 1)
    for _ in range(cells * 2):
        write(sheet, str(rng.integers(1, 60)), tuple(43 + step * rng.integers(0, cells, 2)), int(step * 0.3))
    return sheet


def face(rng: Rng) -> Rgb:
    """A face, drawn."""
    sheet = np.full((900, 800, 3), rng.integers(180, 256, 3), np.uint8)
    skin = tuple(int(v) for v in rng.integers((150, 100, 80), (240, 200, 180)))
    middle = 400 + int(rng.integers(-80, 80)), 450 + int(rng.integers(-60, 60))
    size = float(rng.uniform(0.7, 1.2))
    cv2.ellipse(sheet, (middle, (460 * size, 600 * size), 0.0), skin, -1)
    for side in (-1, 1):
        eye = round(middle[0] + side * 95 * size), round(middle[1] - 80 * size)
        cv2.ellipse(sheet, (eye, (90 * size, 46 * size), 0.0), (255, 255, 255), -1)
        cv2.circle(sheet, eye, round(20 * size), any_colour(rng), -1)
        cv2.ellipse(sheet, ((eye[0], eye[1] - 50 * size), (110 * size, 40 * size), 0.0), BLACK, 3)
    cv2.ellipse(sheet, ((middle[0], middle[1] + 150 * size), (190 * size, 60 * size), 0.0), (150, 40, 50), 5)
    for _ in range(160):
        x = middle[0] + rng.uniform(-220, 220) * size
        curve(sheet, x + 10 * wander(rng, 20), middle[1] - 290 * size + np.arange(20) * 5, any_colour(rng, 90), 2)
    return sheet


def landscape(rng: Rng) -> Rgb:
    """Sky, hills and a camera's noise."""
    sheet = np.zeros((800, 1200, 3))
    sheet[:] = np.linspace((90, 140, 220), (220, 230, 250), 800)[:, None]
    for layer in range(4):
        edge = 300 + 120 * layer + 90 * wander(rng, 1200, 61)
        below = np.arange(800)[:, None] > edge[None, :]
        sheet[below] = np.array([40, 110, 50]) * (1 - 0.15 * layer) + rng.normal(0, 12, 3)
    return np.clip(sheet + rng.normal(0, 6, sheet.shape), 0, 255).astype(np.uint8)


def bars_of_code(rng: Rng) -> Rgb:
    """Barcodes and the squares of a two-dimensional code."""
    sheet = paper(rng, (255, 255, 255))
    high, wide = sheet.shape[:2]
    edges = np.cumsum(rng.integers(2, 9, 120)) + 60
    for left, right in zip(edges[::2], edges[1::2], strict=True):
        box(sheet, (left, 60), (min(right, wide - 60), 220), BLACK)
    cells = rng.random((37, 37)) < 0.5
    code = np.where(cells, 0, 255).astype(np.uint8).repeat(9, axis=0).repeat(9, axis=1)
    sheet[high - 373 : high - 40, 60:393] = code[:, :, None]
    return sheet


def calendar(rng: Rng) -> Rgb:
    """A month in seven columns."""
    sheet = paper(rng)
    high, wide = sheet.shape[:2]
    write(sheet, words(rng, 1).title(), (60, 20), 40)
    step, width = (high - 150) / 5, (wide - 80) / 7
    for day in range(31):
        x, y = 40 + (day % 7) * width, 110 + day // 7 * step
        box(sheet, (x, y), (x + width, y + step), BLACK, 1)
        write(sheet, str(day + 1), (x + 6, y + 4), 22)
    return sheet


def maze(rng: Rng) -> Rgb:
    """Walls across and down at random."""
    sheet = paper(rng)
    high, wide = sheet.shape[:2]
    step = int(rng.integers(16, 44))
    for y in range(30, high - 30 - step, step):
        for x in range(30, wide - 30 - step, step):
            stop = (x + step, y) if rng.random() < 0.5 else (x, y + step)
            line(sheet, (x, y), stop, BLACK, 2)
    return sheet


def plan_of_a_house(rng: Rng) -> Rgb:
    """Rooms, doors and measures on squared paper."""
    sheet, px = graph_paper(rng)
    high, wide = sheet.shape[:2]
    for _ in range(9):
        x, y = rng.uniform(40, wide * 0.6), rng.uniform(40, high * 0.6)
        box(sheet, (x, y), (x + rng.uniform(80, wide * 0.35), y + rng.uniform(80, high * 0.35)), BLACK, 3)
        cv2.ellipse(sheet, (round(x), round(y)), (60, 60), 0, 0, 90, BLACK, 2)
        write(sheet, f"{rng.uniform(2, 9):.2f} m", (x + 12, y + 12), max(14, round(3 * px)))
    return sheet


PICTURES = (
    noise,
    clouds,
    blank,
    gradient,
    checkerboard,
    empty_graph_paper,
    text_page,
    table,
    form,
    sheet_music,
    notebook,
    crossword,
    face,
    landscape,
    bars_of_code,
    calendar,
    maze,
    plan_of_a_house,
)
