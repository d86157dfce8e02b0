"""The crop explorer: its text and its picture follow its sliders."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dplib import transforms
from dplib.lessons.data_preparation import figures, widgets


@pytest.fixture
def images() -> torch.Tensor:
    """Three slopes of light: few colours, which makes small pictures, drawn fast."""
    x, y = torch.arange(64) // 8 * 16, torch.arange(128)[:, None] // 8 * 8
    grey = (x + y).clamp(max=255)
    return (
        torch.stack([(grey + 20 * i) % 256 for i in range(9)])
        .view(3, 3, 128, 64)
        .to(torch.uint8)
    )


def parts(box: Any) -> tuple[dict[str, Any], Any, Any]:
    """The controls by name, the text and the picture."""
    controls, text, picture = box.children
    return {c.description: c for c in controls.children}, text, picture


def test_the_text_is_the_box_of_draw_crops(images: torch.Tensor) -> None:
    controls, text, _ = parts(widgets.crop_explorer(images))
    for share in (0.4, 0.9):
        for ratio in (1.5, 2.0, 2.9):
            controls["area share"].value, controls["height/width"].value = share, ratio
            _, _, height, width = transforms.draw_crops(
                1,
                (128, 64),
                np.random.default_rng(0),
                scale=(share, share),
                ratio=(ratio, ratio),
            )[0]
            if share == 0.9 and ratio != 2.0:
                assert (height, width) == (128, 64), "dplib falls back to the image"
                wide = {1.5: "105 × 70", 2.9: "146 × 50"}[ratio]
                assert text.value.startswith(f"{wide} pixels do not fit: drawn again")
            else:
                area = height * width / (128 * 64)
                assert text.value.startswith(f"box {height} × {width} pixels")
                assert f"{area:.1%} of the area" in text.value


def test_the_text_says_what_the_paper_does_not_do(images: torch.Tensor) -> None:
    controls, text, _ = parts(widgets.crop_explorer(images))
    assert "outside" not in text.value
    controls["area share"].value = 0.64
    assert "outside" not in text.value
    controls["area share"].value = 0.5
    assert text.value.endswith("outside the paper's range: area")
    controls["height/width"].value = 3.5
    assert text.value.endswith("outside the paper's range: area and height/width")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("area share", 0.64),
        ("height/width", 2.5),
        ("down", 1.0),
        ("across", 0.0),
        ("mirror", True),
        ("picture", 2),
    ],
)
def test_each_control_changes_the_picture(
    images: torch.Tensor, name: str, value: Any
) -> None:
    controls, text, picture = parts(widgets.crop_explorer(images))
    before, said = picture.value, text.value
    controls[name].value = value
    assert picture.value != before
    assert Image.open(io.BytesIO(picture.value)).format == "PNG"
    assert (text.value != said) == (name not in ("mirror", "picture"))


def test_the_sliders_start_within_the_papers_ranges(images: torch.Tensor) -> None:
    controls, text, _ = parts(widgets.crop_explorer(images))
    start = controls["area share"].value, controls["height/width"].value
    chosen = figures.crop((128, 64), *start, 0.5, 0.5)
    assert chosen.fits and text.value == chosen.words()
    assert not controls["area share"].continuous_update
