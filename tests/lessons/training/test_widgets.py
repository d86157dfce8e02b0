"""The λ sliders: the number shown is that of dplib's own short run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from dplib.lessons.blstm_branch import shortruns
from dplib.lessons.training import widgets
from dplib.presets import Preset

LABELS = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(
        0, 256, (12, 3, 64, 32), dtype=torch.uint8, generator=generator
    )


def parts(widget: Any) -> tuple[Any, Any, Any]:
    row, text, picture = widget.children
    return row.children, text, picture


def expected(preset: Preset, images: torch.Tensor, weights: Any) -> str:
    changed = replace(preset, loss_weights=weights)
    columns = shortruns.means(shortruns.run(changed, images, LABELS, 5)[1], 5)
    names = (("BtR", "ranking"), ("BpI", "part"), ("BgI", "global"))
    return ", ".join(f"{short} {columns[key][-1]:.3f}" for short, key in names)


@pytest.mark.parametrize("slider", [0, 1, 2])
def test_each_slider_trains_anew(
    tiny: Preset, images: torch.Tensor, slider: int
) -> None:
    widget = widgets.lambda_sliders(tiny, images, LABELS, iterations=5)
    sliders, text, picture = parts(widget)
    before = picture.value
    assert text.value.startswith("λ = 1, 1, 1: ")
    assert expected(tiny, images, (1.0, 1.0, 1.0)) in text.value
    sliders[slider].value = 2.5
    weights = tuple(2.5 if i == slider else 1.0 for i in range(3))
    assert expected(tiny, images, weights) in text.value
    assert picture.value != before and bytes(picture.value[:4]) == b"\x89PNG"


def test_known_runs_are_not_made_again(
    tiny: Preset, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {
        w: widgets.short_run(tiny, images, LABELS, w, iterations=5)
        for w in (widgets.ONES, (0.0, 1.0, 1.0))
    }
    monkeypatch.setattr(widgets, "short_run", lambda *a: pytest.fail("again"))
    widget = widgets.lambda_sliders(tiny, images, LABELS, known=known)
    sliders, text, _ = parts(widget)
    sliders[0].value = 0
    assert text.value.startswith("λ = 0, 1, 1: at the end BtR")


def test_all_zero_is_said_in_words(tiny: Preset, images: torch.Tensor) -> None:
    sliders, text, _ = parts(widgets.lambda_sliders(tiny, images, LABELS, iterations=1))
    for slider in sliders:
        slider.value = 0
    assert "nothing to train" in text.value
