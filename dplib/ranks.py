"""Ranks of the true matches, without sorting and without a Q x G matrix.

The rank of a match is 1 + the number of matches nearer than it + the number of wrong
images that are as near or nearer. So the distances of the true matches are computed
first, pid by pid. Then all distances are computed block by block, and the wrong images
below each match are counted. Beside the descriptors this needs BLOCK x COLUMNS
distances. Ties count against the model.
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

BLOCK, COLUMNS = 4096, 2048  # queries and gallery images in a block of distances
ROWS = 512  # queries of a block that are counted at a time
PIDS = 32  # pids whose matches are computed at a time


class EvaluationError(DplibError):
    """Descriptors or distances that cannot be ranked."""


# Ranks of all matches [M], query by query; the query of each [M]; images ranked
Ranks = tuple[np.ndarray, np.ndarray, int]


def all_ranked(
    query: Descriptors, gallery: Descriptors, given: Tensor | None, metric: str
) -> Ranks:
    """Rank all matches by Market-1501's protocol.

    Args:
        query: Descriptors [Q, D].
        gallery: Descriptors [G, D].
        given: Distances [Q, G] to use instead of the features', or None.
        metric: "euclidean" or "cosine".

    Returns:
        The ranks of all matches [M] from 1, query by query and ascending, the query
        of each [M], and the number of gallery images that are ranked.

    Raises:
        EvaluationError: If the whole gallery is junk.
    """
    junk = gallery.pids == JUNK
    if junk.all():
        raise EvaluationError("the gallery holds nothing but junk (pid -1)")
    of, images = _same_pid(query, gallery)
    if given is None:
        square = squares(gallery, metric)
        near = _pair_distances(query, gallery, square, metric, of, images)
        tie = blur(squares(query, metric), square)
        keep = (~junk).nonzero().flatten()
        blocks = _products(query, gallery, square, keep, metric)
        column_of = ((~junk).cumsum(0) - 1).numpy()[images]
    else:
        near, tie = _floats(given[of, images]), 0.0
        blocks, column_of = _copies(given, junk), images
    other = (query.camids[of] != gallery.camids[images]).numpy()
    matched, near = of[other], near[other]
    near = near[np.lexsort((near, matched))]
    reach = near + near.dtype.type(tie)
    first = np.searchsorted(matched, np.arange(len(query.pids) + 1))
    wrong = np.zeros(len(reach), np.int64)
    for q0, g0, block in blocks:
        a, b = np.searchsorted(of, (q0, q0 + len(block)))
        column = column_of[a:b] - g0
        here = (column >= 0) & (column < block.shape[1])
        # NaN is below no threshold: neither the pid's own images count, nor junk.
        block[of[a:b][here] - q0, column[here]] = np.nan
        for s in range(0, len(block), ROWS):
            rows = block[s : s + ROWS]
            bounds = first[q0 + s : q0 + s + len(rows) + 1]
            part = slice(bounds[0], bounds[-1])
            wrong[part] += _below(rows, reach[part], bounds - bounds[0])
    nth = np.arange(len(reach)) - first[matched]
    return wrong + nth + 1, matched, len(junk) - int(junk.sum())


def _below(rows: np.ndarray, reach: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Count the values of a row at or below each of the row's thresholds.

    Args:
        rows: Distances [b, C], NaN for what does not count.
        reach: Thresholds [m], row by row and ascending.
        bounds: Where the thresholds of each row begin, and the end [b + 1].

    Returns:
        Counts [m].
    """
    # Few images are nearer than a query's last match, so sorting them is cheap.
    last = np.full(len(rows), -np.inf, reach.dtype)
    some = np.flatnonzero(bounds[1:] > bounds[:-1])
    last[some] = reach[bounds[some + 1] - 1]
    near = np.flatnonzero(rows <= last[:, None])
    # Row and value make one whole number, so that one sort serves all rows.
    owner = np.repeat(np.arange(len(rows)), np.diff(bounds))
    keys = _ordinals(np.concatenate([rows.ravel()[near], reach]))
    keys += np.concatenate([near // rows.shape[1], owner]) << 32
    below, edges = keys[: len(near)], keys[len(near) :]
    below.sort()
    earlier = near.searchsorted(np.arange(len(rows)) * rows.shape[1])
    return below.searchsorted(edges, "right") - earlier[owner]


def _ordinals(values: np.ndarray) -> np.ndarray:
    """Return whole numbers [n] between -2^31 and 2^31 in the order of the values."""
    if values.dtype != np.float32:
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    bits = (values + 0.0).view(np.int32)  # + 0.0 makes 0 of -0
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64)


def single_shot(
    query: Descriptors,
    gallery: Descriptors,
    given: Tensor | None,
    metric: str,
    draws: int,
    seed: int,
) -> Ranks:
    """Rank by CUHK03's old protocol: one gallery image per pid, from the other camera.

    Args:
        query: Descriptors [Q, D].
        gallery: Descriptors [G, D], of two cameras.
        given: Distances [Q, G] to use instead of the features', or None.
        metric: "euclidean" or "cosine".
        draws: How many galleries are drawn for each camera.
        seed: Of the draws.

    Returns:
        The rank of the one match in each draw, query by query and draw by draw, the
        query of each, and the number of pids.

    Raises:
        EvaluationError: If draws is below 1 or there are not two cameras.
    """
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
    """Return all pairs of a query and a gallery image of its pid, query by query."""
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
) -> np.ndarray:
    """Return |g|² - 2 q·g [M] for each pair of ``_same_pid``."""
    near = np.empty(len(of), np.float32)
    if not len(of):
        return near
    first = np.searchsorted(of, np.arange(len(query.pids) + 1))
    queries = np.flatnonzero(np.diff(first))
    queries = queries[np.argsort(query.pids.numpy()[queries], kind="stable")]
    _, starts = np.unique(query.pids.numpy()[queries], return_index=True)
    people = np.split(queries, starts[1:])
    # The features of some pids are gathered at once, then each pid has a product.
    for s in range(0, len(people), PIDS):
        some = people[s : s + PIDS]
        mine = np.concatenate(some)
        theirs = [images[first[i[0]] : first[i[0] + 1]] for i in some]
        j = np.concatenate(theirs)
        counts = [len(x) for x in theirs]
        found = map(
            lambda bias, q, g: torch.addmm(bias, q, g.T, alpha=-2).flatten(),
            square[j].split(counts),
            unit(query.features[mine], metric).split([len(i) for i in some]),
            unit(gallery.features[j], metric).split(counts),
        )
        many = first[mine + 1] - first[mine]
        nth = np.arange(many.sum()) - np.repeat(many.cumsum() - many, many)
        near[np.repeat(first[mine], many) + nth] = torch.cat(list(found)).numpy()
    return near


