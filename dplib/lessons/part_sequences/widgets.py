"""Interactive views of lesson 2, on the drawings of ``figures``."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import DplibError, toymarket, transforms
from dplib.lessons import view
from dplib.lessons.part_sequences import figures
from dplib.lessons.part_sequences.figures import Shifted
from dplib.model import DeepPerson
from dplib.seeing import fields
from dplib.seeing.fields import RowFields


def field_explorer(models: Mapping[str, DeepPerson], images: Tensor) -> ipywidgets.Box:
    """Choose model, layer, row and image → ideal, theoretical and effective field.

    images: uint8 [N, 3, h, w], resized to each model's own size. Picture 0 stands for
    the mean over all of them. The text is ``fields.fields_of_row(…).words()``.
    Raises DplibError for no models.
    """
    if not models:
        raise DplibError("field_explorer got no models: give at least one")
    model = ipywidgets.Dropdown(options=list(models), description="backbone")
    layer = ipywidgets.Dropdown(description="layer")
    row = view.slider("row", 1, 1)
    who = view.slider("image", 0, len(images), 1)
    page = view.View([model, layer, row, who])

    def settle() -> None:
        """The layers of the model, the rows of the layer."""
        chosen = models[model.value]
        names = fields.stages(chosen.backbone)
        if tuple(layer.options) != names:
            layer.options = names
            layer.value = names[-1]
        rows = fields.map_rows(chosen.backbone, chosen.image_size[0], layer.value)
        if rows != row.max:
            part = row.value / row.max  # the same height of the person
            row.max = rows
            row.value = max(1, round(part * rows))

    def draw() -> None:
        settle()
        chosen = models[model.value]
        shown = resized(images, chosen.image_size)
        batch = shown if who.value == 0 else shown[who.value - 1 : who.value]
        found = explored(chosen, batch, row.value, layer.value)
        page.say(found.words() + (f" · mean of {len(batch)}" * (who.value == 0)))
        name = f"{model.value}, {layer.value}"
        page.show(figures.three_fields(batch[0], found, title=name))

    settle()
    row.value = max(1, row.max // 2)
    return page.follow(draw)


def explored(model: DeepPerson, images: Tensor, row: int, layer: str) -> RowFields:
    """What the explorer shows: row from 1, images uint8 of the model's size."""
    x = transforms.normalise(images)
    return fields.fields_of_row(model.backbone, x, row - 1, layer=layer)


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 [N, 3, h, w] at another (height, width), bilinear."""
    if tuple(images.shape[2:]) == tuple(size):
        return images
    out = F.interpolate(images.float(), size=size, mode="bilinear", antialias=True)
    return out.round().clamp(0, 255).to(torch.uint8)


# ---------------------------------------------------------------------- misalignment


def drawn(pid: int, camera: int, right: float = 0.0, down: float = 0.0) -> Tensor:
    """ToyMarket's person, moved in the box by shares of its size: uint8 [3, h, w]."""
    image, _ = toymarket.draw(pid, camera, seed=pid, shift=(right, down))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@torch.no_grad()
def shifted(
    model: DeepPerson, pid: int, camera: int, right: float, down: float
) -> Shifted:
    """How far a shift (in shares of the box) moves each row, and fm, of a person."""
    both = torch.stack([drawn(pid, camera), drawn(pid, camera, right, down)])
    images = resized(both, model.image_size)
    s = model.part_sequence(model.feature_map(transforms.normalise(images)))
    fm = s.mean(1)  # the rows are equally wide
    moved = fields.row_change(s[0], s[1])
    change = float(fields.row_change(fm[:1], fm[1:])[0])
    title = f"down {down:+.3f}, right {right:+.3f}"
    return Shifted(title, images[1], moved, change)


def shift_explorer(model: DeepPerson, pids: list[int]) -> ipywidgets.Box:
    """Move a drawn person in the box and watch which rows of fb change.

    Sliders are in rows of fb (down) and in columns (right); the text states the
    changes as ``shifted`` gives them.
    """
    model.eval()
    person = ipywidgets.Dropdown(options=pids, description="pid")
    camera = ipywidgets.Dropdown(options=range(1, 7), description="camera")
    rows = model.rows
    columns = fields.map_rows(model.backbone, model.image_size[1])

    down = view.slider("down", -3, 3, 0.0, step=0.25)
    right = view.slider("right", -2, 2, 0.0, step=0.25)
    page = view.View([person, camera, down, right])

    def draw() -> None:
        at = right.value / columns, down.value / rows
        start = shifted(model, person.value, camera.value, 0.0, 0.0)
        found = shifted(model, person.value, camera.value, *at)
        page.say(found.words())
        pair = [start._replace(title="where it was"), found._replace(title="moved")]
        page.show(figures.shifts(pair))

    return page.follow(draw)
