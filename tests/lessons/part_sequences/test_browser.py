"""Lesson 2's widgets in a real browser."""

from pathlib import Path

import browser
import pytest

from dplib import checkpoints, model, transforms
from dplib.lessons.part_sequences import widgets

SET_UP = """
import torch
from dplib import checkpoints, model, transforms
from dplib.lessons.part_sequences import widgets

net = checkpoints.load("toy")
small = model.DeepPerson(
    4, backbone="resnet18", image_size=(64, 32), backbone_width=0.25
).eval()
images = torch.stack([widgets.drawn(pid, 1) for pid in (1, 2, 3)])
"""
FIELDS = 'widgets.field_explorer({"toy": net, "small": small}, images)'
SHIFTS = "widgets.shift_explorer(net, [1, 2, 3])"


@pytest.mark.parametrize("width", [1280, 800])
def test_field_explorer(lab: browser.Lab, tmp_path: Path, width: int) -> None:
    """Row, image, layer, backbone: the text is dplib's, the picture changes."""
    scope: dict[str, object] = {}
    exec(SET_UP, scope)
    images = scope["images"]

    def words(image: int, row: int, layer: str, name: str = "net") -> str:
        net = scope[name]
        assert isinstance(net, model.DeepPerson)
        one = widgets.resized(images[image - 1 : image], net.image_size)  # type: ignore[index]
        return widgets.explored(net, one, row, layer).words()

    with browser.notebook(lab, [SET_UP, FIELDS], width=width) as page:
        text = page.locator(".widget-html-content").first
        assert text.inner_text() == words(1, 4, "layer4")
        browser.assert_own_size(page)
        browser.press(page)
        assert text.inner_text() == words(1, 5, "layer4")
        browser.press(page, slider=1)
        assert text.inner_text() == words(2, 5, "layer4")
        with browser.changed(page):
            page.locator(".widget-dropdown select").nth(1).select_option("layer3")
        assert text.inner_text() == words(2, 5, "layer3")
        with browser.changed(page):
            page.locator(".widget-dropdown select").nth(0).select_option("small")
        row = int(page.locator(".widget-readout").first.inner_text())
        assert text.inner_text() == words(2, row, "layer3", "small")
        page.screenshot(path=tmp_path / "fields.png")


def test_shift_explorer(lab: browser.Lab, tmp_path: Path) -> None:
    """The person moved down, then right; then another person, another camera."""
    net = checkpoints.load("toy")
    with browser.notebook(lab, [SET_UP, SHIFTS], width=800) as page:
        text = page.locator(".widget-html-content").first
        start = widgets.shifted(net, 1, 1, 0.0, 0.0)
        assert text.inner_text() == start.words()
        browser.press(page)
        found = widgets.shifted(net, 1, 1, 0.0, 0.25 / 8)
        assert text.inner_text() == found.words() != start.words()
        browser.press(page, slider=1)
        found = widgets.shifted(net, 1, 1, 0.25 / 4, 0.25 / 8)
        assert text.inner_text() == found.words()
        for choice, pid, camera in ((0, 2, 1), (1, 2, 4)):
            chosen = page.locator(".widget-dropdown select").nth(choice)
            with browser.changed(page):
                chosen.select_option(str((pid, camera)[choice]))
            found = widgets.shifted(net, pid, camera, 0.25 / 4, 0.25 / 8)
            assert text.inner_text() == found.words()
        page.screenshot(path=tmp_path / "shifts.png")


def test_the_normalisation_is_the_lessons() -> None:
    """The explorer gives the net what ``transforms.normalise`` gives."""
    net = checkpoints.load("toy")
    images = widgets.drawn(1, 1)[None]
    seen = []
    handle = net.backbone.register_forward_pre_hook(lambda m, x: seen.append(x[0]))
    widgets.shifted(net, 1, 1, 0.0, 0.0)
    handle.remove()
    assert seen[0][:1].allclose(transforms.normalise(images))