def _products(
    query: Descriptors, gallery: Descriptors, square: Tensor, keep: Tensor, metric: str
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield |g|² - 2 q·g in blocks: first query, first image of ``keep``, block.

    |q|² changes no rank. Images that are not kept cost a copy of their block, but no
    product.
    """
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
    """Yield given distances in blocks that may be written to, NaN for junk."""
    rows = max(1, ROWS * COLUMNS // len(junk))  # so that a block stays in the cache
    for q0 in range(0, len(given), rows):
        block = _floats(given[q0 : q0 + rows]).copy()
        block[:, junk.numpy()] = np.nan
        yield q0, 0, block


def _floats(given: Tensor) -> np.ndarray:
    """Return whole numbers, which have no NaN and no infinity, as float64."""
    return (given if given.is_floating_point() else given.double()).numpy()


def unit(features: Tensor, metric: str) -> Tensor:
    """Return the features as float32, of length 1 for "cosine".

    On the unit sphere the squared distance is twice 1 - cosine.
    """
    x = features.detach().cpu().float()
    return F.normalize(x) if metric == "cosine" else x


def squares(x: Descriptors, metric: str) -> Tensor:
    """Return |x|² [N], block by block, without a second copy of the features."""
    blocks = x.features.split(COLUMNS)
    return torch.cat(
        [torch.linalg.vector_norm(unit(b, metric), dim=1).square() for b in blocks]
    )


def blur(query_squares: Tensor, gallery_squares: Tensor) -> float:
    """Return how far apart rounding may put two distances that are equal."""
    scale = float(gallery_squares.max() + query_squares.max())
    return 8 * torch.finfo(torch.float32).eps * scale
