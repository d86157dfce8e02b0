"""The evaluator against twenty naive lines, ties, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from dplib import evaluation
from dplib.descriptors import Descriptors
from dplib.evaluation import EvaluationError, evaluate
from dplib.ranking import distances, ranks


def reference(
    distances: np.ndarray, query: Descriptors, gallery: Descriptors
) -> dict[str, np.ndarray]:
    """The protocol, one query at a time, by sorting; wrong before right in a tie."""
    pids, cams = gallery.pids.numpy(), gallery.camids.numpy()
    cmc, ap, trapezoid, inp = [], [], [], []
    for d, pid, cam in zip(distances, query.pids, query.camids, strict=True):
        valid = (pids != -1) & ~((pids == int(pid)) & (cams == int(cam)))
        right = pids[valid] == int(pid)
        right = right[np.lexsort((right, d[valid]))]  # by distance, then wrong first
        if not right.any():
            continue
        hits = right.cumsum()
        precision = hits / np.arange(1, len(right) + 1)
        cmc.append(hits[: (pids != -1).sum()] > 0)
        ap.append(precision[right].mean())
        inp.append(hits[-1] / (np.flatnonzero(right)[-1] + 1))
        area, old_recall, old_precision = 0.0, 0.0, 1.0
        for r, p in zip(hits / hits[-1], precision, strict=True):  # recall, precision
            area += (r - old_recall) * (old_precision + p) / 2
            old_recall, old_precision = r, p
        trapezoid.append(area)
    first = np.array([c.argmax() for c in cmc])
    ranks = range(1, (pids != -1).sum() + 1)
    curve = np.array([np.sum(first < r) / max(len(first), 1) for r in ranks])
    measures = {"cmc": curve, "ap": ap, "trapezoid": trapezoid, "inp": inp}
    return {k: np.array(v) for k, v in measures.items()}


def compare(r: evaluation.Retrieval, want: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(r.cmc.numpy(), want["cmc"])
    np.testing.assert_allclose(r.ap.numpy(), want["ap"])
    assert r.rank1 == pytest.approx(want["cmc"][0])
    assert r.map == pytest.approx(want["ap"].mean())
    assert r.map_trapezoid == pytest.approx(want["trapezoid"].mean())
    assert r.minp == pytest.approx(np.mean(want["inp"]))
    assert r.num_ranked == len(want["cmc"])


def describe(
    features: np.ndarray, pids: np.ndarray | list[int], cams: np.ndarray | list[int]
) -> Descriptors:
    return Descriptors(
        torch.as_tensor(features, dtype=torch.float32),
        torch.as_tensor(pids, dtype=torch.int64),
        torch.as_tensor(cams, dtype=torch.int64),
    )


def random_set(
    rng: np.random.Generator, q: int, g: int, levels: int, dim: int = 4
) -> tuple[Descriptors, Descriptors]:
    """Junk, distractors, pids of one camera; whole numbers, so that no distance is
    rounded and ties are true ties (few levels: many)."""
    pids = rng.integers(-1, 8, g)
    cams = rng.integers(1, 4, g)
    cams[pids == 7] = 1  # seen by one camera only
    gallery = describe(rng.integers(0, levels, (g, dim)), pids, cams)
    features = rng.integers(0, levels, (q, dim))
    query = describe(features, rng.integers(1, 9, q), rng.integers(1, 4, q))
    return query, gallery


@given(
    seed=st.integers(0, 10**6),
    q=st.integers(1, 12),
    g=st.integers(1, 60),
    levels=st.sampled_from([1, 2, 3, 50]),
)
def test_equals_the_reference_from_features(
    seed: int, q: int, g: int, levels: int
) -> None:
    query, gallery = random_set(np.random.default_rng(seed), q, g, levels)
    d = torch.cdist(query.features.double(), gallery.features.double()).numpy()
    want = reference((d**2).round(), query, gallery)
    if not len(want["ap"]):
        with pytest.raises(EvaluationError):
            evaluate(query, gallery, unmatched="skip")
        return
    r = evaluate(query, gallery, unmatched="skip")
    compare(r, want)
    assert len(r.queries) == len(r.match_ranks) == len(r.ap)


@given(seed=st.integers(0, 10**6), g=st.integers(2, 60), ties=st.booleans())
def test_equals_the_reference_from_given_distances(
    seed: int, g: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = random_set(rng, 8, g, 2)
    d = rng.integers(0, 4, (8, g)) if ties else rng.permutation(8 * g).reshape(8, g)
    want = reference(d, query, gallery)
    if len(want["ap"]):
        for given_as in (d, d.astype(np.float32), torch.from_numpy(d / 7)):
            r = evaluate(query, gallery, distances=given_as, unmatched="skip")
            compare(r, want)


def test_more_queries_than_one_block() -> None:
    rng = np.random.default_rng(0)
    q = 2 * distances.BLOCK + 3
    query, gallery = random_set(rng, q, 80, 9)
    d = torch.cdist(query.features.double(), gallery.features.double()).numpy()
    want = reference((d**2).round(), query, gallery)
    compare(evaluate(query, gallery, unmatched="skip"), want)


def test_a_ranking_worked_out_by_hand() -> None:
    """Query pid 1, camera 1; its ranked list: wrong, right, distractor, right."""
    gallery = describe(np.zeros((7, 1)), [1, 2, -1, 1, 0, 1, 3], [1, 1, 1, 2, 2, 3, 3])
    query = describe(np.zeros((1, 1)), [1], [1])
    d = np.array([[0.0, 1, 2, 3, 4, 5, 6]])
    r = evaluate(query, gallery, distances=d)
    assert r.match_ranks[0].tolist() == [2, 4]
    assert r.cmc.tolist() == [0, 1, 1, 1, 1, 1]
    assert r.map == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert r.map_trapezoid == pytest.approx(((0 + 1 / 2) / 2 + (1 / 3 + 2 / 4) / 2) / 2)
    assert r.minp == pytest.approx(2 / 4)
    assert r.num_ranked == 6
    assert r.summary() == {
        "rank1": 0.0,
        "rank5": 1.0,
        "rank10": 1.0,
        "map": 0.5,
        "map_trapezoid": pytest.approx(1 / 3, abs=1e-6),
        "minp": 0.5,
    }


@pytest.mark.parametrize("ranks", [[1], [1, 2, 3], [2], [3, 4, 9], [1, 7, 8, 50]])
def test_average_precision_of_ranks(ranks: list[int]) -> None:
    right = np.isin(np.arange(1, 60), ranks)
    pids = np.where(right, 1, 2)
    query = describe(np.zeros((1, 1)), [1], [1])
    gallery = describe(np.zeros((59, 1)), pids, [2] * 59)
    want = reference(np.arange(59)[None], query, gallery)
    steps, trapezoid = evaluation.average_precision(np.array(ranks))
    assert steps == pytest.approx(want["ap"][0])
    assert trapezoid == pytest.approx(want["trapezoid"][0])


# --- ties ---------------------------------------------------------------------------


@pytest.mark.parametrize("metric", evaluation.METRICS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("dim", [1, 3, 64, 500, 2048])
@pytest.mark.parametrize("g", [5, 333, 4001])
def test_constant_descriptors_score_nothing(
    g: int, dim: int, scale: float, metric: str
) -> None:
    """Whatever the product rounds to: every wrong image precedes every match."""
    rng = np.random.default_rng(dim + g)
    constant = scale * rng.standard_normal((1, dim))
    pids = np.arange(g) % 5 + 1
    gallery = describe(constant.repeat(g, 0), pids, [2] * g)
    q = 7
    query = describe(constant.repeat(q, 0), np.arange(q) % 5 + 1, [1] * q)
    r = evaluate(query, gallery, metric=metric)
    assert r.rank1 == 0
    for pid, found in zip(query.pids, r.match_ranks, strict=True):
        matches = int((pids == int(pid)).sum())
        assert found.tolist() == list(range(g - matches + 1, g + 1))
        top = r.ranked(int(pid) - 1, k=g - matches)
        assert not top.right.any()


def test_duplicates_among_other_descriptors_count_against_the_model() -> None:
    """A wrong image with the very features of a match stands before it."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((300, 512))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    twice = np.concatenate([features, features])
    gallery = describe(twice, np.repeat([1, 2], 300), [2] * 600)
    query = describe(features[:50], [1] * 50, [1] * 50)
    r = evaluate(query, gallery)
    assert r.rank1 == 0
    assert all(int(ranks[0]) == 2 for ranks in r.match_ranks)


