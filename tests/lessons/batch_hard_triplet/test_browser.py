"""The embedding in a real browser: play, sliders, dropdowns, Reset."""

import re
from pathlib import Path
from typing import Any

import browser

from dplib import losses
from dplib.lessons.batch_hard_triplet.mining import FlatEmbedding, Settings

WIDGET = (
    "from dplib.lessons.batch_hard_triplet import widgets\nwidgets.flat_embedding()"
)


def said(page: Any) -> str:
    """The widget's text."""
    return str(page.locator(".widget-html", has_text="equation 1").inner_text())


def expected(flat: FlatEmbedding, step: int, settings: Settings) -> str:
    index = flat.batch(step, settings.p, settings.k)
    points, labels = flat.trace[step][index], flat.labels[index]
    r = losses.batch_hard_triplet(points, labels, settings.margin)
    return f"loss {r.loss.item():.4f}, {r.active.item():.1%} of {len(index)} triplets"


def test_play_margin_and_reset(lab: browser.Lab, tmp_path: Path) -> None:
    """Each number shown is dplib's for the step that is shown; the picture changes."""
    flat, settings = FlatEmbedding(), Settings()
    flat.train(150, settings)
    with browser.notebook(lab, [WIDGET]) as page:
        start = said(page)
        assert expected(flat, 0, settings) in start
        browser.press(page, slider=0)  # one step
        assert "step 1 " in said(page) and expected(flat, 1, settings) in said(page)
        buttons = page.locator(".widget-play button")
        with browser.changed(page):
            buttons.first.click()  # play
        page.get_by_text(re.compile(r"step [5-9] ·")).wait_for(timeout=60_000)
        reset = page.get_by_role("button", name="Reset")
        with browser.changed(page):
            reset.click()
        page.get_by_text(re.compile(r"step 0 ·")).wait_for(timeout=60_000)
        page.wait_for_timeout(2000)  # ticks that were under way come to nothing
        assert said(page) == start
        browser.press(page, slider=1)  # margin 0.5 → 0.6
        wider = Settings(margin=0.6)
        assert expected(flat, 0, wider) in said(page)
        browser.press(page, slider=2)  # P 4 → 5
        assert expected(flat, 0, Settings(margin=0.6, p=5)) in said(page)
        browser.press(page, slider=3)  # K 4 → 5
        assert expected(flat, 0, Settings(margin=0.6, p=5, k=5)) in said(page)
        for n, choice, squared in ((0, "all", False), (1, "squared", True)):
            with browser.changed(page):
                page.locator(".widget-dropdown select").nth(n).select_option(choice)
            look = flat.look(0, Settings("all", 0.6, 5, 5, squared))
            share = f"{look.active:.1%} of {len(look.hinge)} triplets"
            assert f"all: loss {look.loss.item():.4f}, {share}" in said(page)
        page.screenshot(path=tmp_path / "widget.png")
