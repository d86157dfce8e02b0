"""Lesson 3's widgets in a real browser: keys move their sliders."""

from pathlib import Path

import browser

from dplib import gates

SET_UP = """
import torch
from dplib import gates, model, widgets_lstm

generator = torch.Generator().manual_seed(0)
images = torch.randint(0, 256, (3, 3, 32, 16), dtype=torch.uint8, generator=generator)
s = torch.randn(3, 4, 6, generator=generator)
torch.manual_seed(0)
context, rows = model.BLSTM(6, 5), model.RowFC(4, 6, 5)
trace = gates.trace(context.lstm, s)
"""


def test_gate_inspector(tmp_path: Path) -> None:
    """The person's slider shows the gates of the next person."""
    scope: dict[str, object] = {}
    exec(SET_UP, scope)
    trace = scope["trace"]
    assert isinstance(trace, gates.Trace)
    cell = "widgets_lstm.gate_inspector(images, trace)"
    with browser.notebook(tmp_path, [SET_UP, cell]) as page:
        text = page.locator(".widget-html").first
        before = text.inner_text()
        browser.press(page)
        said = " ".join(text.inner_text().split())
        assert said != before and "person 1, layer 1, head → foot, unit 0" in said
        for values in (x[0, 0, 1, :, 0].tolist() for x in (trace.i, trace.c)):
            assert " ".join(f"{v:.3f}" for v in values) in said


def test_row_cover(tmp_path: Path) -> None:
    """The row's slider shows which outputs move when the next row is covered."""
    scope: dict[str, object] = {}
    exec(SET_UP, scope)
    cell = "widgets_lstm.row_cover(images, s, {'BLSTM': context, 'FC rows': rows})"
    with browser.notebook(tmp_path, [SET_UP, cell]) as page:
        browser.press(page)
        said = " ".join(page.locator(".widget-html").first.inner_text().split())
        assert "row 2 covered" in said
        for name in ("context", "rows"):
            values = gates.moved(scope[name], scope["s"], 1)[0].tolist()  # type: ignore[arg-type]
            assert " ".join(f"{v:.3f}" for v in values) in said
