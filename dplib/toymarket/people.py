"""Who walks through ToyMarket: people, their clothes, and how alike they are.

All knobs of the set's difficulty are the fields of `Difficulty`, here at the top;
what the six cameras do to colours is the table `cameras.CAMERAS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dplib import DplibError
from dplib.toymarket.body import RGB, Identity

# --- difficulty: every knob in one place --------------------------------------------


@dataclass(frozen=True)
class Difficulty:
    """How hard the set is. Rates are probabilities, ranges are (least, most)."""

    group: int = 4  # people who wear the same colours
    twin_rate: float = 0.16  # groups whose members differ in `twin_details` only
    twin_details: tuple[int, int] = (1, 2)
    tailor_rate: float = 0.3  # a member of another group shares a garment's cut
    colour_jitter: float = 5.0  # of a person's palette, in 0..255
    cast: float = 0.55  # strength of the cameras' colours; 0 makes them alike
    light_colour: float = 0.03  # sd of each channel's gain between moments
    light_level: float = 0.13  # sd of the exposure between moments, natural log
    light_slope: float = 0.12  # sd of the brightness gradient over the picture
    light_gamma: float = 0.08  # sd of the tone curve, natural log
    light_shared: float = 0.6  # images of a track that have the track's light
    haze: float = 0.06  # most
    shadow_rate: float = 0.14
    occluded: float = 0.18
    occlusion: tuple[float, float] = (0.05, 0.4)
    blurred: float = 0.3
    blur: tuple[float, float] = (0.3, 1.0)  # sigma, pixels
    shift: tuple[float, float] = (0.03, 0.03)  # sd, shares of width and height
    scale: tuple[float, float] = (0.97, 0.06)  # mean and sd
    bad_box: float = 0.06  # boxes with 2.5 times these errors
    aspect: float = 0.05  # sd
    yaw: tuple[float, float] = (18.0, 14.0)  # sd between tracks, within one; degrees
    clutter: float = 0.55  # passers-by and bicycles per picture
    cameras: tuple[float, ...] = (0.0, 0.0, 0.5, 0.3, 0.14, 0.06)  # P(1), …, P(6)


DIFFICULTY = Difficulty()

# Clothes in summer, by frequency: colourless ones are most of what people wear.
PALETTE: tuple[tuple[str, RGB, float], ...] = (
    ("black", (30, 30, 33), 0.19),
    ("white", (226, 226, 222), 0.18),
    ("grey", (132, 132, 134), 0.10),
    ("charcoal", (74, 76, 82), 0.08),
    ("navy", (38, 46, 84), 0.10),
    ("blue", (66, 92, 146), 0.08),
    ("denim", (112, 130, 158), 0.06),
    ("red", (162, 46, 50), 0.07),
    ("khaki", (172, 152, 116), 0.06),
    ("green", (62, 112, 78), 0.03),
    ("yellow", (200, 172, 70), 0.025),
    ("pink", (204, 140, 154), 0.025),
)
_SKIN: tuple[RGB, ...] = (
    (208, 166, 142), (194, 150, 124), (176, 132, 106), (144, 102, 80), (104, 72, 54),
)  # fmt: skip
_HAIR: tuple[RGB, ...] = (
    (26, 22, 22), (34, 28, 26), (52, 38, 30), (92, 64, 42), (150, 146, 142),
)  # fmt: skip
CUES = ("layout", "global")
# numbers of people who are in no list of pids
FIRST_DISTRACTOR, FIRST_JUNK, FIRST_PASSER = 1_000_000, 2_000_000, 3_000_000
_PURPOSES = (
    "group", "person", "pose", "view", "scene", "light", "obstacle", "noise", "box",
    "track", "moment", "split",
)  # fmt: skip
_SALT = {name: i for i, name in enumerate(_PURPOSES)}


def rng_for(salt: str, *key: int) -> np.random.Generator:
    """A generator of its own for each purpose and key; keys are non-negative."""
    return np.random.default_rng(np.random.SeedSequence((_SALT[salt], *key)))


def check(right: bool, message: str) -> None:
    """Raise DplibError with this message unless ``right``."""
    if not right:
        raise DplibError(message)


def whole(value: object) -> bool:
    """Whether this is a whole number, of Python or of NumPy."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


