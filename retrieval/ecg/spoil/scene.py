"""The page on its way to a picture: effects work on a scene, which bends and resamples the page once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.spoil.bends import Bend, Camera, Chain, Dents, Lens, Matrix, Points, Projective, shift, turn_about
from retrieval.ecg.spoil.fields import Pixels, Plane, cover, filled

PAGE_MM = 270.0
"""Length of the longer side of a page whose scale nobody knows: ten seconds at 25 mm/s and margins."""
OUTLINE_POINTS = 33
MAX_DENT_SLOPE = 0.35

Family = Literal["scan", "paper", "photo"]
Stage = Literal["page", "shape", "picture"]


@dataclass(frozen=True)
class Effect:
    """One thing that happens to a page.

    Args:
        name: by which recipes call it.
        family: ``"scan"``, ``"paper"`` or ``"photo"``.
        stage: ``"page"`` marks the paper before it is bent, ``"shape"`` bends it or moves the camera, ``"picture"``
            works on what the camera saw.
        apply: changes a scene by a generator and a strength of 1, 2 or 3.
        about: what it looks like, in a line.
    """

    name: str
    family: Family
    stage: Stage
    apply: Callable[[Scene, np.random.Generator, int], None]
    about: str


@dataclass
class View:
    """Where the camera stands: angles in degrees, distance in page widths."""

    lean_x: float = 0.0
    lean_y: float = 0.0
    roll: float = 0.0
    away: float = 2.5
    curl_heading: float = 0.0
    flat_at: float = 0.0
    curl: tuple[float, float] = (0.0, 0.0)


@dataclass
class Scene:
    """A page, what is known of its geometry, and the picture once it was taken.

    Args:
        page: uint8, the scene's own copy.
        mm: pixels of the page per millimetre.
        backdrop: colour around the page where no effect puts something there.
    """

    page: Pixels
    mm: float
    backdrop: tuple[float, float, float] = (255.0, 255.0, 255.0)
    view: View | None = None
    lens: float = 0.0
    skew: float = 0.0
    frame: NDArray[np.float64] | None = None
    quarter_turns: int = 0
    dents: Plane | None = None
    torn: Pixels | None = None
    hidden: Pixels | None = None
    surroundings: Callable[[tuple[int, int], Pixels], Pixels] | None = None
    chain: Chain = field(init=False)
    picture: Pixels = field(init=False)
    lost: NDArray[np.bool_] | None = None

    @property
    def dent_step(self) -> float:
        """Distance in px of the nodes of ``dents``."""
        return max(2.0, max(self.page.shape[:2]) / 128)

    def dent(self, displacement: Plane) -> None:
        """Add a displacement field ``[rows, columns, 2]`` in px, of the shape of ``dent_nodes``."""
        self.dents = displacement if self.dents is None else self.dents + displacement

    def dent_nodes(self) -> tuple[Plane, Plane]:
        """Places ``(x [1, columns], y [rows, 1])`` in px of the nodes of a displacement field."""
        height, width = self.page.shape[:2]
        step = self.dent_step
        x = np.arange(0, width + step, step, dtype=np.float32) + np.float32((step - 1) / 2)
        return x[None, :], (np.arange(0, height + step, step, dtype=np.float32) + np.float32((step - 1) / 2))[:, None]

    def mask(self, kind: Literal["torn", "hidden"]) -> Pixels:
        """The page's mask of what is torn away, or hidden under something; made when first asked for."""
        mask = getattr(self, kind)
        if mask is None:
            mask = np.zeros(self.page.shape[:2], np.uint8)
            setattr(self, kind, mask)
        return mask

    def lose(self, share: Pixels) -> None:
        """Note that these pixels of the picture no longer show the page."""
        gone = share > 127
        self.lost = gone if self.lost is None else self.lost | gone

    def take(self) -> None:
        """Bend the page into a picture: all bends at once, resampled once."""
        self.chain = build_chain(self)
        if not self.chain.bends and self.torn is None and self.hidden is None:
            self.picture = self.page
            return
        # Fixed-point maps, exact to 1/32 px, are read twice as fast as float ones.
        where, shares = cv2.convertMaps(self.chain.backward_map(), np.empty(0, np.float32), cv2.CV_16SC2)
        backdrop = self._backdrop()
        canvas = backdrop.copy() if self.torn is not None else backdrop
        bent = cv2.remap(self.page, where, shares, cv2.INTER_LINEAR, canvas, cv2.BORDER_TRANSPARENT)
        self.picture = np.asarray(bent, np.uint8)
        for mask in (self.torn, self.hidden):
            if mask is not None:
                moved = np.asarray(cv2.remap(mask, where, shares, cv2.INTER_LINEAR, borderValue=(0,)), np.uint8)
                self.lose(moved)
                if mask is self.torn:
                    cover(self.picture, moved, backdrop)

    def _backdrop(self) -> Pixels:
        width, height = self.chain.size
        if self.surroundings is not None:
            return self.surroundings((height, width), self.page)
        return filled((height, width), self.page, self.backdrop)


