"""Lesson 3's widgets: their numbers are dplib's, their pictures follow the controls."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dplib import DplibError
from dplib.contexts import BLSTM, RowFC
from dplib.lessons.blstm_branch import widgets
from dplib.seeing import gates


@pytest.fixture(scope="module")
def made() -> tuple[torch.Tensor, torch.Tensor, BLSTM, RowFC]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, 3, 32, 16), dtype=torch.uint8)
    s = torch.randn(3, 4, 6, generator=generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return images, s, BLSTM(6, 5), RowFC(4, 6, 5)


def controls(widget: Any) -> dict[str, Any]:
    return {c.description: c for c in widget.children[0].children}


@pytest.mark.parametrize(
    ("name", "value"), [("person", 2), ("unit", 4), ("layer", 1), ("direction", 1)]
)
def test_gate_inspector_shows_the_trace(made: Any, name: str, value: int) -> None:
    images, s, context, _ = made
    trace = gates.trace(context.lstm, s)
    widget = widgets.gate_inspector(images, trace, unit=1)
    _, text, picture = widget.children
    said, drawn = text.value, picture.value
    chosen = {"person": 0, "layer": 0, "direction": 0, "unit": 1} | {name: value}
    controls(widget)[name].value = value
    assert text.value != said and picture.value != drawn
    for gate in "ifoc":
        values = getattr(trace, gate)[
            chosen["layer"], chosen["direction"], chosen["person"], :, chosen["unit"]
        ]
        assert "  ".join(f"{v:.3f}" for v in values.tolist()) in text.value


def test_row_cover_shows_what_moves(made: Any) -> None:
    images, s, context, rows = made
    both = {"BLSTM": context, "FC rows": rows}
    widget = widgets.row_cover(images, s, both)
    _, text, picture = widget.children
    said, drawn = text.value, picture.value
    controls(widget)["row"].value = 3
    controls(widget)["person"].value = 1
    assert text.value != said and picture.value != drawn
    for module in both.values():
        values = gates.moved(module, s, 2)[1].tolist()
        assert "  ".join(f"{v:.3f}" for v in values) in text.value


def test_refuse_what_does_not_belong_together(made: Any) -> None:
    images, s, context, _ = made
    trace = gates.trace(context.lstm, s)
    with pytest.raises(DplibError, match="2 images, and the gates of 3"):
        widgets.gate_inspector(images[:2], trace)
    none: dict[str, nn.Module] = {}
    with pytest.raises(DplibError, match="at least one context"):
        widgets.row_cover(images, s, none)
