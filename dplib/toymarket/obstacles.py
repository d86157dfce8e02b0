"""What can stand before a pedestrian of ToyMarket, and how a sprite gets into a scene.

A sprite is a picture with transparency: colour times alpha [H, W, 3] and alpha [H, W].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from dplib.toymarket.body import HEIGHT, WIDTH, FloatArray
from dplib.toymarket.scenes import noise, shade

WIDE, TALL = WIDTH * 2, HEIGHT * 2  # an obstacle's canvas: it slides over the image

Side = Literal["below", "left", "right"]
Draw = ImageDraw.ImageDraw  # first the obstacle's colours, then its mask
Rng = np.random.Generator


def paste(
    scene: FloatArray, sprite: tuple[FloatArray, FloatArray], dx: int, dy: int
) -> None:
    """Lay a sprite (colour times alpha, alpha) onto the scene in place, moved."""
    colour, alpha = sprite
    h, w = alpha.shape
    y0, y1 = max(0, dy), min(HEIGHT, dy + h)
    x0, x1 = max(0, dx), min(WIDTH, dx + w)
    if y0 >= y1 or x0 >= x1:
        return
    rows, cols = slice(y0 - dy, y1 - dy), slice(x0 - dx, x1 - dx)
    part = scene[y0:y1, x0:x1]
    part *= 1 - alpha[rows, cols, None]
    part += colour[rows, cols]


def shrink(
    sprite: tuple[FloatArray, FloatArray], factor: float
) -> tuple[FloatArray, FloatArray]:
    """Resize a sprite; factor 1 keeps it."""
    rgba = np.concatenate([sprite[0], sprite[1][..., None]], axis=2)
    image = Image.fromarray((rgba * 255).astype(np.uint8), "RGBX")
    h, w = sprite[1].shape
    size = (max(2, round(w * factor)), max(2, round(h * factor)))
    kind = Image.Resampling.BILINEAR if factor < 1 else Image.Resampling.BICUBIC
    out = np.asarray(image.resize(size, kind), np.float32) / np.float32(255)
    return out[..., :3], out[..., 3]


def _bush(d: Draw, m: Draw, rng: Rng, tone: float) -> Side:
    for _ in range(70):
        x, y = rng.uniform(-5, WIDE + 5), rng.uniform(8, 70)
        r = rng.uniform(6, 15)
        c = shade((56, 82, 44), float(rng.uniform(-28, 34)) + tone * 0.6)
        d.ellipse((x - r, y - r, x + r, y + r), fill=c)
        m.ellipse((x - r, y - r, x + r, y + r), fill=255)
    d.rectangle((0, 64, WIDE, TALL), fill=shade((48, 66, 40), tone * 0.5))
    m.rectangle((0, 50, WIDE, TALL), fill=255)
    return "below"


def _car(d: Draw, m: Draw, rng: Rng, tone: float) -> Side:
    body = [(150, 34, 38), (196, 197, 200), (44, 48, 56), (70, 92, 130)][
        int(rng.integers(4))
    ]
    x = float(rng.uniform(-14, 14))
    roof = ((x + 6, 30), (x + 30, 4), (x + 98, 4), (x + 126, 30))
    d.polygon(roof, fill=shade(body, 10))
    m.polygon(roof, fill=255)
    glass = ((x + 18, 29), (x + 36, 9), (x + 92, 9), (x + 112, 29))
    d.polygon(glass, fill=(56, 62, 70))
    d.polygon(((x + 40, 29), (x + 52, 9), (x + 60, 9), (x + 48, 29)), (104, 112, 120))
    d.rectangle((0, 30, WIDE, 74), fill=body)
    d.rectangle((0, 46, WIDE, 49), fill=shade(body, 26))
    d.rectangle((0, 62, WIDE, 74), fill=shade(body, -30))
    d.ellipse((x + 6, 48, x + 42, 84), fill=(24, 24, 26))
    d.ellipse((x + 86, 48, x + 122, 84), fill=(24, 24, 26))
    d.rectangle((0, 84, WIDE, TALL), fill=(112, 112, 112))
    m.rectangle((0, 30, WIDE, TALL), fill=255)
    return "below"


def _barrier(d: Draw, m: Draw, rng: Rng, tone: float) -> Side:
    """A low wall with a railing."""
    c = shade((150, 150, 148), tone)
    for row in (4, 14):
        d.rectangle((0, row, WIDE, row + 3), fill=shade(c, 44))
        m.rectangle((0, row, WIDE, row + 3), fill=255)
    for x in np.arange(float(rng.uniform(0, 30)), WIDE, 44).tolist():
        d.rectangle((x, 4, x + 4, 28), fill=shade(c, 30))
        m.rectangle((x, 4, x + 4, 28), fill=255)
    d.rectangle((0, 26, WIDE, TALL), fill=c)
    d.rectangle((0, 26, WIDE, 32), fill=shade(c, 24))
    m.rectangle((0, 26, WIDE, TALL), fill=255)
    return "below"


def _pillar(d: Draw, m: Draw, rng: Rng, tone: float) -> Side:
    side: Side = "left" if rng.random() < 0.5 else "right"
    c = shade((128, 124, 118), tone * 2)
    for column in range(WIDE):
        lit = 26 * math.sin(math.pi * (column % 64) / 64) - 16
        d.line((column, 0, column, TALL), fill=shade(c, lit))
    m.rectangle((0, 0, WIDE, TALL), fill=255)
    return side


_KINDS: dict[str, Callable[[Draw, Draw, Rng, float], Side]] = {
    "bush": _bush,
    "car": _car,
    "barrier": _barrier,
    "pillar": _pillar,
}


def obstacle(kind: str, seed: int) -> tuple[FloatArray, FloatArray, Side]:
    """Something that can stand before a person, on a canvas of twice the image.

    Args:
        kind: ``"bush"``, ``"car"``, ``"barrier"`` or ``"pillar"``.
        seed: Chooses its colours and its position on the canvas.

    Returns:
        Colour times alpha [256, 128, 3], alpha [256, 128], and the side that it comes
        from.

    Raises:
        ValueError: The kind is unknown.
    """
    if kind not in _KINDS:
        raise ValueError(f"unknown obstacle {kind!r}")
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (WIDE, TALL))
    mask = Image.new("L", (WIDE, TALL))
    tone = float(rng.uniform(-25, 25))
    side = _KINDS[kind](ImageDraw.Draw(image), ImageDraw.Draw(mask), rng, tone)
    rgb = np.asarray(image, np.float32) / np.float32(255)
    rgb = rgb + noise(rng, (WIDE, TALL), 2)[..., None] * np.float32(0.05)
    soft = mask.filter(ImageFilter.BoxBlur(0.7))
    alpha = np.asarray(soft, np.float32) / np.float32(255)
    return np.clip(rgb, 0, 1) * alpha[..., None], alpha, side
