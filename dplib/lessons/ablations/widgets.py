"""Compare any two variants of the records, with as many seeds as one likes."""

from __future__ import annotations

import ipywidgets

from dplib import DplibError
from dplib.evidence import charts, claims, resampling
from dplib.evidence.charts import NAMES
from dplib.evidence.claims import Side
from dplib.evidence.findings import LABELS, Evidence
from dplib.evidence.resampling import Array, Difference
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
) -> tuple[Difference, Array]:
    """The difference over the first ``seeds`` seeds that both have, and its resamples.

    Raises EvidenceError when no seed has been run for both.
    """
    first = common_seeds(found, more, less)[:seeds]
    few = [r for r in found.records if r["seed"] in first]
    pids = found.pids[more.cues]
    totals, queries = claims.paired(few, pids, more, less, measure)
    drawn = resampling.resample(totals, queries, samples=4000)
    return resampling.summarise(drawn, totals.sum(1) / queries.sum()), drawn


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
    moved. With one seed the interval is over people alone; with one or two, the verdict
    says that these are too few.
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
    seeds = view.slider("seeds", 1, 1)
    page = view.View([more, less], [measure, seeds])

    def settle() -> None:
        """The slider ends at the seeds that both have."""
        everything = seeds.value == seeds.max
        pair = sides[more.value], sides[less.value]
        seeds.max = max(1, len(common_seeds(found, *pair)))
        if everything:
            seeds.value = seeds.max

    def draw() -> None:
        settle()
        pair = sides[more.value], sides[less.value]
        if not common_seeds(found, *pair):
            page.say("No seed has been run for both.")
            page.show()
            return
        result, drawn = compare(found, *pair, measure.value, seeds.value)
        page.say(describe(more.value, less.value, result, measure.value))
        page.show(charts.draws(result, drawn, measure.value))

    return page.follow(draw)
