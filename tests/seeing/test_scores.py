"""Does a map lie on the person: shares worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from dplib import DplibError
from dplib.seeing import scores

# a person in the left half of 4 x 4 pixels, seen by maps of 2 x 2 places
MASK = torch.zeros(1, 4, 4, dtype=torch.bool)
MASK[0, :, :2] = True
MAP = torch.tensor([[[6.0, 2.0], [1.0, 1.0]]])


def test_foreground_is_the_share_of_the_mass() -> None:
    assert float(scores.foreground(MAP, MASK)) == pytest.approx(0.7)
    assert float(scores.area(MASK)) == 0.5
    flat = torch.ones(1, 2, 2)
    assert float(scores.foreground(flat, MASK)) == float(scores.area(MASK))


def test_negative_values_are_no_mass() -> None:
    values = torch.tensor([[[6.0, -9.0], [0.0, 2.0]]])
    assert float(scores.foreground(values, MASK)) == pytest.approx(0.75)


def test_a_place_that_is_half_on_the_person_counts_half() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.uint8)
    mask[0, :, :1] = 1
    assert float(scores.foreground(MAP, mask)) == pytest.approx(0.35)


def test_a_map_of_zeros_has_no_share() -> None:
    assert math.isnan(scores.foreground(torch.zeros(1, 2, 2), MASK))
    assert float(scores.coverage(torch.zeros(1, 2, 2), MASK)) == 0


def test_coverage_tells_a_shoe_from_a_body() -> None:
    shoe = torch.tensor([[[0.1, 0.0], [1.0, 0.0]]])
    body = torch.tensor([[[0.8, 0.0], [1.0, 0.0]]])
    both = torch.cat([shoe, body])
    masks = MASK.expand(2, -1, -1)
    assert scores.foreground(both, masks).tolist() == [1, 1]
    assert scores.coverage(both, masks).tolist() == [0.5, 1]
    assert scores.coverage(both, masks, share=0.05).tolist() == [1, 1]


def test_pointing() -> None:
    aside = MAP.flip(2)
    assert float(scores.pointing(MAP, MASK)) == 1
    assert float(scores.pointing(aside, MASK)) == 0
    assert float(scores.pointing(torch.ones(1, 2, 2), MASK)) == 0.5  # undecided


def test_each_image_has_its_own() -> None:
    values = torch.cat([MAP, MAP.flip(2)])
    got = scores.foreground(values, MASK.expand(2, -1, -1))
    torch.testing.assert_close(got, torch.tensor([0.7, 0.3], dtype=torch.float64))


def test_what_does_not_belong_together_is_said() -> None:
    with pytest.raises(DplibError, match="mask 0 is empty"):
        scores.foreground(MAP, torch.zeros(1, 4, 4))
    with pytest.raises(DplibError, match="one map"):
        scores.foreground(MAP, MASK.expand(2, -1, -1))
    with pytest.raises(DplibError, match="masks of shape"):
        scores.area(MASK[0])
    with pytest.raises(DplibError, match="share=0"):
        scores.coverage(MAP, MASK, share=0)
