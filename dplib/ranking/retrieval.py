"""What an evaluation returns: the measures, each query's share, ranked lists."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dplib.descriptors import Descriptors
from dplib.ranking.distances import Distances, EvaluationError
from dplib.ranking.ranks import counted
from dplib.samples import JUNK

MEASURES = ("rank1", "map", "map_trapezoid", "minp")


class RankedList(NamedTuple):
    """The k nearest gallery images of one query, nearest first."""

    indices: Tensor  # [k] into the gallery as given
    distances: Tensor  # [k] Euclidean (not squared), 1 - cosine, or as given
    right: Tensor  # [k] bool, a true match
    junk: Tensor  # [k] bool, ignored by the protocol


@dataclass(frozen=True)
class Retrieval:
    """The measures, as shares in [0, 1], and what is known of each query.

    Under "cuhk03" a query has one match in each draw: match_ranks holds its rank draw
    by draw, and the measures are means over the draws. What was ranked by "same_camera"
    is not comparable with published results, which other protocols gave.

    Attributes:
        protocol: One of ``evaluation.PROTOCOLS``.
        cmc: Entry r - 1 is the share of queries with a true match at rank r or better.
        map: Mean of ``ap``.
        map_trapezoid: mAP by the trapezoid rule, as in Market-1501's own program.
        minp: Mean of the number of matches over the rank of the last match.
        num_ranked: Number of gallery images without junk.
        ap: Average precision of each query by steps: the mean of the precision at each
            match.
        match_ranks: Ranks of each query's matches.
        queries: The evaluated queries, as given.
        cmc_draws: CMC curve of each draw [draws, pids] under "cuhk03", otherwise None.
    """

    protocol: str
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
    _left_out: np.ndarray | None = field(repr=False)

    @property
    def rank1(self) -> float:
        """CMC at rank 1."""
        return float(self.cmc[0])

    @property
    def pids(self) -> Tensor:
        """[Q] pids of the evaluated queries."""
        return self._query.pids[self.queries]

    @functools.cached_property
    def _ranking(self) -> Distances:
        return Distances(self._query, self._gallery, self._metric)

    def per_query(self, measure: str) -> Tensor:
        """Return the share of each query in a measure.

        Args:
            measure: One of MEASURES.

        Returns:
            Shares [Q] float64, whose mean is the measure.

        Raises:
            EvaluationError: If the measure is unknown.
        """
        if measure not in MEASURES:
            raise EvaluationError(
                f"measure={measure!r}: choose one of {', '.join(MEASURES)}"
            )
        return self._shares[measure]

    def ranked(self, i: int, k: int = 50) -> RankedList:
        """Compute the ranked list of one query, in which junk stays and is flagged.

        Wrong images precede matches at the same distance, as in the measures. Under
        "cuhk03" all images are ranked, and those of the query's camera are junk.

        Args:
            i: The query, as given to ``evaluate``.
            k: How many images to list.

        Returns:
            The k nearest gallery images, nearest first.
        """
        if self._distances is not None:
            order_by = d = self._distances[i].cpu()
        else:
            order_by = torch.from_numpy(self._ranking.rows(np.array([i]))[0])
            d2 = order_by.clamp(min=0).float()
            d = d2.sqrt() if self._metric == "euclidean" else d2 / 2
        same = self._gallery.pids == self._query.pids[i]
        mine = same.nonzero().flatten().numpy()
        of = np.full(len(mine), i)
        right = torch.zeros(len(same), dtype=torch.bool)
        right[mine] = torch.from_numpy(
            counted(self._query, self._gallery, self._left_out, of, mine)
        )
        order = np.lexsort((right.numpy(), order_by.numpy()))[:k]
        top = torch.from_numpy(order)
        here = self._gallery.camids == self._query.camids[i]
        ignored = same & ~right if self.cmc_draws is None else here
        junk = ignored | (self._gallery.pids == JUNK)
        return RankedList(top, d[top], right[top], junk[top])

    def summary(self) -> dict[str, float]:
        """Return rank1, rank5, rank10, map, map_trapezoid and minp, rounded to 1e-6.

        Under "cuhk03" there is also rank1_sd, the standard deviation of rank1 over the
        draws.
        """
        found = {f"rank{r}": float(self.cmc[:r][-1]) for r in (1, 5, 10)}
        means = {
            "map": self.map,
            "map_trapezoid": self.map_trapezoid,
            "minp": self.minp,
        }
        if self.cmc_draws is not None and len(self.cmc_draws) > 1:
            means["rank1_sd"] = float(self.cmc_draws[:, 0].std())
        return {k: round(v, 6) for k, v in {**found, **means}.items()}
