"""Which image a recording becomes for the tower: the drawn page, or fields of pairs of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from retrieval.errors import BadArgument

FIELDS: tuple[str, ...] = ("gasf", "rp", "mtf")
MIN_SECONDS, MAX_SECONDS = 0.2, 10.0


@dataclass(frozen=True)
class Encoding:
    """How a recording becomes the image that the tower reads.

    Args:
        name: ``page``, the drawn ECG; ``gasf``, ``rp`` or ``mtf``; several of these joined by ``+``, side by side; or
            ``signal``, the waveform itself (``retrieval.ecg.encodings.packed``).
        form: ``grid`` gives each lead its place of the 3 x 4 layout, ``concat`` puts the leads one after the other
            and shows one field of them all.
        seconds: length of the window, 35 % of it before the R wave of one beat; 1 s is the paper's.
        normalise: as the published code does it: 0.5 to 15 Hz, each lead divided by its own maximum, which loses the
            amplitude. Without it the scales are fixed in mV.
    """

    name: str = "page"
    form: Literal["grid", "concat"] = "grid"
    seconds: float = 1.0
    normalise: bool = False

    def __post_init__(self) -> None:
        unknown = [part for part in self.methods if part not in FIELDS]
        if unknown or len(set(self.methods)) < len(self.methods):
            raise BadArgument(
                f"no encoding is called '{self.name}'; there are page, signal, {', '.join(FIELDS)} and several of "
                "the last three joined by +, each once, such as gasf+rp+mtf"
            )
        if self.form not in ("grid", "concat"):
            raise BadArgument(f"the form of an encoding is '{self.form}'; there are grid and concat")
        if not MIN_SECONDS <= self.seconds <= MAX_SECONDS:
            raise BadArgument(
                f"an encoding of {self.seconds} s was asked for; it takes {MIN_SECONDS} to {MAX_SECONDS:.0f} s"
            )
        if not self.methods and (self.form, self.seconds, self.normalise) != ("grid", 1.0, False):
            raise BadArgument(
                f"form, seconds and normalise belong to gasf, rp and mtf; the {self.name} has none of them"
            )

    @property
    def is_page(self) -> bool:
        """Whether the tower reads the drawn page, and so pictures of pages too."""
        return self.name == "page"

    @property
    def is_signal(self) -> bool:
        """Whether the tower reads the waveform itself."""
        return self.name == "signal"

    @property
    def methods(self) -> tuple[str, ...]:
        """The fields by name, in order; none for the page and the signal."""
        return () if self.is_page or self.is_signal else tuple(self.name.split("+"))

    def settings(self) -> dict[str, Any]:
        """As a bundle's card states it."""
        return asdict(self)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Encoding:
        """From a bundle's card.

        Raises:
            BadArgument: when a value is none that this program knows.
            TypeError: when a setting is unknown or of another type.
        """
        kinds: dict[str, type | tuple[type, ...]] = {"name": str, "form": str, "seconds": (int, float)}
        for name, kind in (kinds | {"normalise": bool}).items():
            if name in settings and not isinstance(settings[name], kind):
                raise TypeError(f"{name} is {settings[name]!r}")
        unknown = sorted(set(settings) - {part.name for part in fields(cls)})
        if unknown:
            raise TypeError(f"encoding has no setting '{unknown[0]}'")
        return cls(**settings)


PAGE = Encoding()
"""The drawn page, which the shipped bundle reads."""
