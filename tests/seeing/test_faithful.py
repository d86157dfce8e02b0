"""Deletion and insertion: a true map beats a false one where the truth is known."""

from __future__ import annotations

import pytest
import torch
from small_nets import COLOURS, FLAG

from dplib import DplibError
from dplib.seeing import faithful

IMAGES = FLAG[None]
GREEN = torch.tensor([[0.0, 1.0, 0.0]])
# what makes the image alike to green: rows 4 to 7 of 16
TRUE = torch.zeros(1, 4, 2)
TRUE[0, 1] = 1
FALSE = TRUE.roll(1, 1)


def test_taking_away_what_counts_costs_the_similarity() -> None:
    got = faithful.curve(COLOURS, IMAGES, GREEN, TRUE, steps=4)
    assert got.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    # 12 red rows and 4 green ones: 4 / |(12, 4)|; then no green is left
    start = 4 / (12**2 + 4**2) ** 0.5
    expected = torch.tensor([[start, 0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(got.cosines, expected)
    assert float(got.area) == pytest.approx(0.125 * start)
    other = faithful.curve(COLOURS, IMAGES, GREEN, FALSE, steps=4)
    assert float(other.cosines[0, 1]) > start  # without some red it is more alike
    assert float(got.area) < float(other.area)


def test_putting_in_what_counts_brings_the_similarity_back() -> None:
    true, false = (
        faithful.curve(COLOURS, IMAGES, GREEN, m, "insertion", steps=4)
        for m in (TRUE, FALSE)
    )
    end = 4 / (12**2 + 4**2) ** 0.5
    for got in (true, false):
        assert float(got.cosines[0, -1]) == pytest.approx(end)
    assert float(true.cosines[0, 1]) > float(false.cosines[0, 1])
    assert float(true.area) > float(false.area)


def test_as_many_pixels_are_changed_as_said() -> None:
    ranks = faithful._ranks(torch.randn(3, 4, 5), 0)
    for one in ranks:
        assert sorted(one.flatten().tolist()) == list(range(20))
    values = torch.tensor([[[1.0, 3.0, 2.0]]])
    assert faithful._ranks(values, 0).tolist() == [[[2, 0, 1]]]


def test_equal_pixels_are_ordered_by_the_seed_alone() -> None:
    flat = torch.ones(2, 6, 6)
    first = faithful._ranks(flat, 0)
    assert torch.equal(first, faithful._ranks(flat, 0))
    assert not torch.equal(first, faithful._ranks(flat, 1))
    assert not torch.equal(first[0], torch.arange(36).view(6, 6))


def test_shuffled_keeps_the_values_of_each_map() -> None:
    values = torch.randn(3, 8, 4)
    got = faithful.shuffled(values, seed=1)
    torch.testing.assert_close(
        got.flatten(1).sort().values, values.flatten(1).sort().values
    )
    assert not torch.equal(got, values)
    assert torch.equal(got, faithful.shuffled(values, seed=1))


def test_what_does_not_belong_together_is_said() -> None:
    with pytest.raises(DplibError, match="way='removal'"):
        faithful.curve(COLOURS, IMAGES, GREEN, TRUE, "removal")
    with pytest.raises(DplibError, match="1 images, 1 descriptors and 2 maps"):
        faithful.curve(COLOURS, IMAGES, GREEN, TRUE.expand(2, -1, -1))
    with pytest.raises(DplibError, match="steps=0"):
        faithful.curve(COLOURS, IMAGES, GREEN, TRUE, steps=0)
    with pytest.raises(DplibError, match=r"seed"):
        faithful.curve(COLOURS, IMAGES, GREEN, TRUE, seed=-1)
