"""CMC, AP (step and trapezoid) and mINP under Market-1501's protocol (§4.2).

For each query the gallery is ranked by distance. Junk (pid -1) is dropped, and so are
the images of the query's own pid from its own camera; distractors (pid 0) stay.

Nothing is sorted: every measure follows from the ranks of the true matches, and the
rank of a match is 1 + the matches nearer than it + the wrong images at its distance
or nearer. Ties count against the model, so that constant descriptors score nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import DplibError
from dplib.datasets import JUNK
from dplib.descriptors import Descriptors

METRICS = ("euclidean", "cosine")
PROTOCOLS = ("market1501",)
CHOICES = {
    "metric": METRICS,
    "protocol": PROTOCOLS,
    "unmatched": ("raise", "skip"),
}
BLOCK = 256  # queries at a time: memory is BLOCK x G, whatever Q is


class EvaluationError(DplibError):
    """Descriptors or distances that cannot be ranked."""


class RankedList(NamedTuple):
    """The k nearest gallery images of one query, nearest first."""

    indices: Tensor  # [k] into the gallery as given
    distances: Tensor  # [k] Euclidean (not squared), 1 - cosine, or as given
    right: Tensor  # [k] bool, a true match
    junk: Tensor  # [k] bool, ignored by the protocol


@dataclass(frozen=True)
class Retrieval:
    """The measures, as shares in [0, 1], and what is known of each query.

    cmc[r - 1]: share of queries with a true match at rank r or better. map: mean of
    ``ap``, by steps: the mean of the precision at each match. map_trapezoid: by the
    trapezoid rule, as Market-1501's own program has it. minp: mean of matches / rank
    of the last match. num_ranked: gallery images without junk.
    """

    cmc: Tensor  # [num_ranked]
    map: float
    map_trapezoid: float
    minp: float
    num_ranked: int
    ap: Tensor  # [Q]
    match_ranks: list[Tensor]  # Q x ranks from 1, ascending
    queries: Tensor  # [Q] index of each evaluated query, as given
    _query: Descriptors = field(repr=False)
    _gallery: Descriptors = field(repr=False)
    _distances: Tensor | None = field(repr=False)
    _metric: str = field(repr=False)

    @property
    def rank1(self) -> float:
        """CMC at rank 1."""
        return float(self.cmc[0])

    def ranked(self, i: int, k: int = 50) -> RankedList:
        """The ranked list of query ``i``, computed now; junk stays in it, flagged.

        Wrong images precede matches at the same distance, as in the measures.
        """
        if self._distances is not None:
            d = order_by = self._distances[i].cpu()
            tie = 0.0
        else:
            q, g = _prepare(self._query, self._gallery, self._metric)
            square = _square(g)
            order_by = torch.addmm(square, q[i : i + 1], g.T, alpha=-2)[0]
            d2 = (order_by + q[i].square().sum()).clamp(min=0)
            d = d2.sqrt() if self._metric == "euclidean" else d2 / 2
            tie = _blur(_square(q), square)
        pid, cam = self._query.pids[i], self._query.camids[i]
        same = self._gallery.pids == pid
        own = same & (self._gallery.camids == cam)
        right = same & ~own
        late = torch.where(right, order_by + tie, order_by)
        order = np.lexsort((right.numpy(), late.numpy()))[:k]
        top = torch.from_numpy(order)
        junk = own | (self._gallery.pids == JUNK)
        return RankedList(top, d[top], right[top], junk[top])

    def summary(self) -> dict[str, float]:
        """rank1, rank5, rank10, map, map_trapezoid, minp, rounded to 1e-6."""
        ranks = {f"rank{r}": float(self.cmc[:r][-1]) for r in (1, 5, 10)}
        means = {
            "map": self.map,
            "map_trapezoid": self.map_trapezoid,
            "minp": self.minp,
        }
        return {k: round(v, 6) for k, v in {**ranks, **means}.items()}


def average_precision(ranks: np.ndarray) -> tuple[float, float]:
    """AP by steps and by trapezoids from the ranks (from 1, ascending) of the matches.

    Steps: the mean of j / r_j. Trapezoids: the mean of the precision at the match and
    the precision just before it, (j - 1) / (r_j - 1), or 1 at rank 1.
    """
    j = np.arange(1, len(ranks) + 1)
    after = j / ranks
    before = np.where(ranks > 1, (j - 1) / np.maximum(ranks - 1, 1), 1.0)
    return float(after.mean()), float(((before + after) / 2).mean())


def evaluate(
    query: Descriptors,
    gallery: Descriptors,
    *,
    distances: Tensor | np.ndarray | None = None,
    metric: str = "euclidean",
    protocol: str = "market1501",
    unmatched: str = "raise",
) -> Retrieval:
    """Rank the gallery [G, D] for every query [Q, D] and measure.

    distances: [Q, G] to use in place of the features' (re-ranking); metric:
    "euclidean" or "cosine" otherwise. unmatched: "raise" or "skip" a query that has
    no true match from another camera.
    Raises EvaluationError for NaN, for shapes that disagree, for an unknown metric or
    protocol, and names the query in question.
    """
    _check(query, gallery, metric=metric, protocol=protocol, unmatched=unmatched)
    given = None if distances is None else torch.as_tensor(distances)
    if given is not None and given.shape != (len(query.pids), len(gallery.pids)):
        raise EvaluationError(
            f"distances are {tuple(given.shape)}, expected one row per query and one "
            f"column per gallery image: {(len(query.pids), len(gallery.pids))}"
        )
    if given is not None and (bad := given.isnan().any(1)).any():
        raise EvaluationError(
            f"distances of query {int(bad.nonzero()[0])} hold NaN: they cannot be "
            "ranked; look at the features they were computed from"
        )
    keep = (gallery.pids != JUNK).numpy()
    if not keep.any():
        raise EvaluationError("the gallery holds nothing but junk (pid -1)")
    pids, cams = gallery.pids.numpy()[keep], gallery.camids.numpy()[keep]
    order = np.argsort(pids, kind="stable")
    images = {
        int(pids[s[0]]): s for s in np.split(order, _steps(pids[order])) if len(s)
    }
    nobody = np.empty(0, np.int64)
    found: list[np.ndarray] = []
    queries: list[int] = []
    i = 0
    for block, tie in _rows(query, gallery, given, keep, metric):
        for row in block:
            pid, cam = int(query.pids[i]), int(query.camids[i])
            same = images.get(pid, nobody)
            ranks = _match_ranks(row, same, cams[same] != cam, tie)
            if len(ranks):
                found.append(ranks)
                queries.append(i)
            elif unmatched == "raise":
                raise EvaluationError(
                    f"query {i} (pid {pid}, camera {cam}) has no gallery image of its "
                    "pid from another camera; remove it, or pass unmatched='skip'"
                )
            i += 1
    if not found:
        raise EvaluationError("no query has a true match in the gallery")
    aps = np.array([average_precision(r) for r in found])
    first = np.array([r[0] for r in found])
    cmc = np.cumsum(np.bincount(first, minlength=len(pids) + 1)[1:]) / len(first)
    return Retrieval(
        cmc=torch.from_numpy(cmc),
        map=float(aps[:, 0].mean()),
        map_trapezoid=float(aps[:, 1].mean()),
        minp=float(np.mean([len(r) / r[-1] for r in found])),
        num_ranked=len(pids),
        ap=torch.from_numpy(aps[:, 0].copy()),
        match_ranks=[torch.from_numpy(r) for r in found],
        queries=torch.tensor(queries),
        _query=query,
        _gallery=gallery,
        _distances=given,
        _metric=metric,
    )


def _steps(ordered: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.diff(ordered)) + 1


def _match_ranks(
    row: np.ndarray, same: np.ndarray, other_camera: np.ndarray, tie: float
) -> np.ndarray:
    """Ranks of one query's true matches. row: distances [G]; same: gallery indices of
    the query's pid; other_camera: which of them count; tie: what rounding may add."""
    all_same = np.sort(row[same])
    matches = np.sort(row[same[other_camera]])
    reach = matches + row.dtype.type(tie)
    nearer = np.array([np.count_nonzero(row <= r) for r in reach], dtype=np.int64)
    wrong = nearer - np.searchsorted(all_same, reach, side="right")
    return wrong + np.arange(1, len(matches) + 1)


