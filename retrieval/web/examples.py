"""Examples to try, made by the simulator: no patient has them, and none is among the default gallery's cases."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from retrieval.errors import BadArgument
from retrieval.web.asked import Upload

FIRST_SEED = 2_000_100
"""Beyond the seeds of default galleries and of what bundles are trained on."""
HEADER = "SIMULATED - made by a program, no patient"


@dataclass(frozen=True)
class Example:
    """What is simulated, and how it is printed.

    Args:
        condition: a name of the simulator's.
        seed: of the case.
        photo: photographed like a phone would, else as printed.
        layout: of the page.
        speed: mm/s.
        gain: mm/mV.
    """

    condition: str
    seed: int
    photo: bool = False
    layout: str = "3x4+1"
    speed: float = 25.0
    gain: float = 10.0


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "photo": Example("lbbb", FIRST_SEED, photo=True),
        "print": Example("atrial_fibrillation", FIRST_SEED + 1),
        "fast": Example("inferior_stemi", FIRST_SEED + 2, layout="6x2", speed=50.0),
    }
)
SENTENCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "en": ("left bundle branch block", "atrial fibrillation", "old inferior infarct"),
        "de": ("Linksschenkelblock", "Vorhofflimmern", "alter Hinterwandinfarkt"),
    }
)


@cache
def example_upload(name: str) -> Upload:
    """The file of an example; the same bytes each time, drawn when it is first asked for.

    Raises:
        BadArgument: when there is no such example.
    """
    if name not in EXAMPLES:
        raise BadArgument(f"no example is called '{name[:40]}'; there are {', '.join(EXAMPLES)}")
    import numpy as np
    from PIL import Image

    from retrieval.ecg.drawing import PageStyle, draw_page
    from retrieval.ecg.simulator import simulate
    from retrieval.ecg.spoil import spoil

    example = EXAMPLES[name]
    case = simulate(example.seed, example.condition)
    style = PageStyle(
        layout=example.layout,
        speed=example.speed,
        gain=example.gain,
        seconds=5.0 if example.speed > 25 else None,
        header=(HEADER,),
        scale_text=True,
    )
    pixels, data = draw_page(case.recording, style).pixels, io.BytesIO()
    if example.photo:
        spoiled = spoil(pixels, np.random.default_rng(example.seed), kind="photo", strength=1)
        Image.fromarray(spoiled).save(data, "JPEG", quality=88)
        return Upload(data.getvalue(), f"simulated-{name}.jpg")
    Image.fromarray(pixels).save(data, "PNG", compress_level=4)
    return Upload(data.getvalue(), f"simulated-{name}.png")
