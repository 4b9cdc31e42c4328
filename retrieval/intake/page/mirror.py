"""Pictures that show a page in a mirror, as the front cameras of some telephones and scanned slides do.

Rows, ruling and the laws of the limb leads are the same in a mirror; print is not, and time runs backwards. What is
known by its names need not be looked at otherwise.
"""

from __future__ import annotations

import numpy as np

from retrieval.intake.page.part import Part
from retrieval.intake.page.spectrum import Rgb
from retrieval.intake.result import Finding

FEW_NAMES = 2
"""Fewer names where they belong than this, and a page is looked at in a mirror; so many must be read there then, or
one where limb leads obey the laws that they break as the page is shown."""
LAWFUL = 3.0
"""Odds (as a logarithm) with which they obey them."""
MUCH_LIKELIER = 4.0
"""Odds (as a logarithm) by which the arrangement must fit better in the mirror. Of 20 real pages all whose names can
be read at all fit better by 6 and more the right way round."""
MIRRORED = Finding("mirrored", "the picture shows the page in a mirror: it was read from right to left", 0.9)


def mirrored(rgb: Rgb) -> Part:
    """A picture ``[height, width, 3]`` with left and right exchanged, and the way back."""
    height, width = rgb.shape[:2]
    place = np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]], np.float64)
    return Part(np.ascontiguousarray(rgb[:, ::-1]), place, (width, height))
