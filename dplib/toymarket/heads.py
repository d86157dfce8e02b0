"""Heads of ToyMarket's people: hair, the hint of a face, hats, umbrellas."""

from __future__ import annotations

from typing import NamedTuple

from dplib.toymarket.body import (
    HAIR,
    HAT,
    SKIN,
    TRIM,
    UMBRELLA,
    Gait,
    Identity,
    Pen,
    View,
)


def hair_behind(pen: Pen, v: View, who: Identity, gait: Gait) -> None:
    """Long hair seen from the front falls behind neck and shoulders."""
    if who.hair_style not in ("long", "bob") or v.turn[0] <= -0.3:
        return
    low = 0.78 if who.hair_style == "long" else 0.855
    cx, cy = v.point(0, 0.922, gait.lean * 0.45 - 0.01)
    x, y = v.point(0, low, gait.lean * 0.3 - 0.03)
    w = v.half(0.058, 0.06)
    pts = [(cx - w, cy), (cx + w, cy), (x + w * 1.1, y), (x - w * 1.1, y)]
    pen.poly(pts, HAIR, 104)


class _Head(NamedTuple):
    """Where the head is on the canvas, in supersampled pixels, and where it looks."""

    x: float
    y: float
    rx: float  # half its width
    ry: float  # half its height
    front: float  # cosine of its yaw: 1 faces the camera, -1 shows the back
    side: float  # sine of its yaw
    lean: float


def draw_head(pen: Pen, v: View, who: Identity, gait: Gait) -> None:
    """Neck, skull, face, hair, hat and umbrella, each over the one before."""
    turned = View(
        v.yaw + gait.turn, v.centre, v.base, v.size, v.pitch, v.tall, v.aspect
    )
    front, side = turned.turn
    lean = gait.lean * 0.45
    neck = [v.point(0, 0.845, lean * 0.8), v.point(0, 0.885, lean)]
    x, y = v.point(0, 0.922, lean + 0.012)
    rx, ry = turned.half(0.047, 0.055), 0.066 * v.size
    head = _Head(x, y, rx, ry, front, side, lean)
    pen.limb(neck, [0.029 * v.size, 0.026 * v.size], SKIN, 108)
    _draw_skull_and_face(pen, v, who, head)
    _draw_hair(pen, v, who, head)
    if who.hat != "none":
        _draw_hat(pen, who, head)
    if who.umbrella is not None:
        _draw_umbrella(pen, v, who, head)


def _draw_skull_and_face(pen: Pen, v: View, who: Identity, head: _Head) -> None:
    """A skull of hair, then the face on the side that shows, then the fringe."""
    cx, cy, rx, ry, front, side, _ = head
    bald = who.hair_style == "bald"
    back = -side * 0.02 * v.size  # the hair is behind the face
    if not bald:
        pen.disc((cx + back, cy - ry * 0.12), rx * 1.08, ry * 1.02, HAIR, 118)
        pen.tone(
            [(cx - rx * 0.4, cy - ry * 0.8), (cx + rx * 0.4, cy - ry * 0.85)], 5, 160
        )
    show = 1.0 if bald else min(1.0, max(0.0, front * 0.8 + 0.5))
    if show <= 0.1:
        return
    shift = 0.0 if bald else side * rx * 0.32
    fx = rx * (1.0 if bald else 0.5 + 0.42 * show)
    top = cy - ry if bald else cy - ry * 0.62
    chin = cy + ry
    x = cx + shift
    pen.disc((x, (top + chin) / 2), fx, (chin - top) / 2, SKIN, 124)
    lit = (x + pen.light * fx * 0.3, cy + ry * 0.1)
    pen.light_canvas.ellipse(
        (
            lit[0] - fx * 0.55,
            lit[1] - ry * 0.5,
            lit[0] + fx * 0.55,
            lit[1] + ry * 0.5,
        ),
        fill=136,
    )
    if not bald:
        low = cy - ry * (0.25 if front > 0 else 0.1)
        box = (cx - rx * 1.08 + back, cy - ry * 1.14, cx + rx * 1.08 + back, low)
        pen.material_canvas.ellipse(box, fill=HAIR)
        pen.light_canvas.ellipse(box, fill=122)
    if front > 0.1:  # at this size: sockets, the nose's ridge, a mouth
        ex, y = cx + side * rx * 0.4, cy + ry * 0.12
        for e in (-0.38, 0.38):
            x = ex + e * rx * front
            pen.tone([(x - 3, y), (x + 3, y)], 4, 84)
        pen.tone([(ex, y + 2), (ex, y + ry * 0.3)], 3, 146)
        y = cy + ry * 0.62
        pen.tone([(ex - 5 * front, y), (ex + 5 * front, y)], 3, 100)
    pen.tone([(cx - rx * 0.5, cy + ry * 1.02), (cx + rx * 0.5, cy + ry * 1.02)], 3, 88)


