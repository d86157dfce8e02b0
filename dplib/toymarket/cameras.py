"""The six cameras of ToyMarket: where each looks, and what it makes of a scene.

Pixels are RGB in 0..1 (float32) until `expose` turns them into a picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from dplib.toymarket.body import HEIGHT, WIDTH, FloatArray


@dataclass(frozen=True)
class Camera:
    """One camera: its colours, its optics, its place and its point of view.

    ``gain`` multiplies R, G, B; ``swap`` leaks G into B and B into G (a cheap sensor's
    confusion of teal and blue); ``yaws`` are the usual directions of the people.
    """

    number: int
    place: str
    gain: tuple[float, float, float]
    swap: float
    exposure: float
    contrast: float
    gamma: float
    saturation: float
    noise: float
    blur: float
    quality: int
    pitch: float
    tall: float
    yaws: tuple[float, ...]


CAMERAS: dict[int, Camera] = {
    c.number: c
    for c in (
        Camera(1, "bikes", (1.02, 1.0, 0.98), 0.00, 1.02, 1.05, 1.00, 0.85, 0.006,
               0.40, 88, 0.16, 0.10, (0, 35, 325, 180, 215)),
        Camera(2, "grass", (1.05, 1.0, 0.92), 0.00, 0.95, 1.12, 1.08, 0.80, 0.008,
               0.45, 84, 0.20, 0.16, (90, 120, 270, 240, 60)),
        Camera(3, "door", (0.93, 0.98, 1.10), 0.20, 1.02, 1.15, 0.98, 0.75, 0.008,
               0.55, 82, 0.10, 0.06, (0, 20, 340, 315, 180)),
        Camera(4, "wall", (1.00, 1.02, 0.98), 0.08, 0.98, 0.95, 0.95, 0.62, 0.008,
               0.50, 86, 0.22, 0.18, (180, 150, 210, 90, 0)),
        Camera(5, "paving", (0.98, 1.02, 1.00), -0.06, 1.12, 1.00, 0.90, 0.92, 0.006,
               0.40, 90, 0.25, 0.20, (270, 300, 240, 45, 90)),
        Camera(6, "road", (1.02, 0.99, 1.03), 0.12, 1.05, 0.85, 0.92, 0.52, 0.010,
               0.80, 74, 0.18, 0.14, (180, 0, 90, 270, 135)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Light:
    """The light of one moment, on top of what the camera does."""

    gain: tuple[float, float, float]
    slope: tuple[float, float]  # brighter to the right, brighter to the bottom
    gamma: float
    haze: float
    shadow: float  # where a cast shadow begins, share of the height; 1 = none
    depth: float  # brightness inside the shadow


_ACROSS = np.linspace(-0.5, 0.5, WIDTH, dtype=np.float32)[None, :, None]
_DOWN = np.linspace(-0.5, 0.5, HEIGHT, dtype=np.float32)[:, None, None]


@lru_cache(maxsize=64)
def _tone(gamma: float, contrast: float) -> FloatArray:
    """A film-like curve over 0..1 in 1024 steps; a table gives the same anywhere."""
    x = np.linspace(0, 1, 1024) ** gamma
    s = x + (contrast - 1) * (x - 0.5) * (1 - (2 * x - 1) ** 2) * 1.6
    return np.clip(s, 0, 1).astype(np.float32)


def expose(
    scene: FloatArray,
    camera: Camera,
    light: Light,
    strength: float,
    blur: tuple[float, float],
    noise: NDArray[np.float32],
) -> Image.Image:
    """What the camera makes of the scene [128, 64, 3]; ``blur`` is (x, y) sigmas."""
    cast = 1 + strength * (np.array(camera.gain, np.float32) - 1)
    gain = cast * np.array(light.gain, np.float32)
    out = scene * (gain * np.float32(camera.exposure))
    x, y = _ACROSS, _DOWN
    out *= 1 + np.float32(light.slope[0]) * x + np.float32(light.slope[1]) * y
    if light.shadow < 1:
        edge = light.shadow - 0.5 + 0.35 * light.slope[0] * x
        out *= 1 - np.float32(1 - light.depth) / (1 + np.exp((edge - y) * 60))
    leak = np.float32(camera.swap * strength)
    green, blue = out[..., 1].copy(), out[..., 2]
    extra = blue - green
    if leak >= 0:  # teal turns blue
        out[..., 1] -= leak * np.maximum(extra, -0.1)
    else:
        out[..., 2] += leak * np.maximum(-extra, -0.1)
    grey = out.mean(axis=2, keepdims=True)
    colourful = 1 + (camera.saturation - 1) * strength
    out = grey + (out - grey) * np.float32(colourful)
    out = out * np.float32(1 - light.haze) + np.float32(0.75 * light.haze)
    index = np.clip(out * 1023, 0, 1023).astype(np.int32)
    out = _tone(round(camera.gamma * light.gamma, 3), camera.contrast)[index]
    image = Image.fromarray((out * 255 + 0.5).astype(np.uint8))
    sigmas = tuple(math.hypot(camera.blur, b) for b in blur)
    image = image.filter(ImageFilter.GaussianBlur(sigmas))
    seen = np.asarray(image, np.float32) + noise * np.float32(255 * camera.noise)
    return Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))