# --- who ----------------------------------------------------------------------------


def pick(rng: np.random.Generator, **weights: float) -> str:
    """One of the names, drawn with these weights."""
    names, p = list(weights), np.array(list(weights.values()))
    return names[int(rng.choice(len(names), p=p / p.sum()))]


def _colour(rng: np.random.Generator) -> int:
    p = np.array([w for _, _, w in PALETTE])
    return int(rng.choice(len(PALETTE), p=p / p.sum()))


def _jitter(rng: np.random.Generator, colour: RGB, sd: float) -> RGB:
    level = rng.normal(0, sd)
    r, g, b = (int(np.clip(c + level + rng.normal(0, sd / 2), 4, 250)) for c in colour)
    return r, g, b


def _cut(rng: np.random.Generator) -> dict[str, Any]:
    """Body and tailoring of one person: everything but the clothes' colours."""
    woman = rng.random() < 0.48
    lower = (
        pick(rng, trousers=0.42, shorts=0.28, skirt=0.17, dress=0.13)
        if woman
        else pick(rng, trousers=0.6, shorts=0.4)
    )
    length = {
        "trousers": rng.uniform(0.9, 1.0),
        "shorts": rng.uniform(0.28, 0.62),
        "skirt": rng.uniform(0.32, 0.85),
        "dress": rng.uniform(0.32, 0.8),
    }[lower]
    pattern = {"plain": 0.58, "stripes": 0.1, "checks": 0.1, "print": 0.1, "bars": 0.04,
               "dots": 0.03, "twotone": 0.05}  # fmt: skip
    style = (
        pick(rng, long=0.4, tail=0.3, bob=0.15, bun=0.07, short=0.08)
        if woman
        else pick(rng, short=0.93, bald=0.07)
    )
    sleeves = [0.0, rng.uniform(0.35, 0.6), rng.uniform(0.9, 1.0)]
    sleeve = float(rng.choice(sleeves, p=[0.1, 0.64, 0.26]))
    slim = 0.93 if woman else 1.03
    return {
        "height": float(rng.uniform(0.95, 1.03)),
        "width": float(np.clip(rng.normal(slim, 0.09), 0.78, 1.3)),
        "shoulder": float(np.clip(rng.normal(slim, 0.06), 0.82, 1.2)),
        "belly": float(np.clip(rng.normal(1.05, 0.15), 0.85, 1.5)),
        "skin": _SKIN[int(rng.choice(5, p=[0.3, 0.32, 0.22, 0.1, 0.06]))],
        "hair": _HAIR[int(rng.choice(5, p=[0.4, 0.28, 0.18, 0.09, 0.05]))],
        "hair_style": style,
        "hat": pick(rng, none=0.86, cap=0.09, brim=0.05),
        "sleeve": sleeve,
        "neckline": pick(rng, round=0.5, v=0.2, collar=0.3),
        "hem": float(rng.uniform(0.455, 0.535)),
        "upper_pattern": pick(rng, **pattern),
        "open": bool(rng.random() < 0.12),
        "logo": pick(rng, none=0.62, front=0.3, back=0.08),
        "lower": lower,
        "lower_length": float(length),
        "lower_fit": float(rng.uniform(0.88, 1.35)),
        "lower_pattern": pick(rng, plain=0.84, checks=0.06, print=0.06, bars=0.04),
        "sock": bool(rng.random() < 0.35),
        "bag": pick(rng, none=0.42, backpack=0.26, shoulder=0.2, handbag=0.12),
        "bag_side": int(rng.choice([-1, 1])),
        "umbrella": bool(rng.random() < 0.02),
        "texture": int(rng.integers(256)),
    }


