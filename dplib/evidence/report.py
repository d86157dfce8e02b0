"""The evidence as a page: tables 4, 6 and 7 beside our measurements, and more.

``write`` makes a page (Markdown) and its figures from the records alone.
Records may be few: what has no run yet is left out, and the page says so.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dplib import files, plots, workspace
from dplib.evidence import charts, grids, robustness, tables
from dplib.evidence.charts import NAMES
from dplib.evidence.claims import CLAIMS, QUESTIONS, Side
from dplib.evidence.findings import (
    LABELS,
    MEASURES,
    Evidence,
    beside,
    counted,
    interplay,
    sentences,
    starts_counted,
    winners,
)
from dplib.evidence.resampling import FEWEST, Array
from dplib.evidence.variants import VARIANTS, Variant


def write(evidence: Evidence, out: str | Path) -> Path:
    """Write the page and its figures.

    Args:
        evidence: All records of a data set.
        out: The folder of evidence.md, whose figures go to the folder evidence. Of
            another set than ToyMarket, they are evidence-SET.md and evidence-SET.

    Returns:
        The page's path.
    """
    out = Path(out)
    name = "evidence" if evidence.data == "toymarket" else f"evidence-{evidence.data}"
    for picture, content in figures(evidence).items():
        files.write(out / name / picture, content)
    text = page(evidence).replace("](evidence/", f"]({name}/")
    return files.write(out / f"{name}.md", text)


def page(evidence: Evidence) -> str:
    """The report in Markdown; figures are named by ``figures``."""
    sections = (
        _opening, _claims, _published, _questions, _variants, _global_cues,
        _from_imagenet, _one_seed, _robustness, _rivals,
    )  # fmt: skip
    parts = [part for section in sections for part in section(evidence)]
    return "\n\n".join(parts) + "\n"


# --- the sections of the page ---------------------------------------------------------


def _opening(evidence: Evidence) -> list[str]:
    records = evidence.records
    commits = sorted({str(r["commit"])[:7] for r in records})
    dates = sorted({r["date"] for r in records})
    codes = sorted({str(r["code"]) for r in records})
    versions = records[-1]["versions"]
    hours = sum(r["cpu_seconds"] for r in records) / 3600
    generator = records[0]["generator"]
    made = f"{evidence.name}, generator {generator}" if generator else evidence.name
    return [
        "# Evidence",
        f"Written by `python -m dplib report` from {len(records)} records "
        f"({dates[0]} to {dates[-1]}, commits {', '.join(commits)}, code "
        f"{', '.join(codes)}, {hours:.1f} hours of one core; PyTorch "
        f"{versions['torch']}). {made}; {_recipes(evidence)}; the last epoch is "
        "reported. Published values are of Market-1501: compare the order of rows and "
        "the differences, not the heights. mean ± standard deviation over seeds. "
        "Lesson 7 goes through all of it and looks for the reasons.",
    ]


def _recipes(evidence: Evidence) -> str:
    """The recipes of the records, with their lengths."""
    lengths: dict[str, set[str]] = {}
    for r in evidence.records:
        length = f"{r['preset']['epochs']} epochs, {r['iterations']:,} iterations"
        lengths.setdefault(r["preset"]["name"], set()).add(length)
    return "; ".join(
        f"recipe `{name}`: {' or '.join(sorted(some))}"
        for name, some in sorted(lengths.items())
    )


def _claims(evidence: Evidence) -> list[str]:
    return [
        "## The paper's claims",
        "Paired differences by seed; intervals by a bootstrap over seeds and pids, "
        "widened by Holm's procedure over the claims (the level stands beside the "
        "word). A claim is judged by mAP. *Confirmed*: the interval lies above 0; "
        "*contrary*: below; *inconclusive*: it holds 0. "
        f"Fewer than {FEWEST} seeds get neither interval nor verdict.",
        grids.claims(evidence, CLAIMS),
        f"![{counted(evidence)}](evidence/claims.png)",
        "\n".join(f"- {s}" for s in sentences(evidence)),
    ]


def _published(evidence: Evidence) -> list[str]:
    """Tables 4, 6 and 7."""
    parts = []
    for number in (4, 6, 7):
        parts += [f"## Table {number}: {tables.table(number).title}"]
        parts += [grids.table(evidence, number), *_note(number)]
        values = beside(evidence, number)
        alt = "; ".join(f"{row} {v['map'].mean():.1f}" for row, v in values.items())
        parts += [
            f"![Table {number}: published rows left, ours right, a mark for each seed; "
            f"mind that the axes differ. Our mAP: {alt}](evidence/table{number}.png)"
        ]
    return parts


def _note(number: int) -> list[str]:
    note = tables.table(number).note
    return [f"On the published table: {note}"] if note else []


def _questions(evidence: Evidence) -> list[str]:
    return [
        "## Questions of ours",
        "Looked at to find out why, each with an interval of 95 %, without correction: "
        f"no verdicts. Fewer than {FEWEST} seeds get no interval.",
        grids.claims(evidence, QUESTIONS, correct=False),
    ]


def _named(*, cues: str, pretrained: bool = False) -> list[tuple[str, str]]:
    """The (name, cues) of some variants, in the order of the plan."""

    def belongs(v: Variant) -> bool:
        return v.cues == cues and v.pretrained == pretrained

    return [(v.name, v.cues) for v in VARIANTS if belongs(v)]


def _variants(evidence: Evidence) -> list[str]:
    chance = evidence.records[0]["chance"]
    parts = [
        "## All variants",
        grids.variants(evidence, _named(cues="layout")),
        f"Losses: mean of the last epoch; guessing is {chance:.2f}. BpI or BgI is "
        "asleep when its loss ends above nine tenths of that, BtR when its loss ends "
        "at the margin with every triplet active (a collapse).",
    ]
    if evidence.longer:
        parts += ["## A longer schedule", grids.schedules(evidence)]
    return parts


def _global_cues(evidence: Evidence) -> list[str]:
    if not any(r["cues"] == "global" for r in evidence.records):
        return []
    parts = ["## Identity in global cues"]
    parts += [grids.variants(evidence, _named(cues="global"))]
    if interplay(evidence) is not None:
        parts += ["Gains, intervals of 95 %, not corrected:"]
        parts += [grids.cues_beside(evidence)]
    if any(r["cues"] == "global" for r in evidence.longer):
        parts += ["A longer schedule:", grids.schedules(evidence, "global")]
    return parts


def _from_imagenet(evidence: Evidence) -> list[str]:
    names = _named(cues="layout", pretrained=True)
    if not {(r["variant"], r["cues"]) for r in evidence.records} & set(names):
        return []
    return [
        "## From ImageNet weights (MobileNetV2)",
        grids.variants(evidence, names),
        starts_counted(evidence),
        "The differences beside those from random weights, intervals of 95 %, not "
        f"corrected; fewer than {FEWEST} seeds get none:",
        grids.starts_beside(evidence),
    ]


def _one_seed(evidence: Evidence) -> list[str]:
    rates = {m: rate for m in MEASURES if (rate := winners(evidence, m)) is not None}
    if not rates:
        return []
    rank1 = rates["rank1"]
    shares = [f"by {NAMES[m]} {r.won} ({r.share:.0%})" for m, r in rates.items()]
    return [
        "## One seed",
        f"Of {rank1.pairs} pairs of trainings that differ in their seed alone (a "
        "training stands in several pairs), so many have a “winner” whose interval "
        f"over the queries' pids excludes 0: {'; '.join(shares)}. In rank-1 the "
        f"median gap is {np.median(rank1.gaps):.1f} points, the largest "
        f"{max(rank1.gaps):.1f}.",
        grids.one_seed(rates),
        "![How far two trainings of the same variant are apart in rank-1, a histogram "
        "over all pairs](evidence/winners.png)",
    ]


def _robustness(evidence: Evidence) -> list[str]:
    if not evidence.curves:
        return []
    return [
        "## Robustness",
        "ToyMarket's queries drawn again with one nuisance turned up and all others "
        "off, the gallery as it was (`python -m dplib robustness`).",
        "![Rank-1 of four variants against occlusion, blur, displaced boxes and "
        "clutter](evidence/robustness.png)",
        "![The same for mAP](evidence/robustness_map.png)",
    ]


def _rivals(evidence: Evidence) -> list[str]:
    parts = [
        "## Tables 1, 2, 3 and 5",
        "Rivals as published; ours below the line, on data that are named: not "
        "comparable in height.",
    ]
    for number, columns in DRAWN.items():
        shown = " and ".join(charts.name_of(c) for c in columns)
        alt = f"Table {number}: {shown} of the paper's rivals, the paper, and our runs"
        parts += [f"![{alt}](evidence/table{number}.png)", *_note(number)]
    return parts


# --- the figures ----------------------------------------------------------------------

DRAWN = {  # the columns of the charts
    1: ("rank1", "map"),
    2: ("rank1", "map", "multi rank1", "multi map"),
    3: ("labeled r1", "detected r1"),
    5: ("rank1", "map"),
}


def ours(evidence: Evidence, number: int) -> dict[str, dict[str, Array]]:
    """What stands below table 1, 2, 3 or 5: label → column → our values by seed."""
    rows: dict[str, dict[str, Array]] = {}
    named = dict(zip(DRAWN[number], MEASURES, strict=False))
    if number == 3:
        named = {"labeled r1": "rank1"}  # ToyMarket has no detector
    for variant, kind in tables.table(number).runs.values():
        values = {c: evidence.of(Side(variant, kind), m) for c, m in named.items()}
        if len(next(iter(values.values()))):
            rows[f"{LABELS[variant, 'layout']}, {evidence.name}"] = values
    checkout = workspace.checkout()
    real = checkout / "benchmarks/results/market-cpu.json" if checkout else None
    if number == 2 and real is not None and real.exists():
        made = json.loads(real.read_text("utf-8"))
        single, multi = made["metrics"], made["multiple query"]
        rows["preset market-cpu, Market-1501 (one seed)"] = {
            f"{prefix}{m}": 100 * np.array([block[m]])
            for prefix, block in (("", single), ("multi ", multi))
            for m in MEASURES
        }
    return rows


def figures(evidence: Evidence) -> dict[str, bytes]:
    """The page's pictures, by file name."""
    made = {}
    for number in (4, 6, 7):
        rows = beside(evidence, number)
        made[f"table{number}"] = charts.rows_beside(
            tables.table(number), rows, evidence.name
        )
    rate = winners(evidence)
    if rate is not None:
        made["winners"] = charts.winners(rate)
    if by_map := evidence.verdicts(CLAIMS, "map"):
        made["claims"] = charts.claims(CLAIMS, by_map)
    for number, columns in DRAWN.items():
        mine = ours(evidence, number)
        made[f"table{number}"] = charts.rivals(tables.table(number), columns, mine)
    if evidence.curves:
        labels = {v: LABELS[v, "layout"] for v in robustness.VARIANTS}
        made["robustness"] = charts.curves(evidence.curves, labels)
        made["robustness_map"] = charts.curves(evidence.curves, labels, "map")
    return {f"{name}.png": plots.png(fig) for name, fig in made.items()}
