"""Ranks of the true matches, without sorting and without a Q x G matrix.

The rank of a match is 1 + the number of matches nearer than it + the number of wrong
images that are as near or nearer. So the distances of the true matches are computed
first, pid by pid. Then all distances are computed block by block, and the wrong images
below each match are counted. Beside the descriptors this needs one block.

Two images tie when their distances to the query are equal, as sums of squared
differences in float64 or as handed in, and a tie counts against the model. Products in
float32 decide only where the bounds of their errors leave no doubt; all other pairs are
computed again in float64 (``dplib.ranking.distances``).

Which images of a query's person are its matches is for ``counted`` to say. The others
of that person are neither matches nor wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dplib.descriptors import Descriptors
from dplib.ranking.distances import COLUMNS, Distances, EvaluationError
from dplib.samples import JUNK

ROWS = 512  # queries of a block that are counted at a time
PIDS = 32  # pids whose matches are computed at a time


# Ranks of all matches [M], query by query; the query of each [M]; images ranked
Ranks = tuple[np.ndarray, np.ndarray, int]


class Matches(NamedTuple):
    """True matches, query by query.

    A lower bound above ``high`` means a larger distance than that of the match, an
    upper bound below ``low`` a smaller one.
    """

    queries: np.ndarray  # [M]
    images: np.ndarray  # [M] into the gallery
    low: np.ndarray  # [M]
    high: np.ndarray  # [M]


class Block(NamedTuple):
    """Distances of successive queries to some images, or lower bounds of them."""

    query: int  # the first query
    images: np.ndarray  # [C] into the gallery, ascending
    low: np.ndarray  # [b, C], may be written to; NaN does not count
    width: np.ndarray  # [C]: upper bounds are higher by this


def counted(
    query: Descriptors,
    gallery: Descriptors,
    left_out: np.ndarray | None,
    of: np.ndarray,
    images: np.ndarray,
) -> np.ndarray:
    """Return which of the images of a query's person are true matches.

    Args:
        query: Descriptors [Q, D].
        gallery: Descriptors [G, D].
        left_out: Pairs [n, 2] of a query and an image that do not count, all others do.
            None stands for Market-1501's rule: those of the query's camera do not.
        of: Queries [M].
        images: An image [M] of the pid of each.
    """
    if left_out is None:
        return (query.camids[of] != gallery.camids[images]).numpy()
    places = np.array([len(gallery.pids), 1])
    return ~np.isin(np.stack([of, images], 1) @ places, left_out @ places)


def all_ranked(
    query: Descriptors,
    gallery: Descriptors,
    given: Tensor | None,
    metric: str,
    left_out: np.ndarray | None = None,
) -> Ranks:
    """Rank all matches by Market-1501's protocol, or by "same_camera".

    Args:
        query: Descriptors [Q, D].
        gallery: Descriptors [G, D].
        given: Distances [Q, G] to use instead of the features', or None.
        metric: "euclidean" or "cosine".
        left_out: See ``counted``.

    Returns:
        The ranks of all matches [M] from 1, query by query and ascending, the query
        of each [M], and the number of gallery images that are ranked.

    Raises:
        EvaluationError: If the whole gallery is junk.
    """
    junk = gallery.pids == JUNK
    if junk.all():
        raise EvaluationError(
            "the gallery holds nothing but junk (pid -1); give the images' pids: those "
            "that describe writes are all -1, as it knows nobody"
        )
    of, images = _same_pid(query, gallery)
    keep = (~junk).nonzero().flatten()
    if given is None:
        distances = Distances(query, gallery, metric)
        low, high = _bounds(distances, query.pids.numpy(), of, images)
        blocks = _products(distances, keep)
    else:
        distances, low = None, _floats(given[of, images])
        high, blocks = low, _copies(given, junk)
    right = counted(query, gallery, left_out, of, images)
    matches = Matches(*(x[right] for x in (of, images, low, high)))
    first = np.searchsorted(matches.queries, np.arange(len(query.pids) + 1))
    wrong = np.zeros(len(matches.queries), np.int64)

    def count(part: Block) -> None:
        ends = first[[part.query, part.query + len(part.low)]]
        some = slice(*ends.tolist())
        wrong[some] += _below(part, Matches(*(x[some] for x in matches)), distances)

    # NumPy lets go of Python's lock while it compares and sorts.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for block in blocks:
            # The images of the query's own pid do not count: NaN is below no bound.
            a, b = np.searchsorted(of, (block.query, block.query + len(block.low)))
            column = np.searchsorted(block.images, images[a:b])
            here = np.append(block.images, -1)[column] == images[a:b]
            block.low[of[a:b][here] - block.query, column[here]] = np.nan
            parts = [
                block._replace(query=block.query + s, low=block.low[s : s + ROWS])
                for s in range(0, len(block.low), ROWS)
            ]
            list(pool.map(count, parts))
    # The nearer of two matches never has more wrong images below it.
    wrong = wrong[np.lexsort((wrong, matches.queries))]
    nth = np.arange(len(wrong)) - first[matches.queries]
    return wrong + nth + 1, matches.queries, len(keep)


# --- counting -------------------------------------------------------------------------


def _below(block: Block, matches: Matches, distances: Distances | None) -> np.ndarray:
    """Count the images of a block that are as near as each match or nearer [M]."""
    rows, many = block.low, block.low.shape[1]
    owner = matches.queries - block.query
    # Few images are nearer than a query's last match, so sorting them is cheap.
    last = np.full(len(rows), -np.inf, matches.high.dtype)
    np.maximum.at(last, owner, matches.high)
    near = np.flatnonzero(rows <= last[:, None])
    # Row, value and column make one whole number, so that one sort serves all rows.
    starts = near.searchsorted(np.arange(len(rows) + 1) * many)
    row = np.arange(len(rows)).repeat(np.diff(starts))
    values, high = _ordinals(rows.ravel()[near], matches.high)
    bits = many.bit_length()
    keys = (row << 32 + bits) + (values << bits) + near - row * many
    keys.sort()
    starts = starts[owner]
    ends = keys.searchsorted((owner << 32 + bits) + (high << bits) + many, "right")
    found = ends - starts
    if distances is None or not len(near):
        return found
    # Between these two positions rounding may have decided.
    (low,) = _ordinals(_lower(matches.low - block.width.max()))
    sure = keys.searchsorted((owner << 32 + bits) + (low << bits))
    unclear = np.flatnonzero(sure < ends)
    if not len(unclear):
        return found
    edges = [np.bincount(x[unclear], minlength=len(keys) + 1) for x in (sure, ends)]
    inside = np.flatnonzero((edges[0] - edges[1]).cumsum()[:-1] > 0)
    row, column = keys[inside] >> 32 + bits, keys[inside] & (1 << bits) - 1
    if len(inside) > len(owner):  # an outlier widens the gap for all images
        doubt = _doubtful(block, matches, row, column)
        inside, row, column = inside[doubt], row[doubt], column[doubt]
    # Those in doubt are no longer counted by their bounds, but by their distances.
    ends, starts = (inside.searchsorted(x[unclear]) for x in (ends, starts))
    exact = distances.exact(block.query + row, block.images[column])
    theirs = distances.exact(matches.queries[unclear], matches.images[unclear])
    found[unclear] += starts - ends + _not_above(row, exact, owner[unclear], theirs)
    return found


def _doubtful(
    block: Block, matches: Matches, row: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """Return which images [n] the bounds do not place beside each match of their row.

    Matches that are certainly nearer than an image are among those that are not
    certainly farther, so the image is in doubt when there are more of the latter.
    """
    lowest = block.low[row, column]
    highest = _upper(lowest + block.width[column])
    owner = matches.queries - block.query
    values = _ordinals(lowest, highest, matches.low, matches.high)
    nearest, farthest, low, high = (
        (r << 32) + x for r, x in zip((row, row, owner, owner), values, strict=True)
    )
    return np.sort(low).searchsorted(farthest, "right") > np.sort(high).searchsorted(
        nearest
    )


def _not_above(
    row: np.ndarray, values: np.ndarray, owner: np.ndarray, edges: np.ndarray
) -> np.ndarray:
    """Count for each edge [M] the values [n] of its row that are not above it."""
    rows, both = np.concatenate([row, owner]), np.concatenate([values, edges])
    is_edge = np.arange(len(rows)) >= len(row)
    order = np.lexsort((is_edge, both, rows))
    count = np.empty(len(rows), np.int64)
    count[order] = (~is_edge[order]).cumsum()
    return count[len(row) :] - np.sort(row).searchsorted(owner)


def _ordinals(*arrays: np.ndarray) -> list[np.ndarray]:
    """Return whole numbers from 0 to 2^32 - 1 in the order of the values."""
    if all(x.dtype == np.float32 for x in arrays):
        bits = [(x + np.float32(0)).view(np.int32) for x in arrays]  # no -0
        return [(b ^ (b >> 31 & 0x7FFFFFFF)).astype(np.int64) + 2**31 for b in bits]
    both = np.unique(np.concatenate(arrays), return_inverse=True)[1].astype(np.int64)
    return np.split(both, np.cumsum([len(x) for x in arrays])[:-1])


def _lower(values: np.ndarray) -> np.ndarray:
    """Return float32 below the values."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))