def test_a_distance_that_is_truly_smaller_is_no_tie() -> None:
    base = np.random.default_rng(0).standard_normal(2048)
    base /= np.linalg.norm(base)
    far = base.copy()
    far[0] += 1e-2  # squared distance 1e-4
    gallery = describe(np.stack([base, far]), [1, 2], [2, 2])
    assert evaluate(describe(base[None], [1], [1]), gallery).rank1 == 1


# --- ranked lists -------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), levels=st.sampled_from([1, 2, 9]))
def test_ranked_agrees_with_match_ranks(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = random_set(rng, 6, 50, levels)
    distances = rng.integers(0, 9, (6, 50)) if seed % 2 else None
    try:
        r = evaluate(query, gallery, distances=distances, unmatched="skip")
    except EvaluationError:
        return  # no query had a match
    for i, found in zip(r.queries.tolist(), r.match_ranks, strict=True):
        top = r.ranked(i, k=50)
        assert sorted(top.indices.tolist()) == list(range(50))
        assert (top.distances.square().diff() > -1e-3).all()  # ties blur the order
        assert not (top.right & top.junk).any()
        counted = top.right[~top.junk]
        assert (counted.nonzero()[:, 0] + 1).tolist() == found.tolist()
        pids, cams = gallery.pids[top.indices], gallery.camids[top.indices]
        own = (pids == query.pids[i]) & (cams == query.camids[i])
        assert torch.equal(top.junk, own | (pids == -1))


def test_ranked_shows_distances_of_the_metric() -> None:
    rng = np.random.default_rng(0)
    gallery = describe(rng.standard_normal((30, 8)), [1, 2, 3] * 10, [2] * 30)
    query = describe(rng.standard_normal((2, 8)), [1, 2], [1, 1])
    want = torch.cdist(query.features, gallery.features)
    top = evaluate(query, gallery).ranked(1, k=5)
    assert len(top.indices) == 5
    assert_close(top.distances, want[1].sort().values[:5])
    cosine = torch.nn.functional.cosine_similarity(query.features[:1], gallery.features)
    top = evaluate(query, gallery, metric="cosine").ranked(0, k=30)
    assert_close(top.distances, 1 - cosine[top.indices])
    given_distances = torch.rand(2, 30)
    top = evaluate(query, gallery, distances=given_distances).ranked(0, k=99)
    assert_close(top.distances, given_distances[0].sort().values)


# --- metrics ------------------------------------------------------------------------


def clusters(seed: int = 0) -> tuple[Descriptors, Descriptors]:
    rng = np.random.default_rng(seed)
    centres = 2 * rng.standard_normal((10, 16))
    pids = np.arange(200) % 10 + 1
    gallery = centres[pids - 1] + 2 * rng.standard_normal((200, 16))
    query = centres + 2 * rng.standard_normal((10, 16))
    return (
        describe(query, np.arange(1, 11), [1] * 10),
        describe(gallery, pids, rng.integers(1, 4, 200)),
    )


def test_cosine_is_euclidean_on_the_unit_sphere() -> None:
    query, gallery = clusters()
    cosine = evaluate(query, gallery, metric="cosine")
    unit = [
        d._replace(features=torch.nn.functional.normalize(d.features))
        for d in (query, gallery)
    ]
    euclidean = evaluate(*unit)
    assert_close(cosine.cmc, euclidean.cmc)
    assert_close(cosine.ap, euclidean.ap)
    raw = evaluate(query, gallery)
    assert not torch.equal(raw.ap, cosine.ap)  # lengths do matter there
    assert 0.2 < raw.map < 0.9  # neither trivial nor hopeless


def test_given_distances_equal_the_features_own() -> None:
    query, gallery = clusters()
    d = torch.cdist(query.features, gallery.features)
    a, b = evaluate(query, gallery), evaluate(query, gallery, distances=d)
    assert_close(a.cmc, b.cmc)
    pairs = zip(a.match_ranks, b.match_ranks, strict=True)
    assert all(torch.equal(x, y) for x, y in pairs)
    worst = evaluate(query, gallery, distances=-d)
    assert worst.map < a.map


def test_the_galleries_order_does_not_matter() -> None:
    query, gallery = clusters()
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    shuffled = Descriptors(*(x[order] for x in gallery))
    a, b = evaluate(query, gallery), evaluate(query, shuffled)
    assert_close(a.cmc, b.cmc)
    assert_close(a.ap, b.ap)


# --- types --------------------------------------------------------------------------


def its_own(protocol: str, query: Descriptors) -> list[list[int]] | None:
    """What is left out where the queries are the gallery: each its own image."""
    pairs = [[i, i] for i in range(len(query.pids))]
    return pairs if protocol == "same_camera" else None


@pytest.mark.parametrize("metric", evaluation.METRICS)
@pytest.mark.parametrize("protocol", evaluation.PROTOCOLS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numpy_arrays_of_any_type_are_taken(
    dtype: type, protocol: str, metric: str
) -> None:
    both, _ = two_views(np.random.default_rng(5), 9, 4)
    whole = both.features.numpy().astype(dtype)  # whole numbers fit into all types
    arrays = Descriptors(
        whole,  # type: ignore[arg-type]
        both.pids.numpy().astype(np.int32),  # type: ignore[arg-type]
        both.camids.numpy().astype(np.uint8),  # type: ignore[arg-type]
    )
    how = {"protocol": protocol, "metric": metric, "left_out": its_own(protocol, both)}
    want = evaluate(both, both, **how)  # type: ignore[arg-type]
    got = evaluate(arrays, arrays, **how)  # type: ignore[arg-type]
    assert got.summary() == want.summary()
    assert torch.equal(got.ranked(1).indices, want.ranked(1).indices)
    assert torch.equal(got.pids, want.pids) and got.pids.dtype == torch.int64


def test_large_finite_features_are_finite() -> None:
    """Their sums pass 65,504, and 3.4e38, but they do not."""
    rng = np.random.default_rng(0)
    gallery = describe(np.zeros((40, 1)), np.arange(40) % 10, [2] * 40)
    query = describe(np.zeros((10, 1)), np.arange(10), [1] * 10)
    x = torch.as_tensor(rng.random((50, 2048)) * 80).half()
    half = [query._replace(features=x[:10]), gallery._replace(features=x[10:])]
    full = [d._replace(features=d.features.float()) for d in half]
    assert evaluate(*half).summary() == evaluate(*full).summary()
    both = [d._replace(features=torch.full((len(d.pids), 9), 3e38)) for d in half]
    given_distances = rng.random((10, 40))
    assert 0 < evaluate(*both, distances=given_distances).map < 1
    half[1].features[7, 3] = torch.inf
    with pytest.raises(EvaluationError, match="gallery descriptor 7 is not finite"):
        evaluate(*half)


def test_what_is_no_array_of_numbers_is_named() -> None:
    query, gallery = clusters()
    names = np.array(["a"] * 200)
    with pytest.raises(EvaluationError, match=r"gallery pids \(<U1\) are not numbers"):
        evaluate(query, gallery._replace(pids=names))  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match=r"query features are \(10,\); expected"):
        evaluate(query._replace(features=query.features[:, 0]), gallery)


# --- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_descriptors_that_are_not_finite_are_refused(value: float) -> None:
    query, gallery = clusters()
    for name, d in (("query", query), ("gallery", gallery)):
        features = d.features.clone()
        features[3, 2] = value
        both = {"query": query, "gallery": gallery, name: d._replace(features=features)}
        with pytest.raises(EvaluationError, match=rf"{name} descriptor 3 is not fin"):
            evaluate(**both)


def test_nan_distances_are_refused() -> None:
    query, gallery = clusters()
    d = torch.cdist(query.features, gallery.features)
    d[4, 7] = torch.nan
    with pytest.raises(EvaluationError, match=r"distances of query 4 .*NaN"):
        evaluate(query, gallery, distances=d)


def test_an_unmatched_query_is_named_or_skipped() -> None:
    query, gallery = clusters()
    query.pids[2] = 77
    gallery.camids[gallery.pids == 6] = 1  # pid 6: only the query's own camera
    with pytest.raises(
        EvaluationError, match=r"query 2 \(pid 77, camera 1\).*unmatched='skip'"
    ):
        evaluate(query, gallery)
    r = evaluate(query, gallery, unmatched="skip")
    assert r.queries.tolist() == [0, 1, 3, 4, 6, 7, 8, 9]
    assert len(r.ap) == 8


def test_junk_alone_is_no_match() -> None:
    gallery = describe(np.zeros((3, 1)), [-1, -1, 2], [2, 2, 2])
    with pytest.raises(EvaluationError, match="no query has a true match"):
        evaluate(describe(np.zeros((1, 1)), [-1], [1]), gallery, unmatched="skip")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "manhattan"}, "metric='manhattan': choose one of euclidean, cos"),
        ({"protocol": "cuhk"}, "protocol='cuhk': choose one of market1501"),
        ({"unmatched": "ignore"}, "unmatched='ignore': choose one of raise, skip"),
        ({"distances": np.zeros((200, 10))}, r"\(200, 10\), expected.*\(10, 200\)"),
    ],
)
def test_wrong_settings(settings: dict[str, object], message: str) -> None:
    query, gallery = clusters()
    with pytest.raises(EvaluationError, match=message):
        evaluate(query, gallery, **settings)  # type: ignore[arg-type]


