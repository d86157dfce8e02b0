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
from dplib.toymarket.limbs import draw_arm, draw_leg
from dplib.toymarket.trunk import draw_backpack, draw_side_bag, draw_straps, draw_trunk


def figure(who: Identity, view: View, gait: Gait) -> tuple[FloatArray, FloatArray]:
    """Draw one person.

    Returns:
        Colour [128, 64, 3] in 0..1, already multiplied by alpha, and alpha [128, 64].
    """
    pen = Pen(gait.light)
    v = view
    pack = who.bag == "backpack"
    behind = v.depth(0, -0.1) < 0.015
    near_bag = v.depth(who.bag_side * 0.1, 0) > -0.04
    if pack and behind:
        draw_backpack(pen, v, who)
    if who.bag == "shoulder" and not near_bag:
        draw_side_bag(pen, v, who)
    sides = sorted((1, -1), key=lambda s: v.depth(s * 0.1, 0))
    side_on = abs(v.turn[1]) > 0.35
    if side_on:
        draw_arm(pen, v, who, sides[0], gait)
    for s in sides:
        draw_leg(pen, v, who, s, gait)
    hair_behind(pen, v, who, gait)
    neck = [v.point(0, y, gait.lean * 0.35) for y in (0.82, 0.88)]
    pen.limb(neck, [0.033 * v.size, 0.027 * v.size], SKIN, 104)
    draw_trunk(pen, v, who, gait)
    draw_straps(pen, v, who, gait.lean)
    if pack and not behind:
        draw_backpack(pen, v, who)
    for s in sides[1:] if side_on else sides:
        draw_arm(pen, v, who, s, gait)
    if who.bag == "shoulder" and near_bag:
        draw_side_bag(pen, v, who)
    draw_head(pen, v, who, gait)
    return _reduce(pen, who, gait, view)


def _reduce(
    pen: Pen, who: Identity, gait: Gait, view: View
) -> tuple[FloatArray, FloatArray]:
    box = pen.material.getbbox() or (0, 0, 1, 1)
    left, top = box[0] // SUPER, box[1] // SUPER  # only what the figure covers
    right, bottom = -(-box[2] // SUPER), -(-box[3] // SUPER)
    wide = (left * SUPER, top * SUPER, right * SUPER, bottom * SUPER)
    materials = pen.material.crop(wide)
    table = _colours(who, gait)
    bands = [materials.point(table[:, i].tolist()) for i in range(3)]
    image = Image.merge("RGB", bands)
    patterned = (
        (UPPER, who.upper_pattern, who.upper_accent, who.texture),
        (LOWER, who.lower_pattern, who.lower_accent, who.texture // 4),
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


def _colours(who: Identity, gait: Gait) -> NDArray[np.uint8]:
    table = np.zeros((256, 3), np.uint8)
    fixed: dict[int, RGB] = {
        SKIN: who.skin,
        HAIR: who.hair,
        UPPER: who.upper_colour,
        LOWER: who.lower_colour,
        SHOES: who.shoes,
        BAG: who.bag_colour,
        HAT: who.hat_colour,
        INNER: who.inner or who.upper_colour,
        ACCENT: who.upper_accent,
        SOCKS: who.socks or who.skin,
        TRIM: (46, 42, 40),
        UMBRELLA: who.umbrella or (0, 0, 0),
        CARRIED: gait.carried or (0, 0, 0),
    }
    for material, colour in fixed.items():
        table[material] = colour
    return table


def _rgb(colour: NDArray[np.uint8]) -> RGB:
    r, g, b = colour.tolist()
    return r, g, b
