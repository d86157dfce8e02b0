"""The order of distances against float64: ties, outliers, offsets, any block size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_evaluation import describe, reference

from dplib import evaluation
from dplib.descriptors import Descriptors
from dplib.evaluation import EvaluationError, evaluate
from dplib.ranking import distances, ranks
from dplib.ranking.distances import Distances

KINDS = (
    "plain", "normalised", "outlier", "outlier query", "offset", "copies", "constant",
    "nearly constant", "whole numbers", "float16", "close", "lengths", "one direction",
)  # fmt: skip


def in_float64(query: Descriptors, gallery: Descriptors, metric: str) -> np.ndarray:
    """All distances, written naively."""
    q, g = (d.features.numpy().astype(np.float64) for d in (query, gallery))
    if metric == "cosine":
        q, g = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (q, g))
    return np.array([((g - row) ** 2).sum(1) for row in q])


def drawn(kind: str, seed: int) -> tuple[Descriptors, Descriptors]:
    """Query and gallery with junk, distractors and, by ``kind``, what misleads."""
    rng = np.random.default_rng(seed)
    q, g = int(rng.integers(3, 12)), int(rng.integers(20, 150))
    dim = int(rng.choice([1, 2, 5, 64, 257, 512, 2048]))
    people = rng.standard_normal((9, dim))
    pids, wanted = rng.integers(-1, 8, g), rng.integers(1, 8, q)
    x = people[pids] + 2 * rng.standard_normal((g, dim))
    y = people[wanted] + 2 * rng.standard_normal((q, dim))
    both = np.concatenate([y, x])
    if kind in ("normalised", "outlier", "outlier query", "offset", "close"):
        both /= np.linalg.norm(both, axis=1, keepdims=True)
    if kind.startswith("outlier"):
        at = int(rng.integers(q) if kind == "outlier query" else q + rng.integers(g))
        both[at] *= 1e4
    elif kind == "offset":
        both += 100
    elif kind == "copies":
        both = both[rng.integers(0, 6, q + g)]
    elif kind == "constant":
        both[:] = both[0]
    elif kind == "nearly constant":
        both = 1 + 1e-6 * both
    elif kind == "whole numbers":
        both = rng.integers(-2, 3, (q + g, dim))
    elif kind == "close":  # all images nearly as far from a query
        both[q:] = both[q] + 1e-5 * rng.standard_normal((g, dim)) / dim**0.5
    elif kind == "lengths":
        both *= 10.0 ** rng.integers(-3, 4, (q + g, 1))
    elif kind == "one direction":  # rounding is not random here
        both = np.ones((q + g, dim)) * (0.1 + 1e-3 * rng.integers(0, 40, (q + g, 1)))
    dtype = torch.float16 if kind == "float16" else torch.float32
    features = torch.as_tensor(both).to(dtype)
    query = describe(np.zeros((q, 1)), wanted, rng.integers(1, 4, q))
    gallery = describe(np.zeros((g, 1)), pids, rng.integers(1, 4, g))
    return query._replace(features=features[:q]), gallery._replace(
        features=features[q:]
    )


def compare(query: Descriptors, gallery: Descriptors, metric: str) -> int:
    """Every measure to 1e-9, every list; the number of queries that have a match."""
    exact = in_float64(query, gallery, metric)
    want = reference(exact, query, gallery)
    if not len(want["ap"]):
        with pytest.raises(EvaluationError, match="no query has"):
            evaluate(query, gallery, metric=metric, unmatched="skip")
        return 0
    r = evaluate(query, gallery, metric=metric, unmatched="skip")
    assert abs(r.map - want["ap"].mean()) <= 1e-9
    np.testing.assert_allclose(r.ap.numpy(), want["ap"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(r.cmc.numpy(), want["cmc"], rtol=0, atol=1e-9)
    assert r.minp == pytest.approx(want["inp"].mean(), abs=1e-9)
    i = int(r.queries[-1])
    top = r.ranked(i, k=len(gallery.pids))
    counted = top.right[~top.junk]
    assert (counted.nonzero()[:, 0] + 1).tolist() == r.match_ranks[-1].tolist()
    return len(want["ap"])


# Parallel rows tie in cosine, but only until float64 rounds their unit vectors.
CASES = [
    (kind, metric)
    for kind in KINDS
    for metric in evaluation.METRICS
    if metric == "euclidean" or kind not in ("whole numbers", "one direction")
]


@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_equals_float64(kind: str, metric: str) -> None:
    """24 cases x 9 draws, each draw with other blocks."""
    found = 0
    for seed in range(9):
        query, gallery = drawn(kind, seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(distances, "BLOCK", 1 + 5 * seed)
            patch.setattr(distances, "COLUMNS", 1 + 20 * seed)
            patch.setattr(distances, "MANY", 10**seed)
            patch.setattr(ranks, "ROWS", 1 + 3 * seed)
            patch.setattr(ranks, "PIDS", 1 + seed)
            found += compare(query, gallery, metric)
    assert found > 20


@pytest.mark.parametrize("metric", evaluation.METRICS)
@pytest.mark.parametrize("dim", [2, 7, 256, 2048])
def test_copies_of_a_match_stand_before_it(dim: int, metric: str) -> None:
    """Whatever the place in a block: a wrong copy costs each match one rank."""
    rng = np.random.default_rng(dim)
    x = rng.standard_normal((120, dim))
    gallery = describe(np.concatenate([x, x]), [1] * 120 + [2] * 120, [2] * 240)
    query = describe(rng.standard_normal((9, dim)), [1] * 9, [1] * 9)
    order = rng.permutation(240)
    for some in (gallery, Descriptors(*(y[order] for y in gallery))):
        for columns in (2048, 97, 10):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(distances, "COLUMNS", columns)
                r = evaluate(query, some, metric=metric)
            assert [y.tolist() for y in r.match_ranks] == [list(range(2, 241, 2))] * 9


def test_an_outlier_changes_nothing_for_the_others() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 64))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    gallery = describe(x, np.arange(200) % 10 + 1, [2] * 200)
    query = describe(
        x[:10] + 0.1 * rng.standard_normal((10, 64)), range(1, 11), [1] * 10
    )
    before = evaluate(query, gallery)
    far = gallery._replace(features=gallery.features.clone())
    far.pids[150] = 0
    before = evaluate(query, far)
    far.features[150] *= 1e4
    after = evaluate(query, far)
    assert 0.1 < before.map < 0.9
    assert after.map == pytest.approx(before.map, abs=2e-3)  # one image moved away


@given(seed=st.integers(0, 10**6), n=st.integers(1, 40), levels=st.integers(1, 9))
@settings(deadline=None)
def test_rows_keep_the_exact_order(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((levels, 33))[rng.integers(0, levels, n)]
    query, gallery = (describe(y, [1] * len(y), [1] * len(y)) for y in (x[:3] + 1, x))
    found = Distances(query, gallery, "euclidean").rows(np.arange(len(query.pids)))
    want = in_float64(query, gallery, "euclidean")
    np.testing.assert_allclose(found, want, rtol=1e-12)
    for a, b in zip(found, want, strict=True):
        np.testing.assert_array_equal(a[:, None] < a, b[:, None] < b)
        np.testing.assert_array_equal(a[:, None] == a, b[:, None] == b)


@pytest.mark.parametrize("dim", [3, 300, 2048])
@pytest.mark.parametrize("kind", ["plain", "one direction", "nearly constant"])
def test_the_bound_holds(kind: str, dim: int) -> None:
    """No product is farther from float64 than promised, nor the bound out of sight."""
    rng = np.random.default_rng(dim)
    x = rng.standard_normal((300, dim))
    if kind == "one direction":
        x = np.ones((300, dim)) * rng.random((300, 1))
    elif kind == "nearly constant":
        x = 1 + 1e-3 * x
    d = describe(x, [1] * 300, [1] * 300)
    found = Distances(d, d, "euclidean")
    exact = in_float64(d, d, "euclidean")
    for q0, g0, low, width in found.blocks(torch.arange(300)):
        square = found.query_square[q0 : q0 + len(low), None]
        rest = exact[q0 : q0 + len(low), g0 : g0 + low.shape[1]] - square
        slack = found.q_slack * square
        assert (low - slack <= rest).all()
        assert (rest <= low.astype(float) + width + slack).all()
        assert width.max() < 1e-3 * square.max() + 1e-9


def test_a_descriptor_whose_square_overflows_is_refused() -> None:
    d = describe(np.full((2, 3), 1e30), [1, 2], [1, 1])
    with pytest.raises(EvaluationError, match=r"so long that.*divide all features"):
        evaluate(d, d._replace(camids=d.camids + 1))


def test_the_smallest_numbers_are_told_apart() -> None:
    """Their squares are 0 in float32."""
    x = np.array([[0.0], [1e-30], [2e-30]])
    gallery = describe(x, [2, 1, 3], [2] * 3)
    query = describe(np.array([[1.2e-30]]), [1], [1])
    assert evaluate(query, gallery).match_ranks[0].tolist() == [1]
