"""Trunks of ToyMarket's people: the garments, and the bags that lie on them.

The trunk is a stack of ellipses (`_contour`); everything on it is placed by a height
and by an angle around it, 0 in front, in radians to the person's left.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from dplib.toymarket.body import (
    ACCENT,
    BAG,
    INNER,
    LOWER,
    SKIN,
    TRIM,
    UPPER,
    Gait,
    Identity,
    Pen,
    Point,
    View,
)


def _contour(who: Identity) -> list[tuple[float, float, float]]:
    """(height, half-width, half-depth) of the trunk, from the neck down."""
    w, s, b = who.width, who.shoulder, who.belly
    return [
        (0.856, 0.034, 0.034),
        (0.842, 0.060 * s, 0.045),
        (0.822, 0.099 * s, 0.058 * w),
        (0.78, 0.110 * s, 0.066 * w),
        (0.72, 0.102 * (s + w) / 2, 0.075 * w),
        (0.62, 0.088 * w, 0.066 * w * b),
        (0.56, 0.091 * w, 0.070 * w * b),
        (0.50, 0.098 * w, 0.074 * w),
        (0.45, 0.098 * w, 0.072 * w),
    ]


def _profile(who: Identity, y: float) -> tuple[float, float]:
    rows = _contour(who)
    for (y1, a1, b1), (y2, a2, b2) in pairwise(rows):
        if y >= y2:
            t = min(1.0, max(0.0, (y1 - y) / (y1 - y2)))
            return a1 + (a2 - a1) * t, b1 + (b2 - b1) * t
    return rows[-1][1], rows[-1][2]


def _surface(v: View, who: Identity, angle: float, y: float, lean: float) -> Point:
    """A point on the trunk; angle 0 is the front, in radians to the person's left."""
    a, b = _profile(who, y)
    z = b * math.cos(angle) + lean * (y - 0.5)
    return v.point(a * math.sin(angle), y, z)


def _band(
    v: View, who: Identity, y_top: float, y_end: float, lean: float, grow: float = 1.0
) -> list[Point]:
    """The trunk's outline between two heights, as a polygon."""
    ys = [y for y, _, _ in _contour(who) if y_end < y < y_top]
    left: list[Point] = []
    right: list[Point] = []
    for y in [y_top, *ys, y_end]:
        x0, y0 = v.point(0, y, lean * (y - 0.5))
        w = v.half(*_profile(who, y)) * grow * (1 + v.tall * (y - 0.5))
        left.append((x0 - w, y0))
        right.append((x0 + w, y0))
    return left + right[::-1]


def _facing(v: View, angle: float) -> float:
    """Cosine between the camera and the trunk's surface at this angle."""
    return math.cos(math.radians(v.yaw) + angle)


def draw_trunk(pen: Pen, v: View, who: Identity, gait: Gait) -> None:
    """The lower garment's top or a skirt, the upper garment, and what is on it."""
    if who.lower == "skirt" or who.lower == "dress":
        _draw_skirt(pen, v, who, gait)
    else:
        pen.poly(_band(v, who, 0.57, 0.47, gait.lean * 0.3), LOWER, 120)
    _draw_upper(pen, v, who, gait)
    front = _facing(v, 0.0)
    if who.inner is not None and front > -0.1:
        _draw_opening(pen, v, who, gait.lean)
    face = front if who.logo == "front" else -front
    if who.logo != "none" and face > 0.25:
        _draw_logo(pen, v, who, gait.lean)
    if front > 0.1:
        _draw_neckline(pen, v, who, gait.lean)


def _draw_upper(pen: Pen, v: View, who: Identity, gait: Gait) -> None:
    lean = gait.lean
    body = _band(v, who, 0.856, who.hem, lean, 1.03)
    pen.poly(body, UPPER, 112)
    # the lit side and the folds; blurred by the reduction
    side = 0.34 * pen.light
    cx, _ = v.point(0, 0.66, lean * 0.16)
    w = v.half(*_profile(who, 0.7))
    core = [(x * 0.62 + 0.38 * cx + side * w, y) for x, y in body]
    pen.light_canvas.polygon(core, fill=134)
    rng = np.random.default_rng(gait.folds)
    for t, u, dx, dy, tone in rng.random((6, 5)).tolist():
        x, y = cx + (t - 0.5) * 1.7 * w, v.base - (0.5 + 0.3 * u) * v.size
        end = (x + (dx - 0.5) * w, y + (0.02 + 0.07 * dy) * v.size)
        pen.tone([(x, y), end], 4, 98 if tone < 0.6 else 150)
    hem = _band(v, who, who.hem + 0.012, who.hem, lean, 1.0)
    pen.light_canvas.polygon(hem, fill=92)
    if who.upper_pattern == "twotone":
        pen.poly(_band(v, who, 0.856, 0.71, lean, 1.03), ACCENT, 128)


def _draw_opening(pen: Pen, v: View, who: Identity, lean: float) -> None:
    """The shirt under an open jacket."""
    edge = (-0.34, 0.34)
    pts = [_surface(v, who, e, 0.835, lean) for e in edge]
    pts += [_surface(v, who, e, who.hem + 0.01, lean) for e in edge[::-1]]
    pen.poly(pts, INNER, 130)


