"""Re-ranking against the method written out as loops, ties, and what it refuses."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from dplib import reranking
from dplib.descriptors import Descriptors
from dplib.evaluation import evaluate
from dplib.reranking import RerankingError, k_reciprocal

# k-NN lists cut where two distances differ by less are decided by rounding.
DOUBTFUL = 1e-5


def describe(features: np.ndarray) -> Descriptors:
    nobody = torch.zeros(len(features), dtype=torch.int64)
    return Descriptors(torch.as_tensor(features).float(), nobody, nobody)


def drawn(
    seed: int, n: int, dim: int = 8, people: int = 4, noise: float = 0.6
) -> np.ndarray:
    """Images of a few people: some closer to each other than to the rest."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, dim))
    x = centres[rng.integers(0, people, n)] + noise * rng.normal(size=(n, dim))
    return x.astype(np.float32)


def distances_of(features: np.ndarray) -> np.ndarray:
    """Squared Euclidean [N, N] of the normalised rows, in double precision."""
    x = features.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return ((x[:, None] - x[None]) ** 2).sum(2)


def clear(features: np.ndarray, *cuts: int) -> bool:
    """No list is cut between two distances that are nearly, but not quite, equal."""
    ordered = np.sort(distances_of(features), axis=1)
    gaps = [ordered[:, c] - ordered[:, c - 1] for c in cuts if c < len(features)]
    return all(((g == 0) | (g > DOUBTFUL)).all() for g in gaps)


def reference(
    features: np.ndarray, q: int, k1: int, k2: int, lambda_: float
) -> np.ndarray:
    """Section 3 of the paper, an image at a time, with sets and dictionaries.

    Where the text leaves a choice, the authors' program decides: an image is its own
    first neighbour and comes on top of k, half of k1 is rounded to the even number, an
    expansion needs more than two thirds in common, encodings sum to 1.
    """
    d = distances_of(features)
    n = len(d)
    ranked = [sorted(range(n), key=lambda g, row=row: (row[g], g)) for row in d]

    def nearest(p: int, k: int) -> list[int]:  # N(p, k), eq. 2
        return ranked[p][: k + 1]

    def reciprocal(p: int, k: int) -> set[int]:  # R(p, k), eq. 3
        return {g for g in nearest(p, k) if p in nearest(g, k)}

    def expanded(p: int) -> set[int]:  # R*(p, k1), eq. 4
        first = reciprocal(p, k1)
        result = set(first)
        for member in first:
            theirs = reciprocal(member, int(np.around(k1 / 2)))
            if 3 * len(first & theirs) > 2 * len(theirs):
                result |= theirs
        return result

    d = np.array([row / row.max() if row.max() else row for row in d])
    encodings: list[dict[int, float]] = []
    for p in range(n):  # eq. 7
        weights = {g: float(np.exp(-d[p, g])) for g in expanded(p)}
        total = sum(weights.values())
        encodings.append({g: w / total for g, w in weights.items()})
    if k2 > 1:  # eq. 11
        means: list[dict[int, float]] = []
        for p in range(n):
            mean: dict[int, float] = {}
            for member in ranked[p][:k2]:
                for g, w in encodings[member].items():
                    mean[g] = mean.get(g, 0) + w / k2
            means.append(mean)
        encodings = means
    result = np.empty((q, n - q))
    for p, g in itertools.product(range(q), range(q, n)):  # eq. 10 and 12
        one, two = encodings[p], encodings[g]
        minima = sum(min(w, two[i]) for i, w in one.items() if i in two)
        jaccard = 1 - minima / (2 - minima)
        result[p, g - q] = (1 - lambda_) * jaccard + lambda_ * d[p, g]
    return result