def test_sizes_that_disagree() -> None:
    query, gallery = clusters()
    with pytest.raises(EvaluationError, match="16 values, gallery features 8"):
        evaluate(query, gallery._replace(features=gallery.features[:, :8]))
    with pytest.raises(EvaluationError, match="gallery: 200 features, 199 pids"):
        evaluate(query, gallery._replace(pids=gallery.pids[1:]))
    empty = Descriptors(*(x[:0] for x in query))
    with pytest.raises(EvaluationError, match="query: 0 features"):
        evaluate(empty, gallery)


def test_nothing_of_the_input_is_changed(tmp_path: Path) -> None:
    query, gallery = clusters()
    before = [x.clone() for d in (query, gallery) for x in d]
    evaluate(query, gallery, metric="cosine").ranked(0)
    after = [x for d in (query, gallery) for x in d]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


# --- blocks ---------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), rows=st.integers(1, 7), columns=st.integers(1, 40))
def test_blocks_of_any_size_give_the_same(seed: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = random_set(rng, 9, 40, 3)
    gallery.pids[:9], gallery.camids[:9] = query.pids, 9  # a match for each query
    d = rng.integers(0, 5, (9, 40))
    with pytest.MonkeyPatch.context() as patch:
        whole = [evaluate(query, gallery), evaluate(query, gallery, distances=d)]
        patch.setattr(distances, "BLOCK", rows)
        patch.setattr(ranks, "ROWS", rows)
        patch.setattr(ranks, "PIDS", rows)
        patch.setattr(distances, "COLUMNS", columns)
        parts = [evaluate(query, gallery), evaluate(query, gallery, distances=d)]
    for a, b in zip(whole, parts, strict=True):
        assert_close(a.cmc, b.cmc)
        assert [x.tolist() for x in a.match_ranks] == [
            x.tolist() for x in b.match_ranks
        ]


def test_given_distances_are_not_written_to() -> None:
    query, gallery = random_set(np.random.default_rng(0), 4, 30, 3)
    for d in (torch.rand(4, 30), np.random.default_rng(0).random((4, 30))):
        before = d.clone() if isinstance(d, torch.Tensor) else d.copy()
        evaluate(query, gallery, distances=d, unmatched="skip")
        assert (d == before).all()


def test_infinite_distances_rank_last_and_tie_against_the_model() -> None:
    gallery = describe(np.zeros((4, 1)), [1, -1, 2, 1], [2, 2, 2, 3])
    query = describe(np.zeros((1, 1)), [1], [1])
    r = evaluate(query, gallery, distances=[[np.inf, np.inf, np.inf, 1.0]])  # type: ignore[arg-type]
    assert r.match_ranks[0].tolist() == [1, 3]  # the wrong one first, junk not at all


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_zero_ties_with_minus_zero(dtype: type) -> None:
    gallery = describe(np.zeros((3, 1)), [2, 1, 3], [2, 2, 2])
    query = describe(np.zeros((1, 1)), [1], [1])
    for d in ([[0.0, -0.0, 1.0]], [[-0.0, 0.0, 1.0]]):
        r = evaluate(query, gallery, distances=np.array(d, dtype))
        assert r.match_ranks[0].tolist() == [2]


@given(seed=st.integers(0, 10**6))
def test_negative_distances_of_any_type_are_ranked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = random_set(rng, 8, 40, 2)
    d = rng.integers(-5, 5, (8, 40))
    want = reference(d, query, gallery)
    if len(want["ap"]):
        for dtype in (np.int8, np.int64, np.float16, np.float32, np.float64):
            given_as = d.astype(dtype)
            compare(
                evaluate(query, gallery, distances=given_as, unmatched="skip"), want
            )


@pytest.mark.parametrize("measure", evaluation.MEASURES)
@pytest.mark.parametrize("protocol", evaluation.PROTOCOLS)
def test_per_query_shares_have_the_measure_as_their_mean(
    measure: str, protocol: str
) -> None:
    query, gallery = two_views(np.random.default_rng(5), 9, 4)
    r = evaluate(query, gallery, protocol=protocol, left_out=its_own(protocol, query))
    shares = r.per_query(measure)
    whole = {"rank1": r.rank1, "map": r.map, "minp": r.minp}
    assert shares.shape == r.pids.shape == r.queries.shape
    assert float(shares.mean()) == pytest.approx(whole.get(measure, r.map_trapezoid))
    assert 0 < float(shares.mean()) < 1  # a trivial case would show nothing


def test_per_query_of_an_unknown_measure() -> None:
    query, gallery = two_views(np.random.default_rng(5), 3, 4)
    with pytest.raises(EvaluationError, match=r"'rank5'.*rank1, map, map_trap"):
        evaluate(query, gallery).per_query("rank5")


# --- CUHK03's old protocol ------------------------------------------------------------


def two_views(
    rng: np.random.Generator, pids: int, images: int, levels: int = 20
) -> tuple[Descriptors, Descriptors]:
    """``images`` of each pid, at least one from each of two cameras; both query."""
    pid = np.arange(pids).repeat(images)
    cam = 1 + np.arange(pids * images) % images % 2
    x = rng.integers(0, levels, (pids * images, 3)) + 4 * pid[:, None] % 7
    both = describe(x, pid, cam)
    return both, both


def single_shot_reference(
    query: Descriptors, gallery: Descriptors, shots: dict[int, dict[int, int]]
) -> list[int]:
    """Each query's rank among ``shots``, camera → pid → image, of the other camera."""
    found = []
    for x, pid, cam in zip(
        query.features, query.pids.tolist(), query.camids, strict=True
    ):
        own = shots[3 - int(cam)]
        d = {p: float((x - gallery.features[j]).square().sum()) for p, j in own.items()}
        wrong = [p for p in d if p != pid and d[p] <= d[pid]]
        found.append(1 + len(wrong))
    return found


@given(
    seed=st.integers(0, 10**6),
    pids=st.integers(1, 9),
    levels=st.sampled_from([1, 2, 30]),
)
def test_single_shot_equals_the_reference_where_nothing_is_left_to_chance(
    seed: int, pids: int, levels: int
) -> None:
    """One image per pid and camera: every draw is the same gallery."""
    both, _ = two_views(np.random.default_rng(seed), pids, 2, levels)
    shots = {c: {p: 2 * p + c - 1 for p in range(pids)} for c in (1, 2)}
    r = evaluate(both, both, protocol="cuhk03", draws=3, seed=seed)
    want = single_shot_reference(both, both, shots)
    assert [x.tolist() for x in r.match_ranks] == [[w] * 3 for w in want]
    assert r.num_ranked == pids and r.cmc.shape == (pids,)
    cmc = [np.mean([w <= k for w in want]) for k in range(1, pids + 1)]
    np.testing.assert_allclose(r.cmc.numpy(), cmc)
    assert r.cmc_draws is not None
    assert_close(r.cmc_draws, r.cmc.expand(3, -1))
    assert r.map == pytest.approx(np.mean([1 / w for w in want]))


@given(seed=st.integers(0, 10**4))
def test_each_draw_is_one_gallery_of_one_image_a_pid(seed: int) -> None:
    """The ranks of a draw are those of some choice of shots, one for each camera."""
    both, _ = two_views(np.random.default_rng(seed), 2, 5)
    r = evaluate(both, both, protocol="cuhk03", draws=4, seed=seed)
    views = {c: [(both.camids == c) & (both.pids == p) for p in (0, 1)] for c in (1, 2)}
    images = {
        c: [v.nonzero().flatten().tolist() for v in vs] for c, vs in views.items()
    }
    possible = {
        tuple(single_shot_reference(both, both, {1: {0: a, 1: b}, 2: {0: c, 1: d}}))
        for a in images[1][0]
        for b in images[1][1]
        for c in images[2][0]
        for d in images[2][1]
    }
    drawn = torch.stack(r.match_ranks, 1).tolist()  # [draws, Q]
    assert {tuple(d) for d in drawn} <= possible


def test_draws_differ_are_seeded_and_come_near_the_expectation() -> None:
    both, _ = two_views(np.random.default_rng(0), 12, 6)
    few, again, other = (
        evaluate(both, both, protocol="cuhk03", seed=s).summary() for s in (0, 0, 1)
    )
    assert few == again != other and few["rank1_sd"] > 0
    many = evaluate(both, both, protocol="cuhk03", draws=2000)
    # the mean over all possible galleries: each wrong pid is nearer independently
    d = torch.cdist(both.features, both.features).square().round()
    expected = []
    for i in range(len(both.pids)):
        other_view = both.camids != both.camids[i]
        own = (other_view & (both.pids == both.pids[i])).nonzero().flatten()
        wrong = [other_view & (both.pids == p) for p in range(12) if p != both.pids[i]]
        clear = [
            np.prod([float((d[i, w] > d[i, j]).float().mean()) for w in wrong])
            for j in own
        ]
        expected.append(np.mean(clear))
    assert many.rank1 == pytest.approx(np.mean(expected), abs=0.01)


def test_single_shot_takes_distances_and_metrics() -> None:
    both, _ = two_views(np.random.default_rng(1), 8, 4)
    x = torch.nn.functional.normalize(both.features)
    cosine = evaluate(both, both, protocol="cuhk03", metric="cosine")
    given = evaluate(
        both, both, protocol="cuhk03", distances=1 - x.double() @ x.double().T
    )
    assert_close(cosine.cmc, given.cmc, atol=0.02, rtol=0)
    constant = both._replace(features=torch.ones_like(both.features))
    assert evaluate(constant, constant, protocol="cuhk03").rank1 == 0


def test_single_shot_ranked_list_leaves_out_the_querys_camera() -> None:
    both, _ = two_views(np.random.default_rng(1), 8, 4)
    r = evaluate(both, both, protocol="cuhk03")
    top = r.ranked(0, 99)
    here = both.camids[top.indices] == both.camids[0]
    assert (top.junk == here).all() and int(top.right.sum()) == 2


def test_single_shot_refuses_what_has_not_two_cameras() -> None:
    both, _ = two_views(np.random.default_rng(1), 4, 4)
    three = both._replace(camids=torch.arange(16) % 3 + 1)
    with pytest.raises(
        EvaluationError, match=r"two cameras, the gallery has 3: \[1, 2"
    ):
        evaluate(three, three, protocol="cuhk03")
    with pytest.raises(EvaluationError, match="draws=0: at least one gallery"):
        evaluate(both, both, protocol="cuhk03", draws=0)
    one = both._replace(pids=torch.where(both.camids == 1, both.pids, both.pids + 50))
    with pytest.raises(EvaluationError, match=r"query 0 .* no gallery image"):
        evaluate(one, one, protocol="cuhk03")


def test_over_splits_is_mean_and_standard_deviation() -> None:
    sets = [two_views(np.random.default_rng(s), 8, 4) for s in range(4)]
    results = [evaluate(*s, protocol="cuhk03") for s in sets]
    mean, sd = evaluation.over_splits(results)["rank1"]
    values = [round(r.rank1, 6) for r in results]
    assert mean == pytest.approx(np.mean(values))
    assert sd == pytest.approx(np.std(values, ddof=1)) and sd > 0
    assert evaluation.over_splits(results[:1])["rank1"][1] == 0
    with pytest.raises(EvaluationError, match="no results"):
        evaluation.over_splits([])


# --- multiple query -------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), q=st.integers(1, 6), b=st.integers(1, 30))
def test_multiple_query_is_the_mean_of_the_pids_boxes_of_the_camera(
    seed: int, q: int, b: int
) -> None:
    rng = np.random.default_rng(seed)
    query = describe(
        rng.normal(size=(q, 5)), rng.integers(1, 4, q), rng.integers(1, 3, q)
    )
    boxes = describe(
        rng.normal(size=(b, 5)) + 0.1, rng.integers(1, 4, b), rng.integers(1, 3, b)
    )
    want = []
    for pid, cam in zip(query.pids, query.camids, strict=True):
        own = [
            x
            for x, p, c in zip(*boxes, strict=True)
            if int(p) == int(pid) and int(c) == int(cam)
        ]
        if not own:
            with pytest.raises(
                EvaluationError, match=rf"pid {pid}, camera {cam}\) has"
            ):
                evaluation.multiple_query(query, boxes)
            return
        mean = sum(own) / len(own)
        want.append(mean / mean.norm())
    got = evaluation.multiple_query(query, boxes)
    assert_close(got.features, torch.stack(want))
    assert (got.pids == query.pids).all() and (got.camids == query.camids).all()


def test_drop_junk_changes_no_measure() -> None:
    rng = np.random.default_rng(3)
    query, gallery = random_set(rng, 9, 60, 9)
    less = evaluation.drop_junk(gallery)
    assert len(less.pids) == int((gallery.pids != -1).sum()) < 60
    a, b = (evaluate(query, g, unmatched="skip") for g in (gallery, less))
    assert a.summary() == b.summary()
