"""One pedestrian, drawn: a 3-D stick figure, dressed, projected and reduced.

Two canvases are drawn at three times the final size: which material covers a
pixel, and how much light falls on it. Their reduction gives colour and alpha; the
material canvas gives the exact mask. (Our own design; the paper has no drawings.)
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from dplib.toymarket.body import (
    ACCENT,
    BAG,
    CARRIED,
    HAIR,
    HAT,
    HEIGHT,
    INNER,
    LOWER,
    RGB,
    SHOES,
    SKIN,
    SOCKS,
    SUPER,
    TRIM,
    UMBRELLA,
    UPPER,
    WIDTH,
    FloatArray,
    Gait,
    Identity,
    Pen,
    Point,
    View,
)
from dplib.toymarket.cloth import cloth, crumple
from dplib.toymarket.heads import draw_head, hair_behind


def _arm(
    pid: Identity, side: int, gait: Gait
) -> tuple[tuple[float, float, float], ...]:
    """Shoulder, elbow, wrist of one arm in body coordinates."""
    x = side * 0.096 * pid.shoulder
    mode = gait.arms[0 if side > 0 else 1]
    swing = -side * math.sin(2 * math.pi * gait.phase) * 0.45 * gait.stride
    bend, out = 0.25 + 0.2 * gait.stride * max(0.0, math.sin(swing * 2)), gait.spread
    if mode == "phone":
        swing, bend, out = 0.5, 2.2, 0.15
    elif mode == "hold":
        swing, bend, out = 0.15, 1.35, 0.02
    elif mode == "down":
        swing, bend, out = swing * 0.3, 0.1, 0.13
    z0 = gait.lean * 0.3
    sx, sy, sz = x, 0.795, z0
    ex = sx + side * math.sin(out) * 0.16
    ey = sy - math.cos(swing) * 0.165
    ez = sz + math.sin(swing) * 0.165
    f = swing + bend
    inward = 0.08 if mode == "hold" else 0.02
    wx = ex + side * (0.02 - inward)
    wy, wz = ey - math.cos(f) * 0.15, ez + math.sin(f) * 0.15
    return (sx, sy, sz), (ex, ey, ez), (wx, wy, wz)


def _leg(
    pid: Identity, side: int, gait: Gait
) -> tuple[tuple[float, float, float], ...]:
    """Hip, knee, ankle, toe of one leg in body coordinates."""
    t = 2 * math.pi * gait.phase + (0 if side > 0 else math.pi)
    a = math.sin(t) * 0.42 * gait.stride
    bend = gait.stride * 0.75 * max(0.0, math.cos(t)) ** 1.5 + 0.04
    x = side * 0.048 * pid.width
    knee = (x, 0.51 - math.cos(a) * 0.235, math.sin(a) * 0.235)
    b = a - bend
    ankle = (
        x * 0.95,
        max(0.035, knee[1] - math.cos(b) * 0.235),
        knee[2] + math.sin(b) * 0.235,
    )
    toe = (x * 1.15, max(0.012, ankle[1] - 0.028 - 0.03 * bend), ankle[2] + 0.075)
    return (x, 0.51, 0.0), knee, ankle, toe


def _mix(a: tuple[float, ...], b: tuple[float, ...], t: float) -> tuple[float, ...]:
    return tuple(p + (q - p) * t for p, q in zip(a, b, strict=True))


def _draw_leg(pen: Pen, v: View, pid: Identity, side: int, gait: Gait) -> None:
    hip, knee, ankle, toe = _leg(pid, side, gait)
    light = 128 if v.depth(side * 0.05, 0) > -0.02 else 106
    k = v.size * pid.width
    fit = pid.lower_fit
    cover = pid.lower_length if pid.lower in ("shorts", "trousers") else 0.0
    ph, pk, pa, pt = (v.point(*p) for p in (hip, knee, ankle, toe))
    if cover < 0.85:  # skin first, cloth over it
        calf = v.point(*_mix(knee, ankle, 0.3))
        radii = [0.043 * k, 0.030 * k, 0.031 * k, 0.017 * k]
        pen.limb([ph, pk, calf, pa], radii, SKIN, light)
        if pid.socks is not None:
            top = v.point(*_mix(ankle, knee, 0.3))
            pen.limb([top, pa], [0.025 * k, 0.02 * k], SOCKS, light)
    pen.limb([pa, pt], [0.023 * k, 0.017 * k], SHOES, light - 10)
    thigh = 0.054 * k * fit**0.5
    if cover >= 0.5:
        end = v.point(*_mix(knee, ankle, (cover - 0.5) * 2))
        radii = [thigh, 0.041 * k * fit, 0.031 * k * fit]
        pen.limb([ph, pk, end], radii, LOWER, light, True)
    elif cover > 0:
        end = v.point(*_mix(hip, knee, cover * 2))
        pen.limb([ph, end], [thigh, 0.048 * k * fit], LOWER, light, True)


def _draw_arm(pen: Pen, v: View, pid: Identity, side: int, gait: Gait) -> None:
    shoulder, elbow, wrist = _arm(pid, side, gait)
    light = 124 if v.depth(side * 0.1, 0) > -0.03 else 100
    k = v.size * pid.width
    ps, pe, pw = (v.point(*p) for p in (shoulder, elbow, wrist))
    hand = v.point(*_mix(elbow, wrist, 1.2))
    pen.limb([ps, pe, pw], [0.031 * k, 0.025 * k, 0.017 * k], SKIN, light)
    pen.limb([pw, hand], [0.018 * k, 0.019 * k], SKIN, light)
    if pid.sleeve >= 0.5:
        end = v.point(*_mix(elbow, wrist, pid.sleeve * 2 - 1))
        pen.limb([ps, pe, end], [0.036 * k, 0.033 * k, 0.027 * k], UPPER, light, True)
    elif pid.sleeve > 0:
        end = v.point(*_mix(shoulder, elbow, pid.sleeve * 2))
        pen.limb([ps, end], [0.036 * k, 0.041 * k], UPPER, light, True)
    carries = gait.carried is not None and side == -pid.bag_side
    if carries:
        x, y = hand
        r = 0.045 * v.size
        pen.poly(
            [
                (x - r * 0.7, y),
                (x + r * 0.7, y),
                (x + r, y + 3 * r),
                (x - r, y + 3 * r),
            ],
            CARRIED,
            124,
        )
    if pid.bag == "handbag" and side == pid.bag_side:
        x, y = hand
        r = 0.05 * v.size
        w = v.half(0.035, 0.075)
        pen.line(
            [(x - w * 0.6, y + r), (x, y - r * 0.3), (x + w * 0.6, y + r)], 3, TRIM
        )
        pen.poly(
            [
                (x - w * 0.8, y + r),
                (x + w * 0.8, y + r),
                (x + w, y + 2.6 * r),
                (x - w, y + 2.6 * r),
            ],
            BAG,
            122,
        )


def _contour(pid: Identity) -> list[tuple[float, float, float]]:
    """(height, half-width, half-depth) of the trunk, from the neck down."""
    w, s, b = pid.width, pid.shoulder, pid.belly
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


def _profile(pid: Identity, y: float) -> tuple[float, float]:
    rows = _contour(pid)
    for (y1, a1, b1), (y2, a2, b2) in pairwise(rows):
        if y >= y2:
            t = min(1.0, max(0.0, (y1 - y) / (y1 - y2)))
            return a1 + (a2 - a1) * t, b1 + (b2 - b1) * t
    return rows[-1][1], rows[-1][2]


def _surface(v: View, pid: Identity, angle: float, y: float, lean: float) -> Point:
    """A point on the trunk; angle 0 is the front, in radians to the person's left."""
    a, b = _profile(pid, y)
    z = b * math.cos(angle) + lean * (y - 0.5)
    return v.point(a * math.sin(angle), y, z)


