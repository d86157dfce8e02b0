"""One picture: what each condition changes, and what it leaves alone."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dplib import DplibError, toymarket

CALM = {"viewpoint": "front", "pose": 0.2, "background": 3, "light": 3, "clutter": 0.0}


def _mask(pid: int = 5, camera: int = 1, **changes: object) -> np.ndarray:
    return np.asarray(toymarket.draw(pid, camera, **(CALM | changes))[1]) > 0


def test_draw_returns_image_and_exact_mask() -> None:
    image, mask = toymarket.draw(5, 1, **CALM)
    assert (image.size, image.mode) == ((64, 128), "RGB")
    assert (mask.size, mask.mode) == ((64, 128), "L")
    assert set(np.unique(np.asarray(mask))) == {0, 255}
    assert 0.1 < (np.asarray(mask) > 0).mean() < 0.6
    again, _ = toymarket.draw(toymarket.identity(5), 1, **CALM)
    assert np.array_equal(np.asarray(image), np.asarray(again))
    # the mask is where another person would change the picture: outside little does
    other, other_mask = toymarket.draw(9, 1, **CALM)
    change = np.abs(np.asarray(image, float) - np.asarray(other, float)).mean(axis=2)
    either = (np.asarray(mask) > 0) | (np.asarray(other_mask) > 0)
    assert change[either].mean() > 8 * change[~either].mean()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_occlusion_hides_that_share(share: float, seed: int) -> None:
    whole = _mask(seed=seed).sum()
    seen = _mask(seed=seed, occlusion=share)
    assert 1 - seen.sum() / whole == pytest.approx(share, abs=0.05)
    assert not (seen & ~_mask(seed=seed)).any()


def test_shift_moves_the_figure() -> None:
    ys, xs = np.nonzero(_mask(scale=0.7))
    for shift, dx, dy in (
        ((0.1, 0.0), 6.4, 0),
        (-0.1, 0, -12.8),
        ((-0.1, 0.05), -6.4, 6.4),
    ):
        y2, x2 = np.nonzero(_mask(scale=0.7, shift=shift))
        assert x2.mean() - xs.mean() == pytest.approx(dx, abs=0.5)
        assert y2.mean() - ys.mean() == pytest.approx(dy, abs=0.5)


def test_scale_resizes_the_figure() -> None:
    assert _mask(scale=0.5).sum() / _mask(scale=0.9).sum() == pytest.approx(
        (0.5 / 0.9) ** 2, rel=0.08
    )


def test_blur_lowers_gradient_energy_and_keeps_the_mask() -> None:
    def energy(blur: float) -> float:
        grey = np.asarray(
            toymarket.draw(5, 1, blur=blur, **CALM)[0].convert("L"), float
        )
        return float((np.diff(grey, axis=0) ** 2).sum() + (np.diff(grey) ** 2).sum())

    sharp, soft, softer = energy(0), energy(1.0), energy(2.5)
    assert softer < 0.6 * soft < 0.6 * 0.8 * sharp
    assert np.array_equal(_mask(), _mask(blur=2.5))


@pytest.mark.parametrize(
    "change", [{"background": 4}, {"light": 4}, {"clutter": 5.0}, {"blur": 1.0}]
)
def test_surroundings_leave_the_mask_alone(change: dict[str, float]) -> None:
    assert np.array_equal(_mask(), _mask(**change))
    a, _ = toymarket.draw(5, 1, **CALM)
    b, _ = toymarket.draw(5, 1, **(CALM | change))
    assert not np.array_equal(np.asarray(a), np.asarray(b))


def test_pose_and_viewpoint_change_the_figure() -> None:
    assert not np.array_equal(_mask(), _mask(pose=0.7))
    assert _mask(viewpoint="left").sum() < _mask(viewpoint="front").sum()
    assert np.array_equal(_mask(viewpoint="right"), _mask(viewpoint=90))


def test_cameras_see_the_same_person_differently() -> None:
    person = [
        np.asarray(toymarket.draw(5, c, **CALM)[0], float)[30:60, 26:38].mean(
            axis=(0, 1)
        )
        for c in range(1, 7)
    ]
    gaps = [np.abs(a - b).max() for i, a in enumerate(person) for b in person[i + 1 :]]
    assert min(gaps) > 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera": 7}, "camera=7: expected 1, …, 6"),
        ({"camera": 0}, "camera=0"),
        ({"occlusion": 0.95}, "occlusion=0.95: expected a number from 0 to 0.9"),
        ({"occlusion": -0.1}, "occlusion=-0.1"),
        ({"occlusion": float("nan")}, "occlusion=nan"),
        ({"blur": -1}, "blur=-1"),
        ({"shift": (2, 0)}, "shift=2"),
        ({"shift": (1, 2, 3)}, "shift="),
        ({"shift": "up"}, "shift="),
        ({"scale": 0}, "scale=0"),
        ({"pose": 1.5}, "pose=1.5"),
        ({"viewpoint": "above"}, "viewpoint='above': expected degrees or front"),
        ({"background": -1}, "background=-1"),
        ({"background": 1.5}, "background=1.5"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"identity": 0}, "pid=0"),
        ({"identity": "Ann"}, "identity='Ann'"),
        ({"cues": "colour"}, "cues='colour': expected one of layout, global"),
    ],
)
def test_draw_refuses(changes: dict[str, object], message: str) -> None:
    args = {"identity": 5, "camera": 1} | changes
    with pytest.raises(DplibError, match=re.escape(message)):
        toymarket.draw(**args)
