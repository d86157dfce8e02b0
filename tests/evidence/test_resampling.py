"""The bootstraps over pids and seeds, what their intervals cover, and Holm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dplib import evaluation
from dplib.descriptors import Descriptors
from dplib.evaluation import Retrieval
from dplib.evidence import resampling


def retrieval(
    seed: int, pids: int = 12, per_pid: int = 4, hard: bool = False
) -> Retrieval:
    """Queries of several pids; with ``hard``, a pid's succeed or fail together."""
    rng = np.random.default_rng(seed)
    pid = np.arange(pids).repeat(per_pid)
    g = Descriptors(torch.zeros(pids, 1), torch.arange(pids), torch.full((pids,), 9))
    q = Descriptors(
        torch.zeros(len(pid), 1), torch.as_tensor(pid), torch.ones(len(pid)).long()
    )
    d = rng.random((len(pid), pids))
    right = rng.random(pids)[pid] if hard else rng.random(len(pid))
    d[np.arange(len(pid)), pid] = np.where(right < 0.5, -1, 2)
    return evaluation.evaluate(q, g, distances=d)


@given(seed=st.integers(0, 10**4), measure=st.sampled_from(evaluation.MEASURES))
def test_bounds_lie_around_the_value_and_nest(seed: int, measure: str) -> None:
    r = retrieval(seed)
    wide, narrow = (
        resampling.bootstrap(r, measure, samples=400, level=level)
        for level in (0.99, 0.5)
    )
    assert (
        wide.value == narrow.value == pytest.approx(r.per_query(measure).mean().item())
    )
    assert 0 <= wide.low <= narrow.low <= narrow.high <= wide.high <= 1


def test_equals_a_bootstrap_that_draws_pid_by_pid() -> None:
    r = retrieval(1, pids=15, per_pid=3)
    shares, pids = r.per_query("map").numpy(), r.pids.numpy()
    rng = np.random.default_rng(0)
    values = []
    for _ in range(4000):
        drawn = rng.choice(np.unique(pids), 15)
        values.append(np.mean([s for p in drawn for s in shares[pids == p]]))
    want = np.quantile(values, [0.025, 0.975])
    got = resampling.bootstrap(r, "map", samples=4000)
    # two seeds of 4,000 samples: the quantiles' own error is about 0.003
    np.testing.assert_allclose((got.low, got.high), want, atol=0.012)
    assert got.high - got.low > 0.05


def test_pids_with_more_queries_weigh_more() -> None:
    """Drawn pids bring all their queries: the mean is over queries, not over pids."""
    r = retrieval(2, pids=2, per_pid=8, hard=True)
    few = [i for i in range(16) if i == 0 or i >= 8]  # pid 0 once, pid 1 eight times
    q = Descriptors(*(x[few] for x in r._query))
    assert r._distances is not None
    d = r._distances[few].clone()
    d[0, 0], d[1:, 1] = -1.0, 2.0  # pid 0 is found, pid 1 never
    got = resampling.bootstrap(evaluation.evaluate(q, r._gallery, distances=d))
    assert got.value == pytest.approx(1 / 9) and (got.low, got.high) == (0.0, 1.0)


def test_queries_of_one_pid_that_fail_together_widen_the_interval() -> None:
    width = []
    for hard in (False, True):
        found = [
            resampling.bootstrap(retrieval(s, 40, 6, hard), seed=s) for s in range(8)
        ]
        width.append(np.mean([x.high - x.low for x in found]))
    assert width[1] > 1.7 * width[0]  # √6 = 2.4 when they fully depend on each other


def test_same_seed_same_interval() -> None:
    r = retrieval(0)
    assert resampling.bootstrap(r) == resampling.bootstrap(r)
    few = [resampling.bootstrap(r, samples=9, seed=s) for s in (0, 0, 1)]
    assert few[0] == few[1] != few[2]


def test_reads_as_per_cent() -> None:
    assert str(resampling.Interval(0.7503, 0.73, 0.771)) == "75.0% [73.0%, 77.1%]"


@pytest.mark.parametrize("bad", [{"level": 95}, {"level": 0.0}, {"samples": 0}])
def test_settings_that_make_no_interval(bad: dict[str, float]) -> None:
    with pytest.raises(resampling.IntervalError, match="a level between 0 and 1"):
        resampling.bootstrap(retrieval(0), **bad)  # type: ignore[arg-type]


def test_one_pid_has_no_interval() -> None:
    with pytest.raises(resampling.IntervalError, match="several pids"):
        resampling.bootstrap(retrieval(0, pids=1))


# --- seeds and people -----------------------------------------------------------------


def simulated(
    rng: np.random.Generator, effect: float, seeds: int, people: int = 60
) -> tuple[np.ndarray, np.ndarray]:
    """A world in which the true difference is ``effect``: runs and people scatter."""
    queries = rng.integers(1, 6, people).astype(float)
    mean = effect + rng.normal(0, 2, (seeds, 1)) + rng.normal(0, 8, people)
    each = mean + rng.normal(0, 5, (seeds, people))
    return each * queries, queries


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_of_few_seeds_hold_the_truth_as_often_as_they_say(seeds: int) -> None:
    rng = np.random.default_rng(7)
    held = []
    for i in range(300):
        made = simulated(rng, 1.5, seeds)
        found = resampling.difference(*made, samples=1000, seed=i)
        held.append(found.low <= 1.5 <= found.high)
    assert 0.92 <= np.mean(held) <= 0.995


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.92), (5, 0.92)])
def test_where_seeds_alone_scatter_it_is_as_sure_as_student(
    seeds: int, least: float
) -> None:
    """Nothing but the t-widening holds this up: people are nearly all alike."""
    rng, held = np.random.default_rng(1), []
    for _ in range(300):
        queries = np.full(30, 2.0)
        each = 5 + rng.normal(0, 8, (seeds, 1)) + rng.normal(0, 0.1, (seeds, 30))
        d = resampling.difference(each * queries, queries, samples=1000)
        held.append(d.low <= 5 <= d.high)
    assert least <= np.mean(held) <= 0.98


def test_drawing_people_alone_holds_it_less_often() -> None:
    """The reason for drawing seeds: one run's interval is of queries only."""
    rng = np.random.default_rng(8)
    held = []
    for i in range(300):
        totals, queries = simulated(rng, 1.5, 1)
        found = resampling.difference(totals, queries, samples=1000, seed=i)
        held.append(found.low <= 1.5 <= found.high)
    assert np.mean(held) < 0.8


def test_an_interval_takes_its_level_and_its_seed() -> None:
    made = simulated(np.random.default_rng(1), 3.0, 5)
    narrow, wide = (resampling.difference(*made, level=x) for x in (0.9, 0.999))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert narrow.p == wide.p
    assert resampling.difference(*made, level=0.9) == narrow
    assert resampling.difference(*made, level=0.9, seed=1) != narrow


def test_identical_runs_differ_by_nothing() -> None:
    totals, queries = np.zeros((3, 5)), np.ones(5)
    found = resampling.difference(totals, queries)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert found.verdict == "inconclusive"


def test_holm_by_hand() -> None:
    """0.01 < 0.05 / 4 and 0.015 < 0.05 / 3 pass; 0.03 > 0.05 / 2 fails, and 0.04 with
    it, though it is below 0.05 / 1."""
    levels = resampling.holm([0.04, 0.01, 0.03, 0.015])
    assert levels == pytest.approx([0.05 / 2, 0.05 / 4, 0.05 / 2, 0.05 / 3])
    assert resampling.holm([]) == []