def _upper(values: np.ndarray) -> np.ndarray:
    """Return float32 above the values."""
    return np.nextafter(values.astype(np.float32), np.float32(np.inf))


# --- where distances come from --------------------------------------------------------


def _bounds(
    distances: Distances, pids: np.ndarray, of: np.ndarray, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``Matches.low`` and ``Matches.high`` for each pair of ``_same_pid``."""
    low, width = np.empty(len(of), np.float32), np.empty(len(distances.gallery))
    first = np.searchsorted(of, np.arange(len(pids) + 1))
    queries = np.flatnonzero(np.diff(first))
    queries = queries[np.argsort(pids[queries], kind="stable")]
    starts = np.flatnonzero(np.diff(pids[queries], prepend=-2))
    people = np.split(queries, starts)[1:]
    # The features of some pids are gathered at once, then each pid has a product.
    for s in range(0, len(people), PIDS):
        some = people[s : s + PIDS]
        mine = np.concatenate(some)
        theirs = [images[first[i[0]] : first[i[0] + 1]] for i in some]
        many = first[mine + 1] - first[mine]
        nth = np.arange(many.sum()) - np.repeat(many.cumsum() - many, many)
        place = np.repeat(first[mine], many) + nth
        low[place], width[np.concatenate(theirs)] = distances.products(some, theirs)
    # The blocks leave out the share of |q|² in both bounds: here it counts twice.
    share = 2 * distances.q_slack * distances.query_square[of]
    return _lower(low - share), _upper(low + width[images] + share)


def _products(distances: Distances, keep: Tensor) -> Iterator[Block]:
    """Yield the distances of the features, block by block."""
    for q0, g0, low, width in distances.blocks(keep):
        yield Block(q0, keep[g0 : g0 + low.shape[1]].numpy(), low, width)


def _copies(given: Tensor, junk: Tensor) -> Iterator[Block]:
    """Yield given distances in blocks that may be written to, NaN for junk."""
    images, width = np.arange(len(junk)), np.zeros(len(junk))
    rows = max(1, ROWS * COLUMNS // len(junk))  # so that a block stays in the cache
    for q0 in range(0, len(given), rows):
        low = _floats(given[q0 : q0 + rows]).copy()
        low[:, junk.numpy()] = np.nan
        yield Block(q0, images, low, width)


def _floats(given: Tensor) -> np.ndarray:
    """Return whole numbers, which have no NaN and no infinity, as float64."""
    return (given if given.is_floating_point() else given.double()).numpy()


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


# --- CUHK03's old protocol ------------------------------------------------------------


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
    if given is None:
        distances = Distances(query, gallery, metric)
        parts = np.array_split(np.arange(len(query.pids)), len(query.pids) // 64 + 1)
        d = torch.from_numpy(np.concatenate([distances.rows(i) for i in parts]))
    else:
        d = given.double()
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
            reach = torch.where(right, rows, -torch.inf).amax(1, keepdim=True)
            rank = ((rows <= reach) & ~right).sum(1) + 1
            ranks[mine, draw] = torch.where(right.any(1), rank, 0)
    some = ranks[:, 0] > 0
    of = some.nonzero().flatten().repeat_interleave(draws)
    return ranks[some].flatten().numpy(), of.numpy(), len(pids)
