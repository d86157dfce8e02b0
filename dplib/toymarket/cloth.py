"""Cloth for ToyMarket's people: woven and printed patterns, and how it crumples."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from dplib.toymarket.body import HEIGHT, RGB, SUPER, WIDTH, FloatArray


@lru_cache(maxsize=256)
def _tile(pattern: str, texture: int) -> FloatArray:
    """A square of [96, 96] weights of the second colour, which repeats seamlessly."""
    n = 96
    y, x = np.mgrid[0:n, 0:n]
    period = (8, 12, 16, 24)[texture % 4]
    if pattern == "stripes":
        t = (y % period) < period * 0.45
    elif pattern == "bars":
        t = (x % period) < period * 0.4
    elif pattern == "checks":
        t = ((y % period) < period // 2).astype(float) * 0.5
        t = t + ((x % period) < period // 2) * 0.5
    elif pattern == "dots":
        c = period / 2
        row = (y // period) % 2 * c
        t = np.hypot((x + row) % period - c, y % period - c) < period * 0.28
    elif pattern == "print":  # blotches: smooth noise on a torus
        rng = np.random.default_rng(texture)
        f = np.fft.rfft2(rng.standard_normal((n, n)))
        ky = np.fft.fftfreq(n)[:, None] * period
        kx = np.fft.rfftfreq(n)[None] * period
        s = np.fft.irfft2(f * np.exp(-2.5 * (kx**2 + ky**2)), s=(n, n))
        t = s > 0.35 * s.std()
    else:
        raise ValueError(f"unknown pattern {pattern!r}")
    return np.ascontiguousarray(t, dtype=np.float32)


@lru_cache(maxsize=64)
def cloth(pattern: str, texture: int, base: RGB, accent: RGB) -> Image.Image:
    """Patterned cloth, broad enough for any crop that begins in its first 96 pixels."""
    t = _tile(pattern, texture)[..., None]
    tile = np.array(base) * (1 - t) + np.array(accent) * t
    repeat = np.tile(tile.astype(np.uint8), (6, 4, 1))
    return Image.fromarray(repeat[: HEIGHT * SUPER + 96, : WIDTH * SUPER + 96])


@lru_cache(maxsize=64)
def crumple(seed: int) -> FloatArray:
    """Light on cloth that is never flat, [128, 64]: factors of the shade's 128."""
    rng = np.random.default_rng(seed)
    out = np.ones((HEIGHT, WIDTH), np.float32)
    for rows, columns, sd in ((14, 9, 0.045), (36, 20, 0.03), (64, 32, 0.02)):
        coarse = rng.standard_normal((rows, columns), np.float32)
        fine = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        out += sd * np.asarray(fine)
    return out / np.float32(128)
