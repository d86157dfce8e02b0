"""Compare any two variants of the records, with as many seeds as one likes."""

from __future__ import annotations

import html

import ipywidgets

from dplib import DplibError, plots
from dplib.evidence import charts, claims
from dplib.evidence.claims import Difference, Side
from dplib.evidence.report import LABELS, NAMES, Evidence
from dplib.lessons import view

Choice = dict[str, Side]


def choices(found: Evidence, cues: str = "layout") -> Choice:
    """Everything that was measured: label → side; fm unless the label says so.

    Raises DplibError when fewer than two things were.
    """
    sides: Choice = {}
    for (variant, where), label in LABELS.items():
        runs = claims.chosen(found.records, Side(variant, cues=cues))
        if where != cues or not runs or variant.startswith("imagenet"):
            continue
        for kind in next(iter(runs.values()))["measures"]:
            sides[label if kind == "fm" else f"{label}: {kind}"] = Side(
                variant, kind, cues
            )
    if len(sides) < 2:
        raise DplibError(
            f"the records know {len(sides)} variants of cues {cues}: two are needed"
        )
    return sides


def common_seeds(found: Evidence, more: Side, less: Side) -> list[int]:
    """The seeds that have been run for both, in order."""
    both = (claims.chosen(found.records, side).keys() for side in (more, less))
    return sorted(set.intersection(*map(set, both)))


def compare(
    found: Evidence, more: Side, less: Side, measure: str, seeds: int
) -> tuple[Difference, claims.Array]:
    """The difference over the first ``seeds`` seeds that both have, and its resamples.

    Raises EvidenceError when no seed has been run for both.
    """
    first = common_seeds(found, more, less)[:seeds]
    few = [r for r in found.records if r["seed"] in first]
    pids = found.pids[more.cues]
    totals, queries = claims.paired(few, pids, more, less, measure)
    drawn = claims.resample(totals, queries, samples=4000)
    return claims.summarise(drawn, totals.sum(1) / queries.sum()), drawn


def describe(more: str, less: str, found: Difference, measure: str) -> str:
    """What the explorer says."""
    seeds = f"{found.seeds} seeds" if found.seeds > 1 else "one seed"
    return (
        f"{more} less {less}, {seeds}: {found.value:+.2f} points of {NAMES[measure]}, "
        f"interval {found.low:+.2f} to {found.high:+.2f}: {found.verdict}"
    )


def comparison_explorer(found: Evidence, *, cues: str = "layout") -> ipywidgets.Widget:
    """Choose two variants, a measure and the number of seeds; see the verdict.

    The slider counts the seeds that both have, and stays at all of them until it is
    moved. With one seed the interval is over people alone, and the verdict says that
    nothing can be concluded.
    """
    sides = choices(found, cues)
    names = list(sides)
    more = ipywidgets.Dropdown(options=names, value=names[1], description="first")
    less = ipywidgets.Dropdown(options=names, value=names[0], description="second")
    measure = ipywidgets.Dropdown(
        options=[(v, k) for k, v in NAMES.items() if k != "minp"],
        value="map",
        description="measure",
    )
    seeds = ipywidgets.IntSlider(
        min=1, max=1, value=1, description="seeds", continuous_update=False
    )
    text = ipywidgets.HTML()
    picture = view.picture()

    def choose(change: object = None) -> None:
        pair = sides[more.value], sides[less.value]
        many = max(1, len(common_seeds(found, *pair)))
        everything = seeds.value == seeds.max
        seeds.unobserve(draw, names="value")  # else a shorter slider draws on its own
        seeds.max = many
        if everything:
            seeds.value = many
        seeds.observe(draw, names="value")
        draw()

    def draw(change: object = None) -> None:
        pair = sides[more.value], sides[less.value]
        if not common_seeds(found, *pair):
            text.value = "No seed has been run for both."
            picture.value, picture.layout.display = b"", "none"
            return
        result, drawn = compare(found, *pair, measure.value, seeds.value)
        said = describe(more.value, less.value, result, measure.value)
        text.value = html.escape(said)
        fig = charts.draws(result, drawn, measure.value)
        picture.value, picture.layout.display = plots.png(fig), None

    for side in (more, less):
        side.observe(choose, names="value")
    measure.observe(draw, names="value")
    choose()
    rows = [ipywidgets.HBox([more, less]), ipywidgets.HBox([measure, seeds])]
    for row in rows:
        row.layout.flex_flow = "row wrap"
    return ipywidgets.VBox([*rows, text, picture])
