"""Options that set by hand what was read wrongly from a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.errors import BadArgument

if TYPE_CHECKING:
    from retrieval.intake.correction import Correction

TurnOption = Annotated[
    int,
    typer.Option(
        "--turn",
        metavar="N",
        help="Quarter turns counter-clockwise that bring the picture upright; 4: it is upright.",
    ),
]
CornersOption = Annotated[
    str | None,
    typer.Option(
        "--corners", metavar='"X,Y X,Y X,Y X,Y"', help="Corners of the part to read, in pixels of the picture."
    ),
]
LayoutOption = Annotated[
    str | None, typer.Option("--layout", metavar="NAME", help="Layout of the page, such as 3x4+1, 6x2 or 12x1.")
]
SpeedOption = Annotated[float | None, typer.Option("--speed", metavar="MM/S", help="Paper speed, such as 25 or 50.")]
GainOption = Annotated[float | None, typer.Option("--gain", metavar="MM/MV", help="Gain, such as 5, 10 or 20.")]


def correction_from(
    turn: int, corners: str | None, layout: str | None, speed: float | None, gain: float | None
) -> Correction | None:
    """What the options say; None where they say nothing.

    Raises:
        BadArgument: for a value that cannot be.
    """
    if not turn and corners is None and layout is None and speed is None and gain is None:
        return None
    from retrieval.intake.correction import Correction, in_order

    points = None if corners is None else in_order(_points(corners))
    return Correction(turn, points, layout, speed, gain)


def _points(text: str) -> list[tuple[float, float]]:
    try:
        pairs = [tuple(float(value) for value in pair.split(",")) for pair in text.replace(";", " ").split()]
    except ValueError:
        pairs = []
    points = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
    if len(points) != 4 or len(pairs) != 4:
        raise BadArgument(f"--corners is '{text}'; it must be four points such as \"10,10 900,12 905,640 8,650\"")
    return points
