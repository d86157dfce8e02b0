"""One picture of ToyMarket: a person, a camera, and the conditions of the moment.

`draw` is what lessons turn the knobs of; `toymarket.generate` calls the same code, so
that a row of ``nuisance.csv`` draws its image again, pixel for pixel.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from dplib.toymarket.body import (
    HEIGHT,
    RGB,
    SUPER,
    WIDTH,
    FloatArray,
    Gait,
    Identity,
    View,
)
from dplib.toymarket.cameras import CAMERAS, Light, expose
from dplib.toymarket.figures import figure
from dplib.toymarket.obstacles import obstacle, paste, shrink
from dplib.toymarket.people import (
    DIFFICULTY,
    FIRST_PASSER,
    check,
    identity,
    rng_for,
    whole,
)
from dplib.toymarket.scenes import background

VIEWPOINTS = {"front": 0.0, "right": 90.0, "back": 180.0, "left": 270.0}


class Conditions(NamedTuple):
    """Everything that `draw` is told; a row of ``nuisance.csv`` holds the same."""

    seed: int
    occlusion: float
    blur: float
    shift_x: float
    shift_y: float
    scale: float
    pose: float
    yaw: float  # degrees
    background: int
    light: int
    clutter: float


def usual_yaw(seed: int, camera: int) -> float:
    """A direction, in degrees, in which people usually walk before this camera."""
    rng = rng_for("view", seed, camera)
    yaws = CAMERAS[camera].yaws
    return float(rng.choice(yaws) + rng.normal(0, DIFFICULTY.yaw[0])) % 360


@lru_cache(maxsize=96)
def _passer(number: int, cues: str) -> tuple[FloatArray, FloatArray]:
    """Somebody else, as a picture to put before or behind the person."""
    rng = rng_for("scene", 1, number)
    who = identity(FIRST_PASSER + number, 0, cues)
    yaw = float(rng.choice([0, 90, 180, 270]) + rng.normal(0, 20))
    view = View(yaw, WIDTH * SUPER / 2, HEIGHT * SUPER * 0.97, HEIGHT * SUPER * 0.93)
    return figure(
        who, view, _gait(who, rng_for("pose", 2, number), float(rng.random()))
    )


def _gait(who: Identity, rng: np.random.Generator, phase: float) -> Gait:
    modes = ["swing", "swing", "swing", "swing", "phone", "hold", "down"]
    arms = [modes[int(rng.integers(len(modes)))] for _ in range(2)]
    stride = 0.0 if rng.random() < 0.12 else float(rng.uniform(0.6, 1.1))
    light, turn = float(rng.uniform(-1, 1)), float(rng.normal(0, 18))
    lean, folds = float(rng.uniform(0.0, 0.14)), int(rng.integers(1 << 30))
    bag: RGB | None = None
    if rng.random() < 0.06:
        bag = [(222, 222, 220), (190, 60, 60), (180, 180, 190)][int(rng.integers(3))]
    if who.bag == "handbag":
        arms[0 if who.bag_side > 0 else 1] = "down"
    if bag is not None:
        arms[1 if who.bag_side > 0 else 0] = "down"
    spread = float(rng.uniform(0.06, 0.28))
    return Gait(
        phase, stride, lean, (arms[0], arms[1]), spread, turn, light, bag, folds
    )


def _light(seed: int) -> Light:
    rng, d = rng_for("light", seed), DIFFICULTY
    level = math.exp(float(rng.normal(0, d.light_level)))
    r, g, b = (level * (1 + float(rng.normal(0, d.light_colour))) for _ in range(3))
    sx, sy = (float(np.clip(rng.normal(0, d.light_slope), -0.5, 0.5)) for _ in "xy")
    gamma = math.exp(float(rng.normal(0, d.light_gamma)))
    haze = float(rng.uniform(0, d.haze))
    edge, depth = float(rng.uniform(0.15, 0.85)), float(rng.uniform(0.5, 0.8))
    if rng.random() >= d.shadow_rate:
        edge = 1.0
    return Light((r, g, b), (sx, sy), round(gamma, 2), haze, edge, depth)


def _occlude(
    scene: FloatArray, alpha: FloatArray, share: float, seed: int, cues: str
) -> FloatArray:
    """Slide something before the person until it hides that share; returns its alpha.

    The kind is the seed's; where a passer-by is not broad enough, another comes.
    """
    rng = rng_for("obstacle", seed)
    kinds = ["passer", "passer", "passer", "pillar", "bush", "car", "barrier"]
    person = alpha >= 0.5
    total = max(1, int(person.sum()))
    for kind in [str(k) for k in rng.permutation(kinds)]:
        if kind == "passer":
            number, grow = int(rng.integers(64)), float(rng.uniform(1.1, 1.45))
            sprite = shrink(_passer(number, cues), grow)
            side = "left" if rng.random() < 0.5 else "right"
        else:
            *sprite_parts, side = obstacle(kind, int(rng.integers(1 << 30)))
            sprite = (sprite_parts[0], sprite_parts[1])
        h, w = sprite[1].shape
        # offsets from all out to all in
        middle = (WIDTH - w) // 2
        if side == "below":
            path = [(middle, y) for y in range(HEIGHT, -10, -1)]
        elif side == "left":
            end = middle if kind == "passer" else WIDTH - w
            path = [(x, HEIGHT + 8 - h if kind == "passer" else -64)
                    for x in range(-w, end + 1)]  # fmt: skip
        else:
            end = middle if kind == "passer" else 0
            path = [(x, HEIGHT + 8 - h if kind == "passer" else -64)
                    for x in range(WIDTH, end - 1, -1)]  # fmt: skip

        def hidden(at: tuple[int, int], sprite: Any = sprite) -> float:
            cover = np.zeros((HEIGHT, WIDTH, 1), np.float32)
            paste(cover, (sprite[1][..., None], sprite[1]), *at)
            return float((cover[..., 0] >= 0.5)[person].sum()) / total

        if hidden(path[-1]) < share:
            continue
        low, high = 0, len(path) - 1
        while low < high:
            mid = (low + high) // 2
            low, high = (low, mid) if hidden(path[mid]) >= share else (mid + 1, high)
        if low > 0:
            before, after = hidden(path[low - 1]), hidden(path[low])
            low -= share - before < after - share
        paste(scene, sprite, *path[low])
        cover = np.zeros((HEIGHT, WIDTH, 1), np.float32)
        paste(cover, (sprite[1][..., None], sprite[1]), *path[low])
        return cover[..., 0]
    return np.zeros_like(alpha)


def render(who: Identity, camera: int, c: Conditions, cues: str) -> tuple[bytes, Any]:
    """The JPEG's bytes, and the visible figure as bool [128, 64]."""
    cam, d = CAMERAS[camera], DIFFICULTY
    pose = rng_for("pose", c.seed)
    aspect = float(np.clip(1 + pose.normal(0, d.aspect), 0.82, 1.2))
    gait = _gait(who, pose, c.pose)
    size = 0.9 * HEIGHT * SUPER * c.scale * who.height
    base = HEIGHT * SUPER * (0.5 + c.shift_y) + 0.505 * size
    centre = WIDTH * SUPER * (0.5 + c.shift_x)
    view = View(c.yaw, centre, base, size, cam.pitch, cam.tall, aspect)
    colour, alpha = figure(who, view, gait)

    scene = background(cam.place, c.background, 0.5 * c.clutter)
    rng = rng_for("scene", 0, c.background)
    for _ in range(int(rng.poisson(0.6 * c.clutter))):
        factor = float(rng.uniform(0.45, 0.95))
        sprite = shrink(_passer(int(rng.integers(64)), cues), factor)
        x = int(rng.integers(-24, WIDTH - 8))
        x += 14 if x > 8 else -8  # rather beside than behind
        paste(scene, sprite, x, int(HEIGHT * (0.66 + 0.3 * factor) - HEIGHT * factor))
    foot = base / SUPER
    yy, xx = np.ogrid[0:HEIGHT, 0:WIDTH]
    reach = size / SUPER * np.array([0.26, 0.05])
    far = ((xx - centre / SUPER - gait.light * 4) / reach[0]) ** 2
    far = far + ((yy - foot + 1) / reach[1]) ** 2
    scene = scene * (1 - 0.34 * np.clip(1.2 - far, 0, 1)).astype(np.float32)[..., None]
    scene = scene * (1 - alpha[..., None]) + colour
    visible = alpha >= 0.5
    if c.occlusion > 0:
        cover = _occlude(scene, alpha, c.occlusion, c.seed, cues)
        visible = visible & (cover < 0.5)

    noise_rng = rng_for("noise", c.seed)
    grain = noise_rng.standard_normal((HEIGHT, WIDTH, 1), np.float32)
    spots = noise_rng.integers(0, 256, (HEIGHT // 3, WIDTH // 3, 3), np.uint8)
    tint = Image.fromarray(spots).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    grain = grain + (np.asarray(tint, np.float32) - 127.5) / np.float32(160)
    moving = noise_rng.random() < 0.4
    blur = (c.blur, c.blur * 0.25) if moving else (c.blur, c.blur)
    image = expose(scene, cam, _light(c.light), d.cast, blur, grain)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=cam.quality)
    return out.getvalue(), visible


_identity = identity  # `draw` has an argument of that name


def draw(
    identity: Identity | int,
    camera: int,
    *,
    seed: int = 0,
    occlusion: float = 0.0,
    blur: float = 0.0,
    shift: tuple[float, float] | float = 0.0,
    scale: float = 1.0,
    pose: float | None = None,
    viewpoint: str | float | None = None,
    background: int | None = None,
    clutter: float | None = None,
    light: int | None = None,
    cues: str = "layout",
) -> tuple[Image.Image, Image.Image]:
    """Draw one picture of one person, as `toymarket.generate` does.

    Each condition acts alone: a value changed leaves all the others as they were.

    Args:
        identity: A person, or a pid: then `identity(pid, 0, cues)`. For a set drawn
            with another seed give `identity(pid, that_seed, cues)`.
        camera: 1..6.
        seed: Decides all that is left at None, arms and folds, occluder and noise.
        occlusion: Share of the figure in the box that something hides, 0..0.9.
        blur: Sigma in pixels added to the camera's own.
        shift: Displacement of the person in shares of the box's (width, height);
            a number alone is vertical; positive is right and down. The place stays.
        scale: Size of the person in the box; above 1 the box is too tight.
        pose: Phase of the walk, 0..1.
        viewpoint: Front, right (walks to the right), back, left, or degrees.
        background: Seed of the place's cut and what stands there.
        clutter: Mean number of passers-by and bicycles.
        light: Seed of the moment's light.

    Returns:
        The picture, RGB 64×128 (width × height) as read from its JPEG, and the mask,
        "L" 64×128: 255 where the figure covers a pixel and nothing hides it.

    Raises:
        DplibError: A value outside its range.
    """
    who = identity
    if not isinstance(who, Identity):
        check(
            whole(who),
            f"identity={who!r}: expected a pid or toymarket.identity(pid)",
        )
        who = _identity(who, 0, cues)
    check(whole(camera) and camera in CAMERAS, f"camera={camera!r}: expected 1, …, 6")
    check(whole(seed) and seed >= 0, f"seed={seed!r}: expected a whole number, >= 0")
    yaw, (dx, dy) = _degrees(viewpoint), _both_ways(shift)
    for name, number in (("background", background), ("light", light)):
        check(
            number is None or (whole(number) and number >= 0),
            f"{name}={number!r}: expected a whole number, >= 0",
        )
    _check_ranges(
        {
            "occlusion": (occlusion, 0, 0.9),
            "blur": (blur, 0, 16),
            "shift": (dx, -1, 1),
            "vertical shift": (dy, -1, 1),
            "scale": (scale, 0.2, 4),
            "pose": (pose, 0, 1),
            "viewpoint": (yaw, -360, 360),
            "clutter": (clutter, 0, 10),
        }
    )
    free = rng_for("moment", seed)
    phase = float(free.random())
    place, moment = free.integers(1 << 32, size=2).tolist()
    conditions = Conditions(
        seed,
        occlusion,
        blur,
        dx,
        dy,
        scale,
        phase if pose is None else pose,
        usual_yaw(seed, camera) if yaw is None else yaw,
        place if background is None else background,
        moment if light is None else light,
        DIFFICULTY.clutter if clutter is None else clutter,
    )
    data, visible = render(who, camera, conditions, cues)
    mask = Image.fromarray(visible.astype(np.uint8) * 255)
    return Image.open(io.BytesIO(data)).convert("RGB"), mask


def _degrees(viewpoint: str | float | None) -> float | None:
    """A viewpoint's yaw; a number is one already, and None leaves it to the seed."""
    if not isinstance(viewpoint, str):
        return viewpoint
    check(
        viewpoint in VIEWPOINTS,
        f"viewpoint={viewpoint!r}: expected degrees or {', '.join(VIEWPOINTS)}",
    )
    return VIEWPOINTS[viewpoint]


def _both_ways(shift: tuple[float, float] | float) -> tuple[float, float]:
    """A shift as (horizontal, vertical); a number alone is vertical."""
    if not isinstance(shift, Sequence):
        return 0.0, shift
    check(
        not isinstance(shift, str) and len(shift) == 2,
        f"shift={shift!r}: expected a number or (horizontal, vertical)",
    )
    return shift


def _check_ranges(ranges: dict[str, tuple[float | None, float, float]]) -> None:
    """Raise DplibError for a value outside its (least, most); None is left alone."""
    for name, (value, least, most) in ranges.items():
        right = value is None or (
            isinstance(value, (int, float, np.number)) and least <= value <= most
        )
        check(right, f"{name}={value!r}: expected a number from {least} to {most}")
