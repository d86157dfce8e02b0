"""Ranks of the true matches, without sorting and without a Q x G matrix.

A match's rank is 1 + the matches nearer than it + the wrong images at its distance or
nearer. So the distances of the true matches come first, pid by pid; then all distances
are made block by block and those below each match are counted. Memory is
BLOCK x COLUMNS beside the descriptors. Ties count against the model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import DplibError
from dplib.descriptors import Descriptors
from dplib.samples import JUNK

ROWS = 64  # of given distances at a time: they stay in the cache
BLOCK, COLUMNS = 4096, 2048  # queries and gallery images at a time


class EvaluationError(DplibError):
    """Descriptors or distances that cannot be ranked."""


# Ranks of all matches [M], query by query; the query of each [M]; images ranked
Ranks = tuple[np.ndarray, np.ndarray, int]


def all_ranked(
    query: Descriptors, gallery: Descriptors, given: Tensor | None, metric: str
) -> Ranks:
    """Market-1501's protocol: thresholds first, then the wrong images below each."""
    junk = gallery.pids == JUNK
    if junk.all():
        raise EvaluationError("the gallery holds nothing but junk (pid -1)")
    of, images = _same_pid(query, gallery)
    if given is None:
        square = squares(gallery, metric)
        near, tie = _pair_distances(query, gallery, square, metric, of, images)
        keep = (~junk).nonzero().flatten()
        blocks = _products(query, gallery, square, keep, metric)
        column_of = ((~junk).cumsum(0) - 1).numpy()[images]
    else:
        near, tie = given[of, images].numpy(), 0.0
        blocks, column_of = _copies(given, junk), images
    other = (query.camids[of] != gallery.camids[images]).numpy()
    matched, near = of[other], near[other]
    near = near[np.lexsort((near, matched))]
    reach = near + near.dtype.type(tie)
    wrong = np.zeros(len(reach), np.int64)
    for q0, g0, block in blocks:
        a, b = np.searchsorted(of, (q0, q0 + len(block)))
        column = column_of[a:b] - g0
        here = (column >= 0) & (column < block.shape[1])
        # NaN is below no threshold: neither the pid's own images count, nor junk
        block[of[a:b][here] - q0, column[here]] = np.nan
        # few images are nearer than a query's last match: sorting them is cheap
        bounds = np.searchsorted(matched, np.arange(q0, q0 + len(block) + 1)).tolist()
        for row, a, b in zip(block, bounds, bounds[1:], strict=False):
            if a < b:
                near_ones = row[row <= reach[b - 1]]
                if len(near_ones):
                    near_ones.sort()
                    wrong[a:b] += near_ones.searchsorted(reach[a:b], "right")
    nth = np.arange(len(reach)) - np.searchsorted(matched, matched)
    return wrong + nth + 1, matched, len(junk) - int(junk.sum())


def single_shot(
    query: Descriptors,
    gallery: Descriptors,
    given: Tensor | None,
    metric: str,
    draws: int,
    seed: int,
) -> Ranks:
    """CUHK03's old protocol: each query against one image a pid from another camera."""
    if draws < 1:
        raise EvaluationError(f"draws={draws}: at least one gallery must be drawn")
    cameras = gallery.camids.unique()
    if len(cameras) != 2:
        raise EvaluationError(
            f"protocol 'cuhk03' needs two cameras, the gallery has {len(cameras)}: "
            f"{cameras.tolist()}; other sets are evaluated by 'market1501'"
        )
    valid = gallery.pids != JUNK
    pids = gallery.pids[valid].unique()
    d, tie = given, 0.0
    if d is None:
        square = squares(gallery, metric)
        q, g = (unit(x.features, metric) for x in (query, gallery))
        d, tie = (
            torch.addmm(square, q, g.T, alpha=-2),
            blur(squares(query, metric), square),
        )
    d = d.double()
    rng = np.random.default_rng([seed, draws, 0x53484F54])
    ranks = torch.zeros(len(query.pids), draws, dtype=torch.int64)
    for camera in cameras:
        mine = query.camids == camera
        there = valid & (gallery.camids != camera)
        groups = [(there & (gallery.pids == pid)).nonzero().flatten() for pid in pids]
        groups = [x for x in groups if len(x)]
        for draw in range(draws):
            shot = torch.stack([x[rng.integers(len(x))] for x in groups])
            rows = d[mine][:, shot]
            right = query.pids[mine][:, None] == gallery.pids[shot]
            reach = torch.where(right, rows, -torch.inf).amax(1, keepdim=True) + tie
            rank = ((rows <= reach) & ~right).sum(1) + 1
            ranks[mine, draw] = torch.where(right.any(1), rank, 0)
    some = ranks[:, 0] > 0
    of = some.nonzero().flatten().repeat_interleave(draws)
    return ranks[some].flatten().numpy(), of.numpy(), len(pids)


