"""CMC, AP (step and trapezoid) and mINP, under the protocols of §4.2.

"market1501": for each query the gallery is ranked by distance. Junk (pid -1) is
dropped, and so are the images of the query's own pid from its own camera; distractors
(pid 0) stay. "cuhk03" (that set's old protocol): one gallery image per pid, drawn from
the other camera, several times.

Every measure follows from the ranks of the true matches (``dplib.ranks``). Ties count
against the model, so that constant descriptors score nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import ranks
from dplib.descriptors import Descriptors, check_pair
from dplib.ranks import EvaluationError as EvaluationError
from dplib.samples import JUNK

METRICS = ("euclidean", "cosine")
PROTOCOLS = ("market1501", "cuhk03")
MEASURES = ("rank1", "map", "map_trapezoid", "minp")
CHOICES = {
    "metric": METRICS,
    "protocol": PROTOCOLS,
    "unmatched": ("raise", "skip"),
}


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

    Under "cuhk03" a query has one match in each draw: match_ranks holds its rank draw
    by draw, the measures are means over draws, cmc_draws [draws, pids] their curves.
    """

    cmc: Tensor  # [num_ranked]
    map: float
    map_trapezoid: float
    minp: float
    num_ranked: int
    ap: Tensor  # [Q]
    match_ranks: list[Tensor]  # Q x ranks from 1, ascending
    queries: Tensor  # [Q] index of each evaluated query, as given
    cmc_draws: Tensor | None
    _shares: dict[str, Tensor] = field(repr=False)
    _query: Descriptors = field(repr=False)
    _gallery: Descriptors = field(repr=False)
    _distances: Tensor | None = field(repr=False)
    _metric: str = field(repr=False)

    @property
    def rank1(self) -> float:
        """CMC at rank 1."""
        return float(self.cmc[0])

    @property
    def pids(self) -> Tensor:
        """[Q] pids of the evaluated queries."""
        return self._query.pids[self.queries]

    @functools.cached_property
    def _square(self) -> Tensor:
        return ranks.squares(self._gallery, self._metric)

    def per_query(self, measure: str) -> Tensor:
        """[Q] float64 shares whose mean is ``measure``, one of MEASURES."""
        if measure not in MEASURES:
            raise EvaluationError(
                f"measure={measure!r}: choose one of {', '.join(MEASURES)}"
            )
        return self._shares[measure]

    def ranked(self, i: int, k: int = 50) -> RankedList:
        """The ranked list of query ``i``, computed now; junk stays in it, flagged.

        Wrong images precede matches at the same distance, as in the measures. Under
        "cuhk03" all images are ranked, and those of the query's camera are junk.
        """
        if self._distances is not None:
            d = order_by = self._distances[i].cpu()
            tie = 0.0
        else:
            q = ranks.unit(self._query.features[i : i + 1], self._metric)
            square = self._square
            order_by = torch.cat(
                [
                    torch.addmv(s, ranks.unit(g, self._metric), q[0], alpha=-2)
                    for s, g in zip(
                        square.split(ranks.COLUMNS),
                        self._gallery.features.split(ranks.COLUMNS),
                        strict=True,
                    )
                ]
            )
            d2 = (order_by + q.square().sum()).clamp(min=0)
            d = d2.sqrt() if self._metric == "euclidean" else d2 / 2
            tie = ranks.blur(q.square().sum(1), square)
        pid, cam = self._query.pids[i], self._query.camids[i]
        same, here = self._gallery.pids == pid, self._gallery.camids == cam
        right = same & ~here
        late = torch.where(right, order_by + tie, order_by)
        order = np.lexsort((right.numpy(), late.numpy()))[:k]
        top = torch.from_numpy(order)
        ignored = same & here if self.cmc_draws is None else here
        junk = ignored | (self._gallery.pids == JUNK)
        return RankedList(top, d[top], right[top], junk[top])

    def summary(self) -> dict[str, float]:
        """rank1, rank5, rank10, map, map_trapezoid, minp, rounded to 1e-6.

        Under "cuhk03" also rank1_sd, the standard deviation of rank1 over the draws.
        """
        ranks = {f"rank{r}": float(self.cmc[:r][-1]) for r in (1, 5, 10)}
        means = {
            "map": self.map,
            "map_trapezoid": self.map_trapezoid,
            "minp": self.minp,
        }
        if self.cmc_draws is not None and len(self.cmc_draws) > 1:
            means["rank1_sd"] = float(self.cmc_draws[:, 0].std())
        return {k: round(v, 6) for k, v in {**ranks, **means}.items()}


def average_precision(ranks: np.ndarray) -> tuple[float, float]:
    """AP by steps and by trapezoids from the ranks (from 1, ascending) of the matches.

    Steps: the mean of j / r_j. Trapezoids: the mean of the precision at the match and
    the precision just before it, (j - 1) / (r_j - 1), or 1 at rank 1.
    """
    after, area = _precisions(ranks, np.arange(1, len(ranks) + 1))
    return float(after.mean()), float(area.mean())


