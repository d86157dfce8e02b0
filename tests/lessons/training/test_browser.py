"""Lesson 5's sliders in a real browser: a key trains a net anew."""

import browser

from dplib.lessons.training import widgets

SET_UP = """
from dataclasses import replace
import torch
from dplib import presets
from dplib.lessons.training import widgets

torch.set_num_threads(1)
preset = replace(presets.get("toy"), backbone_width=0.125, image_size=(64, 32),
                 part_units=8, p=4, k=2)
generator = torch.Generator().manual_seed(0)
images = torch.randint(0, 256, (12, 3, 64, 32), dtype=torch.uint8, generator=generator)
labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
"""


def test_lambda_sliders(lab: browser.Lab) -> None:
    """Each λ goes up by a step; the losses shown are those of dplib's short run."""
    scope: dict[str, object] = {}
    exec(SET_UP, scope)
    data = scope["preset"], scope["images"], scope["labels"]
    cell = "widgets.lambda_sliders(preset, images, labels, iterations=5)"
    with browser.notebook(lab, [SET_UP, cell]) as page:
        weights = [1.0, 1.0, 1.0]
        for i in range(3):
            browser.press(page, slider=i)
            weights[i] = 1.25
            chosen = (weights[0], weights[1], weights[2])
            columns = widgets.short_run(*data, chosen, 5)  # type: ignore[arg-type]
            want = widgets.describe(chosen, columns)
            assert want in page.locator(".widget-html").first.inner_text()