def _draw_logo(pen: Pen, v: View, who: Identity, lean: float) -> None:
    """A print on breast or back; the person's texture sets its size."""
    turn = 0.0 if who.logo == "front" else math.pi
    tall = 0.03 + 0.012 * (who.texture % 5)
    wide = 0.35 + 0.1 * (who.texture % 4)
    pts = [
        _surface(v, who, turn + a, y, lean)
        for a, y in (
            (-wide, 0.74),
            (wide, 0.74),
            (wide * 0.8, 0.74 - tall * 2),
            (-wide * 0.8, 0.74 - tall * 2),
        )
    ]
    pen.poly(pts, ACCENT, 128)


def _draw_neckline(pen: Pen, v: View, who: Identity, lean: float) -> None:
    neck = [_surface(v, who, a, 0.845, lean) for a in (-0.9, 0.9)]
    if who.neckline == "v":
        pen.poly([*neck, _surface(v, who, 0, 0.775, lean)], SKIN, 116)
    elif who.neckline == "round":
        x, y = v.point(0, 0.84, 0.06 + lean * 0.3)
        pen.disc((x, y), 0.036 * v.size, 0.017 * v.size, SKIN, 112)
    else:
        x, y = v.point(0, 0.845, 0.05 + lean * 0.3)
        collar = [(x - 0.045 * v.size, y), (x + 0.045 * v.size, y), (x, y + 9)]
        pen.poly(collar, ACCENT, 140)
        buttons = [_surface(v, who, 0, y, lean) for y in (0.82, who.hem + 0.02)]
        pen.tone(buttons, 2, 92)


def _draw_skirt(pen: Pen, v: View, who: Identity, gait: Gait) -> None:
    end = 0.51 - 0.46 * who.lower_length
    sway = 0.02 * math.sin(2 * math.pi * gait.phase) * gait.stride
    flare = 0.098 * who.width + 0.10 * (who.lower_fit - 0.75) * (0.6 - end)
    x0, y0 = v.point(0, 0.56, gait.lean * 0.06)
    x1, y1 = v.point(sway, end, sway)
    w0 = v.half(*_profile(who, 0.56))
    wm = v.half(*_profile(who, 0.48)) * 1.04
    w1 = max(wm, v.half(flare, flare))
    xm, ym = v.point(0, 0.48, 0)
    drop = 0.012 * v.size
    material = UPPER if who.lower == "dress" else LOWER
    pts = [(x0 - w0, y0), (x0 + w0, y0), (xm + wm, ym), (x1 + w1, y1)]
    pts += [(x1, y1 + drop), (x1 - w1, y1), (xm - wm, ym)]
    pen.poly(pts, material, 122)
    for i in (-0.6, -0.15, 0.35, 0.7):
        pen.tone([(xm + wm * i, ym), (x1 + w1 * i, y1)], 4, 104 if i < 0 else 140)


def draw_backpack(pen: Pen, v: View, who: Identity) -> None:
    """The pack itself, on the back."""
    x, y = v.point(0, 0.70, -0.115)
    w = v.half(0.085, 0.055)
    h = 0.115 * v.size
    pts = [(x - w * 0.75, y - h), (x + w * 0.75, y - h), (x + w, y - h * 0.5)]
    pts += [(x + w, y + h * 0.85), (x + w * 0.8, y + h)]
    pts += [(x - w * 0.8, y + h), (x - w, y + h * 0.85), (x - w, y - h * 0.5)]
    pen.poly(pts, BAG, 116)
    core = [(p * 0.7 + x * 0.3 + pen.light * 4, q) for p, q in pts]
    pen.light_canvas.polygon(core, fill=136)
    pen.tone([(x - w, y + h * 0.2), (x + w, y + h * 0.2)], 3, 88)
    pen.tone([(x - w * 0.8, y + h * 0.35), (x + w * 0.8, y + h * 0.35)], 4, 150)


def draw_straps(pen: Pen, v: View, who: Identity, lean: float) -> None:
    """A backpack's two straps, or the one of a shoulder bag."""
    if who.bag == "backpack":
        for a in (-0.75, 0.75):
            if _facing(v, a) > 0.05:
                line = [_surface(v, who, a, y, lean) for y in (0.835, 0.74, 0.63)]
                pen.line(line, 0.022 * v.size, BAG, 112)
    elif who.bag == "shoulder":  # across the trunk, from one shoulder to the other hip
        s = who.bag_side
        for turn in (0.0, math.pi):
            if _facing(v, turn) > 0.1:
                flip = 1 if turn == 0 else -1
                line = [
                    _surface(v, who, turn - flip * s * a, y, lean)
                    for a, y in ((0.9, 0.835), (0.1, 0.69), (-1.1, 0.54))
                ]
                pen.line(line, 0.014 * v.size, TRIM, 110)


def draw_side_bag(pen: Pen, v: View, who: Identity) -> None:
    """A shoulder bag, at the hip."""
    x, y = v.point(who.bag_side * 0.115 * who.width, 0.49, -0.02)
    w, h = v.half(0.035, 0.085), 0.062 * v.size
    pts = [(x - w, y - h), (x + w, y - h), (x + w * 1.1, y + h), (x - w * 1.1, y + h)]
    pen.poly(pts, BAG, 120)
    pen.tone([(x - w, y - h * 0.3), (x + w, y - h * 0.3)], 3, 96)