def _band(
    v: View, pid: Identity, y_top: float, y_end: float, lean: float, grow: float = 1.0
) -> list[Point]:
    """The trunk's outline between two heights, as a polygon."""
    ys = [y for y, _, _ in _contour(pid) if y_end < y < y_top]
    left: list[Point] = []
    right: list[Point] = []
    for y in [y_top, *ys, y_end]:
        x0, y0 = v.point(0, y, lean * (y - 0.5))
        w = v.half(*_profile(pid, y)) * grow * (1 + v.tall * (y - 0.5))
        left.append((x0 - w, y0))
        right.append((x0 + w, y0))
    return left + right[::-1]


def _facing(v: View, angle: float) -> float:
    """Cosine between the camera and the trunk's surface at this angle."""
    return math.cos(math.radians(v.yaw) + angle)


def _draw_skirt(pen: Pen, v: View, pid: Identity, gait: Gait) -> None:
    end = 0.51 - 0.46 * pid.lower_length
    sway = 0.02 * math.sin(2 * math.pi * gait.phase) * gait.stride
    flare = 0.098 * pid.width + 0.10 * (pid.lower_fit - 0.75) * (0.6 - end)
    x0, y0 = v.point(0, 0.56, gait.lean * 0.06)
    x1, y1 = v.point(sway, end, sway)
    w0 = v.half(*_profile(pid, 0.56))
    wm = v.half(*_profile(pid, 0.48)) * 1.04
    w1 = max(wm, v.half(flare, flare))
    xm, ym = v.point(0, 0.48, 0)
    drop = 0.012 * v.size
    material = UPPER if pid.lower == "dress" else LOWER
    pts = [(x0 - w0, y0), (x0 + w0, y0), (xm + wm, ym), (x1 + w1, y1)]
    pts += [(x1, y1 + drop), (x1 - w1, y1), (xm - wm, ym)]
    pen.poly(pts, material, 122)
    for i in (-0.6, -0.15, 0.35, 0.7):
        pen.tone([(xm + wm * i, ym), (x1 + w1 * i, y1)], 4, 104 if i < 0 else 140)


