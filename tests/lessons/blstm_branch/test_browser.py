"""Lesson 3's widgets in a real browser: keys move their sliders."""

import browser

from dplib.seeing import gates

SET_UP = """
import torch
from dplib.contexts import BLSTM, RowFC
from dplib.lessons.blstm_branch import widgets
from dplib.seeing import gates

generator = torch.Generator().manual_seed(0)
images = torch.randint(0, 256, (3, 3, 32, 16), dtype=torch.uint8, generator=generator)
s = torch.randn(3, 4, 6, generator=generator)
torch.manual_seed(0)
context, rows = BLSTM(6, 5), RowFC(4, 6, 5)
trace = gates.trace(context.lstm, s)
"""


def test_gate_inspector(lab: browser.Lab) -> None:
    """Each control shows the gates of what it has chosen: the trace's numbers."""
    scope: dict[str, object] = {}
    exec(SET_UP, scope)
    trace = scope["trace"]
    assert isinstance(trace, gates.Trace)
    cell = "widgets.gate_inspector(images, trace)"
    with browser.notebook(lab, [SET_UP, cell]) as page:

        def shows(where: str, layer: int, direction: int, unit: int) -> None:
            said = " ".join(page.locator(".widget-html").first.inner_text().split())
            assert f"person 1, {where}, unit {unit};" in said
            for gate in (trace.i, trace.f, trace.o, trace.c):
                values = gate[layer, direction, 1, :, unit].tolist()
                assert " ".join(f"{v:.3f}" for v in values) in said

        browser.press(page)
        shows("layer 1, head → foot", 0, 0, 0)
        browser.press(page, slider=1)
        shows("layer 1, head → foot", 0, 0, 1)
        choices = page.locator(".widget-dropdown select")
        with browser.changed(page):
            choices.nth(0).select_option("2")
        shows("layer 2, head → foot", 1, 0, 1)
        with browser.changed(page):
            choices.nth(1).select_option("foot → head")
        shows("layer 2, foot → head", 1, 1, 1)


def test_row_cover(lab: browser.Lab) -> None:
    """Row and person: which outputs move, as ``gates.moved`` has it."""
    scope: dict[str, object] = {}
    exec(SET_UP, scope)
    cell = "widgets.row_cover(images, s, {'BLSTM': context, 'FC rows': rows})"
    with browser.notebook(lab, [SET_UP, cell]) as page:
        for slider, person in ((0, 0), (1, 1)):
            browser.press(page, slider=slider)
            said = " ".join(page.locator(".widget-html").first.inner_text().split())
            assert f"person {person}, row 2 covered" in said
            for name in ("context", "rows"):
                moved = gates.moved(scope[name], scope["s"], 1)  # type: ignore[arg-type]
                assert " ".join(f"{v:.3f}" for v in moved[person].tolist()) in said