def ours(features: np.ndarray, q: int, *args: float) -> np.ndarray:
    return k_reciprocal(describe(features[:q]), describe(features[q:]), *args).numpy()


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(8, 40),
    q=st.integers(1, 7),
    k1=st.integers(1, 12),
    k2=st.integers(1, 6),
    lambda_=st.sampled_from([0.0, 0.3, 0.55, 1.0]),
    copies=st.booleans(),
    block=st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_as_the_method_written_out(
    seed: int,
    n: int,
    q: int,
    k1: int,
    k2: int,
    lambda_: float,
    copies: bool,
    block: int,
) -> None:
    k1, k2 = min(k1, n - 1), min(k2, n)
    x = drawn(seed, n)
    if copies:
        x = x[np.random.default_rng(seed).integers(0, max(2, n // 3), n)]
    assume(clear(x, k1 + 1, int(np.around(k1 / 2)) + 1, k2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reranking, "BLOCK", block)
        patch.setattr(reranking, "COLUMNS", 1 + seed % 50)
        patch.setattr(reranking, "ROWS", 1 + block % 3)
        patch.setattr(reranking, "ENTRIES", 1 + 5 * block)
        got = ours(x, q, k1, k2, lambda_)
    np.testing.assert_allclose(got, reference(x, q, k1, k2, lambda_), rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_defaults_on_a_hundred_images(seed: int) -> None:
    x = drawn(seed, 110, dim=16, people=8)
    assert clear(x, 21, 11, 6)
    want = reference(x, 20, 20, 6, 0.3)
    np.testing.assert_allclose(ours(x, 20), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("k1", [1, 3, 5, 9, 13])
def test_half_of_an_odd_number(k1: int) -> None:
    """0.5 is rounded to 0, 1.5 to 2, 2.5 to 2, 4.5 to 4, 6.5 to 6."""
    x = drawn(11 + k1, 90, dim=6, people=3)
    assert clear(x, k1 + 1, int(np.around(k1 / 2)) + 1, 3)
    want = reference(x, 15, k1, 3, 0)
    np.testing.assert_allclose(ours(x, 15, k1, 3, 0), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n,k1", [(2, 1), (3, 2), (9, 8), (22, 20), (21, 20)])
def test_all_images_are_neighbours(n: int, k1: int) -> None:
    """k1 + 1 near or at N, one query; every list holds (nearly) all."""
    x = drawn(n, n)
    k2 = min(6, n)
    assert clear(x, k1 + 1, int(np.around(k1 / 2)) + 1, k2)
    want = reference(x, 1, k1, k2, 0.3)
    np.testing.assert_allclose(ours(x, 1, k1, k2, 0.3), want, rtol=0, atol=1e-5)


def test_one_gallery_image() -> None:
    x = drawn(3, 12)
    got = ours(x, 11, 4, 2, 0.3)
    assert got.shape == (11, 1)
    np.testing.assert_allclose(got, reference(x, 11, 4, 2, 0.3), rtol=0, atol=1e-5)


def test_shape_type_and_range() -> None:
    x = drawn(0, 60)
    d = k_reciprocal(describe(x[:7]), describe(x[7:]))
    assert d.shape == (7, 53) and d.dtype == torch.float32
    assert float(d.min()) >= 0 and float(d.max()) <= 1
    assert_close(d, k_reciprocal(describe(5 * x[:7]), describe(x[7:] / 3)))
    double = describe(x[:7])._replace(features=torch.as_tensor(x[:7]).double())
    assert k_reciprocal(double, describe(x[7:])).dtype == torch.float32


def test_inputs_are_left_alone() -> None:
    query, gallery = describe(drawn(0, 9)), describe(drawn(1, 30))
    before = [d.features.clone() for d in (query, gallery)]
    k_reciprocal(query, gallery, 5, 3)
    for old, d in zip(before, (query, gallery), strict=True):
        assert torch.equal(old, d.features)


def test_lambda_one_is_the_original_distance() -> None:
    """Squared once, divided by the row's maximum over queries and gallery."""
    x = drawn(4, 50)
    d = distances_of(x)
    want = d[:9, 9:] / d[:9].max(1, keepdims=True)
    np.testing.assert_allclose(ours(x, 9, 20, 6, 1), want, rtol=0, atol=1e-5)
    assert not np.allclose(want, (d[:9, 9:] / d[:9].max(1, keepdims=True)) ** 2)


def test_the_maximum_may_be_at_a_query() -> None:
    x = drawn(5, 40, people=1, noise=0.2)
    x[1] = -x[0]  # the two queries are each other's farthest image
    d = distances_of(x)
    assert d[0].argmax() == 1
    want = d[:2, 2:] / d[:2].max(1, keepdims=True)
    np.testing.assert_allclose(ours(x, 2, 5, 2, 1), want, rtol=0, atol=1e-5)


def test_lambda_zero_is_the_jaccard_distance() -> None:
    """Nothing in common is 1, and what they share does not depend on lambda."""
    x = drawn(6, 60, people=6, noise=0.1)
    jaccard, original, mixed = (ours(x, 10, 6, 3, v) for v in (0, 1, 0.3))
    assert (jaccard == 1).any() and (jaccard < 0.5).any()
    np.testing.assert_allclose(mixed, 0.7 * jaccard + 0.3 * original, atol=1e-6)


def test_similar_images_lose_nothing_to_rounding() -> None:
    """Descriptors that nearly coincide, as those of an untrained model do."""
    x = np.float32(300 + drawn(7, 60, dim=64))
    d = distances_of(x)
    assert d.max() < 1e-4
    want = d[:8, 8:] / d[:8].max(1, keepdims=True)
    np.testing.assert_allclose(ours(x, 8, 20, 6, 1), want, rtol=0, atol=1e-4)


@pytest.mark.parametrize("copies", [2, 9, 40])
def test_copies_by_index(copies: int) -> None:
    """Copies of one image, fewer and more of them than any list is long."""
    x = drawn(8, 50, dim=32)
    x[5 : 5 + copies] = x[5]
    assert clear(x, 11, 6, 4)
    want = reference(x, 12, 10, 4, 0.3)
    np.testing.assert_allclose(ours(x, 12, 10, 4, 0.3), want, rtol=0, atol=1e-5)


def test_constant_descriptors() -> None:
    x = np.tile(drawn(9, 1, dim=16), (40, 1))
    got = ours(x, 10, 8, 4, 1)
    assert np.array_equal(got, np.zeros((10, 30)))
    mixed = ours(x, 10, 8, 4, 0.3)  # nobody is nearer than another
    np.testing.assert_allclose(mixed, mixed[0, 0], rtol=0, atol=1e-6)


@pytest.fixture
def threads_restored() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_and_blocks_change_nothing(
    monkeypatch: pytest.MonkeyPatch, threads_restored: None
) -> None:
    x = drawn(10, 400, dim=64, people=20)
    x[100:140] = x[60:100]
    x[300:330] = x[3]
    torch.set_num_threads(1)
    first = ours(x, 80)
    torch.set_num_threads(2)
    np.testing.assert_allclose(ours(x, 80), first, rtol=0, atol=1e-6)
    for block in (1, 37, 399, 400):
        monkeypatch.setattr(reranking, "BLOCK", block)
        np.testing.assert_allclose(ours(x, 80), first, rtol=0, atol=1e-6)


def test_improves_map() -> None:
    """Images of a person scatter along a curve: a far one is reached by its likes."""
    rng = np.random.default_rng(0)
    pids = np.repeat(np.arange(12), 20)
    along = np.tile(np.linspace(0, 1, 20), 12)[:, None]
    ends = rng.normal(size=(2, 12, 32))
    x = (1 - along) * ends[0, pids] + along * ends[1, pids]
    x = (x + 0.4 * rng.normal(size=x.shape)).astype(np.float32)
    x, pids = x[(order := rng.permutation(240))], pids[order]

    def part(rows: slice, cam: int) -> Descriptors:
        d = describe(x[rows])
        return d._replace(pids=torch.as_tensor(pids[rows]), camids=d.camids + cam)

    query, gallery = part(slice(40), 1), part(slice(40, 240), 2)
    before = evaluate(query, gallery)
    after = evaluate(query, gallery, distances=k_reciprocal(query, gallery))
    assert before.map < 0.95
    assert after.map > before.map + 0.03


def test_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours(drawn(0, 40), 4)
    assert capfd.readouterr() == ("", "")


def test_progress(capfd: pytest.CaptureFixture[str]) -> None:
    x = drawn(0, 40)
    k_reciprocal(describe(x[:4]), describe(x[4:]), progress=True)
    assert re.search(r"re-ranking: (\d+)/\1 in ", capfd.readouterr().err)


@pytest.mark.parametrize(
    "settings_,message",
    [
        ({"k1": 0}, "k1=0: give a whole number of at least 1"),
        ({"k2": 0}, "k2=0: give a whole number of at least 1"),
        ({"k1": 2.5}, "k1=2.5: give a whole number"),
        ({"k1": True}, "k1=True: give a whole number"),
        ({"k2": "6"}, "k2='6': give a whole number"),
        ({"lambda_": "a"}, "lambda_='a': the original distance's share"),
        ({"lambda_": None}, "lambda_=None: the original distance's share"),
        ({"lambda_": -0.1}, "lambda_=-0.1: the original distance's share"),
        ({"lambda_": 1.1}, "between 0 and 1"),
        ({"lambda_": float("nan")}, "between 0 and 1"),
        ({"k1": 40}, "k1=40 and k2=6 need 41 images, queries and gallery hold 40"),
        ({"k1": 5, "k2": 41}, "k1=5 and k2=41 need 41 images"),
    ],
)
def test_refused_settings(settings_: dict[str, float], message: str) -> None:
    x = drawn(0, 40)
    with pytest.raises(RerankingError, match=message.replace(".", r"\.")):
        k_reciprocal(describe(x[:4]), describe(x[4:]), **settings_)


def test_settings_may_be_of_numpy() -> None:
    reranking.check_settings(40, np.int64(20), np.uint8(6), np.float32(0.3))


def test_as_many_images_as_needed_will_do() -> None:
    x = drawn(0, 40)
    assert ours(x, 4, 39, 40).shape == (4, 36)


def test_refused_descriptors() -> None:
    query, gallery = describe(drawn(0, 4)), describe(drawn(1, 30))
    spoilt = describe(drawn(1, 30))
    spoilt.features[17, 2] = float("nan")
    with pytest.raises(RerankingError, match=r"gallery descriptor 17 is not finite"):
        k_reciprocal(query, spoilt)
    spoilt.features[17, 2] = float("inf")
    with pytest.raises(RerankingError, match=r"query descriptor 17 is not finite"):
        k_reciprocal(spoilt, gallery)
    with pytest.raises(RerankingError, match=r"have 8 values, gallery features 5"):
        k_reciprocal(query, describe(drawn(1, 30, dim=5)))
    with pytest.raises(RerankingError, match=r"query features are \(0, 8\)"):
        k_reciprocal(describe(drawn(0, 4)[:0]), gallery)
    with pytest.raises(RerankingError, match=r"gallery features are \(30,\)"):
        k_reciprocal(query, describe(drawn(1, 30)[:, 0]))
