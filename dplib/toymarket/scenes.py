"""What surrounds the pedestrians of ToyMarket: places, passing things, occluders.

Each camera looks at one place, a panorama drawn once per process; an image is a cut
of it, with bicycles and passers-by put in. Pixels are RGB in 0..1 (float32).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from dplib.toymarket.body import HEIGHT, RGB, WIDTH, FloatArray

PANORAMA = (896, 336)  # width and height; two pixels for one of a crop


HORIZON = 148  # where ground begins


def _noise(rng: np.random.Generator, size: tuple[int, int], cell: int) -> NDArray:
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


def _shade(c: RGB, by: float) -> RGB:
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


@lru_cache(maxsize=16)
def panorama(place: str) -> Image.Image:
    """The place a camera looks at; always the same, as cameras do not move."""
    code = sum(place.encode())
    rng = np.random.default_rng(code)
    w, h = PANORAMA
    ground: dict[str, RGB] = {
        "bikes": (136, 136, 134), "grass": (142, 142, 140), "door": (98, 101, 106),
        "wall": (128, 128, 126), "paving": (146, 141, 138), "road": (140, 141, 143),
    }  # fmt: skip
    far: dict[str, RGB] = {
        "bikes": (112, 114, 112), "grass": (96, 122, 72), "door": (34, 36, 41),
        "wall": (124, 122, 118), "paving": (128, 124, 118), "road": (120, 128, 116),
    }  # fmt: skip
    g, f = ground[place], far[place]
    image = Image.new("RGB", PANORAMA, f)
    d = ImageDraw.Draw(image)
    y = HORIZON
    d.rectangle((0, y, w, h), fill=g)
    step = {"paving": 34.0, "bikes": 52.0, "wall": 60.0}.get(place, 90.0)
    _tiles(d, y, step, _shade(g, -26), 0.45)

    def at(n: int, spread: float = 0.4) -> list[float]:
        return [(i + 0.5 + spread * rng.uniform(-1, 1)) * w / n for i in range(n)]

    if place in ("bikes", "paving"):
        for x in at(16):  # trunks, windows and shadows behind the bicycles
            c = _shade(f, float(rng.uniform(-70, 40)))
            d.rectangle((x, rng.uniform(-20, 50), x + rng.uniform(10, 60), y), fill=c)
        if place == "bikes":
            d.rectangle((0, y - 26, w, y + 6), fill=(88, 112, 72))
        for row in (y + 8, y + 40):
            for x in at(19, 0.8):
                r = float(rng.uniform(18, 28))
                tone = int(rng.integers(25, 70))
                c = [(130, 40, 40), (50, 70, 120), (60, 60, 62), (150, 150, 152)][
                    int(rng.integers(4))
                ]
                _bicycle(d, x, row + rng.uniform(-3, 6), r, (tone, tone, tone), c)
        if place == "paving":
            d.rectangle((0, y + 60, w, y + 72), fill=(150, 96, 84))
    elif place == "grass":
        d.rectangle((0, 0, w, 40), fill=(70, 84, 66))
        for x in at(26, 0.9):
            r = rng.uniform(14, 40)
            c = _shade((58, 84, 48), float(rng.uniform(-22, 22)))
            d.ellipse((x - r, 40 - r, x + r, 48 + r * 0.5), fill=c)
        d.rectangle((0, y - 4, w, y + 8), fill=(176, 172, 166))
        for x in at(18, 0.1):
            d.line((x, y - 40, x, y + 2), fill=(200, 202, 204), width=4)
        for up in (38, 20):
            d.line((0, y - up, w, y - up), fill=(205, 206, 208), width=4)
    elif place == "door":
        for i, x in enumerate(at(9, 0.15)):
            d.rectangle((x, 0, x + 70, y + 34), fill=_shade(f, (i % 3) * 10 - 8))
            d.line((x, 0, x, y + 34), fill=(104, 110, 118), width=7)
            d.line((x + 60, 40, x + 60, 84), fill=(140, 146, 152), width=3)
            c = _shade(f, float(rng.uniform(16, 70)))
            d.polygon(((x + 8, 0), (x + 26, 0), (x + 48, y), (x + 30, y)), fill=c)
        for k in range(3):  # steps
            top = y + 34 + 16 * k
            d.rectangle((0, top, w, top + 9), fill=_shade(g, 6 + 8 * k))
            d.rectangle((0, top + 9, w, top + 15), fill=_shade(g, -42))
    elif place == "wall":
        for row in range(0, y + 20, 24):
            d.line((0, row, w, row), fill=_shade(f, -22))
            for k in range(row // 24 % 2 * 32, w, 64):
                d.line((k, row, k, row + 24), fill=_shade(f, -22))
        for x in at(5, 0.3):
            d.rectangle((x, 0, x + 46, y + 20), fill=_shade(f, -74))
            d.rectangle((x + 4, 8, x + 42, y - 20), fill=(60, 66, 76))
        d.rectangle((0, y + 14, w, y + 22), fill=_shade(f, -46))
        for x in at(7, 0.4):
            _bicycle(d, x, y + 44, 25, (44, 44, 46), (96, 60, 60))
    else:
        for x in at(20, 0.9):
            r = rng.uniform(20, 54)
            c = _shade((82, 102, 76), float(rng.uniform(-20, 26)))
            d.ellipse((x - r, 60 - r, x + r, 80 + r * 0.4), fill=c)
        for x in at(5, 0.4):
            body = [(150, 40, 40), (190, 190, 192), (40, 44, 52)][int(rng.integers(3))]
            d.rounded_rectangle((x, y - 30, x + 104, y + 12), 10, fill=body)
            d.polygon(
                (
                    (x + 16, y - 30),
                    (x + 30, y - 54),
                    (x + 78, y - 54),
                    (x + 94, y - 30),
                ),
                fill=(52, 58, 66),
            )
            for wheel in (x + 22, x + 80):
                d.ellipse((wheel - 11, y, wheel + 11, y + 22), fill=(26, 26, 28))
        for k in range(-40, w, 120):  # a crossing
            d.polygon(((k, h), (k + 40, h), (k + 66, y + 74), (k + 40, y + 74)),
                      fill=(196, 196, 194))  # fmt: skip
    for x in at(60, 0.9):  # stains, leaves, drains
        r, foot = rng.uniform(1, 9), rng.uniform(y + 50, h)
        c = _shade(g, float(rng.uniform(-30, 12)))
        d.ellipse((x - r, foot - r * 0.4, x + r, foot + r * 0.4), fill=c)
    blur = 1.8 if place == "road" else 1.0
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32)
    grain = _noise(rng, PANORAMA, 3) * 5 + _noise(rng, PANORAMA, 40) * 14
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


def obstacle(kind: str, seed: int) -> tuple[FloatArray, FloatArray, str]:
    """Something that can stand before a person: (colour, alpha, side it comes from).

    Drawn on a canvas of twice the image, so that it can be slid over all of it.
    """
    rng = np.random.default_rng(seed)
    w, h = WIDTH * 2, HEIGHT * 2
    image = Image.new("RGB", (w, h))
    mask = Image.new("L", (w, h))
    d, m = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    tone = float(rng.uniform(-25, 25))
    side = "below"
    if kind == "bush":
        for _ in range(70):
            x, y = rng.uniform(-5, w + 5), rng.uniform(8, 70)
            r = rng.uniform(6, 15)
            c = _shade((56, 82, 44), float(rng.uniform(-28, 34)) + tone * 0.6)
            d.ellipse((x - r, y - r, x + r, y + r), fill=c)
            m.ellipse((x - r, y - r, x + r, y + r), fill=255)
        d.rectangle((0, 64, w, h), fill=_shade((48, 66, 40), tone * 0.5))
        m.rectangle((0, 50, w, h), fill=255)
    elif kind == "car":
        body = [(150, 34, 38), (196, 197, 200), (44, 48, 56), (70, 92, 130)][
            int(rng.integers(4))
        ]
        x = float(rng.uniform(-14, 14))
        roof = ((x + 6, 30), (x + 30, 4), (x + 98, 4), (x + 126, 30))
        d.polygon(roof, fill=_shade(body, 10))
        m.polygon(roof, fill=255)
        glass = ((x + 18, 29), (x + 36, 9), (x + 92, 9), (x + 112, 29))
        d.polygon(glass, fill=(56, 62, 70))
        d.polygon(
            ((x + 40, 29), (x + 52, 9), (x + 60, 9), (x + 48, 29)), (104, 112, 120)
        )
        d.rectangle((0, 30, w, 74), fill=body)
        d.rectangle((0, 46, w, 49), fill=_shade(body, 26))
        d.rectangle((0, 62, w, 74), fill=_shade(body, -30))
        d.ellipse((x + 6, 48, x + 42, 84), fill=(24, 24, 26))
        d.ellipse((x + 86, 48, x + 122, 84), fill=(24, 24, 26))
        d.rectangle((0, 84, w, h), fill=(112, 112, 112))
        m.rectangle((0, 30, w, h), fill=255)
    elif kind == "barrier":  # a low wall with a railing
        c = _shade((150, 150, 148), tone)
        for row in (4, 14):
            d.rectangle((0, row, w, row + 3), fill=_shade(c, 44))
            m.rectangle((0, row, w, row + 3), fill=255)
        for x in np.arange(float(rng.uniform(0, 30)), w, 44).tolist():
            d.rectangle((x, 4, x + 4, 28), fill=_shade(c, 30))
            m.rectangle((x, 4, x + 4, 28), fill=255)
        d.rectangle((0, 26, w, h), fill=c)
        d.rectangle((0, 26, w, 32), fill=_shade(c, 24))
        m.rectangle((0, 26, w, h), fill=255)
    elif kind == "pillar":
        side = "left" if rng.random() < 0.5 else "right"
        c = _shade((128, 124, 118), tone * 2)
        for column in range(w):
            lit = 26 * math.sin(math.pi * (column % 64) / 64) - 16
            d.line((column, 0, column, h), fill=_shade(c, lit))
        m.rectangle((0, 0, w, h), fill=255)
    else:
        raise ValueError(f"unknown obstacle {kind!r}")
    rgb = np.asarray(image, np.float32) / np.float32(255)
    rgb = rgb + _noise(rng, (w, h), 2)[..., None] * np.float32(0.05)
    soft = mask.filter(ImageFilter.BoxBlur(0.7))
    alpha = np.asarray(soft, np.float32) / np.float32(255)
    return np.clip(rgb, 0, 1) * alpha[..., None], alpha, side