def _draw_hair(pen: Pen, v: View, who: Identity, head: _Head) -> None:
    """What the style adds to the skull of hair: it shows from behind or the side."""
    cx, cy, rx, ry, front, side, lean = head
    style = who.hair_style
    if style == "long" and front <= -0.3:
        x, y = v.point(0, 0.745, lean - 0.07)
        w = rx * 1.1
        pts = [(cx - w, cy), (cx + w, cy), (x + w, (cy + y) / 2), (x + w * 0.6, y)]
        pts += [(x - w * 0.5, y - 3), (x - w, (cy + y) / 2)]
        pen.poly(pts, HAIR, 116)
        sheen = x + pen.light * w * 0.4
        pen.tone([(cx - rx * 0.3, cy), (sheen, y)], 7, 150)
        pen.tone([(cx + rx * 0.5, cy), (sheen + w * 0.4, y)], 3, 92)
    elif style == "tail":
        x, y = v.point(0, 0.80, lean - 0.085)
        if front < 0.5:
            start = (cx - side * rx * 0.8, cy - ry * 0.1)
            pen.limb([start, (x, y)], [0.02 * v.size, 0.012 * v.size], HAIR, 124)
    elif style == "bun":
        pen.disc((cx - side * rx * 0.8, cy - ry * 0.95), 9, 8, HAIR, 116)
    elif style == "bob" and front <= -0.3:
        x, y = v.point(0, 0.865, lean - 0.03)
        pts = [(cx - rx * 1.1, cy), (cx + rx * 1.1, cy), (x + rx * 1.1, y)]
        pen.poly([*pts, (x - rx * 1.1, y)], HAIR, 118)


def _draw_hat(pen: Pen, who: Identity, head: _Head) -> None:
    cx, cy, rx, ry, front, side, _ = head
    box = (cx - rx * 1.2, cy - ry * 1.3, cx + rx * 1.2, cy + ry * 0.1)
    pen.material_canvas.chord(box, 180, 360, fill=HAT)
    pen.light_canvas.chord(box, 180, 360, fill=132)
    y = cy - ry * 0.55
    if who.hat == "brim":
        pen.disc((cx, y), rx * 1.9, ry * 0.22, HAT, 122)
    elif front > -0.5:
        x = cx + side * rx * 0.9
        pen.disc((x, y + 2), rx * (0.55 + 0.35 * front), ry * 0.16, HAT, 104)


def _draw_umbrella(pen: Pen, v: View, who: Identity, head: _Head) -> None:
    k = v.size
    x, cy = head.x + who.bag_side * 0.05 * k, head.y
    pen.line([(x, cy - head.ry), (x, cy + 0.2 * k)], 4, TRIM, 110)
    box = (x - 0.27 * k, cy - 0.14 * k, x + 0.27 * k, cy + 0.1 * k)
    pen.material_canvas.chord(box, 180, 360, fill=UMBRELLA)
    pen.light_canvas.chord(box, 180, 360, fill=134)
