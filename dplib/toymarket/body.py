"""ToyMarket's person as data: looks, posture, projection, and the pen that draws it.

Heights are shares of the person's height (0 = ground, 1 = crown), ``x`` points to
the person's left, ``y`` up and ``z`` forward. At a yaw of 0 degrees the person
faces the camera, at 90 walks to the picture's right, at 180 shows the back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 64, 128  # pixels of every image, as in Market-1501
SUPER = 3  # supersampling

RGB = tuple[int, int, int]
Point = tuple[float, float]
FloatArray = NDArray[np.float32]

# materials: values of the mask canvas; 0 is none
SKIN, HAIR, UPPER, LOWER, SHOES, BAG, HAT = range(1, 8)
INNER, ACCENT, SOCKS, TRIM, UMBRELLA, CARRIED = range(8, 14)


@dataclass(frozen=True)
class Identity:
    """All that makes one person look like themselves.

    Shapes are factors about 1, lengths are shares of the limb or of the height,
    colours are RGB in 0..255.
    """

    pid: int
    height: float
    width: float
    shoulder: float
    belly: float
    skin: RGB
    hair: RGB
    hair_style: str  # short, bald, bob, long, tail, bun
    hat: str  # none, cap, brim
    hat_colour: RGB
    sleeve: float  # 0 none, 0.45 short, 1 long
    neckline: str  # round, v, collar
    hem: float  # height at which the upper garment ends
    upper_colour: RGB
    upper_accent: RGB
    upper_pattern: str  # plain, stripes, bars, checks, dots, print, twotone
    inner: RGB | None  # shirt under an open jacket
    logo: str  # none, front, back
    lower: str  # trousers, shorts, skirt, dress
    lower_length: float  # share of the leg that is covered
    lower_fit: float
    lower_colour: RGB
    lower_accent: RGB
    lower_pattern: str
    socks: RGB | None
    shoes: RGB
    bag: str  # none, backpack, shoulder, handbag
    bag_colour: RGB
    bag_side: int  # +1 left, -1 right
    umbrella: RGB | None
    texture: int  # phase and size of the patterns


@dataclass(frozen=True)
class Gait:
    """What the body does at this moment; ``phase`` in 0..1 is one double step."""

    phase: float
    stride: float = 1.0
    lean: float = 0.03
    arms: tuple[str, str] = ("swing", "swing")  # left, right: swing, phone, hold, down
    spread: float = 0.1  # of the arms, radians
    turn: float = 0.0  # head against body, degrees
    light: float = 0.3  # -1 from the left .. 1 from the right
    carried: RGB | None = None  # something in the hand, not part of the identity
    folds: int = 0  # seed of the folds of the clothes


@dataclass(frozen=True)
class View:
    """Orthographic projection onto the box, with a little of the height's perspective.

    ``top`` and ``base`` are the image rows of crown and soles in supersampled pixels.
    """

    yaw: float  # degrees
    centre: float
    base: float
    size: float  # supersampled pixels per body height
    pitch: float = 0.15  # camera above: what is nearer stands lower
    tall: float = 0.1  # camera above: legs look shorter, shoulders wider
    aspect: float = 1.0

    def point(self, x: float, y: float, z: float) -> Point:
        """The place on the canvas, in supersampled pixels, of a place on the body."""
        c, s = self.turn
        u, d = x * c + z * s, z * c - x * s
        grow = 1 + self.tall * (y - 0.5)
        v = y * (1 - self.tall * (1 - y)) - d * self.pitch
        return (
            self.centre + u * grow * self.size * self.aspect,
            self.base - v * self.size,
        )

    @property
    def turn(self) -> Point:
        """Cosine and sine of the yaw."""
        a = math.radians(self.yaw)
        return math.cos(a), math.sin(a)

    def depth(self, x: float, z: float) -> float:
        """How far a place on the body is towards the camera; negative is behind."""
        c, s = self.turn
        return z * c - x * s

    def half(self, a: float, b: float) -> float:
        """Half the width in pixels of an ellipse with half-axes a (x) and b (z)."""
        c, s = self.turn
        return math.hypot(a * c, b * s) * self.size * self.aspect


class Pen:
    """Draws each shape on both canvases at once."""

    def __init__(self, light: float) -> None:
        size = (WIDTH * SUPER, HEIGHT * SUPER)
        self.material = Image.new("L", size)
        self.shade = Image.new("L", size, 128)
        self.material_canvas = ImageDraw.Draw(self.material)
        self.light_canvas = ImageDraw.Draw(self.shade)
        self.light = light

    def poly(self, points: list[Point], material: int, light: int = 128) -> None:
        self.material_canvas.polygon(points, fill=material)
        self.light_canvas.polygon(points, fill=light)

    def disc(
        self, c: Point, rx: float, ry: float, material: int, light: int = 128
    ) -> None:
        box = (c[0] - rx, c[1] - ry, c[0] + rx, c[1] + ry)
        self.material_canvas.ellipse(box, fill=material)
        self.light_canvas.ellipse(box, fill=light)

    def line(
        self, points: list[Point], width: float, material: int, light: int = 120
    ) -> None:
        w = max(1, round(width))
        self.material_canvas.line(points, fill=material, width=w, joint="curve")
        self.light_canvas.line(points, fill=light, width=w)

    def tone(self, points: list[Point], width: float, light: int) -> None:
        """Light only: a fold, a highlight."""
        self.light_canvas.line(points, fill=light, width=max(1, round(width)))

    def limb(
        self,
        points: list[Point],
        radii: list[float],
        material: int,
        light: int = 128,
        flat: bool = False,
    ) -> None:
        """A tapered limb with round joints, lit from one side; or cut off, ``flat``."""
        edge = light - 24
        for i, (x, y) in enumerate(points):
            r = radii[i]
            box = (x - r, y - r, x + r, y + r)
            if not (flat and i == len(points) - 1):
                self.material_canvas.ellipse(box, fill=material)
                self.light_canvas.ellipse(box, fill=edge)
            if i == 0:
                continue
            (ax, ay), ra = points[i - 1], radii[i - 1]
            dx, dy = x - ax, y - ay
            n = math.hypot(dx, dy) or 1.0
            px, py = -dy / n, dx / n
            quad = [
                (ax + px * ra, ay + py * ra),
                (x + px * r, y + py * r),
                (x - px * r, y - py * r),
                (ax - px * ra, ay - py * ra),
            ]
            self.material_canvas.polygon(quad, fill=material)
            self.light_canvas.polygon(quad, fill=edge)
        off = self.light * 0.35
        core = [(x + off * r, y) for (x, y), r in zip(points, radii, strict=True)]
        width = max(1, round(min(radii) * 1.15))
        self.light_canvas.line(core, fill=light + 6, width=width, joint="curve")
