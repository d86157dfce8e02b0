"""k-reciprocal re-ranking with local query expansion (Zhong et al., CVPR 2017).

Two images that are close to each other for the same reason have the same neighbours.
Each image is encoded by its k-reciprocal neighbours (those that count it among their
own nearest images, too). Two encodings are compared by their Jaccard distance, which
is then mixed with the original distance.

The published program holds several N x N matrices for N = queries + gallery images.
An encoding, however, has only some tens of values that are not 0, and the distances
are needed once, to find the nearest images and the maximum of each row. Here the
distances are computed in tiles, each pair once, and everything else is a sparse matrix
of SciPy. The values are the published ones.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor

from dplib import DplibError, bars, seeds
from dplib.descriptors import Descriptors, as_tensors, check_pair

# Images in a tile. PyTorch's topk is five times slower on fewer than 64 values for
# each one it keeps, and it keeps k1 + 1 + SPARE of the 2,048.
BLOCK = 2048
COLUMNS = 4096  # images that a tile compares with those of its block
ROWS = 128  # queries whose Jaccard distances are computed at a time
ENTRIES = 2**21  # pairs of entries of two encodings that are compared at a time
SPARE = 5  # neighbours kept beyond those needed, to decide between near-equal ones


class RerankingError(DplibError):
    """Descriptors or settings that cannot be re-ranked."""


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
    """Return re-ranked distances, for ``evaluation.evaluate(distances=...)``.

    Distances are Euclidean between L2-normalised descriptors, squared once. The
    authors' program for features (re_ranking_feature) also squares them once, but
    rounds to half precision; their program for matrices (re_ranking_ranklist) squares
    whatever it is given. torchreid (utils/rerank.py) adopted the latter and passes it
    distances that are already squared, so that they are squared twice there.

    Pids and cameras are not used: an image of the gallery counts even if it is junk
    (see ``evaluation.drop_junk``). At equal distance the image of lower index comes
    first, and queries come before the gallery.

    Args:
        query: Descriptors [Q, D].
        gallery: Descriptors [G, D].
        k1: Number of nearest images among which the reciprocal neighbours are sought
            (eq. 3); the expansion (eq. 4) uses round(k1 / 2).
        k2: Number of nearest images, the image itself included, whose encodings are
            averaged (eq. 11); 1 means no averaging.
        lambda_: Weight of the original distance (eq. 12), which is divided by the
            maximum of its row over queries and gallery.
        progress: Show a progress bar.

    Returns:
        Distances [Q, G] float32, in [0, 1].

    Raises:
        RerankingError: If k1 or k2 is below 1, lambda_ lies outside [0, 1], there are
            fewer images than k1 + 1 or k2, a feature is not finite, or the features
            differ in width.
    """
    query = as_tensors("query", query, RerankingError)
    gallery = as_tensors("gallery", gallery, RerankingError)
    _check(query, gallery, k1, k2, lambda_)
    q = len(query.features)
    x = torch.cat([F.normalize(d.features.float().cpu()) for d in (query, gallery)])
    # Centring keeps the distances and reduces rounding where all images are alike.
    x -= x.mean(0)
    square = torch.linalg.vector_norm(x, dim=1).square_()
    mixed = x.new_empty(q, len(x) - q)
    half = round(k1 / 2)  # rounds 0.5 to the even number, as np.around does
    cuts = sorted({k1 + 1, half + 1, k2})
    near, far = _neighbours(x, square, cuts, mixed, progress)
    scale = torch.where(far > 0, 1 / far, 0)  # 0 where all images are the same
    v = _members(near.numpy(), k1 + 1, half + 1)
    # Eq. 7: a Gaussian of the distance, normalised so that each encoding sums to 1.
    share = torch.from_numpy(_pair_distances(x, square, v)) * scale.repeat_interleave(
        torch.from_numpy(np.diff(v.indptr))
    )
    v.data = torch.exp(-share.clamp(0, 1)).numpy()
    v.data /= np.repeat(v.sum(1), np.diff(v.indptr))
    if k2 > 1:  # eq. 11, local query expansion: the mean of the nearest encodings
        mean = _rows(near[:, :k2].numpy(), np.float32(1 / k2))
        v = mean @ v
    mixed *= lambda_ * scale[:q, None]
    for part, jaccard in _jaccard(v, q):
        mixed[part] += jaccard.mul_(1 - lambda_)
    return mixed


# --- distances and nearest images -----------------------------------------------------


def _neighbours(
    x: Tensor, square: Tensor, cuts: list[int], mixed: Tensor, progress: bool
) -> tuple[Tensor, Tensor]:
    """Return the nearest images [N, cuts[-1]], nearest first, and row maxima [N].

    ``mixed`` receives the distances between queries and gallery. A tile holds the
    distances between the images s to e and the images a to b, where a >= s, and is
    read along its rows and along its columns, so that each pair is computed once.
    """
    n, q = len(x), len(mixed)
    keep = min(n, cuts[-1] + SPARE)
    best = torch.full((n, keep), math.inf)
    near = torch.zeros(n, keep, dtype=torch.int64)
    far = torch.zeros(n)
    buffer = torch.empty(min(BLOCK, n) * min(COLUMNS, n))

    def add(tile: Tensor, at: slice, others: int) -> None:
        """Keep the smallest distances of a tile; its columns begin at ``others``."""
        top = tile.topk(min(keep, tile.shape[1]), 1, largest=False)
        values = torch.cat([best[at], top.values], 1)
        indices = torch.cat([near[at], top.indices + others], 1)
        best[at], order = values.topk(keep, 1, largest=False)
        near[at] = indices.gather(1, order)
        torch.maximum(far[at], tile.amax(1), out=far[at])

    for s in bars.bar(range(0, n, BLOCK), "re-ranking", disable=not progress):
        e = min(s + BLOCK, n)
        for a in range(s, n, COLUMNS):
            b = min(a + COLUMNS, n)
            tile = buffer[: (e - s) * (b - a)].view(e - s, b - a)
            torch.addmm(square[a:b], x[s:e], x[a:b].T, alpha=-2, out=tile)
            tile += square[s:e, None]
            if s < q < b:
                start = max(a, q)
                mixed[s : min(e, q), start - q : b - q] = tile[
                    : q - s, start - a :
                ].clamp(min=0)
            add(tile, slice(s, e), a)
            later = max(a, e)  # images s to e have seen each other along the rows
            if later < b:
                add(tile[:, later - a :].T, slice(later, b), s)
    _settle(x, square, best, near, far, cuts)
    return near[:, : cuts[-1]], far


def _settle(
    x: Tensor,
    square: Tensor,
    best: Tensor,
    near: Tensor,
    far: Tensor,
    cuts: list[int],
) -> None:
    """Sort the rows again in which rounding decides who is within a cut.

    The rounding of a product depends on where in a tile an image stands, so that
    copies of one image would get different distances. The distances computed here are
    in double precision and are 0 between copies.
    """
    n, keep = near.shape
    blur = 16 * torch.finfo(torch.float32).eps * float(square.max())
    unclear = torch.zeros(n, dtype=torch.bool)
    deep = torch.zeros(n, dtype=torch.bool)  # an image not kept may belong in the cut
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
    # There may be many copies of one image: compute its distances once for all.
    images, which = x[copies].unique(dim=0, return_inverse=True)
    for j, image in enumerate(images):
        d = torch.cat([_exact(some, image) for some in x.split(BLOCK)])
        rows = copies[which == j]
        near[rows] = d.argsort(stable=True)[:keep]
        far[rows] = d.max().float()


def _exact(images: Tensor, image: Tensor) -> Tensor:
    """Return squared distances [n] in double precision."""
    return (images.double() - image.double()).square_().sum(1)


def _pair_distances(x: Tensor, square: Tensor, pairs: csr_array) -> np.ndarray:
    """Return the squared distances of the pairs that are entries of a matrix."""
    rows = np.repeat(np.arange(len(x)), np.diff(pairs.indptr))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR")  # "in beta state"
        pattern = torch.sparse_csr_tensor(
            torch.from_numpy(pairs.indptr),
            torch.from_numpy(pairs.indices),
            torch.zeros(pairs.nnz),
            pairs.shape,
            check_invariants=False,
        )
        product = torch.sparse.sampled_addmm(pattern, x, x.T).values().numpy()
    ends = square.numpy()
    return ends[rows] + ends[pairs.indices] - 2 * product


# --- encodings ------------------------------------------------------------------------


def _rows(cols: np.ndarray, value: np.generic) -> csr_array:
    """Return the matrix [N, N] whose row p holds ``value`` in the columns cols[p]."""
    n, k = cols.shape
    starts = np.arange(0, n * k + 1, k)
    return csr_array((np.full(n * k, value), cols.ravel(), starts), (n, n))


def _members(near: np.ndarray, k: int, half: int) -> csr_array:
    """Return the pattern of R*(p, k1), eq. 4; k and half include the image itself."""
    whole, halves = (_rows(near[:, :i], np.int32(1)) for i in (k, half))
    r, h = (a.multiply(a.T.tocsr()) for a in (whole, halves))  # mutual pairs, eq. 3
    # How much of the set of each member of R(p, k1) lies in R(p, k1) itself.
    shared = r.multiply(r @ h.T.tocsr()).tocsr()
    # More than two thirds, as in the authors' program (the paper says at least).
    shared.data = (3 * shared.data > 2 * h.sum(1)[shared.indices]).astype(np.int32)
    shared.eliminate_zeros()
    return (r + shared @ h).tocsr()


def _jaccard(v: csr_array, q: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield Jaccard distances [b, G] of some queries, eq. 10."""
    holders = v[q:].T.tocsr()  # for each neighbour, the gallery images that have it
    # Take few queries at a time where many images share their neighbours.
    work = np.append(0, np.diff(holders.indptr)[v.indices].cumsum())[v.indptr]
    e = 0
    while e < q:
        s = e
        e = min(q, s + ROWS, max(s + 1, int(work.searchsorted(work[s] + ENTRIES))))
        own = slice(v.indptr[s], v.indptr[e])
        shared = holders[v.indices[own]]  # a row for each entry of these queries
        many = np.diff(shared.indptr)
        minima = np.minimum(shared.data, np.repeat(v.data[own], many))
        # The rows of one query become one row, whose equal columns toarray() adds up.
        starts = shared.indptr[v.indptr[s : e + 1] - v.indptr[s]]
        shape = (e - s, holders.shape[1])
        common = csr_array((minima, shared.indices, starts), shape).toarray()
        # Encodings sum to 1: the maxima sum to 2 less the sum of the minima.
        c = torch.from_numpy(common)
        yield slice(s, e), 1 - c / (2 - c)


