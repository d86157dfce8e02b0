"""The protocol same_camera against a loop and a sort, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dplib import evaluation
from dplib.descriptors import Descriptors
from dplib.evaluation import EvaluationError, evaluate
from dplib.ranking import distances, ranks


def describe(x: np.ndarray, pids: object, cams: object) -> Descriptors:
    return Descriptors(
        torch.as_tensor(x, dtype=torch.float32),
        torch.as_tensor(pids, dtype=torch.int64),
        torch.as_tensor(cams, dtype=torch.int64),
    )


def random_set(
    rng: np.random.Generator, q: int, g: int, levels: int
) -> tuple[Descriptors, Descriptors, list[list[int]]]:
    """Junk, distractors and, with few levels, many ties; about a third of the pairs of
    one pid is to be left out, some of them twice."""
    query = describe(
        rng.integers(0, levels, (q, 3)), rng.integers(1, 6, q), rng.integers(1, 3, q)
    )
    gallery = describe(
        rng.integers(0, levels, (g, 3)), rng.integers(-1, 6, g), rng.integers(1, 3, g)
    )
    pairs = [
        [i, j]
        for i in range(q)
        for j in range(g)
        if query.pids[i] == gallery.pids[j] and rng.random() < 0.3
    ]
    return query, gallery, pairs + pairs[:3]


def by_hand(
    d: np.ndarray, query: Descriptors, gallery: Descriptors, pairs: list[list[int]]
) -> list[list[int]]:
    """The ranks of each query's matches; wrong images precede at equal distance."""
    out = {tuple(pair) for pair in pairs}
    found = []
    for i, pid in enumerate(query.pids.tolist()):
        rows = [
            (d[i, j], bool(other == pid))
            for j, other in enumerate(gallery.pids.tolist())
            if other != -1 and (i, j) not in out
        ]
        rows.sort()  # False, which is wrong, comes first
        found.append([rank for rank, (_, right) in enumerate(rows, 1) if right])
    return found


@given(
    seed=st.integers(0, 10**6),
    q=st.integers(1, 9),
    g=st.integers(1, 40),
    levels=st.sampled_from([1, 2, 3, 60]),
    given_as=st.booleans(),
    small=st.booleans(),
)
def test_equals_a_loop_and_a_sort(
    seed: int, q: int, g: int, levels: int, given_as: bool, small: bool
) -> None:
    query, gallery, pairs = random_set(np.random.default_rng(seed), q, g, levels)
    d = (query.features[:, None] - gallery.features[None]).square().sum(2).numpy()
    want = by_hand(d, query, gallery, pairs)
    how = {"protocol": "same_camera", "unmatched": "skip", "left_out": pairs}
    if given_as:
        how["distances"] = d
    with pytest.MonkeyPatch.context() as patch:
        if small:  # blocks whose borders lie among the pairs
            patch.setattr(distances, "BLOCK", 2)
            patch.setattr(distances, "COLUMNS", 7)
            patch.setattr(ranks, "ROWS", 1)
        if (gallery.pids == -1).all() or not any(want):
            with pytest.raises(EvaluationError):
                evaluate(query, gallery, **how)  # type: ignore[arg-type]
            return
        r = evaluate(query, gallery, **how)  # type: ignore[arg-type]
    assert [x.tolist() for x in r.match_ranks] == [x for x in want if x]
    assert r.queries.tolist() == [i for i, x in enumerate(want) if x]
    ap = [np.mean([n / rank for n, rank in enumerate(x, 1)]) for x in want if x]
    assert r.map == pytest.approx(np.mean(ap))
    assert r.rank1 == pytest.approx(np.mean([x[0] == 1 for x in want if x]))
    assert r.num_ranked == int((gallery.pids != -1).sum())
    for i in r.queries.tolist():  # the list shows what was counted
        shown = r.ranked(i, 99)
        places = (~shown.junk).long().cumsum(0)[shown.right]
        assert places.tolist() == want[i] and not (shown.right & shown.junk).any()
        out = {j for a, j in pairs if a == i}
        junk = set(shown.indices[shown.junk].tolist())
        assert junk == out | set((gallery.pids == -1).nonzero().flatten().tolist())