_BODY = [
    "height",
    "width",
    "shoulder",
    "belly",
    "skin",
    "hair",
    "hair_style",
    "lower_length",
]
_SLOTS = ["upper", "lower", "bag", "shoes", "second", "lower_second", "hat"]
_APART = ((), (0,), (0, 1), (2,), (0, 1, 2, 3), (0, 1, 2), ())  # of `_SLOTS`
# Who of a group wears which of its colours where: positions in `_SLOTS`' order.
_ORDERS = (
    (0, 1, 2, 3, 4, 5, 6),
    (1, 0, 2, 3, 4, 5, 6),
    (0, 2, 1, 3, 4, 5, 6),
    (1, 2, 0, 3, 4, 5, 6),
    (2, 0, 1, 3, 4, 5, 6),
    (2, 1, 0, 3, 4, 5, 6),
)
_DETAILS = ("bag", "sleeve", "upper_pattern", "lower", "hair_style", "shoes", "hat",
            "logo", "bag_colour", "width", "sock", "open")  # fmt: skip


@lru_cache(maxsize=4096)
def identity(pid: int, seed: int = 0, cues: str = "layout") -> Identity:
    """The person with this number: always the same, whatever else is drawn.

    People come in groups of `Difficulty.group`. With ``cues="layout"`` a group shares
    one multiset of colours: either each member wears them on other parts of the body,
    or the members are near-twins that differ in a detail or two. With
    ``cues="global"`` all parts have the same colours and pattern, all are cut alike,
    and people differ in these and in their shape, so that order carries nothing.

    Raises:
        DplibError: A pid below 1, a negative seed, unknown cues.
    """
    check(cues in CUES, f"cues={cues!r}: expected one of {', '.join(CUES)}")
    check(whole(pid) and pid >= 1, f"pid={pid!r}: expected a whole number from 1 on")
    check(whole(seed) and seed >= 0, f"seed={seed!r}: expected a whole number, >= 0")
    code = CUES.index(cues)
    number, member = divmod(pid - 1, DIFFICULTY.group)
    group = rng_for("group", seed, code, number)
    own = rng_for("person", seed, code, pid)
    colours = _apart_colours(group)
    shared, cut = _cut(group), _cut(own)
    twins = group.random() < DIFFICULTY.twin_rate
    if cues == "global":
        return _global_identity(pid, own, cut)
    if twins:
        cut, order = _twin(group, own, shared, member)
    else:
        cut, order = _member(group, shared, cut), list(_ORDERS[member % len(_ORDERS)])
    worn = {
        slot: _jitter(own, PALETTE[colours[k]][1], DIFFICULTY.colour_jitter)
        for slot, k in zip(_SLOTS, order, strict=True)
    }
    return _dress(pid, cut, worn, own)


def _apart_colours(group: np.random.Generator) -> list[int]:
    """A group's colours, as places in `PALETTE`: what touches must not be alike."""
    colours: list[int] = []
    for apart in _APART:
        colour = _colour(group)
        while any(colour == colours[i] for i in apart):
            colour = _colour(group)
        colours.append(colour)
    return colours


def _twin(
    group: np.random.Generator,
    own: np.random.Generator,
    shared: dict[str, Any],
    member: int,
) -> tuple[dict[str, Any], list[int]]:
    """Cut and colour order of a near-twin: the group's, but for a detail or two."""
    cut, order = dict(shared), list(_ORDERS[0])
    # distinct details for distinct members, so that no two are the same
    hidden = {
        "bag_colour": shared["bag"] == "none",
        "sock": shared["lower"] == "trousers",
        "open": shared["lower"] == "dress",
        "logo": shared["open"],
    }
    seen = [name for name in _DETAILS if not hidden.get(name, False)]
    names = list(group.permutation(seen))
    least, most = DIFFICULTY.twin_details
    n = int(own.integers(least, most + 1))
    for name in (names[(2 * member + i) % len(names)] for i in range(n)):
        if member == 0:
            break
        if name == "shoes":
            order[3] = 4
        elif name == "bag_colour":
            order[2] = 3
        else:
            cut |= _other(own, name, shared[name])
    return cut, order