def _precisions(ranks: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision at each match, and the mean of it and the precision just before."""
    after = j / ranks
    before = np.where(ranks > 1, (j - 1) / np.maximum(ranks - 1, 1), 1.0)
    return after, (after + before) / 2


def multiple_query(query: Descriptors, boxes: Descriptors) -> Descriptors:
    """Each query as the mean of its pid's boxes from its camera, of length 1 (§4.2).

    boxes: Market-1501's gt_bbox images. Raises EvaluationError for a query that has
    no box.
    """
    _check(query, boxes)
    groups: dict[tuple[int, int], list[int]] = {}
    for j, key in enumerate(
        zip(boxes.pids.tolist(), boxes.camids.tolist(), strict=True)
    ):
        groups.setdefault(key, []).append(j)
    keys = list(zip(query.pids.tolist(), query.camids.tolist(), strict=True))
    for i, (pid, cam) in enumerate(keys):
        if (pid, cam) not in groups:
            raise EvaluationError(
                f"query {i} (pid {pid}, camera {cam}) has no image among the boxes of "
                "multiple query; describe data.multi_query (gt_bbox) in full"
            )
    means = {key: boxes.features[js].mean(0) for key, js in groups.items()}
    features = torch.stack([means[key] for key in keys])
    return query._replace(features=F.normalize(features))


def drop_junk(gallery: Descriptors) -> Descriptors:
    """The gallery without junk (pid -1), as re-ranking needs it."""
    keep = gallery.pids != JUNK
    return Descriptors(*(x[keep] for x in gallery))


def over_splits(results: Sequence[Retrieval]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each measure over splits (CUHK03: 20, §4.2)."""
    tables = [r.summary() for r in results]
    if not tables:
        raise EvaluationError("over_splits: there are no results to average")
    values = {k: np.array([t[k] for t in tables]) for k in tables[0]}
    sd = int(len(tables) > 1)
    return {k: (float(v.mean()), float(v.std(ddof=sd))) for k, v in values.items()}


def evaluate(
    query: Descriptors,
    gallery: Descriptors,
    *,
    distances: Tensor | np.ndarray | None = None,
    metric: str = "euclidean",
    protocol: str = "market1501",
    unmatched: str = "raise",
    draws: int = 10,
    seed: int = 0,
) -> Retrieval:
    """Rank the gallery [G, D] for every query [Q, D] and measure.

    distances: [Q, G] to use in place of the features' (re-ranking); metric:
    "euclidean" or "cosine" otherwise. protocol: see the module. unmatched: "raise" or
    "skip" a query that has no true match from another camera. draws, seed: of the
    gallery images, under "cuhk03" alone.
    Raises EvaluationError for NaN, for shapes that disagree, for an unknown metric or
    protocol, and names the query in question.
    """
    _check(query, gallery, metric=metric, protocol=protocol, unmatched=unmatched)
    given = None if distances is None else torch.as_tensor(distances).cpu()
    if given is not None:
        _check_distances(given, query, gallery)
    single = protocol == "cuhk03"
    if single:
        places, of, size = ranks.single_shot(query, gallery, given, metric, draws, seed)
    else:
        places, of, size = ranks.all_ranked(query, gallery, given, metric)
    found = np.bincount(of, minlength=len(query.pids))
    if unmatched == "raise" and not found.all():
        i = int(np.flatnonzero(found == 0)[0])
        raise EvaluationError(
            f"query {i} (pid {int(query.pids[i])}, camera {int(query.camids[i])}) has "
            "no gallery image of its pid from another camera; remove it, or pass "
            "unmatched='skip'"
        )
    if not len(places):
        raise EvaluationError("no query has a true match in the gallery")
    queries, counts = np.flatnonzero(found), found[found > 0]
    starts = counts.cumsum() - counts
    nth = np.arange(len(places)) - np.repeat(starts, counts) + 1
    after, area = _precisions(places, np.ones_like(places) if single else nth)
    first = places.reshape(len(queries), -1).T if single else places[starts][None]
    # each draw counts alike; without draws there is one, of the first matches
    shares = {
        "rank1": (first == 1).mean(0),
        "map": np.add.reduceat(after, starts) / counts,
        "map_trapezoid": np.add.reduceat(area, starts) / counts,
        "minp": (1 / first).mean(0) if single else after[starts + counts - 1],
    }
    cmc = np.stack([np.bincount(f, minlength=size + 1)[1:].cumsum() for f in first])
    curves = torch.from_numpy(cmc / len(queries))
    return Retrieval(
        cmc=curves.mean(0),
        map=float(shares["map"].mean()),
        map_trapezoid=float(shares["map_trapezoid"].mean()),
        minp=float(shares["minp"].mean()),
        num_ranked=size,
        ap=torch.from_numpy(shares["map"]),
        match_ranks=list(torch.from_numpy(places).split(counts.tolist())),
        queries=torch.from_numpy(queries),
        cmc_draws=curves if single else None,
        _shares={k: torch.from_numpy(v) for k, v in shares.items()},
        _query=query,
        _gallery=gallery,
        _distances=given,
        _metric=metric,
    )


def _check_distances(given: Tensor, query: Descriptors, gallery: Descriptors) -> None:
    expected = (len(query.pids), len(gallery.pids))
    if given.shape != expected:
        raise EvaluationError(
            f"distances are {tuple(given.shape)}, expected one row per query and one "
            f"column per gallery image: {expected}"
        )
    for q0, block in zip(
        range(0, len(given), ranks.BLOCK), given.split(ranks.BLOCK), strict=True
    ):
        if (bad := block.isnan().any(1)).any():
            raise EvaluationError(
                f"distances of query {q0 + int(bad.nonzero()[0])} hold NaN: they "
                "cannot be ranked; look at the features they were computed from"
            )


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
    check_pair(query, gallery, EvaluationError)
