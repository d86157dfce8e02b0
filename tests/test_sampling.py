"""PK sampling: what a batch and an epoch hold, and what they depend on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dplib import DplibError
from dplib.sampling import PKSampler


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[int], int, int, int]:
    """Labels (raw pids, shuffled, uneven), P, K and a seed."""
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=12))
    labels = [7 * pid + 3 for pid, n in enumerate(counts) for _ in range(n)]
    labels = draw(st.permutations(labels))
    p = draw(st.integers(1, len(counts)))
    return labels, p, draw(st.integers(2, 6)), draw(st.integers(0, 99))


@given(runs())
def test_an_epoch(run: tuple[list[int], int, int, int]) -> None:
    labels, p, k, seed = run
    sampler = PKSampler(labels, p, k, seed)
    batches = list(sampler)
    available = Counter(labels)
    assert len(batches) == len(sampler) == len(available) // p
    pids_of_epoch: list[int] = []
    for batch in batches:
        assert len(batch) == p * k
        pids = [labels[i] for i in batch]
        assert Counter(pids) == dict.fromkeys(pids, k)
        assert len(set(pids)) == p
        pids_of_epoch += set(pids)
        uses = Counter(batch)
        for pid in set(pids):  # each image ⌊K/n⌋ or ⌈K/n⌉ times: even cycling
            images = [i for i, label in enumerate(labels) if label == pid]
            low = k // len(images)
            assert {uses[i] for i in images} <= {low, low + 1}
            assert sum(uses[i] for i in images) == k
    assert len(pids_of_epoch) == len(set(pids_of_epoch)) == len(batches) * p


def many(seed: int = 0, epoch: int = 0) -> list[list[int]]:
    sampler = PKSampler([i // 5 for i in range(100)], 4, 3, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_same_seed_and_epoch_same_batches() -> None:
    assert many(3, 7) == many(3, 7)


def test_other_seeds_and_epochs_give_other_batches() -> None:
    draws = [many(s, e) for s in range(3) for e in range(3)]
    assert all(a != b for i, a in enumerate(draws) for b in draws[:i])


def test_an_epoch_does_not_depend_on_what_was_drawn_before() -> None:
    sampler = PKSampler([i // 5 for i in range(100)], 4, 3, 0)
    for epoch in (4, 0, 2):
        sampler.set_epoch(epoch)
        next(iter(sampler))  # an epoch broken off
    np.random.default_rng(0).random(9)
    sampler.set_epoch(1)
    assert list(sampler) == list(sampler) == many(0, 1)


def test_the_pids_left_over_differ_from_epoch_to_epoch() -> None:
    sampler = PKSampler([i // 2 for i in range(14)], 4, 2, 0)  # 7 pids, 4 a batch
    drawn = set()
    for epoch in range(10):
        sampler.set_epoch(epoch)
        drawn.add(frozenset(i // 2 for i in next(iter(sampler))))
    assert len(drawn) > 5
    assert frozenset.union(*drawn) == set(range(7))


def test_every_image_is_drawn_in_time() -> None:
    seen: set[int] = set()
    for epoch in range(30):
        seen.update(*many(0, epoch))
    assert seen == set(range(100))


def test_p_larger_than_the_pids_says_how_many_there_are() -> None:
    with pytest.raises(DplibError, match=r"P=3.*2 people; take p=2 or less"):
        PKSampler([5, 5, 9, 9], 3, 2)


@pytest.mark.parametrize(("p", "k"), [(2, 1), (2, 0), (0, 2), (-1, 4)])
def test_k_of_one_and_nonsense_are_refused(p: int, k: int) -> None:
    with pytest.raises(DplibError, match=rf"P={p}, K={k}.*K ≥ 2"):
        PKSampler([0, 0, 1, 1], p, k)
