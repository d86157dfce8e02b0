"""Maps as pictures: values worked out by hand, and what cannot be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dplib import DplibError
from dplib.seeing import maps

# one image, two channels, one row of two places: (1, -2) and (-3, 4)
MAP = torch.tensor([[1.0, -3.0], [-2.0, 4.0]]).view(1, 2, 1, 2)


@pytest.mark.parametrize(
    ("method", "expected"),
    [("mean", [-0.5, 0.5]), ("norm", [5**0.5, 5.0]), ("max", [1.0, 4.0])],
)
def test_one_number_a_place(method: str, expected: list[float]) -> None:
    torch.testing.assert_close(maps.heat(MAP, method)[0, 0], torch.tensor(expected))


def test_one_channel() -> None:
    torch.testing.assert_close(maps.heat(MAP, "channel", channel=1), MAP[:, 1])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "l3"}, "method='l3': choose one of mean, norm"),
        ({"method": "channel"}, "channel= goes with"),
        ({"method": "mean", "channel": 0}, "channel= goes with"),
        ({"method": "channel", "channel": 2}, "channel=2: the map has 2 channels"),
        ({"method": "channel", "channel": -1}, "channel=-1"),
    ],
)
def test_a_way_that_does_not_exist_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(DplibError, match=words):
        maps.heat(MAP, **given)


def test_scaling_by_image_hides_what_scaling_by_set_shows() -> None:
    weak, strong = [[0.0, 1.0]], [[0.0, 4.0]]
    both = torch.tensor([weak, strong])
    torch.testing.assert_close(maps.scaled(both), torch.tensor([[[0.0, 1.0]]] * 2))
    by_set = maps.scaled(both, "set")
    torch.testing.assert_close(by_set, torch.tensor([[[0.0, 0.25]], [[0.0, 1.0]]]))


def test_a_flat_map_has_no_colour() -> None:
    assert maps.scaled(torch.full((2, 3, 3), 7.0)).abs().max() == 0


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(DplibError, match="diverged"):
        maps.scaled(torch.tensor([[[0.0, float("nan")]]]))
    with pytest.raises(DplibError, match="over='row'"):
        maps.scaled(torch.zeros(1, 1, 1), "row")


def test_components_agree_with_an_svd_and_do_not_flip() -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([9.0, 5.0, 2.0, 0.5, 0.1])[:, None, None]
    found = maps.components(torch.randn(4, 5, 6, 3, generator=generator) * spread)
    assert found.shape == (4, 6, 3, 3)
    generator.manual_seed(0)
    x = (torch.randn(4, 5, 6, 3, generator=generator) * spread).permute(0, 2, 3, 1)
    flat = x.reshape(-1, 5).double()
    u, s, _ = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    for k in range(3):
        ours = found.reshape(-1, 3)[:, k].double()
        theirs = u[:, k] * s[k]
        r = torch.corrcoef(torch.stack([ours, theirs]))[0, 1]
        assert abs(float(r)) > 1 - 1e-6
        assert ours.min() == 0 and ours.max() == 1
    # the main axis of this map is nearly the first channel: large there is bright
    first = torch.corrcoef(torch.stack([found[..., 0].flatten(), x[..., 0].flatten()]))
    assert float(first[0, 1]) > 0.9


def test_components_need_three_channels() -> None:
    with pytest.raises(DplibError, match="a map of 2 channels"):
        maps.components(MAP)


def test_enlarged_shows_each_place_as_a_rectangle() -> None:
    values = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    grown = maps.enlarged(values, (4, 6))
    expected = values[0].repeat_interleave(2, 0).repeat_interleave(3, 1)
    torch.testing.assert_close(grown[0], expected)
    smooth = maps.enlarged(values, (4, 6), smooth=True)[0]
    assert 1 < float(smooth[1, 2]) < 4 and not torch.equal(smooth, expected)


def test_overlay_mixes_picture_and_colour() -> None:
    pixels = torch.full((1, 3, 2, 2), 100, dtype=torch.uint8)
    values = torch.tensor([[[0.0, 1.0]]])
    got = maps.overlay(pixels, values, strength=0.5, colours="gray")
    assert got.dtype == np.uint8 and got.shape == (1, 2, 2, 3)
    assert got[0, :, 0].max() == 50  # half of 100, and black
    assert abs(int(got[0, 0, 1, 0]) - 178) <= 1  # (100 + 255) / 2
    assert (maps.overlay(pixels, values, strength=0) == 100).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"colours": "rainbowish"}, "is no colour map"),
        ({"strength": 1.5}, "strength=1.5"),
        ({"values": torch.full((1, 1, 1), 2.0)}, "scaled"),
        ({"values": torch.zeros(2, 1, 1)}, "1 images, but 2 maps"),
    ],
)
def test_overlay_says_what_does_not_fit(given: dict[str, Any], words: str) -> None:
    given = {"values": torch.zeros(1, 1, 1)} | given
    with pytest.raises(DplibError, match=words):
        maps.overlay(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), **given)
