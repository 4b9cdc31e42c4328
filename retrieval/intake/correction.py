"""What a person sets by hand where a page was read wrongly: the part to read, which way up, layout, speed, gain."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from itertools import permutations
from typing import Any

from retrieval.ecg.layouts import LAYOUTS
from retrieval.errors import BadArgument
from retrieval.intake.result import Finding, Point, Quad

LAYOUT_NAMES: tuple[str, ...] = (*LAYOUTS, "3x4+2", "3x5")
"""The layouts that can be set: those that the reader knows."""
SPEEDS = 5.0, 200.0
"""mm/s, the slowest and the fastest that can be set; 25 and 50 are usual."""
GAINS = 1.0, 80.0
"""mm/mV, the smallest and the largest that can be set; 5, 10 and 20 are usual."""
MOST_TURNS = 7
LEAST_SIDE = 80.0
"""Pixels of each side of the part to read."""
_QUARTERS = ("", "by a quarter counter-clockwise", "by half", "by a quarter clockwise")


@dataclass(frozen=True)
class Correction:
    """What is set by hand; the rest is found as ever.

    Args:
        turns: quarter turns counter-clockwise that bring the picture upright. Other than 0, the page is then read as
            it stands: 4 says that the picture is upright as it is. 0 leaves it to the reader.
        corners: of the part of the picture to read, ``(x, y)`` in pixels of the picture as it is seen (after its EXIF
            rotation, before ``turns``), in any order; together a convex quad. On a photo the corners of something
            that is a rectangle on the paper.
        layout: one of ``LAYOUT_NAMES``; rows and leads are matched with that alone.
        speed: mm/s.
        gain: mm/mV, of all leads.

    Raises:
        BadArgument: for a value that cannot be, naming it.
    """

    turns: int = 0
    corners: Quad | None = None
    layout: str | None = None
    speed: float | None = None
    gain: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.turns, int) or isinstance(self.turns, bool) or abs(self.turns) > MOST_TURNS:
            raise BadArgument(f"turns is {self.turns!r}; it must be a whole number of quarters, from -7 to 7")
        if self.layout is not None and self.layout not in LAYOUT_NAMES:
            raise BadArgument(f"no layout is called '{self.layout}'; there are {', '.join(LAYOUT_NAMES)}")
        _check_number("speed", self.speed, SPEEDS, "mm/s")
        _check_number("gain", self.gain, GAINS, "mm/mV")
        for name in ("speed", "gain"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))
        if self.corners is not None:
            object.__setattr__(self, "corners", in_order(self.corners))

    @property
    def given(self) -> bool:
        """Whether anything is set."""
        return self != NOTHING

    @property
    def upright(self) -> bool:
        """Whether the picture is said to be upright once it is turned."""
        return self.turns != 0

    def as_json(self) -> dict[str, Any]:
        """The fields as plain values, for messages between processes."""
        return asdict(self)

    def of_recording(self) -> tuple[Finding, ...]:
        """What is to be said of a recording, which is no picture: speed and gain do not count.

        Raises:
            BadArgument: when something was set that only a picture has.
        """
        if self.turns or self.corners is not None or self.layout is not None:
            raise BadArgument(
                "the file holds samples and no picture: turn, corners and layout cannot be set of it; leave them out"
            )
        note = "the file holds samples: speed and gain stand in it, and those set by hand were not used"
        return (Finding("correction_ignored", note),)

    def finding(self) -> Finding:
        """What was set, in a sentence."""
        parts = []
        if self.turns:
            turned = _QUARTERS[self.turns % 4]
            parts.append(f"turned {turned}" if turned else "upright as it is")
        if self.corners is not None:
            parts.append("the part of the picture to read")
        parts += [f"layout {self.layout}"] if self.layout else []
        parts += [f"{self.speed:g} mm/s"] if self.speed is not None else []
        parts += [f"{self.gain:g} mm/mV"] if self.gain is not None else []
        return Finding("corrected", f"set by hand: {', '.join(parts)}")


def correction_of(value: dict[str, Any] | None) -> Correction | None:
    """The correction that ``as_json`` took apart.

    Raises:
        BadArgument: as ``Correction``; also for a field that there is not.
    """
    if value is None:
        return None
    strange = set(value) - {field.name for field in fields(Correction)}
    if strange:
        raise BadArgument(f"a correction has no '{min(strange)}'; it has turns, corners, layout, speed and gain")
    return Correction(**value)


def in_order(corners: Any) -> Quad:
    """Four points as a convex quad, clockwise as it is seen, from the one that is nearest to the top left.

    Raises:
        BadArgument: when they are not four finite points, or no convex quad of some size.
    """
    try:
        points = [(float(x), float(y)) for x, y in corners]
    except (TypeError, ValueError) as error:
        raise BadArgument("corners are four points of x and y, in pixels of the picture") from error
    if len(points) != 4 or not all(math.isfinite(value) for point in points for value in point):
        raise BadArgument(
            f"corners are four points of x and y, in pixels; {len(points)} were given or one is endless"
        )
    first, *rest = sorted(points, key=lambda point: (point[0] + point[1], point[0]))
    for second, third, fourth in permutations(rest):
        ring = (first, second, third, fourth)
        if all(_area(ring[i - 2], ring[i - 1], ring[i]) > 0 for i in range(4)):
            _check_sides(ring)
            return ring
    raise BadArgument("the corners make no convex quad: one lies within the other three, or three in a line")


def _check_sides(ring: Quad) -> None:
    shortest = min(math.dist(ring[i - 1], ring[i]) for i in range(4))
    if shortest < LEAST_SIDE:
        raise BadArgument(f"a side of the part to read is {shortest:.0f} pixels long; {LEAST_SIDE:.0f} are the least")


def _area(a: Point, b: Point, c: Point) -> float:
    """Twice the area of a triangle, positive when it runs clockwise in a picture, whose y grows downwards."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _check_number(name: str, value: float | None, bounds: tuple[float, float], unit: str) -> None:
    if value is None:
        return
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not known or not bounds[0] <= value <= bounds[1]:
        raise BadArgument(f"{name} is {value!r}; it must be a number from {bounds[0]:g} to {bounds[1]:g} {unit}")


NOTHING = Correction()
"""Nothing is set by hand."""