def _same_pid(
    query: Descriptors, gallery: Descriptors
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a query and a gallery image of its pid, ordered by query."""
    pids = gallery.pids.numpy()
    order = np.argsort(pids, kind="stable")
    low, high = (
        np.searchsorted(pids[order], query.pids.numpy(), side)
        for side in ("left", "right")
    )
    high = np.where(query.pids.numpy() == JUNK, low, high)  # junk matches nothing
    many = high - low
    of = np.repeat(np.arange(len(many)), many)
    nth = np.arange(len(of)) - np.repeat(many.cumsum() - many, many)
    return of, order[low[of] + nth]


def _pair_distances(
    query: Descriptors,
    gallery: Descriptors,
    square: Tensor,
    metric: str,
    of: np.ndarray,
    images: np.ndarray,
) -> tuple[np.ndarray, float]:
    """What decides the order, for each pair of ``_same_pid``; one product a pid."""
    near = torch.empty(len(of))
    start = torch.from_numpy(np.searchsorted(of, np.arange(len(query.pids) + 1)))
    for pid in query.pids[start.diff() > 0].unique():
        i = (query.pids == pid).nonzero().flatten()
        j = torch.from_numpy(images[start[i[0]] : start[i[0] + 1]])
        q, g = unit(query.features[i], metric), unit(gallery.features[j], metric)
        place = start[i][:, None] + torch.arange(len(j))
        near[place] = torch.addmm(square[j], q, g.T, alpha=-2)
    return near.numpy(), blur(squares(query, metric), square)


def _products(
    query: Descriptors, gallery: Descriptors, square: Tensor, keep: Tensor, metric: str
) -> Iterator[tuple[int, int, np.ndarray]]:
    """|g|² - 2 q·g in blocks (first query, first image of ``keep``, block); |q|² moves
    no rank. Images that are not kept cost a copy of their block, never a product."""
    q = unit(query.features, metric)
    buffer = torch.empty(min(BLOCK, len(q)) * min(COLUMNS, len(keep)))
    for g0 in range(0, len(keep), COLUMNS):
        these = keep[g0 : g0 + COLUMNS]
        low, high = int(these[0]), int(these[-1]) + 1
        whole = high - low == len(these)
        g = gallery.features[low:high] if whole else gallery.features[these]
        g, bias = unit(g, metric), square[these]
        for q0 in range(0, len(q), BLOCK):
            rows = q[q0 : q0 + BLOCK]
            block = buffer[: len(rows) * len(g)].view(len(rows), len(g))
            yield q0, g0, torch.addmm(bias, rows, g.T, alpha=-2, out=block).numpy()


def _copies(given: Tensor, junk: Tensor) -> Iterator[tuple[int, int, np.ndarray]]:
    """Given distances in blocks that may be written to, NaN for junk."""
    for q0 in range(0, len(given), ROWS):
        block = given[q0 : q0 + ROWS].numpy().copy()
        if not np.issubdtype(block.dtype, np.floating):
            block = block.astype(np.float64)  # whole numbers know no NaN
        block[:, junk.numpy()] = np.nan
        yield q0, 0, block


def unit(features: Tensor, metric: str) -> Tensor:
    """float32; on the unit sphere, squared distance is twice 1 - cosine."""
    x = features.detach().cpu().float()
    return F.normalize(x) if metric == "cosine" else x


def squares(x: Descriptors, metric: str) -> Tensor:
    """|x|² per row, block by block, without a second copy of x."""
    blocks = x.features.split(COLUMNS)
    return torch.cat(
        [torch.linalg.vector_norm(unit(b, metric), dim=1).square() for b in blocks]
    )


def blur(query_squares: Tensor, gallery_squares: Tensor) -> float:
    """How far apart rounding may put two distances that are equal."""
    scale = float(gallery_squares.max() + query_squares.max())
    return 8 * torch.finfo(torch.float32).eps * scale
