"""The crop explorer in a real browser: keys and clicks change box and picture."""

from pathlib import Path

import browser
import numpy as np
import pytest

from dplib import transforms
from dplib.lessons.data_preparation import figures

SET_UP = """
import torch

x, y = torch.arange(64) * 3, torch.arange(128)[:, None]
one = torch.stack([x + y, x + 0 * y, y + 0 * x]).clamp(max=255)
images = torch.stack([one, 255 - one]).to(torch.uint8)
"""
WIDGET = """
from dplib.lessons.data_preparation import widgets

widgets.crop_explorer(images)
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
def test_slider_changes_box_and_picture(
    lab: browser.Lab, tmp_path: Path, width: int
) -> None:
    """The text states the box that dplib draws; it and the picture follow the keys."""
    with browser.notebook(lab, [SET_UP, WIDGET], width=width) as page:
        text = page.locator(".widget-html-content", has_text="of the area").first
        for slider, share, ratio in ((0, 0.81, 2.2), (1, 0.81, 2.25)):
            browser.press(page, slider=slider)
            start, end = box(share, ratio).split("|")
            said = text.inner_text()
            assert said.startswith(start) and said.endswith(end)
        for slider, down, across in ((2, 1.0, 0.5), (3, 1.0, 1.0)):
            browser.press(page, "End", slider=slider)
            said = text.inner_text()
            chosen = figures.crop((128, 64), share, ratio, down, across)
            assert said == chosen.words()
        browser.press(page, slider=4)
        assert text.inner_text() == said, "another picture has the same box"
        with browser.changed(page):
            page.locator(".widget-checkbox input").first.click()
        assert text.inner_text() == said, "the mirror leaves the box where it is"
        page.locator(".widget-slider").first.scroll_into_view_if_needed()
        page.screenshot(path=tmp_path / f"crops{width}.png")
