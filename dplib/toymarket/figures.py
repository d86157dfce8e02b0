"""One pedestrian, drawn: a 3-D stick figure, dressed, projected and reduced.

Two canvases are drawn at three times the final size: which material covers a
pixel, and how much light falls on it. Their reduction gives colour and alpha; the
material canvas gives the exact mask. (Our own design; the paper has no drawings.)
"""

from __future__ import annotations

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
    View,
)
from dplib.toymarket.cloth import cloth, crumple
from dplib.toymarket.heads import draw_head, hair_behind
from dplib.toymarket.limbs import _draw_arm, _draw_leg
from dplib.toymarket.trunk import (
    _draw_backpack,
    _draw_side_bag,
    _draw_straps,
    _draw_trunk,
)


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
