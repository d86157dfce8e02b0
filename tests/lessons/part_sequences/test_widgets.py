"""Lesson 2's widgets: the text is what dplib gives, the picture follows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dplib import DplibError, transforms
from dplib.lessons.part_sequences import widgets
from dplib.model import DeepPerson
from dplib.seeing import fields


@pytest.fixture(scope="module")
def models() -> dict[str, DeepPerson]:
    def make(name: str, **options: Any) -> DeepPerson:
        return DeepPerson(
            2,
            backbone=name,
            branches=("ranking",),
            backbone_width=0.125,
            **options,
        ).eval()

    return {
        "small": make("resnet18", image_size=(64, 32), last_stride=1),
        "large": make("mobilenet_v2", image_size=(96, 48)),
    }


def images(n: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, 64, 32), generator=generator).to(torch.uint8)


def said(models: dict[str, DeepPerson], name: str, layer: str, row: int, i: int) -> str:
    model = models[name]
    shown = widgets.resized(images(), model.image_size)
    batch = shown if i == 0 else shown[i - 1 : i]
    x = transforms.normalise(batch)
    net = model.backbone
    return fields.fields_of_row(net, x, row - 1, layer=layer).words()


def test_each_control_changes_text_and_picture(models: dict[str, DeepPerson]) -> None:
    view = widgets.field_explorer(models, images())
    controls, text, picture = view.children
    model, layer, row, who = controls.children
    assert (layer.value, row.max, row.value, who.value) == ("layer4", 4, 2, 1)
    assert text.value == said(models, "small", "layer4", 2, 1)
    old = picture.value
    for control, value in ((row, 3), (who, 2), (layer, "layer1"), (row, 16)):
        control.value = value
        assert text.value == said(models, "small", layer.value, row.value, who.value)
        assert picture.value != old
        old = picture.value
    assert row.max == 16 and row.value == 16
    who.value = 0
    want = said(models, "small", "layer1", 16, 0)
    assert text.value == f"{want} · mean of 2"
    model.value = "large"
    assert layer.value == "18" and layer.options[0] == "0"
    assert row.max == 3 and row.value == 3, "the same height of the person"
    assert text.value == f"{said(models, 'large', '18', 3, 0)} · mean of 2"
    assert picture.value != old


def test_field_explorer_needs_a_model() -> None:
    with pytest.raises(DplibError, match="no models"):
        widgets.field_explorer({}, images())


def test_shift_explorer(models: dict[str, DeepPerson]) -> None:
    model = models["small"]
    view = widgets.shift_explorer(model, [1, 2])
    controls, text, picture = view.children
    person, camera, down, right = controls.children
    still = torch.zeros(model.rows)
    torch.testing.assert_close(widgets.shifted(model, 1, 1, 0, 0).rows, still)
    assert text.value == widgets.shifted(model, 1, 1, 0, 0).words()
    old = picture.value
    for control, value in ((down, 1), (right, -0.5), (person, 2), (camera, 3)):
        control.value = value
        at = right.value / 2, down.value / model.rows
        found = widgets.shifted(model, person.value, camera.value, *at)
        assert text.value == found.words() and bool((found.rows > 0).any())
        assert picture.value != old
        old = picture.value


def test_shifted_is_the_change_of_the_sequence(models: dict[str, DeepPerson]) -> None:
    model = models["small"]
    pair = [widgets.drawn(1, 1), widgets.drawn(1, 1, 0.1, 0.25)]
    both = widgets.resized(torch.stack(pair), model.image_size)
    with torch.no_grad():
        fb = model.feature_map(transforms.normalise(both))
    a, b = fb.mean(3).transpose(1, 2)
    found = widgets.shifted(model, 1, 1, 0.1, 0.25)
    torch.testing.assert_close(found.rows, (b - a).norm(dim=1) / a.norm(dim=1))
    fm = fb.mean((2, 3))
    assert found.fm == pytest.approx(float((fm[1] - fm[0]).norm() / fm[0].norm()))
    assert torch.equal(found.image, both[1])


def test_resized_keeps_what_has_the_size() -> None:
    same = images()
    assert widgets.resized(same, (64, 32)) is same
    assert widgets.resized(same, (128, 64)).shape == (2, 3, 128, 64)
