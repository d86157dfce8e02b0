"""Lesson 7's explorer in a real browser, on the records that are shipped."""

import browser

from dplib.evidence import claims, findings
from dplib.lessons.ablations import widgets

SET_UP = """from dataclasses import replace
from dplib.evidence import findings
from dplib.lessons.ablations import widgets
found = findings.load()
lone = {"full": 0, "btr": 1}  # one seed each, and not the same
few = [r for r in found.records if lone.get(r["variant"], r["seed"]) == r["seed"]]
found = replace(found, records=few)"""


def test_comparison_explorer(lab: browser.Lab) -> None:
    """Each control changes the picture, and the text is what ``evidence`` gives."""
    found = findings.load()
    sides = widgets.choices(found)
    seeds_of = [
        claims.chosen(found.records, sides[k]).keys() for k in ("BgI", "BgI+BpI")
    ]
    most = len(seeds_of[0] & seeds_of[1])
    cell = "widgets.comparison_explorer(found)"
    with browser.notebook(lab, [SET_UP, cell]) as page:

        def shows(more: str, less: str, measure: str, seeds: int) -> None:
            pair = sides[more], sides[less]
            d, _ = widgets.compare(found, *pair, measure, seeds)
            said = " ".join(page.locator(".widget-html").first.inner_text().split())
            assert said == widgets.describe(more, less, d, measure)

        choices = page.locator(".widget-dropdown select")
        with browser.changed(page):
            choices.nth(0).select_option("BgI+BpI")
        shows("BgI+BpI", "BgI", "map", most)
        with browser.changed(page):
            choices.nth(1).select_option("BgI+BpI without LSTM")
        shows("BgI+BpI", "BgI+BpI without LSTM", "map", most)
        with browser.changed(page):
            choices.nth(2).select_option("rank-1")
        shows("BgI+BpI", "BgI+BpI without LSTM", "rank1", most)
        browser.press(page, key="ArrowLeft")
        shows("BgI+BpI", "BgI+BpI without LSTM", "rank1", most - 1)
        full, btr = "Deep-Person (BgI+BpI+BtR)", "triplet alone (BtR)"
        with browser.changed(page):
            choices.nth(0).select_option(full)
        shows(full, "BgI+BpI without LSTM", "rank1", 1)
        choices.nth(1).select_option(btr)
        page.get_by_text("No seed has been run for both.").wait_for()
        page.locator(browser.PICTURE).wait_for(state="hidden")
        choices.nth(0).select_option("BgI+BpI")
        page.locator(browser.PICTURE).wait_for(state="visible")
        with browser.changed(page):
            choices.nth(1).select_option("BgI+BpI without LSTM")
        shows("BgI+BpI", "BgI+BpI without LSTM", "rank1", most)
