"""Confidence intervals of retrieval measures by the bootstrap.

Queries of one pid are not independent: whoever is hard to find from one camera is
hard to find from the next. So whole pids are drawn, with replacement, and all queries
of a drawn pid come with it (the cluster bootstrap, percentile interval).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from dplib import DplibError
from dplib.evaluation import Retrieval


class IntervalError(DplibError):
    """An interval that cannot be computed."""


class Interval(NamedTuple):
    """A measured share in [0, 1] and what it might have been with other people."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


def bootstrap(
    retrieval: Retrieval,
    measure: str = "rank1",
    *,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """``measure`` with its interval of confidence ``level``, resampled by pid.

    measure: "rank1", "map", "map_trapezoid" or "minp". Every resample draws as many
    pids as there are; its value is the mean over all queries of the pids drawn. The
    gallery stays as it is: the interval says what other queries might have given.
    Raises IntervalError for a level outside (0, 1), no samples, or a single pid.
    """
    if not 0 < level < 1 or samples < 1:
        raise IntervalError(
            f"level={level}, samples={samples}: expected a level between 0 and 1, such "
            "as 0.95, and at least one sample"
        )
    shares = retrieval.per_query(measure).numpy()
    _, of = torch.unique(retrieval.pids, return_inverse=True)
    many = np.bincount(of.numpy())
    total = np.bincount(of.numpy(), shares)
    if len(many) < 2:
        raise IntervalError(
            "all queries show one pid: an interval needs queries of several pids"
        )
    rng = np.random.default_rng([seed, samples, 0x424F4F54])
    # how often each pid is drawn: the same as drawing pids one by one
    drawn = rng.multinomial(len(many), np.full(len(many), 1 / len(many)), samples)
    values = (drawn @ total) / (drawn @ many)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(shares.mean()), float(low), float(high))
