"""k-reciprocal re-ranking with local query expansion (Zhong et al., CVPR 2017).

Two images that are near each other for the same reason have the same neighbours. Each
image is encoded by its k-reciprocal neighbours (those that count it among their own
nearest, too); two encodings are compared by their Jaccard distance, and this is mixed
with the original distance.

The published method holds several matrices of N x N for N = queries + gallery images.
But an encoding has some tens of values that are not 0, and the distances are needed
once: to find each row's nearest images and its maximum. So the distances are computed
in strips, each pair once, and the rest is sparse. The values are the published ones.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import DplibError, bars
from dplib.descriptors import Descriptors, check_pair

BLOCK = 1024  # rows of distances at a time
ROWS = 128  # rows of Jaccard distances at a time
ENTRIES = 2**21  # pairs of entries at a time
SPARE = 5  # neighbours kept beyond those needed, to settle ties among


class RerankingError(DplibError):
    """Descriptors or settings that cannot be re-ranked."""


class Sparse(NamedTuple):
    """A matrix by its entries, ordered by row and then by column."""

    rows: Tensor  # [E] int64
    cols: Tensor  # [E] int64
    values: Tensor  # [E] float32


@torch.no_grad()
def k_reciprocal(
    query: Descriptors,
    gallery: Descriptors,
    k1: int = 20,
    k2: int = 6,
    lambda_: float = 0.3,
    *,
    progress: bool = False,
) -> Tensor:
    """Re-ranked distances [Q, G] float32, in [0, 1], for ``evaluate(distances=...)``.

    k1: neighbours, from which the reciprocal ones are taken (round(k1 / 2) for the
    expansion); k2: nearest images, itself among them, whose encodings are averaged
    (1: no averaging); lambda_: share of the original distance, squared and divided by
    the row's maximum over queries and gallery. Pids and cameras are not looked at: an
    image of the gallery counts even if it is junk; see ``evaluation.drop_junk``.

    Distances are Euclidean between L2-normalised descriptors, squared once. The
    authors' program given features (re_ranking_feature) squares them once, too, but
    rounds to half precision; the one given matrices (re_ranking_ranklist) squares what
    it gets. torchreid (utils/rerank.py) took over the latter and hands it distances
    that are squared already, so that there they are squared twice.

    At equal distance the image of lower index comes first, queries before the gallery.
    Raises RerankingError for k1 or k2 below 1, lambda_ outside [0, 1], fewer images
    than k1 + 1 or k2, NaN or infinity, and features of different widths.
    """
    _check(query, gallery, k1, k2, lambda_)
    q = len(query.features)
    x = torch.cat([F.normalize(d.features.float().cpu()) for d in (query, gallery)])
    # Distances stay the same, and lose less to rounding where all images are alike.
    x -= x.mean(0)
    square = torch.linalg.vector_norm(x, dim=1).square_()
    mixed = x.new_empty(q, len(x) - q)
    half = round(k1 / 2)  # to the even number, as np.around does
    cuts = sorted({k1 + 1, half + 1, k2})
    near, far = _neighbours(x, square, cuts, mixed, progress)
    rows, cols = _encoded(near, k1 + 1, half + 1)
    scale = torch.where(far > 0, 1 / far, 0)  # 0: all images are the same
    # eq. 7: the Gaussian of the distance, for the members of the set
    share = _distances(x, square, rows, cols) * scale[rows]
    weight = torch.exp(-share.clamp(0, 1))
    total = torch.zeros(len(x)).index_add_(0, rows, weight)
    v = Sparse(rows, cols, weight / total[rows])
    if k2 > 1:
        v = _expanded(v, near[:, :k2])
    mixed *= lambda_ * scale[:q, None]
    for part, jaccard in _jaccard(v, q, len(x)):
        mixed[part] += jaccard.mul_(1 - lambda_)
    return mixed


# --- distances and nearest images -----------------------------------------------------


def _neighbours(
    x: Tensor, square: Tensor, cuts: list[int], mixed: Tensor, progress: bool
) -> tuple[Tensor, Tensor]:
    """The nearest images [N, cuts[-1]], nearest first, each row's maximum [N].

    ``mixed`` takes the distances of queries to the gallery. Strip by strip: images
    s … e to all from s on. The strip's rows see those before s in the columns of the
    strips before, so that each distance is computed once.
    """
    n, q = len(x), len(mixed)
    keep = min(n, cuts[-1] + SPARE)
    best = torch.full((keep, n), math.inf)
    index = torch.zeros(keep, n, dtype=torch.int64)
    far = torch.zeros(n)
    buffer = torch.empty(min(BLOCK, n) * n)
    for s in bars.bar(range(0, n, BLOCK), "re-ranking", disable=not progress):
        e = min(s + BLOCK, n)
        d = buffer[: (e - s) * (n - s)].view(e - s, n - s)
        torch.addmm(square[s:], x[s:e], x[s:].T, alpha=-2, out=d)
        d += square[s:e, None]
        if s < q:
            mixed[s:e] = d[: q - s, q - s :].clamp(min=0)
        own = d.topk(min(keep, n - s), 1, largest=False)
        _merge(best, index, slice(s, e), own.values.T, own.indices.T + s)
        torch.maximum(far[s:e], d.amax(1), out=far[s:e])
        if e < n:
            later = d[:, e - s :]
            top = later.topk(min(keep, e - s), 0, largest=False)
            _merge(best, index, slice(e, n), top.values, top.indices + s)
            torch.maximum(far[e:], later.amax(0), out=far[e:])
    del buffer
    near = index.T.contiguous()
    _settle(x, square, best.T, near, far, cuts)
    return near[:, : cuts[-1]], far


def _merge(
    best: Tensor, index: Tensor, part: slice, values: Tensor, indices: Tensor
) -> None:
    """Keep the nearest of those known and those new; a column an image."""
    both = torch.cat([best[:, part], values])
    which = torch.cat([index[:, part], indices])
    top = both.topk(len(best), 0, largest=False)
    best[:, part] = top.values
    index[:, part] = which.gather(0, top.indices)


def _settle(
    x: Tensor,
    square: Tensor,
    best: Tensor,
    near: Tensor,
    far: Tensor,
    cuts: list[int],
) -> None:
    """Order anew the rows in which rounding decides who is within a cut.

    The product's rounding depends on where in a strip an image stands; so copies of
    one image would differ. What is computed here does not, and is 0 for copies.
    """
    n, keep = near.shape
    blur = 16 * torch.finfo(torch.float32).eps * float(square.max())
    unclear = torch.zeros(n, dtype=torch.bool)
    deep = torch.zeros(n, dtype=torch.bool)  # those kept may not be all concerned
    for cut in cuts:
        if cut < keep:
            tie = best[:, cut] - best[:, cut - 1] <= blur
            unclear |= tie
            deep |= tie & (best[:, -1] - best[:, cut - 1] <= 2 * blur)
    if keep == n:
        deep[:] = False
    for i in (unclear & ~deep).nonzero().flatten().tolist():
        some = near[i].sort().values
        near[i] = some[_exact(x[some], x[i]).argsort(stable=True)]
    copies = deep.nonzero().flatten()
    if not len(copies):
        return
    # Many copies of one image: once for all of them.
    images, which = x[copies].unique(dim=0, return_inverse=True)
    for j, image in enumerate(images):
        d = torch.cat([_exact(some, image) for some in x.split(BLOCK)])
        rows = copies[which == j]
        near[rows] = d.argsort(stable=True)[:keep]
        far[rows] = d.max().float()


def _exact(images: Tensor, image: Tensor) -> Tensor:
    """Squared distances [n] in double precision."""
    return (images.double() - image.double()).square_().sum(1)


def _distances(x: Tensor, square: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Squared distances of some pairs, ordered by row."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR")  # "in beta state"
        pattern = torch.sparse_csr_tensor(
            _starts(rows, len(x)),
            cols,
            torch.zeros(len(cols)),
            (len(x), len(x)),
            check_invariants=False,
        )
        product = torch.sparse.sampled_addmm(pattern, x, x.T).values()
    return square[rows] + square[cols] - 2 * product


# --- encodings ------------------------------------------------------------------------


def _encoded(near: Tensor, k: int, half: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the encodings: R*(p, k1), eq. 4; k and half count itself."""
    n = len(near)
    rows, cols = _mutual(near[:, :k])
    theirs, members = _mutual(near[:, :half])
    start = _starts(theirs, n)
    # for each neighbour of a row, the images of the neighbour's own set
    entry, at = _spread(start[cols], start[cols + 1])
    key = rows[entry] * n + members[at]
    own = rows * n + cols
    shared = torch.zeros(len(rows), dtype=torch.int64)
    shared.index_add_(0, entry, _isin(key, own).long())
    # more than two thirds in common, as the program has it (in the paper: at least)
    added = 3 * shared > 2 * (start[cols + 1] - start[cols])
    key = torch.cat([own, key[added[entry]]]).unique()
    return key // n, key % n


