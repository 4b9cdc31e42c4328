"""A simulated ECG with which a service warms up: read and encoded once, before anyone waits for it."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.ecg.recording import Recording


@cache
def example_recording() -> Recording:
    """Ten seconds of a simulated normal ECG."""
    from retrieval.ecg.simulator import CONDITIONS, simulate

    return simulate(1, CONDITIONS[0]).recording


def example_page() -> bytes:
    """The same as a PNG of a printed page."""
    from PIL import Image

    from retrieval.ecg.drawing import draw_page

    data = io.BytesIO()
    Image.fromarray(draw_page(example_recording()).pixels).save(data, "PNG", compress_level=1)
    return data.getvalue()
