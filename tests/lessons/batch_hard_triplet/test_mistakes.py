"""Lesson 4's mistakes: each differs from the right answer and from all others."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dplib import losses
from dplib.lessons.batch_hard_triplet import mistakes
from dplib.lessons.causes import Cause, blame

POINTS = torch.tensor([[0.0, 0, 1], [3, 4, 1], [6, 0, -1], [2, -3, 0]])
LABELS = [(torch.tensor([4, 9, 4, 7, 9, 4, 7]),), (torch.tensor([2, 2, 300, 300]),)]
SETS: dict[str, tuple[Any, Any, Any]] = {
    "distances": (losses.pairwise_distances, [(POINTS,)], mistakes.DISTANCES),
    "masks": (mistakes.masks, LABELS, mistakes.MASKS),
    "loss": (mistakes.right_loss, mistakes.CASES, mistakes.LOSS),
    "share": (mistakes.right_share, mistakes.CASES, mistakes.SHARE),
}
EACH = [(name, words) for name, (_, _, found) in SETS.items() for words in found]


@pytest.mark.parametrize(("name", "words"), EACH)
def test_each_mistake_is_told_by_its_own_sentence(name: str, words: str) -> None:
    right, cases, found = SETS[name]
    said = blame(found[words], right, cases, found)
    assert isinstance(said, Cause) and said == words


def test_the_right_ones_are_those_of_dplib() -> None:
    labels = torch.tensor([4, 9, 4, 7, 9, 4, 7, 9])
    points = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    batch = (losses.pairwise_distances(points), *mistakes.masks(labels), 0.5)
    want = losses.batch_hard_triplet(points, labels, 0.5)
    torch.testing.assert_close(mistakes.right_loss(*batch), want.loss)
    d, positive, negative, _ = batch
    active = [
        0.5 + d[a, p] - d[a, n] > 0
        for a in range(8)
        for p in positive[a].nonzero()
        for n in negative[a].nonzero()
    ]
    share = torch.tensor([float(x) for x in active]).mean()
    torch.testing.assert_close(mistakes.right_share(*batch), share)


def test_every_anchor_of_the_cases_has_a_triplet_and_some_lie_at_the_margin() -> None:
    at_the_margin = 0
    for case in mistakes.CASES.values():
        assert case.positive.any(1).all() and case.negative.any(1).all()
        at_the_margin += int((case.cost[case.valid] == 0).sum())
    assert at_the_margin > 0