def check_settings(images: int, k1: int, k2: int, lambda_: float) -> None:
    """Refuse settings with which so many images cannot be re-ranked.

    Args:
        images: Queries and gallery images together.
        k1: See ``k_reciprocal``, as are the others.
        k2: Number of nearest images whose encodings are averaged.
        lambda_: Weight of the original distance.

    Raises:
        RerankingError: A setting is out of its range, or there are too few images.
    """
    for name, k in (("k1", k1), ("k2", k2)):
        if not seeds.is_whole(k) or k < 1:
            raise RerankingError(f"{name}={k!r}: give a whole number of at least 1")
    if not seeds.is_real(lambda_) or not 0 <= lambda_ <= 1:
        raise RerankingError(
            f"lambda_={lambda_!r}: the original distance's share is between 0 and 1"
        )
    if images < max(k1 + 1, k2):
        raise RerankingError(
            f"k1={k1} and k2={k2} need {max(k1 + 1, k2)} images, queries and gallery "
            f"hold {images} together; give a smaller k1= or k2=, or more images"
        )


def _check(
    query: Descriptors, gallery: Descriptors, k1: int, k2: int, lambda_: float
) -> None:
    """Raise RerankingError for what ``k_reciprocal`` cannot work with."""
    for name, d in (("query", query), ("gallery", gallery)):
        if d.features.ndim != 2 or not d.features.numel():
            raise RerankingError(
                f"{name} features are {tuple(d.features.shape)}; expected one row per "
                "image, at least one"
            )
    check_pair(query, gallery, RerankingError)
    check_settings(len(query.features) + len(gallery.features), k1, k2, lambda_)
