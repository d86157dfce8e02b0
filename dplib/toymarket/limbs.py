"""Arms and legs of ToyMarket's people: where the joints are, and what covers them."""

from __future__ import annotations

import math

from dplib.toymarket.body import (
    BAG,
    CARRIED,
    LOWER,
    SHOES,
    SKIN,
    SOCKS,
    TRIM,
    UPPER,
    Gait,
    Identity,
    Pen,
    View,
)


def _between(
    start: tuple[float, ...], end: tuple[float, ...], share: float
) -> tuple[float, ...]:
    """The point at this share of the way; above 1 beyond the end."""
    return tuple(p + (q - p) * share for p, q in zip(start, end, strict=True))


def _arm(
    who: Identity, side: int, gait: Gait
) -> tuple[tuple[float, float, float], ...]:
    """Shoulder, elbow, wrist of one arm in body coordinates."""
    x = side * 0.096 * who.shoulder
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
    who: Identity, side: int, gait: Gait
) -> tuple[tuple[float, float, float], ...]:
    """Hip, knee, ankle, toe of one leg in body coordinates."""
    t = 2 * math.pi * gait.phase + (0 if side > 0 else math.pi)
    a = math.sin(t) * 0.42 * gait.stride
    bend = gait.stride * 0.75 * max(0.0, math.cos(t)) ** 1.5 + 0.04
    x = side * 0.048 * who.width
    knee = (x, 0.51 - math.cos(a) * 0.235, math.sin(a) * 0.235)
    b = a - bend
    ankle = (
        x * 0.95,
        max(0.035, knee[1] - math.cos(b) * 0.235),
        knee[2] + math.sin(b) * 0.235,
    )
    toe = (x * 1.15, max(0.012, ankle[1] - 0.028 - 0.03 * bend), ankle[2] + 0.075)
    return (x, 0.51, 0.0), knee, ankle, toe


def draw_leg(pen: Pen, v: View, who: Identity, side: int, gait: Gait) -> None:
    """Skin, sock, shoe, then the cloth over them; side +1 is the left leg."""
    hip, knee, ankle, toe = _leg(who, side, gait)
    light = 128 if v.depth(side * 0.05, 0) > -0.02 else 106
    k = v.size * who.width
    fit = who.lower_fit
    cover = who.lower_length if who.lower in ("shorts", "trousers") else 0.0
    ph, pk, pa, pt = (v.point(*p) for p in (hip, knee, ankle, toe))
    if cover < 0.85:  # skin first, cloth over it
        calf = v.point(*_between(knee, ankle, 0.3))
        radii = [0.043 * k, 0.030 * k, 0.031 * k, 0.017 * k]
        pen.limb([ph, pk, calf, pa], radii, SKIN, light)
        if who.socks is not None:
            top = v.point(*_between(ankle, knee, 0.3))
            pen.limb([top, pa], [0.025 * k, 0.02 * k], SOCKS, light)
    pen.limb([pa, pt], [0.023 * k, 0.017 * k], SHOES, light - 10)
    thigh = 0.054 * k * fit**0.5
    if cover >= 0.5:
        end = v.point(*_between(knee, ankle, (cover - 0.5) * 2))
        radii = [thigh, 0.041 * k * fit, 0.031 * k * fit]
        pen.limb([ph, pk, end], radii, LOWER, light, True)
    elif cover > 0:
        end = v.point(*_between(hip, knee, cover * 2))
        pen.limb([ph, end], [thigh, 0.048 * k * fit], LOWER, light, True)


def draw_arm(pen: Pen, v: View, who: Identity, side: int, gait: Gait) -> None:
    """Skin, the sleeve over it, and what is in the hand; side +1 is the left arm."""
    shoulder, elbow, wrist = _arm(who, side, gait)
    light = 124 if v.depth(side * 0.1, 0) > -0.03 else 100
    k = v.size * who.width
    ps, pe, pw = (v.point(*p) for p in (shoulder, elbow, wrist))
    hand = v.point(*_between(elbow, wrist, 1.2))
    pen.limb([ps, pe, pw], [0.031 * k, 0.025 * k, 0.017 * k], SKIN, light)
    pen.limb([pw, hand], [0.018 * k, 0.019 * k], SKIN, light)
    if who.sleeve >= 0.5:
        end = v.point(*_between(elbow, wrist, who.sleeve * 2 - 1))
        pen.limb([ps, pe, end], [0.036 * k, 0.033 * k, 0.027 * k], UPPER, light, True)
    elif who.sleeve > 0:
        end = v.point(*_between(shoulder, elbow, who.sleeve * 2))
        pen.limb([ps, end], [0.036 * k, 0.041 * k], UPPER, light, True)
    if gait.carried is not None and side == -who.bag_side:
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
    if who.bag == "handbag" and side == who.bag_side:
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
