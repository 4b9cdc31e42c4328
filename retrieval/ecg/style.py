"""How a page looks: layout, scale, colours, marks and print."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.ecg.layouts import TIMINGS, layout_named
from retrieval.errors import BadArgument

Colour = tuple[int, int, int]

GRIDS: dict[str, tuple[Colour, Colour]] = {
    "pink": ((250, 222, 224), (240, 178, 184)),
    "red": ((252, 205, 200), (232, 120, 112)),
    "orange": ((253, 228, 200), (243, 184, 120)),
    "blue": ((214, 228, 248), (150, 184, 232)),
    "green": ((212, 238, 214), (146, 204, 152)),
    "gray": ((228, 228, 228), (190, 190, 190)),
}
"""Grid colours: (every millimetre, every fifth)."""
PULSES = ("left", "right", "none")
_SIZES = ("px_per_mm", "speed", "gain", "chest_gain", "row_mm", "trace_mm", "seconds")


@dataclass(frozen=True)
class PageStyle:
    """How a page looks.

    Args:
        layout: a name of ``retrieval.ecg.layouts.LAYOUTS``.
        px_per_mm: pixels per millimetre, which is dpi / 25.4; 6 is about 150 dpi.
        speed: paper speed in mm/s.
        gain: mm per mV.
        row_mm: distance between the baselines of two rows.
        grid: a name of ``GRIDS`` (``"grey"`` is taken as ``"gray"``), or ``"none"``.
        lead_names: print each lead's name above its stretch.
        pulse: the side of each row on which the calibration pulse stands, ``"left"`` or ``"right"``, or ``"none"``.
            ``True`` is taken as left, ``False`` as none.
        header: lines of text above the traces.
        trace: ink colour.
        trace_mm: width of the line.
        rhythm: the lead of the strip of a layout that ends in ``+1``.
        order: of the limb leads, ``"standard"`` or ``"cabrera"``.
        timing: ``"sequential"`` columns follow each other in time, ``"simultaneous"`` ones all show the recording
            from its start.
        chest_gain: mm per mV of V1 to V6, where it is not that of the limb leads.
        separators: a stroke between two leads of a row.
        interpretation: lines of a printed interpretation, above the traces at the right.
        scale_text: print speed and gain below the traces.
        dotted: dots instead of lines each millimetre; each fifth stays a line.
        seconds: how much of the recording a full row shows; ``None`` for all of it.
        sheet_mm: width and height of the sheet; ``None`` for one that is as large as rows and text need.

    Raises:
        BadArgument: an unknown name, a size that is none, or values that contradict each other.
    """

    layout: str = "3x4+1"
    px_per_mm: float = 6.0
    speed: float = 25.0
    gain: float = 10.0
    row_mm: float = 30.0
    grid: str = "pink"
    lead_names: bool = True
    pulse: str | bool = "left"
    header: tuple[str, ...] = ()
    trace: Colour = (25, 25, 35)
    trace_mm: float = 0.35
    rhythm: str = "II"
    order: str = "standard"
    timing: str = "sequential"
    chest_gain: float | None = None
    separators: bool = False
    interpretation: tuple[str, ...] = ()
    scale_text: bool = False
    dotted: bool = False
    seconds: float | None = None
    sheet_mm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.pulse, bool):
            object.__setattr__(self, "pulse", "left" if self.pulse else "none")
        object.__setattr__(self, "grid", "gray" if self.grid == "grey" else self.grid)
        self._check_names()
        self._check_sizes()
        layout_named(self.layout, self.rhythm, self.order)

    def _check_names(self) -> None:
        if self.grid != "none" and self.grid not in GRIDS:
            raise BadArgument(f"no grid is called '{self.grid}'; there are {', '.join(GRIDS)} and none")
        if self.pulse not in PULSES:
            raise BadArgument(f"the calibration pulse stands '{self.pulse}'; it must be one of {', '.join(PULSES)}")
        if self.timing not in TIMINGS:
            raise BadArgument(f"the timing is '{self.timing}'; it must be one of {', '.join(TIMINGS)}")
        if self.dotted and self.grid == "none":
            raise BadArgument("dotted is set and the grid is 'none'; dots need a grid's colour")

    def _check_sizes(self) -> None:
        sizes = {name: getattr(self, name) for name in _SIZES}
        if self.sheet_mm is not None:
            sizes |= {"the sheet's width": self.sheet_mm[0], "the sheet's height": self.sheet_mm[1]}
        for name, size in sizes.items():
            if size is not None and not 0 < size < float("inf"):
                raise BadArgument(f"{name} is {size}; it must be greater than 0 and finite")

    def gain_of(self, lead: str) -> float:
        """Millimetres per millivolt of a lead."""
        return self.chest_gain if self.chest_gain is not None and lead.startswith("V") else self.gain