def _rows(
    query: Descriptors,
    gallery: Descriptors,
    given: Tensor | None,
    keep: np.ndarray,
    metric: str,
) -> Iterator[tuple[np.ndarray, float]]:
    """Blocks of distances [b, G without junk], and by how much rounding blurs them."""
    kept = torch.from_numpy(keep)
    if given is not None:
        for block in given.split(BLOCK):
            yield (block if keep.all() else block[:, kept]).cpu().numpy(), 0.0
        return
    q, g = _prepare(query, gallery, metric)
    g = g if keep.all() else g[kept]
    square = _square(g)
    # |q|² is the same for the whole row: the order needs |g|² - 2 q·g only
    tie = _blur(_square(q), square)
    buffer = torch.empty(min(BLOCK, len(q)), len(g))
    for block in q.split(BLOCK):
        rows = torch.addmm(square, block, g.T, alpha=-2, out=buffer[: len(block)])
        yield rows.numpy(), tie


def _square(x: Tensor) -> Tensor:
    """|x|² per row, without a second copy of x."""
    return torch.linalg.vector_norm(x, dim=1).square()


def _blur(query_squares: Tensor, gallery_squares: Tensor) -> float:
    """How far apart rounding may put two distances that are equal."""
    scale = float(gallery_squares.max() + query_squares.max())
    return 8 * torch.finfo(torch.float32).eps * scale


def _prepare(
    query: Descriptors, gallery: Descriptors, metric: str
) -> tuple[Tensor, Tensor]:
    """float32 features; on the unit sphere, squared distance is twice 1 - cosine."""
    q, g = (d.features.detach().cpu().float() for d in (query, gallery))
    return (F.normalize(q), F.normalize(g)) if metric == "cosine" else (q, g)


def _check(query: Descriptors, gallery: Descriptors, **settings: str) -> None:
    for name, value in settings.items():
        known = CHOICES[name]
        if value not in known:
            raise EvaluationError(f"{name}={value!r}: choose one of {', '.join(known)}")
    for name, d in (("query", query), ("gallery", gallery)):
        if not len(d.features) == len(d.pids) == len(d.camids) or not len(d.pids):
            raise EvaluationError(
                f"{name}: {len(d.features)} features, {len(d.pids)} pids and "
                f"{len(d.camids)} camids; expected as many of each, and at least one"
            )
        bad = ~d.features.sum(1).isfinite()  # NaN and infinity survive a sum
        if bad.any():
            raise EvaluationError(
                f"{name} descriptor {int(bad.nonzero()[0])} is not finite (NaN or "
                "infinity): the model diverged; look at its training log"
            )
    if query.features.shape[1] != gallery.features.shape[1]:
        raise EvaluationError(
            f"query features have {query.features.shape[1]} values, gallery features "
            f"{gallery.features.shape[1]}; describe both with one model"
        )
