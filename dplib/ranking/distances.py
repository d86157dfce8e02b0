"""Distances between descriptors whose order is exact, at the cost of one product.

A product in float32 is fast, but it rounds: two images that are equally far from a
query get distances that differ, and two that are not may change places. Here each
distance comes with a bound of its error. Where the bounds of two distances of a query
overlap, both are computed again in float64, as the sum of the squared differences, so
that equal descriptors have equal distances whatever kernel computed the product.

The bound of a product of K values is Higham and Mary's (SIAM J. Sci. Comput. 41(5),
2019): in whatever order a kernel adds up, the error practically never exceeds
LIKELY · √K units of rounding of |q| |g|. Features that have much in common are centred
first. This changes no distance and keeps |q| and |g| small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import DplibError
from dplib.descriptors import Descriptors

BLOCK, COLUMNS = 4096, 2048  # queries and gallery images in a block of distances
MANY = 2**14  # pairs from which it pays to look for copies of one image
LIKELY = 3.0  # rounding to the same side, in sums of equal numbers, comes to 2.1
SAMPLE = 128  # gallery images of which the centre is taken
TINY = 2.0**-100  # far above what float32 loses to underflow
LARGEST = 2.0**120  # |x|² up to which products do not overflow


class EvaluationError(DplibError):
    """Descriptors or distances that cannot be ranked."""


class Distances:
    """Squared Euclidean distances between queries and gallery.

    For the metric "cosine" the features have length 1; there the squared Euclidean
    distance is twice 1 - cosine.

    Attributes:
        q_slack: Bound of the error of ``|g|² - 2 q·g`` in float32, times |q|².
        g_slack: The same, times |g|²; the error is at most the sum of both.
        query_square: |q|² [Q] of the centred queries.
    """

    def __init__(self, query: Descriptors, gallery: Descriptors, metric: str) -> None:
        self.query, self.gallery = query.features, gallery.features
        self.metric = metric
        # Any centre will do; the median is not moved by an outlier. To subtract it
        # takes a pass over the features, so it must pay.
        some = _unit(self.gallery[:: math.ceil(len(self.gallery) / SAMPLE)], metric)
        centre = some.median(0).values
        pays = 2 * centre.square().sum() > some.square().sum(1).median()
        self.centre = centre if pays else None
        k = self.gallery.shape[1]
        likely = min(k, LIKELY * math.sqrt(k))
        # Centring, adding up and scaling round as well, a few times each.
        self.q_slack = (likely + 16) * 2.0**-24
        self.g_slack = (2 * likely + 16) * 2.0**-24
        self._double_slack = (2 * likely + 16) * 2.0**-53
        blocks = self.query.split(COLUMNS)
        squares = [_square(self._centred(b)) for b in blocks]
        self.query_square = torch.cat(squares).numpy()
        self._copies: list[np.ndarray] | None = None

    def products(
        self, queries: list[np.ndarray], images: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return lower bounds and widths as ``blocks`` does, for some pids.

        Args:
            queries: The queries of each pid.
            images: The gallery images of each pid.

        Returns:
            Lower bounds as in ``blocks`` for all queries of a pid and all its images,
            query by query and pid by pid, and the width of each image.
        """
        q = self._centred(self.query[np.concatenate(queries)])
        g = self._centred(self.gallery[np.concatenate(images)])
        bias, width = self._bias(g)
        counts = [len(j) for j in images]
        parts = zip(
            q.split([len(i) for i in queries]),
            g.split(counts),
            bias.split(counts),
            strict=True,
        )
        low = [torch.addmm(c, a, b.T, alpha=-2).flatten() for a, b, c in parts]
        return torch.cat(low).numpy(), width.numpy()

    def blocks(self, keep: Tensor) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """Yield lower bounds of the distances, in blocks that may be written to.

        They lack what is the same for all images: |q|², and less ``q_slack`` |q|² for
        the lower bound, plus ``q_slack`` |q|² for the upper one.

        Args:
            keep: The gallery images to use, ascending. The others cost a copy of
                their block, but no product.

        Yields:
            First query, first image of ``keep``, bounds [b, C], and how much higher
            the upper bounds are [C].
        """
        q = self._centred(self.query)
        buffer = torch.empty(min(BLOCK, len(q)) * min(COLUMNS, len(keep)))
        for g0 in range(0, len(keep), COLUMNS):
            g = self._centred(_rows(self.gallery, keep[g0 : g0 + COLUMNS]))
            bias, width = self._bias(g)
            for q0 in range(0, len(q), BLOCK):
                rows = q[q0 : q0 + BLOCK]
                block = buffer[: len(rows) * len(g)].view(len(rows), len(g))
                torch.addmm(bias, rows, g.T, alpha=-2, out=block)
                yield q0, g0, block.numpy(), width.numpy()

    def exact(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Return the distances [n] of pairs of a query and an image, in float64."""
        if len(i) > MANY:
            i, j = (x[y] for x, y in zip(self._first_copies(), (i, j), strict=True))
            pairs, place = np.unique(i * len(self.gallery) + j, return_inverse=True)
            if len(pairs) < len(i):
                return self._exact(*np.divmod(pairs, len(self.gallery)))[place]
        return self._exact(i, j)

    def rows(self, i: np.ndarray) -> np.ndarray:
        """Return the distances [i, G] of some queries, in float64 and in exact order.

        They are products, but computed again where they are too close to call.
        """
        q = self._centred(self.query[i], torch.float64)
        q_square = q.square().sum(1)[:, None]
        values, width = [], []
        for block in self.gallery.split(COLUMNS):
            g = self._centred(block, torch.float64)
            square = q_square + g.square().sum(1)
            values.append(torch.addmm(square, q, g.T, alpha=-2))
            width.append(square + 2 * (self.metric == "cosine"))  # the unit's rounding
        found = torch.cat(values, 1).numpy()
        half = self._double_slack * torch.cat(width, 1).numpy()
        row, column = _overlapping(found - half, found + half).nonzero()
        found[row, column] = self.exact(i[row], column)
        return found

    def _centred(self, features: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return features less the centre, rounded once."""
        if self.metric == "cosine" or dtype == torch.float64:
            features = features.double()
        x = _unit(features, self.metric)
        return (x if self.centre is None else x - self.centre).to(dtype)

    def _bias(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return |g|² less the bound of the error [n], and twice that bound [n]."""
        square = _square(g)
        width = self.g_slack * square + TINY
        return (square - width).float(), 2 * width

    def _exact(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        found = np.empty(len(i))
        step = max(1, 2**17 // self.gallery.shape[1])  # pairs that stay in the cache
        for s in range(0, len(i), step):
            part = slice(s, s + step)
            d = self._precise(self.query, i[part])
            d -= self._precise(self.gallery, j[part])
            # NumPy adds up each row by itself: the same row gives the same sum.
            found[part] = np.einsum("nk,nk->n", d, d)
        return found

    def _precise(self, features: Tensor, rows: np.ndarray) -> np.ndarray:
        """Return some rows in float64, without PyTorch and its threads."""
        x = features.detach().numpy()[rows].astype(np.float64)
        if self.metric == "cosine":
            length = np.sqrt(np.einsum("nk,nk->n", x, x))
            x /= np.maximum(length, 1e-12)[:, None]
        return x

    def _first_copies(self) -> list[np.ndarray]:
        """Return the first image with the same features, of each query and image."""
        if self._copies is None:
            self._copies = [_first_copies(x) for x in (self.query, self.gallery)]
        return self._copies


def _unit(features: Tensor, metric: str) -> Tensor:
    """Return features of at least float32, of length 1 for "cosine"."""
    x = features.detach().cpu()
    x = x if x.dtype == torch.float64 else x.float()
    return F.normalize(x) if metric == "cosine" else x


def _square(x: Tensor) -> Tensor:
    """Return |x|² [N] in float64, summed up in float32."""
    square = torch.linalg.vector_norm(x, dim=1).double().square()
    if float(square.max()) > LARGEST:
        raise EvaluationError(
            "a descriptor is so long that its square overflows; divide all features "
            "by one number, which changes no rank"
        )
    return square


def _rows(features: Tensor, keep: Tensor) -> Tensor:
    """Return some rows, without a copy where they follow each other."""
    low, high = int(keep[0]), int(keep[-1]) + 1
    return features[low:high] if high - low == len(keep) else features[keep]


def _overlapping(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return which intervals [b, n] overlap another one of their row."""
    order = low.argsort(1)
    low, high = (np.take_along_axis(x, order, 1) for x in (low, high))
    hit = np.zeros(low.shape, bool)
    hit[:, 1:] = low[:, 1:] <= np.maximum.accumulate(high, 1)[:, :-1]
    hit[:, :-1] |= low[:, 1:] <= high[:, :-1]
    found = np.zeros_like(hit)
    np.put_along_axis(found, order, hit, 1)
    return found


def _first_copies(features: Tensor) -> np.ndarray:
    """Return the first row [N] that has the same values as each row."""
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 2**64, 2 * features.shape[1], np.uint64)
    prints = []  # whole numbers, whose sums do not depend on their order
    for block in features.split(COLUMNS):
        bits = (_unit(block, "euclidean") + 0.0).numpy().view(np.uint32)
        prints.append(bits @ weights[: bits.shape[1]])
    first, place = np.unique(
        np.concatenate(prints), return_index=True, return_inverse=True
    )[1:]
    return first[place]