def build_chain(scene: Scene) -> Chain:
    """The way from the page into the picture; with no change of shape the picture is as large as the page."""
    height, width = scene.page.shape[:2]
    size = (width, height)
    bends: list[Bend] = []
    if scene.view is not None:
        bends.append(_camera(scene.view, width, height))
    outline = _outline(width, height)
    if scene.lens:
        seen = Chain(tuple(bends), size, size).forward(outline)
        middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
        bends.append(Lens(middle, float(np.hypot(*np.ptp(seen, axis=0)) / 2), scene.lens))
    if scene.skew:
        bends.append(turn_about(np.array([width / 2, height / 2]), scene.skew))
    if scene.view is not None or scene.lens or scene.skew or scene.frame is not None:
        frame, size = _frame(Chain(tuple(bends), size, size).forward(outline), scene.frame)
        bends.append(frame)
    if scene.dents is not None:
        # Put in front at last: what frames the page need not know of dents.
        bends.insert(0, Dents(_no_steeper(scene.dents, scene.dent_step), scene.dent_step))
    for _ in range(scene.quarter_turns % 4):
        bends.append(Projective(np.array([[0, -1, size[1] - 1], [1, 0, 0], [0, 0, 1.0]])))
        size = (size[1], size[0])
    return Chain(tuple(bends), (width, height), size)


def _no_steeper(dents: Plane, step: float) -> NDArray[np.float32]:
    """Scale displacements so that they stay one to one: ``MAX_DENT_SLOPE`` pixels per pixel at the steepest place."""
    steepest = max(float(np.abs(np.diff(dents, axis=axis)).max()) for axis in (0, 1)) / step
    return (dents * np.float32(min(1.0, MAX_DENT_SLOPE / (steepest + 1e-9)))).astype(np.float32)


def _outline(width: int, height: int) -> Points:
    """Points along the page's rim, the centres of its outermost pixels."""
    along = np.linspace(0, 1, OUTLINE_POINTS)
    none, full = np.zeros_like(along), np.ones_like(along)
    sides = [(along, none), (along, full), (none, along), (full, along)]
    return np.concatenate([np.column_stack(side) for side in sides]) * [width - 1, height - 1]


def _frame(seen: Points, margins: NDArray[np.float64] | None) -> tuple[Projective, tuple[int, int]]:
    """Shift a view so that the page fills the frame; margins (left, top, right, bottom) are shares of its size."""
    low, high = seen.min(axis=0), seen.max(axis=0)
    side = high - low
    edge = np.zeros(4) if margins is None else margins
    low, high = low - edge[:2] * side, high + edge[2:] * side
    width, height = (max(16, int(np.ceil(v)) + 1) for v in high - low)
    return shift(float(-low[0]), float(-low[1])), (width, height)


def _camera(view: View, width: int, height: int) -> Camera:
    heading = np.deg2rad(view.curl_heading)
    return Camera(
        turn=_turn(view),
        centre=np.array([(width - 1) / 2, (height - 1) / 2]),
        away=view.away * max(width, height),
        width=float(max(width, height)),
        along=np.array([np.cos(heading), np.sin(heading)]),
        flat_at=view.flat_at,
        curl=view.curl,
    )


def _turn(view: View) -> Matrix:
    cx, cy, cz = np.cos(np.deg2rad([view.lean_x, view.lean_y, view.roll]))
    sx, sy, sz = np.sin(np.deg2rad([view.lean_x, view.lean_y, view.roll]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1.0]])
    return about_z @ about_x @ about_y