def _member(
    group: np.random.Generator, shared: dict[str, Any], cut: dict[str, Any]
) -> dict[str, Any]:
    """A member's own cut, in which some garments are tailored as the group's are."""
    cut = dict(cut)
    for name in shared:
        if name not in _BODY and group.random() < DIFFICULTY.tailor_rate:
            cut[name] = shared[name]
    if cut["lower"] == shared["lower"]:
        cut["lower_length"] = shared["lower_length"]
    return cut


def _other(rng: np.random.Generator, name: str, value: Any) -> dict[str, Any]:
    """Another value of one attribute, as common as it is among all people."""
    for _ in range(200):
        cut = _cut(rng)
        similar = isinstance(value, float) and abs(cut[name] - value) < 0.2
        if cut[name] != value and not similar:
            break
    names = (name, "lower_length") if name == "lower" else (name,)
    return {n: cut[n] for n in names}


def _dress(
    pid: int, cut: dict[str, Any], worn: dict[str, RGB], rng: np.random.Generator
) -> Identity:
    cut = dict(cut)
    opened, sock, umbrella = cut.pop("open"), cut.pop("sock"), cut.pop("umbrella")
    dress = cut["lower"] == "dress"
    return Identity(
        pid=pid,
        **cut,
        hat_colour=worn["hat"],
        upper_colour=worn["upper"],
        upper_accent=worn["second"] if worn["second"] != worn["upper"] else (200,) * 3,
        inner=worn["second"] if opened and not dress else None,
        lower_colour=worn["upper"] if dress else worn["lower"],
        lower_accent=worn["lower_second"],
        socks=_jitter(rng, (214, 212, 208), 8) if sock else None,
        shoes=worn["shoes"],
        bag_colour=worn["bag"],
        umbrella=worn["hat"] if umbrella else None,
    )


def _global_identity(pid: int, rng: np.random.Generator, cut: dict) -> Identity:
    """One hue and one pattern from head to foot; shape is the rest of the person."""
    hue = rng.uniform(0, 1)
    saturation, value = rng.uniform(0.15, 0.75), rng.uniform(0.22, 0.85)
    rgb = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    base = 255 * value * (1 - saturation + saturation * rgb)
    r, g, b = (int(c) for c in base)
    lift = 1.5 if value < 0.5 else 0.55
    r2, g2, b2 = (int(min(250, c * lift + 8)) for c in base)
    pattern = pick(
        rng, plain=0.3, checks=0.2, print=0.2, dots=0.1, stripes=0.1, bars=0.1
    )
    wide = float(rng.uniform(0.78, 1.3))
    cut = cut | {
        "height": float(rng.uniform(0.9, 1.06)),
        "width": wide,
        "shoulder": float(np.clip(wide + rng.normal(0, 0.05), 0.82, 1.2)),
        "hair": (34, 28, 26),
        "skin": _SKIN[1],
        "hair_style": "short",
        "hat": "none",
        "sleeve": 1.0,
        "neckline": "round",
        "hem": 0.49,
        "upper_pattern": pattern,
        "lower_pattern": pattern,
        "open": False,
        "logo": "none",
        "lower": "trousers",
        "lower_length": 1.0,
        "lower_fit": 1.1,
        "sock": False,
        "bag": "none",
        "umbrella": False,
    }
    cut["texture"] = int(cut["texture"]) % 4 * 5  # the same size on both halves
    colour: RGB = (r, g, b)
    worn = dict.fromkeys(_SLOTS, colour)
    worn["second"] = worn["lower_second"] = (r2, g2, b2)
    return _dress(pid, cut, worn, rng)