def test_a_query_is_not_found_by_what_is_left_out() -> None:
    """All else is farther than the copies: with them 100 %, without them nothing."""
    gallery = describe(np.array([[0], [9], [1], [9]]), [1, 1, 2, 3], np.ones(4))
    query = describe(np.zeros((1, 1)), [1], [1])
    with_copies = evaluate(query, gallery, protocol="same_camera", left_out=[])
    assert with_copies.rank1 == 1 and with_copies.protocol == "same_camera"
    left = np.array([[0, 0]], np.uint8)
    for pairs in (left, torch.from_numpy(left), [(0, 0)], [[0, 0], [0, 0]]):
        r = evaluate(query, gallery, protocol="same_camera", left_out=pairs)
        assert r.rank1 == 0 and r.match_ranks[0].tolist() == [3]
        assert "protocol='same_camera'" in repr(r)


def test_the_camera_does_not_matter_and_the_standard_protocol_is_as_it_was() -> None:
    rng = np.random.default_rng(3)
    query, gallery, pairs = random_set(rng, 9, 60, 50)
    how = {"protocol": "same_camera", "left_out": pairs, "unmatched": "skip"}
    a = evaluate(query, gallery, **how)  # type: ignore[arg-type]
    other = gallery._replace(camids=torch.arange(60))
    b = evaluate(query, other, **how)  # type: ignore[arg-type]
    assert a.summary() == b.summary()
    # leaving out by hand what market1501 leaves out gives its results
    same = [
        [i, j]
        for i in range(9)
        for j in range(60)
        if query.pids[i] == gallery.pids[j] and query.camids[i] == gallery.camids[j]
    ]
    c = evaluate(query, gallery, unmatched="skip")
    d = evaluate(
        query, gallery, protocol="same_camera", left_out=same, unmatched="skip"
    )
    assert c.summary() == d.summary() and c.summary() != a.summary()
    assert c.protocol == "market1501"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"protocol": "same_camera"}, r"needs left_out=.*datasets\.left_out.*or \[\]"),
        ({"left_out": []}, "left_out is for protocol='same_camera', not for 'market"),
        ({"protocol": "cuhk03", "left_out": [[0, 0]]}, "not for 'cuhk03'"),
        ({"protocol": "same_camera", "left_out": [[0, 2]]}, r"row 0: \[0, 2\].*0 to 1"),
        ({"protocol": "same_camera", "left_out": [[0, 0], [1, 0]]}, r"row 1: \[1, 0\]"),
        ({"protocol": "same_camera", "left_out": [[-1, 0]]}, r"\[-1, 0\] is no pair"),
        ({"protocol": "same_camera", "left_out": [[0, 1]]}, "of the same pid"),
        ({"protocol": "same_camera", "left_out": [0, 0]}, r"\(2,\) of int64; expected"),
        ({"protocol": "same_camera", "left_out": [[0, 0, 0]]}, r"\(1, 3\) of int64"),
        ({"protocol": "same_camera", "left_out": [[0.0, 0.0]]}, "of float64"),
        ({"protocol": "same_camera", "left_out": [[0, 0], [1]]}, "of several lengths"),
        ({"protocol": "same_camera", "left_out": [["a", "b"]]}, "expected whole numb"),
        ({"protocol": "same_camera", "left_out": [[True, True]]}, "of bool"),
        ({"protocol": "same_camera", "left_out": [[0, 0]]}, "that is not left out"),
        ({}, "protocol='same_camera', an own folder with same_camera=True"),
        ({"unmatched": "skip"}, "no query has a true match.*same_camera=True"),
    ],
)  # fmt: skip
def test_what_is_refused(how: dict[str, object], said: str) -> None:
    query = describe(np.zeros((1, 1)), [1], [1])
    gallery = describe(np.zeros((2, 1)), [1, 2], [1, 1])
    with pytest.raises(EvaluationError, match=said):
        evaluate(query, gallery, **how)  # type: ignore[arg-type]


def test_every_protocol_is_named_in_the_module() -> None:
    said = str(evaluation.__doc__) + str(evaluate.__doc__)
    assert all(f'"{name}"' in said for name in evaluation.PROTOCOLS)
