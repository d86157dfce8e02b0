"""The explorer of comparisons: what it says and draws is what the records hold."""

from __future__ import annotations

from typing import Any

import pytest
from made_records import PIDS, made

from dplib import DplibError, plots
from dplib.evidence import charts, claims, resampling
from dplib.evidence.claims import Side
from dplib.evidence.findings import Evidence
from dplib.lessons.ablations import widgets


@pytest.fixture
def found() -> Evidence:
    levels = {"bgi": 40, "bgi_bpi_fc": 60, "bgi_bpi": 55}
    runs = [made(v, s, x) for v, x in levels.items() for s in range(4)]
    runs = [r for r in runs if not (r["variant"] == "bgi" and r["seed"] == 3)]
    return Evidence("toymarket", runs, {"layout": PIDS}, [])


def parts(widget: Any) -> dict[str, Any]:
    (first, last), text, picture = (
        [c.children for c in widget.children[:2]],
        *widget.children[2:],
    )
    names = ("more", "less", "measure", "seeds")
    return dict(zip(names, (*first, *last), strict=True)) | {
        "text": text,
        "picture": picture,
    }


def test_it_says_and_draws_what_the_records_hold(found: Evidence) -> None:
    p = parts(widgets.comparison_explorer(found))
    assert p["more"].options[:2] == ("BgI", "BgI: fc")
    for name, value in (
        ("more", "BgI+BpI"),
        ("less", "BgI+BpI without LSTM"),
        ("measure", "rank1"),
        ("seeds", 2),
        ("less", "BgI+BpI: fc"),
    ):
        before = p["picture"].value
        p[name].value = value
        sides = widgets.choices(found)
        pair = sides[p["more"].value], sides[p["less"].value]
        few = [r for r in found.records if r["seed"] < p["seeds"].value]
        totals = claims.paired(few, PIDS, *pair, p["measure"].value)
        result = resampling.difference(*totals, samples=4000)
        said = f"{result.value:+.2f} points"
        assert said in p["text"].value and result.verdict in p["text"].value
        assert f"{result.seeds} seeds" in p["text"].value
        drawn = resampling.resample(*totals, samples=4000)
        fig = charts.draws(result, drawn, p["measure"].value)
        assert p["picture"].value == plots.png(fig) != before


def test_the_slider_ends_at_the_seeds_that_both_have(found: Evidence) -> None:
    p = parts(widgets.comparison_explorer(found))
    p["more"].value, p["less"].value = "BgI+BpI", "BgI"
    assert (p["seeds"].max, p["seeds"].value) == (3, 3)
    p["seeds"].value = 1
    assert "one seed" in p["text"].value and "too few seeds" in p["text"].value


def test_what_cannot_be_compared_is_said(found: Evidence) -> None:
    with pytest.raises(DplibError, match="know 0 variants of cues global"):
        widgets.comparison_explorer(found, cues="global")
    lone = [made("full", 9, 50), *found.records]
    other = Evidence("toymarket", lone, {"layout": PIDS}, [])
    p = parts(widgets.comparison_explorer(other))
    p["more"].value, p["less"].value = "Deep-Person (BgI+BpI+BtR)", "BgI"
    assert p["text"].value == "No seed has been run for both."
    assert p["picture"].value == b"" and p["picture"].layout.display == "none"
    p["more"].value = "BgI+BpI"
    assert p["picture"].value and p["picture"].layout.display is None
    assert (p["seeds"].max, p["seeds"].value) == (3, 3)


def test_seed_0_may_be_missing(found: Evidence) -> None:
    some = [r for r in found.records if (r["variant"], r["seed"]) != ("bgi_bpi", 0)]
    other = Evidence("toymarket", some, {"layout": PIDS}, [])
    p = parts(widgets.comparison_explorer(other))
    p["more"].value, p["less"].value = "BgI+BpI", "BgI+BpI without LSTM"
    assert (p["seeds"].max, p["seeds"].value) == (3, 3)  # seeds 1, 2, 3
    p["seeds"].value = 1
    first = [r for r in some if r["seed"] == 1]
    pair = Side("bgi_bpi"), Side("bgi_bpi_fc")
    wanted = claims.compare(first, PIDS, *pair, "map")
    assert f"one seed: {wanted.value:+.2f} points" in p["text"].value


def test_all_seeds_again_after_a_variant_with_one(found: Evidence) -> None:
    lone = Evidence(
        "toymarket", [made("full", 0, 50), *found.records], {"layout": PIDS}, []
    )
    p = parts(widgets.comparison_explorer(lone))
    p["less"].value = "BgI+BpI without LSTM"
    for many, more in ((1, "Deep-Person (BgI+BpI+BtR)"), (4, "BgI+BpI")):
        p["more"].value = more
        assert (p["seeds"].max, p["seeds"].value) == (many, many)
    assert "4 seeds" in p["text"].value
    p["seeds"].value = 2  # the reader's own choice is kept
    p["more"].value = "BgI"
    assert (p["seeds"].max, p["seeds"].value) == (3, 2)
    assert "2 seeds" in p["text"].value


def test_a_side_is_fm_unless_its_label_says_so(found: Evidence) -> None:
    sides = widgets.choices(found)
    assert sides["BgI"] == Side("bgi")
    assert sides["BgI: fc"] == Side("bgi", "fc")