def _draw_trunk(pen: Pen, v: View, pid: Identity, gait: Gait) -> None:
    lean = gait.lean
    if pid.lower == "skirt" or pid.lower == "dress":
        _draw_skirt(pen, v, pid, gait)
    else:
        pen.poly(_band(v, pid, 0.57, 0.47, lean * 0.3), LOWER, 120)
    body = _band(v, pid, 0.856, pid.hem, lean, 1.03)
    pen.poly(body, UPPER, 112)
    # the lit side and the folds; blurred by the reduction
    side = 0.34 * pen.light
    cx, _ = v.point(0, 0.66, lean * 0.16)
    w = v.half(*_profile(pid, 0.7))
    core = [(x * 0.62 + 0.38 * cx + side * w, y) for x, y in body]
    pen.light_canvas.polygon(core, fill=134)
    rng = np.random.default_rng(gait.folds)
    for t, u, dx, dy, tone in rng.random((6, 5)).tolist():
        x, y = cx + (t - 0.5) * 1.7 * w, v.base - (0.5 + 0.3 * u) * v.size
        end = (x + (dx - 0.5) * w, y + (0.02 + 0.07 * dy) * v.size)
        pen.tone([(x, y), end], 4, 98 if tone < 0.6 else 150)
    hem = _band(v, pid, pid.hem + 0.012, pid.hem, lean, 1.0)
    pen.light_canvas.polygon(hem, fill=92)

    if pid.upper_pattern == "twotone":
        pen.poly(_band(v, pid, 0.856, 0.71, lean, 1.03), ACCENT, 128)
    front = _facing(v, 0.0)
    if pid.inner is not None and front > -0.1:
        edge = (-0.34, 0.34)
        pts = [_surface(v, pid, e, 0.835, lean) for e in edge]
        pts += [_surface(v, pid, e, pid.hem + 0.01, lean) for e in edge[::-1]]
        pen.poly(pts, INNER, 130)
    face = front if pid.logo == "front" else -front
    if pid.logo != "none" and face > 0.25:
        turn = 0.0 if pid.logo == "front" else math.pi
        tall = 0.03 + 0.012 * (pid.texture % 5)
        wide = 0.35 + 0.1 * (pid.texture % 4)
        pts = [
            _surface(v, pid, turn + a, y, lean)
            for a, y in (
                (-wide, 0.74),
                (wide, 0.74),
                (wide * 0.8, 0.74 - tall * 2),
                (-wide * 0.8, 0.74 - tall * 2),
            )
        ]
        pen.poly(pts, ACCENT, 128)
    if front > 0.1:
        neck = [_surface(v, pid, a, 0.845, lean) for a in (-0.9, 0.9)]
        if pid.neckline == "v":
            pen.poly([*neck, _surface(v, pid, 0, 0.775, lean)], SKIN, 116)
        elif pid.neckline == "round":
            x, y = v.point(0, 0.84, 0.06 + lean * 0.3)
            pen.disc((x, y), 0.036 * v.size, 0.017 * v.size, SKIN, 112)
        else:
            x, y = v.point(0, 0.845, 0.05 + lean * 0.3)
            pen.poly(
                [(x - 0.045 * v.size, y), (x + 0.045 * v.size, y), (x, y + 9)],
                ACCENT,
                140,
            )
            down = [_surface(v, pid, 0, y, lean) for y in (0.82, pid.hem + 0.02)]
            pen.tone(down, 2, 92)


