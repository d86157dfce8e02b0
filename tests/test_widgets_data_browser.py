"""The crop explorer in a real browser: keys and clicks change box and picture."""

from pathlib import Path

import browser
import numpy as np
import pytest

from dplib import transforms

SET_UP = """
import torch

x, y = torch.arange(64) * 3, torch.arange(128)[:, None]
images = torch.stack([x + y, x + 0 * y, y + 0 * x] * 2).view(2, 3, 128, 64)
images = images.clamp(max=255).to(torch.uint8)
"""
WIDGET = """
from dplib import widgets_data

widgets_data.crop_explorer(images)
"""


def box(share: float, ratio: float) -> str:
    """The beginning and end of the text, from what dplib draws at these numbers."""
    _, _, height, width = transforms.draw_crops(
        1,
        (128, 64),
        np.random.default_rng(0),
        scale=(share, share),
        ratio=(ratio, ratio),
    )[0].tolist()
    return f"box {height} × {width} pixels|: {height * width / 8192:.1%} of the area"


@pytest.mark.parametrize("width", [1280, 800])
def test_slider_changes_box_and_picture(tmp_path: Path, width: int) -> None:
    """The text states the box that dplib draws; it and the picture follow the keys."""
    with browser.notebook(tmp_path, [SET_UP, WIDGET], width=width) as page:
        text = page.locator(".widget-html-content", has_text="of the area").first
        for slider, share, ratio in ((0, 0.81, 2.2), (1, 0.81, 2.25)):
            browser.press(page, slider=slider)
            start, end = box(share, ratio).split("|")
            said = text.inner_text()
            assert said.startswith(start) and said.endswith(end)
        with browser.changed(page):
            page.locator(".widget-checkbox input").first.click()
        assert text.inner_text() == said, "the mirror leaves the box where it is"
        page.locator(".widget-slider").first.scroll_into_view_if_needed()
        page.screenshot(path=tmp_path / f"crops{width}.png")
