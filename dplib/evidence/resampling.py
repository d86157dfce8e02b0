"""Intervals by the bootstrap: over people, over seeds, and over both.

Queries of one pid are not independent: whoever is hard to find from one camera is hard
to find from the next. So whole pids are drawn, with replacement, and all queries of a
drawn pid come with it (the cluster bootstrap, percentile interval). Comparisons of
variants draw the seeds of their trainings as well (the hierarchical bootstrap), and
Holm's procedure corrects several intervals at once.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dplib import DplibError, seeds
from dplib.evaluation import Retrieval

Array = NDArray[np.float64]
SAMPLES = 20_000
LEVEL = 0.95
FEWEST = 3  # seeds that an interval or a verdict needs


class IntervalError(DplibError):
    """An interval that cannot be computed."""


# --- of one measure, over people ------------------------------------------------------


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
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """``measure`` with its interval of confidence ``level``, resampled by pid.

    Every resample draws as many pids as there are; its value is the mean over all
    queries of the pids drawn. The gallery stays as it is: the interval says what other
    queries might have given.

    Args:
        retrieval: The evaluated queries.
        measure: "rank1", "map", "map_trapezoid" or "minp".
        samples: Number of resamples.
        level: Confidence of the interval, between 0 and 1.
        seed: Of the random numbers.

    Raises:
        IntervalError: The level is outside (0, 1), there are no samples, or all
            queries show a single pid.
    """
    if not 0 < level < 1 or samples < 1:
        raise IntervalError(
            f"level={level}, samples={samples}: expected a level between 0 and 1, such "
            "as 0.95, and at least one sample"
        )
    shares = retrieval.per_query(measure).numpy()
    totals, queries = sum_by_pid(retrieval.pids.numpy(), shares)
    if len(queries) < 2:
        raise IntervalError(
            "all queries show one pid: an interval needs queries of several pids"
        )
    key = (seeds.check(seed), samples, 0x424F4F54)
    means, _ = _draw_pids(totals[None], queries, samples, key)
    return Interval(float(shares.mean()), *_percentiles(means[:, 0], level))


# --- of a difference between variants, over seeds and people --------------------------


class Difference(NamedTuple):
    """A paired difference in points of a measure, with its interval."""

    value: float
    low: float
    high: float
    p: float  # two-sided
    level: float
    per_seed: tuple[float, ...]

    @property
    def seeds(self) -> int:
        return len(self.per_seed)

    @property
    def enough(self) -> bool:
        """Whether there are seeds enough for an interval and a verdict."""
        return self.seeds >= FEWEST

    @property
    def verdict(self) -> str:
        """confirmed, contrary, or inconclusive when the interval holds 0.

        One seed says nothing about other trainings, whatever its interval, and two say
        hardly more: below ``FEWEST`` seeds there is no verdict.
        """
        if not self.enough:
            return "too few seeds"
        if self.low <= 0 <= self.high:
            return "inconclusive"
        return "confirmed" if self.value > 0 else "contrary"

    @property
    def stated(self) -> str:
        """The difference as a report states it: with an interval if seeds suffice."""
        return str(self) if self.enough else f"{self.value:+.1f}"

    def __str__(self) -> str:
        return f"{self.value:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def resample(
    totals: Array, queries: Array, *, samples: int = SAMPLES, seed: int = 0
) -> Array:
    """Means over all queries for resamples of seeds and pids.

    The same pids are drawn for all seeds: a person who is hard for one training is hard
    for the next. S values drawn from S lie closer together than S new ones would, so
    that the seeds' deviations are widened by √(S / χ²) with S - 1 degrees of freedom,
    drawn anew each time: few seeds become as uncertain as Student's t has it. With one
    seed only the pids are drawn.

    Args:
        totals: [S, P] values added up over each pid's queries, for each seed.
        queries: [P] number of queries of each pid.
        samples: Number of resamples.
        seed: Of the random numbers.

    Returns:
        [samples] means.
    """
    many = len(totals)
    key = (seeds.check(seed), samples, 0x48494552)
    by_seed, rng = _draw_pids(totals, queries, samples, key)
    centre = by_seed.mean(1)
    if many == 1:
        return centre
    picked = rng.multinomial(many, np.full(many, 1 / many), samples) / many
    wider = np.sqrt(many / rng.chisquare(many - 1, samples))
    means: Array = centre + wider * ((picked * by_seed).sum(1) - centre)
    return means


def summarise(
    drawn: Array, per_seed: Array, *, value: float | None = None, level: float = LEVEL
) -> Difference:
    """Summarise resamples as a difference with its percentile interval.

    Args:
        drawn: [samples] resampled differences.
        per_seed: [S] the difference of each seed.
        value: The difference itself; None: the mean over seeds.
        level: Confidence of the interval.
    """
    low, high = _percentiles(drawn, level)
    tail = int(min((drawn <= 0).sum(), (drawn >= 0).sum()))
    return Difference(
        float(per_seed.mean()) if value is None else value,
        low,
        high,
        min(1.0, 2 * (tail + 1) / (len(drawn) + 1)),
        level,
        tuple(map(float, per_seed)),
    )


def difference(
    totals: Array,
    queries: Array,
    *,
    level: float = LEVEL,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Difference:
    """The mean difference with its interval, see ``resample`` for the arguments."""
    drawn = resample(totals, queries, samples=samples, seed=seed)
    return summarise(drawn, totals.sum(1) / queries.sum(), level=level)


def holm(ps: Sequence[float], alpha: float = 1 - LEVEL) -> list[float]:
    """Holm's step-down procedure: the level α of each test, in the order of ``ps``.

    The smallest p of m is held against α / m, the next against α / (m - 1), and so on;
    after the first that fails, all others get the level at which that one failed.
    """
    levels = [0.0] * len(ps)
    failed: float | None = None
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        here = alpha / (len(ps) - rank)
        levels[i] = here if failed is None else failed
        if failed is None and ps[i] > here:
            failed = here
    return levels


# --- what both share ------------------------------------------------------------------


def sum_by_pid(pids: ArrayLike, values: ArrayLike) -> tuple[Array, Array]:
    """Add up the values of each pid's queries.

    Args:
        pids: [Q] who each query shows.
        values: [Q] a value for each query.

    Returns:
        (totals [P], queries [P]) in ascending order of pid.
    """
    _, person = np.unique(np.asarray(pids), return_inverse=True)
    totals: Array = np.bincount(person, np.asarray(values, np.float64)).astype(float)
    return totals, np.bincount(person).astype(float)


def _draw_pids(
    totals: Array, queries: Array, samples: int, key: tuple[int, ...]
) -> tuple[Array, np.random.Generator]:
    """[samples, S] means over the queries of as many drawn pids as there are.

    Returns the generator that drew them as well, to go on with.
    """
    counts, rng = _pid_counts(len(queries), samples, key)
    means: Array = (counts @ totals.T) / (counts @ queries)[:, None]
    return means, copy.deepcopy(rng)


@functools.lru_cache(maxsize=4)
def _pid_counts(
    people: int, samples: int, key: tuple[int, ...]
) -> tuple[NDArray[np.integer[Any]], np.random.Generator]:
    """[samples, P] how often each pid is drawn: the same as drawing pids one by one.

    The counts depend on nothing that was measured, and a report compares hundreds of
    pairs on the same people: they are drawn once for all.
    """
    rng = np.random.default_rng(key)
    counts = rng.multinomial(people, np.full(people, 1 / people), samples)
    return counts.astype(np.min_scalar_type(people)), rng


def _percentiles(drawn: Array, level: float) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
