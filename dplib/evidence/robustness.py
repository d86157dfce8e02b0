"""How rank-1 and mAP fall as one nuisance is turned up (§4.4 argues it from figure 5).

ToyMarket's queries are drawn again: the same person, camera, pose, place and light,
with no nuisance but one, at six levels. The gallery stays as it is. So a curve says
what occlusion, blur, a displaced box or clutter does to the query alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dplib import DplibError, bars, descriptors, evaluation
from dplib.descriptors import Descriptors
from dplib.evidence.records import Record
from dplib.model import DeepPerson
from dplib.samples import ReIDData
from dplib.toymarket.people import DIFFICULTY, identity
from dplib.toymarket.pictures import Conditions, render

LEVELS: dict[str, tuple[float, ...]] = {
    "occlusion": (0, 0.1, 0.2, 0.3, 0.45, 0.6),  # hidden share of the person
    "blur": (0, 0.5, 1, 1.5, 2.25, 3),  # sigma, pixels of 128 x 64
    "shift": (0, 0.05, 0.1, 0.15, 0.2, 0.3),  # of the box, up or down, share of height
    "clutter": (0, 1, 2, 3, 4.5, 6),  # passers-by and bicycles in the picture
}
VARIANTS = ("bgi", "bgi_bpi_fc", "bgi_bpi", "full")


def conditions(row: dict[str, str], axis: str, level: float) -> Conditions:
    """A row of nuisance.csv with all nuisances off but one, at ``level``.

    Args:
        row: What drew the query.
        axis: A nuisance of ``LEVELS``. A box moves up or down by the row's seed.
        level: In the units of ``LEVELS``.

    Raises:
        DplibError: The axis is unknown.
    """
    if axis not in LEVELS:
        raise DplibError(f"axis={axis!r}: choose from {', '.join(LEVELS)}")
    seed = int(row["seed"])
    clean = Conditions(
        seed,
        occlusion=0.0,
        blur=0.0,
        shift_x=0.0,
        shift_y=0.0,
        scale=DIFFICULTY.scale[0],
        pose=float(row["pose"]),
        yaw=float(row["viewpoint"]),
        background=int(row["background"]),
        light=int(row["light"]),
        clutter=0.0,
    )
    turned: dict[str, Any] = {axis: float(level)}
    if axis == "shift":
        turned = {"shift_y": float(level if seed % 2 else -level)}
    return clean._replace(**turned)


def rows_of_queries(data: ReIDData) -> list[dict[str, str]]:
    """The rows of nuisance.csv that drew ``data.query``, in its order.

    Raises:
        DplibError: The set was not drawn.
    """
    path = data.root / "nuisance.csv"
    if not path.is_file():
        raise DplibError(f"{path} is missing: only ToyMarket can be drawn again")
    with path.open(encoding="utf-8") as f:
        rows = {r["file"]: r for r in csv.DictReader(f) if r["folder"] == "query"}
    return [rows[s.path.name] for s in data.query]


def _draw(row: dict[str, str], axis: str, level: float) -> np.ndarray:
    who = identity(int(row["person"]), 0, "layout")
    jpeg, _ = render(who, int(row["camid"]), conditions(row, axis, level), "layout")
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def draw_queries(
    rows: Sequence[dict[str, str]],
    *,
    levels: dict[str, tuple[float, ...]] = LEVELS,
    workers: int = 2,
    progress: bool = True,
) -> dict[tuple[str, float], Tensor]:
    """Draw the queries at every level of every axis.

    Level 0 is the same picture on all axes and is drawn once.

    Args:
        rows: Of the queries, from the set that ``toymarket.generate`` draws with seed
            0.
        levels: axis → levels.
        workers: Number of processes.
        progress: Whether to show a progress bar.

    Returns:
        (axis, level) → uint8 [Q, 3, 128, 64].
    """
    wanted = [(a, x) for a, xs in levels.items() for x in xs]
    drawn: dict[tuple[str, float], Tensor] = {}
    clean: Tensor | None = None
    with ProcessPoolExecutor(workers) as pool:
        for axis, level in bars.bar(wanted, "drawing queries", disable=not progress):
            if level == 0 and clean is not None:
                drawn[axis, level] = clean
                continue
            images = pool.map(_draw, rows, repeat(axis), repeat(level), chunksize=32)
            pixels = torch.from_numpy(np.stack(list(images)))
            drawn[axis, level] = pixels.permute(0, 3, 1, 2).contiguous()
            clean = drawn[axis, level] if level == 0 else clean
    return drawn


def measure(
    model: DeepPerson,
    data: ReIDData,
    drawn: dict[tuple[str, float], Tensor],
    *,
    device: str = "auto",
) -> dict[str, dict[str, list[float]]]:
    """Measure fm at each level of each axis against the set's gallery.

    Args:
        model: The net.
        data: The set whose queries were drawn again.
        drawn: From ``draw_queries``.
        device: Where to compute, see ``descriptors.extract``.

    Returns:
        "rank1" and "map" → axis → a share in [0, 1] for each level.
    """
    gallery = descriptors.extract(model, data.gallery, device=device, progress=False)
    pids = torch.tensor([s.pid for s in data.query])
    camids = torch.tensor([s.camid for s in data.query])
    curves: dict[str, dict[str, list[float]]] = {"rank1": {}, "map": {}}
    done: dict[int, dict[str, float]] = {}  # level 0 is measured once
    for (axis, _), images in drawn.items():
        if id(images) not in done:
            query = Descriptors(_describe(model, images), pids, camids)
            done[id(images)] = evaluation.evaluate(query, gallery).summary()
        for name, curve in curves.items():
            curve.setdefault(axis, []).append(done[id(images)][name])
    return curves


@torch.inference_mode()
def _describe(model: DeepPerson, images: Tensor) -> Tensor:
    """fm [N, C] of uint8 images, as ``descriptors.extract`` has it."""
    device = next(model.parameters()).device
    batches = (batch.to(device) for batch in images.split(64))
    return F.normalize(
        torch.cat([descriptors.describe(model, b).cpu() for b in batches])
    )


def records(
    nets: Sequence[tuple[str, int, DeepPerson]],
    data: ReIDData,
    *,
    workers: int = 2,
) -> Iterator[Record]:
    """Measure several nets; the queries are drawn once for all.

    Args:
        nets: (variant, seed, net) of each.
        data: The set whose queries are drawn again.
        workers: Number of processes that draw.

    Yields:
        The record of each net.
    """
    if not nets:
        return
    drawn = draw_queries(rows_of_queries(data), workers=workers)
    for variant, seed, net in nets:
        yield {
            "data": data.name,
            "cues": "layout",
            "variant": variant,
            "seed": seed,
            "levels": {k: list(v) for k, v in LEVELS.items()},
            **measure(net, data, drawn),
        }
