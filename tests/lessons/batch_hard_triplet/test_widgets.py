"""The embedding that trains: its controls, its text, its picture."""

from typing import Any

import ipywidgets
import pytest
import torch

from dplib import losses
from dplib.lessons.batch_hard_triplet import widgets
from dplib.lessons.batch_hard_triplet.mining import FlatEmbedding, Settings


def parts(box: Any) -> dict[str, Any]:
    """The controls by their description, and the text, picture, play and button."""
    found, todo = {}, [box]
    while todo:
        w = todo.pop()
        todo += list(getattr(w, "children", ()))
        kind = type(w).__name__.lower()
        found[getattr(w, "description", "") or kind] = w
    return found


def numbers(flat: FlatEmbedding, step: int, settings: Settings) -> tuple[str, str]:
    """What dplib's loss gives for the batch's points and for all points."""
    batch = flat.batch(step, settings.p, settings.k)
    said = []
    for index in (batch, torch.arange(len(flat.labels))):
        points, labels = flat.trace[step][index], flat.labels[index]
        r = losses.batch_hard_triplet(points, labels, settings.margin)
        said.append(f"{r.loss.item():.4f}, {r.active.item():.1%}")
    return said[0], said[1]


def test_text_equals_dplib_at_each_step() -> None:
    w = parts(widgets.flat_embedding())
    flat, settings = FlatEmbedding(), Settings()
    flat.train(25, settings)
    pictures = set()
    for step in (0, 1, 7, 25):
        w["step"].value = step
        batch, every = numbers(flat, step, settings)
        assert f"step {step} · hard: loss {batch} of 16 triplets" in w["html"].value
        assert f"over all 36 points: loss {every} active" in w["html"].value
        pictures.add(bytes(w["image"].value))
    assert len(pictures) == 4 and all(p.startswith(b"\x89PNG") for p in pictures)


def test_settings_hold_from_their_step_on() -> None:
    w = parts(widgets.flat_embedding())
    w["step"].value = 6
    w["margin"].value, w["P"].value, w["K"].value = 1.5, 3, 5
    w["step"].value = 9
    flat = FlatEmbedding()
    flat.train(6, Settings())
    changed = Settings(margin=1.5, p=3, k=5)
    flat.train(9, changed)
    batch, every = numbers(flat, 9, changed)
    assert f"step 9 · hard: loss {batch} of 15" in w["html"].value
    assert every in w["html"].value


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("mining", "all"),
        ("mining", "random"),
        ("distance", "squared"),
        ("margin", 2.0),
        ("P", 6),
        ("K", 2),
    ],
)
def test_each_control_changes_picture_and_text(control: str, value: Any) -> None:
    w = parts(widgets.flat_embedding())
    before = w["html"].value, w["image"].value
    w[control].value = value
    assert w["html"].value != before[0] and w["image"].value != before[1]
    settings = Settings(
        mining=w["mining"].value,
        margin=w["margin"].value,
        p=w["P"].value,
        k=w["K"].value,
        squared=w["distance"].value == "squared",
    )
    flat = FlatEmbedding()
    look = flat.look(0, settings)
    assert f"loss {look.loss.item():.4f}, {look.active:.1%} of" in w["html"].value
    assert numbers(flat, 0, settings)[1] in w["html"].value


def test_reset_goes_back_whatever_is_under_way() -> None:
    box = widgets.flat_embedding()
    w = parts(box)
    start = w["html"].value, bytes(w["image"].value)
    w["step"].value = 5
    assert w["html"].value != start[0]
    w["Reset"].click()
    assert (w["html"].value, bytes(w["image"].value)) == start
    w["step"].value = 6  # a tick that comes late
    assert w["html"].value == start[0]
    new = parts(box)
    assert new["step"] is not w["step"] and new["step"].value == new["play"].value == 0
    new["step"].value = 1
    assert "step 1 " in w["html"].value


def test_play_is_linked_to_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    link = ipywidgets.jslink
    monkeypatch.setattr(ipywidgets, "jslink", lambda *a: made.append(a) or link(*a))
    w = parts(widgets.flat_embedding())
    assert made == [((w["play"], "value"), (w["step"], "value"))]
