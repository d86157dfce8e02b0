"""What is behind the pedestrians of ToyMarket: six places, and bicycles there.

Each camera looks at one place, a panorama drawn once per process; an image is a cut
of it, with bicycles and passers-by put in. Pixels are RGB in 0..1 (float32).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from dplib.toymarket.body import HEIGHT, RGB, WIDTH, FloatArray

PANORAMA = (896, 336)  # width and height; two pixels for one of a crop
HORIZON = 148  # where ground begins


def noise(rng: np.random.Generator, size: tuple[int, int], cell: int) -> NDArray:
    """Smooth noise in -1..1 of shape [height, width]."""
    w, h = size
    coarse = rng.random((h // cell + 2, w // cell + 2)).astype(np.float32)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image) * 2 - 1


def _bicycle(
    d: ImageDraw.ImageDraw, x: float, y: float, r: float, dark: RGB, frame: RGB
) -> None:
    """Wheels of radius r standing on row y; the frame between them."""
    w = max(1, round(r / 7))
    hubs = (x - 1.25 * r, x + 1.25 * r)
    for h in hubs:
        d.ellipse((h - r, y - 2 * r, h + r, y), outline=dark, width=w)
        for k in range(4):
            a = k * math.pi / 4 + x
            px, py = math.cos(a) * r * 0.95, math.sin(a) * r * 0.95
            d.line((h - px, y - r - py, h + px, y - r + py), fill=dark)
    seat, bar = (x - 0.45 * r, y - 2.5 * r), (x + 0.85 * r, y - 2.7 * r)
    pedal = (x - 0.1 * r, y - 0.9 * r)
    for p, q in (
        ((hubs[0], y - r), seat), (seat, pedal), (pedal, (hubs[0], y - r)),
        (seat, bar), (pedal, bar), (bar, (hubs[1], y - r)),
    ):  # fmt: skip
        d.line((*p, *q), fill=frame, width=w + 1)
    d.line((seat[0] - 0.35 * r, seat[1], seat[0] + 0.3 * r, seat[1]), dark, w + 3)
    d.line((bar[0] - 0.4 * r, bar[1] - 0.25 * r, *bar), fill=dark, width=w + 2)


def shade(c: RGB, by: float) -> RGB:
    r, g, b = (max(0, min(255, round(v + by))) for v in c)
    return r, g, b


def _tiles(
    d: ImageDraw.ImageDraw, top: int, step: float, colour: RGB, vanish: float
) -> None:
    """Joints of a pavement that runs away from the camera."""
    w, h = PANORAMA
    y, gap = float(top), step * 0.25
    while y < h:
        d.line((0, y, w, y), fill=colour)
        y, gap = y + gap, gap * 1.13
    for x in np.arange(-w, 2 * w, step).tolist():
        d.line((x * vanish + w * (1 - vanish) / 2, top, x, h), fill=colour)


class _Site(NamedTuple):
    """A place in the making: its canvas, its dice and its two colours."""

    canvas: ImageDraw.ImageDraw
    rng: np.random.Generator
    ground: RGB
    far: RGB

    def along(self, n: int, spread: float = 0.4) -> list[float]:
        """n columns, evenly over the panorama but for a random displacement."""
        w = PANORAMA[0]
        return [(i + 0.5 + spread * self.rng.uniform(-1, 1)) * w / n for i in range(n)]


def _bicycle_stands(site: _Site, hedge: bool) -> None:
    """Two rows of bicycles before a hedge, or behind a red line on the paving."""
    d, rng, y, w = site.canvas, site.rng, HORIZON, PANORAMA[0]
    for x in site.along(16):  # trunks, windows and shadows behind the bicycles
        c = shade(site.far, float(rng.uniform(-70, 40)))
        d.rectangle((x, rng.uniform(-20, 50), x + rng.uniform(10, 60), y), fill=c)
    if hedge:
        d.rectangle((0, y - 26, w, y + 6), fill=(88, 112, 72))
    for row in (y + 8, y + 40):
        for x in site.along(19, 0.8):
            r = float(rng.uniform(18, 28))
            tone = int(rng.integers(25, 70))
            c = [(130, 40, 40), (50, 70, 120), (60, 60, 62), (150, 150, 152)][
                int(rng.integers(4))
            ]
            _bicycle(d, x, row + rng.uniform(-3, 6), r, (tone, tone, tone), c)
    if not hedge:
        d.rectangle((0, y + 60, w, y + 72), fill=(150, 96, 84))


def _lawn(site: _Site) -> None:
    """Bushes, and a white railing on a kerb."""
    d, rng, y, w = site.canvas, site.rng, HORIZON, PANORAMA[0]
    d.rectangle((0, 0, w, 40), fill=(70, 84, 66))
    for x in site.along(26, 0.9):
        r = rng.uniform(14, 40)
        c = shade((58, 84, 48), float(rng.uniform(-22, 22)))
        d.ellipse((x - r, 40 - r, x + r, 48 + r * 0.5), fill=c)
    d.rectangle((0, y - 4, w, y + 8), fill=(176, 172, 166))
    for x in site.along(18, 0.1):
        d.line((x, y - 40, x, y + 2), fill=(200, 202, 204), width=4)
    for up in (38, 20):
        d.line((0, y - up, w, y - up), fill=(205, 206, 208), width=4)


def _doors(site: _Site) -> None:
    """Glass doors with reflections, and three steps."""
    d, rng, y, w = site.canvas, site.rng, HORIZON, PANORAMA[0]
    for i, x in enumerate(site.along(9, 0.15)):
        d.rectangle((x, 0, x + 70, y + 34), fill=shade(site.far, (i % 3) * 10 - 8))
        d.line((x, 0, x, y + 34), fill=(104, 110, 118), width=7)
        d.line((x + 60, 40, x + 60, 84), fill=(140, 146, 152), width=3)
        c = shade(site.far, float(rng.uniform(16, 70)))
        d.polygon(((x + 8, 0), (x + 26, 0), (x + 48, y), (x + 30, y)), fill=c)
    for k in range(3):
        top = y + 34 + 16 * k
        d.rectangle((0, top, w, top + 9), fill=shade(site.ground, 6 + 8 * k))
        d.rectangle((0, top + 9, w, top + 15), fill=shade(site.ground, -42))


def _brick_wall(site: _Site) -> None:
    """Bricks, windows, and a few bicycles that lean on the wall."""
    d, y, w = site.canvas, HORIZON, PANORAMA[0]
    for row in range(0, y + 20, 24):
        d.line((0, row, w, row), fill=shade(site.far, -22))
        for k in range(row // 24 % 2 * 32, w, 64):
            d.line((k, row, k, row + 24), fill=shade(site.far, -22))
    for x in site.along(5, 0.3):
        d.rectangle((x, 0, x + 46, y + 20), fill=shade(site.far, -74))
        d.rectangle((x + 4, 8, x + 42, y - 20), fill=(60, 66, 76))
    d.rectangle((0, y + 14, w, y + 22), fill=shade(site.far, -46))
    for x in site.along(7, 0.4):
        _bicycle(d, x, y + 44, 25, (44, 44, 46), (96, 60, 60))


def _street(site: _Site) -> None:
    """Trees, parked cars and a pedestrian crossing."""
    d, rng, y, (w, h) = site.canvas, site.rng, HORIZON, PANORAMA
    for x in site.along(20, 0.9):
        r = rng.uniform(20, 54)
        c = shade((82, 102, 76), float(rng.uniform(-20, 26)))
        d.ellipse((x - r, 60 - r, x + r, 80 + r * 0.4), fill=c)
    for x in site.along(5, 0.4):
        body = [(150, 40, 40), (190, 190, 192), (40, 44, 52)][int(rng.integers(3))]
        d.rounded_rectangle((x, y - 30, x + 104, y + 12), 10, fill=body)
        d.polygon(((x + 16, y - 30), (x + 30, y - 54), (x + 78, y - 54),
                   (x + 94, y - 30)), fill=(52, 58, 66))  # fmt: skip
        for wheel in (x + 22, x + 80):
            d.ellipse((wheel - 11, y, wheel + 11, y + 22), fill=(26, 26, 28))
    for k in range(-40, w, 120):
        d.polygon(((k, h), (k + 40, h), (k + 66, y + 74), (k + 40, y + 74)),
                  fill=(196, 196, 194))  # fmt: skip


# name: colour of the ground, colour of what is far, width of a paving stone, the rest
_SITES: dict[str, tuple[RGB, RGB, float, Callable[[_Site], None]]] = {
    "bikes": (
        (136, 136, 134),
        (112, 114, 112),
        52.0,
        partial(_bicycle_stands, hedge=True),
    ),
    "grass": ((142, 142, 140), (96, 122, 72), 90.0, _lawn),
    "door": ((98, 101, 106), (34, 36, 41), 90.0, _doors),
    "wall": ((128, 128, 126), (124, 122, 118), 60.0, _brick_wall),
    "paving": (
        (146, 141, 138),
        (128, 124, 118),
        34.0,
        partial(_bicycle_stands, hedge=False),
    ),
    "road": ((140, 141, 143), (120, 128, 116), 90.0, _street),
}


@lru_cache(maxsize=16)
def panorama(place: str) -> Image.Image:
    """The place a camera looks at; always the same, as cameras do not move."""
    rng = np.random.default_rng(sum(place.encode()))
    w, h = PANORAMA
    ground, far, stone, furnish = _SITES[place]
    image = Image.new("RGB", PANORAMA, far)
    d = ImageDraw.Draw(image)
    d.rectangle((0, HORIZON, w, h), fill=ground)
    _tiles(d, HORIZON, stone, shade(ground, -26), 0.45)
    site = _Site(d, rng, ground, far)
    furnish(site)
    for x in site.along(60, 0.9):  # stains, leaves, drains
        r, foot = rng.uniform(1, 9), rng.uniform(HORIZON + 50, h)
        c = shade(ground, float(rng.uniform(-30, 12)))
        d.ellipse((x - r, foot - r * 0.4, x + r, foot + r * 0.4), fill=c)
    blur = 1.8 if place == "road" else 1.0
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32)
    grain = noise(rng, PANORAMA, 3) * 5 + noise(rng, PANORAMA, 40) * 14
    depth = np.linspace(-10, 10, h, dtype=np.float32)[:, None]
    return Image.fromarray(
        np.clip(soft + (grain + depth)[..., None], 0, 255).astype(np.uint8)
    )


def background(place: str, seed: int, bikes: float) -> FloatArray:
    """A cut of the camera's place, [128, 64, 3], with ``bikes`` put in on average."""
    rng = np.random.default_rng(seed)
    zoom = float(rng.uniform(0.78, 1.15))
    w, h = 2 * WIDTH * zoom, 2 * HEIGHT * zoom
    x = float(rng.uniform(0, PANORAMA[0] - w))
    y = float(rng.uniform(max(0.0, PANORAMA[1] - h - 36), PANORAMA[1] - h))
    box = (x, y, x + w, y + h)
    cut = panorama(place).resize((WIDTH * 2, HEIGHT * 2), Image.Resampling.BOX, box)
    if rng.random() < 0.3:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    d = ImageDraw.Draw(cut)
    for _ in range(int(rng.poisson(bikes))):
        tone = int(rng.integers(20, 90))
        c = [(140, 40, 44), (50, 74, 130), (66, 66, 68), (168, 168, 170)][
            int(rng.integers(4))
        ]
        r = float(rng.uniform(16, 28))
        foot = float(rng.uniform(120, 215))
        _bicycle(d, float(rng.uniform(-10, 138)), foot, r, (tone, tone, tone), c)
    return np.asarray(cut.reduce(2), dtype=np.float32) / np.float32(255)