def _draw_backpack(pen: Pen, v: View, pid: Identity) -> None:
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


def _draw_straps(pen: Pen, v: View, pid: Identity, lean: float) -> None:
    if pid.bag == "backpack":
        for a in (-0.75, 0.75):
            if _facing(v, a) > 0.05:
                line = [_surface(v, pid, a, y, lean) for y in (0.835, 0.74, 0.63)]
                pen.line(line, 0.022 * v.size, BAG, 112)
    elif pid.bag == "shoulder":  # across the trunk, from one shoulder to the other hip
        s = pid.bag_side
        for turn in (0.0, math.pi):
            if _facing(v, turn) > 0.1:
                flip = 1 if turn == 0 else -1
                line = [
                    _surface(v, pid, turn - flip * s * a, y, lean)
                    for a, y in ((0.9, 0.835), (0.1, 0.69), (-1.1, 0.54))
                ]
                pen.line(line, 0.014 * v.size, TRIM, 110)


def _draw_side_bag(pen: Pen, v: View, pid: Identity) -> None:
    x, y = v.point(pid.bag_side * 0.115 * pid.width, 0.49, -0.02)
    w, h = v.half(0.035, 0.085), 0.062 * v.size
    pts = [(x - w, y - h), (x + w, y - h), (x + w * 1.1, y + h), (x - w * 1.1, y + h)]
    pen.poly(pts, BAG, 120)
    pen.tone([(x - w, y - h * 0.3), (x + w, y - h * 0.3)], 3, 96)


def _colours(pid: Identity, gait: Gait) -> NDArray[np.uint8]:
    table = np.zeros((256, 3), np.uint8)
    fixed: dict[int, RGB] = {
        SKIN: pid.skin,
        HAIR: pid.hair,
        UPPER: pid.upper_colour,
        LOWER: pid.lower_colour,
        SHOES: pid.shoes,
        BAG: pid.bag_colour,
        HAT: pid.hat_colour,
        INNER: pid.inner or pid.upper_colour,
        ACCENT: pid.upper_accent,
        SOCKS: pid.socks or pid.skin,
        TRIM: (46, 42, 40),
        UMBRELLA: pid.umbrella or (0, 0, 0),
        CARRIED: gait.carried or (0, 0, 0),
    }
    for material, colour in fixed.items():
        table[material] = colour
    return table


