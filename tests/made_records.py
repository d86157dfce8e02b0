"""Records of runs that never took place, as small as a test needs them."""

import json
from typing import Any

import numpy as np

PIDS = [1, 1, 2, 3, 3, 3, 4, 5]


def record(
    variant: str, seed: int, ap: list[float], hits: str | None = None, **more: Any
) -> dict[str, Any]:
    hits = hits or "".join("01"[int(a > 50)] for a in ap)
    measures = {"rank1": hits.count("1") / len(hits), "map": float(np.mean(ap)) / 100}
    return {
        "data": "toymarket",
        "cues": "layout",
        "variant": variant,
        "seed": seed,
        "ap": {"fm": [round(100 * a) for a in ap]},
        "hits": {"fm": hits},
        "measures": {"fm": measures},
        **more,
    }


def made(variant: str, seed: int, level: float, **more: object) -> dict[str, object]:
    rng = np.random.default_rng([seed, len(variant)])
    run = record(variant, seed, list(np.clip(rng.normal(level, 5, len(PIDS)), 0, 100)))
    run["measures"]["fc"] = run["measures"]["fm"]
    run["ap"]["fc"], run["hits"]["fc"] = run["ap"]["fm"], run["hits"]["fm"]
    return {
        **run,
        "commit": "a" * 40,
        "code": "c" * 12,
        "date": "2026-11-01",
        "versions": {"torch": "2.14.1"},
        "cpu_seconds": 60.0,
        "generator": "1.0:abc",
        "preset": {"name": "toy", "epochs": 32},
        "iterations": 2400,
        "chance": 6.4,
        "losses": {"part": 6.3, "global": 1.0, "ranking": None, "active": None},
        **more,
    }


def line(seed: int, variant: str = "bgi") -> bytes:
    """The least that a line of a file of records can be."""
    record = {"data": "toymarket", "cues": "layout", "variant": variant, "seed": seed}
    return json.dumps(record).encode() + b"\n"
