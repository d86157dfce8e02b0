"""A patch that slides: on a network whose answer is known in closed form."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from small_nets import COLOURS, FLAG

from dplib import DplibError
from dplib.seeing import occlusion


def test_covering_what_is_alike_moves_the_image_away() -> None:
    green = torch.tensor([0.0, 1.0, 0.0])
    found = occlusion.slide(COLOURS, FLAG, green, patch=(4, 8), step=4)
    assert found.tops == [0, 4, 8, 12] and found.lefts == [0]

    def distance(red: float, green: float) -> float:
        own = F.normalize(torch.tensor([red, green, 0.0]), dim=0)
        return float((own - torch.tensor([0.0, 1.0, 0.0])).norm())

    away, nearer = distance(12, 0), distance(8, 4)
    now = distance(12, 4)
    expected = torch.tensor([nearer - now, away - now, nearer - now, nearer - now])
    torch.testing.assert_close(found.change[:, 0], expected)
    assert expected[1] > 0 > expected[0]


def test_each_pixel_has_the_mean_of_the_patches_over_it() -> None:
    found = occlusion.slide(COLOURS, FLAG, torch.ones(3), patch=(8, 8), step=4)
    assert found.tops == [0, 4, 8]
    rows = found.pixels((16, 8))[:, 0]
    change = found.change[:, 0]
    expected = [change[0], (change[0] + change[1]) / 2, (change[1] + change[2]) / 2]
    for row, value in zip((0, 4, 8), expected, strict=True):
        torch.testing.assert_close(rows[row], value)
    torch.testing.assert_close(rows[12], change[2])


def test_the_last_patch_touches_the_edge() -> None:
    found = occlusion.slide(COLOURS, FLAG, torch.ones(3), patch=(5, 3), step=4)
    assert found.tops == [0, 4, 8, 11] and found.lefts == [0, 4, 5]
    assert found.change.shape == (4, 3)


@pytest.mark.parametrize(
    ("patch", "step"), [((17, 4), 4), ((4, 9), 4), ((0, 4), 4), ((4, 4), 0)]
)
def test_a_patch_that_does_not_fit_is_named(patch: tuple[int, int], step: int) -> None:
    with pytest.raises(DplibError, match="the image of 16 x 8"):
        occlusion.slide(COLOURS, FLAG, torch.ones(3), patch=patch, step=step)