def _rgb(colour: NDArray[np.uint8]) -> RGB:
    r, g, b = colour.tolist()
    return r, g, b


def figure(pid: Identity, view: View, gait: Gait) -> tuple[FloatArray, FloatArray]:
    """Draw one person.

    Returns:
        Colour [128, 64, 3] in 0..1, already multiplied by alpha, and alpha [128, 64].
    """
    pen = Pen(gait.light)
    v = view
    pack = pid.bag == "backpack"
    behind = v.depth(0, -0.1) < 0.015
    near_bag = v.depth(pid.bag_side * 0.1, 0) > -0.04
    if pack and behind:
        _draw_backpack(pen, v, pid)
    if pid.bag == "shoulder" and not near_bag:
        _draw_side_bag(pen, v, pid)
    sides = sorted((1, -1), key=lambda s: v.depth(s * 0.1, 0))
    side_on = abs(v.turn[1]) > 0.35
    if side_on:
        _draw_arm(pen, v, pid, sides[0], gait)
    for s in sides:
        _draw_leg(pen, v, pid, s, gait)
    hair_behind(pen, v, pid, gait)
    neck = [v.point(0, y, gait.lean * 0.35) for y in (0.82, 0.88)]
    pen.limb(neck, [0.033 * v.size, 0.027 * v.size], SKIN, 104)
    _draw_trunk(pen, v, pid, gait)
    _draw_straps(pen, v, pid, gait.lean)
    if pack and not behind:
        _draw_backpack(pen, v, pid)
    for s in sides[1:] if side_on else sides:
        _draw_arm(pen, v, pid, s, gait)
    if pid.bag == "shoulder" and near_bag:
        _draw_side_bag(pen, v, pid)
    draw_head(pen, v, pid, gait)
    return _reduce(pen, pid, gait, view)


def _reduce(
    pen: Pen, pid: Identity, gait: Gait, view: View
) -> tuple[FloatArray, FloatArray]:
    box = pen.material.getbbox() or (0, 0, 1, 1)
    left, top = box[0] // SUPER, box[1] // SUPER  # only what the figure covers
    right, bottom = -(-box[2] // SUPER), -(-box[3] // SUPER)
    wide = (left * SUPER, top * SUPER, right * SUPER, bottom * SUPER)
    materials = pen.material.crop(wide)
    table = _colours(pid, gait)
    bands = [materials.point(table[:, i].tolist()) for i in range(3)]
    image = Image.merge("RGB", bands)
    patterned = (
        (UPPER, pid.upper_pattern, pid.upper_accent, pid.texture),
        (LOWER, pid.lower_pattern, pid.lower_accent, pid.texture // 4),
    )
    for material, pattern, accent, texture in patterned:
        if pattern in ("plain", "twotone"):
            continue
        only = [255 * (i == material) for i in range(256)]
        x = (wide[0] - round(view.centre)) % 96
        y = (wide[1] - round(view.base - 0.7 * view.size)) % 96
        area = cloth(pattern, texture % 64, _rgb(table[material]), accent)
        area = area.crop((x, y, x + image.width, y + image.height))
        image.paste(area, mask=materials.point(only))
    small = image.reduce(SUPER)
    covered = materials.point([0] + [255] * 255).reduce(SUPER)
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    colour = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    inside = slice(top, bottom), slice(left, right)
    alpha[inside] = np.asarray(covered, np.float32) / np.float32(255)
    shade = pen.shade.reduce(SUPER).filter(ImageFilter.BoxBlur(0.8))
    light = np.asarray(shade, np.float32) * crumple(gait.folds % 64)
    colour[inside] = np.asarray(small, np.float32) / np.float32(255)
    colour *= light[..., None]
    return np.minimum(colour, 1, out=colour), alpha