def _mutual(near: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs (p, g), each among the other's nearest, eq. 3; ordered."""
    n = len(near)
    rows = torch.arange(n)[:, None]
    ordered = near.sort(1).values
    key = (rows * n + ordered).flatten()
    key = key[_isin((ordered * n + rows).flatten(), key)]
    return key // n, key % n


def _isin(values: Tensor, ordered: Tensor) -> Tensor:
    """Which of the values are in ``ordered``, which ascends."""
    at = torch.searchsorted(ordered, values).clamp_(max=len(ordered) - 1)
    return ordered[at] == values


def _spread(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """All positions from start[j] to end[j], for each j in turn: (j, position)."""
    many = end - start
    entry = torch.arange(len(many)).repeat_interleave(many)
    skip = start - (many.cumsum(0) - many)
    return entry, torch.arange(len(entry)) + skip[entry]


def _expanded(v: Sparse, near: Tensor) -> Sparse:
    """Local query expansion, eq. 11: the mean of the nearest images' encodings."""
    n, k2 = near.shape
    rows = torch.arange(n).repeat_interleave(k2)
    mean = _coo(rows, near.flatten(), torch.full((n * k2,), 1 / k2), n)
    product = torch.sparse.mm(mean, _coo(*v, n)).coalesce()
    rows, cols = product.indices()
    return Sparse(rows, cols, product.values())


def _coo(rows: Tensor, cols: Tensor, values: Tensor, n: int) -> Tensor:
    where = torch.stack([rows, cols])
    return torch.sparse_coo_tensor(where, values, (n, n), check_invariants=False)


def _jaccard(v: Sparse, q: int, n: int) -> Iterator[tuple[slice, Tensor]]:
    """Jaccard distances [b, G] of the queries, eq. 10, through an inverted index."""
    others = v.rows >= q
    by_column = v.cols[others].argsort(stable=True)
    images = v.rows[others][by_column] - q
    values = v.values[others][by_column]
    column = _starts(v.cols[others][by_column], n)
    starts = _starts(v.rows, n)
    # few queries at a time where many images share their neighbours
    many = column.diff()[v.cols].cumsum(0)
    work = F.pad(many, (1, 0))[starts]
    e = 0
    while e < q:
        s = e
        e = min(q, s + ROWS, int(torch.searchsorted(work, work[s] + ENTRIES)))
        own = slice(int(starts[s]), int(starts[e]))
        rows, cols = v.rows[own] - s, v.cols[own]
        # images that share this neighbour with the query
        entry, at = _spread(column[cols], column[cols + 1])
        both = torch.minimum(v.values[own][entry], values[at])
        where = rows[entry] * (n - q) + images[at]
        # Encodings sum to 1: the maxima sum to 2 less the sum of the minima.
        common = torch.zeros((e - s) * (n - q)).index_add_(0, where, both)
        common = common.view(e - s, n - q)
        yield slice(s, e), 1 - common / (2 - common)


def _starts(ordered: Tensor, n: int) -> Tensor:
    """Where each of 0 … n - 1 starts in ``ordered``, and its end [n + 1]."""
    starts = torch.zeros(n + 1, dtype=torch.int64)
    starts[1:] = ordered.bincount(minlength=n).cumsum(0)
    return starts


def _check(
    query: Descriptors, gallery: Descriptors, k1: int, k2: int, lambda_: float
) -> None:
    for name, k in (("k1", k1), ("k2", k2)):
        if not isinstance(k, int) or k < 1:
            raise RerankingError(f"{name}={k!r}: give a whole number of at least 1")
    if not 0 <= lambda_ <= 1:
        raise RerankingError(
            f"lambda_={lambda_!r}: the original distance's share is between 0 and 1"
        )
    for name, d in (("query", query), ("gallery", gallery)):
        if d.features.ndim != 2 or not d.features.numel():
            raise RerankingError(
                f"{name} features are {tuple(d.features.shape)}; expected one row per "
                "image, at least one"
            )
    check_pair(query, gallery, RerankingError)
    images = len(query.features) + len(gallery.features)
    if images < max(k1 + 1, k2):
        raise RerankingError(
            f"k1={k1} and k2={k2} need {max(k1 + 1, k2)} images, queries and gallery "
            f"hold {images} together; give a smaller k1 or k2, or more images"
        )
