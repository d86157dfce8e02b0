"""The tables of the report in Markdown, each made from the records alone.

What has no run yet is left out or shown as a dash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from dplib.evidence import claims as comparisons
from dplib.evidence import tables
from dplib.evidence.charts import NAMES
from dplib.evidence.claims import CLAIMS, Claim, Winners
from dplib.evidence.findings import (
    LABELS,
    MEASURES,
    Evidence,
    beside,
    interplay,
    side_of_zero,
    starts,
)
from dplib.evidence.records import Record
from dplib.evidence.resampling import Array, Difference
from dplib.evidence.variants import IMAGENET

BRANCHES = ("part", "global", "ranking")


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(values: Array | pd.Series) -> str:
    """mean ± standard deviation over seeds; of one seed its value."""
    if len(values) == 0:
        return "–"
    if len(values) == 1:
        return f"{values.mean():.1f}"
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def measured(records: Sequence[Record]) -> pd.DataFrame:
    """The runs as a table, with a row for each run and descriptor.

    Columns: variant, cues, seed, iterations; the loss of each branch in the last epoch
    (NaN for an absent branch); the branches that were asleep; kind (of descriptor), and
    by it rank1 and map in points.
    """
    settings, losses = ["variant", "cues", "seed", "iterations"], list(BRANCHES)
    rows = [
        [
            *(r[k] for k in settings),
            *(r["losses"][branch] for branch in losses),
            comparisons.asleep(r),
            kind,
            *(100 * values[m] for m in MEASURES),
        ]
        for r in records
        for kind, values in r["measures"].items()
    ]
    columns = [*settings, *losses, "asleep", "kind", *MEASURES]
    return pd.DataFrame(rows, columns=columns)


# --- beside the published tables ------------------------------------------------------


def table(evidence: Evidence, number: int) -> str:
    """Table 4, 6 or 7: published | measured | difference, for rank-1 and mAP."""
    paper, ours = tables.table(number), beside(evidence, number)
    rows = []
    for name in paper.rows:
        cells = [name]
        for m in MEASURES:
            printed = paper.value(name, m)
            mine = ours.get(name, {}).get(m, np.array([]))
            gap = f"{mine.mean() - printed:+.1f}" if len(mine) and printed else "–"
            cells += [f"{printed:.2f}", spread(mine), gap]
        seeds = len(ours.get(name, {}).get("map", []))
        rows.append([*cells, str(seeds)])
    words = ("published", "measured", "difference")
    header = ["", *(f"{NAMES[m]} {w}" for m in MEASURES for w in words)]
    return grid([*header, "seeds"], rows)


# --- differences ----------------------------------------------------------------------


def claims(evidence: Evidence, judged: Sequence[Claim], correct: bool = True) -> str:
    """A table of differences with intervals and verdicts, for both measures.

    Args:
        evidence: All records.
        judged: The claims; those without runs are left out.
        correct: Whether to correct by Holm's procedure. If not, the table says where
            each interval lies in place of a verdict.
    """
    by_map, by_rank1 = (evidence.verdicts(judged, m, correct) for m in ("map", "rank1"))
    rows = []
    for c in judged:
        if c.id not in by_map:
            continue
        cells = [c.text]
        if c.table:
            cells += [f"table {c.table}"]
        if c.published:
            cells += [f"{c.published[1]:+.2f}"]
        for d in (by_map[c.id], by_rank1[c.id]):
            level = f" ({d.level:.1%})" if d.enough else ""
            word = f"{d.verdict}{level}" if correct else side_of_zero(d)
            cells += [d.stated, word]
        rows.append([*cells, str(by_map[c.id].seeds)])
    header = ["claim", "of", "published mAP"] if correct else ["question"]
    return grid([*header, "mAP", "", "rank-1", "", "seeds"], rows)


_SHRINKS = {
    "above 0": "smaller with global cues",
    "below 0": "larger with global cues",
    "holds 0": "open",
    "too few seeds": "too few seeds",
}


def cues_beside(evidence: Evidence, measure: str = "map") -> str:
    """The claims of table 4 under both kinds of cues, and what is between them."""
    rows = []
    for c in CLAIMS:
        between = interplay(evidence, measure, id=c.id) if c.table == 4 else None
        if between is None:
            continue
        row = [c.text]
        for cues in ("layout", "global"):
            sides = c.more._replace(cues=cues), c.less._replace(cues=cues)
            pids = evidence.pids[cues]
            d = comparisons.compare(evidence.records, pids, *sides, measure)
            row.append(_with_seeds(d))
        rows.append([*row, between.stated, _SHRINKS[side_of_zero(between)]])
    name = NAMES[measure]
    header = [f"claim, {name} (seeds)", "layout", "global", "layout less global", ""]
    return grid(header, rows)


def starts_beside(evidence: Evidence, measure: str = "map") -> str:
    """The claims from random and from ImageNet weights, intervals of 95 %."""
    random = evidence.verdicts(CLAIMS, measure, correct=False)
    pretrained = starts(evidence, measure)
    rows = []
    for c in CLAIMS:
        if c.published and c.id in random and c.id in pretrained:
            printed = f"{c.published[MEASURES.index(measure)]:+.2f}"
            both = (_with_seeds(d[c.id]) for d in (random, pretrained))
            rows.append([c.text, printed, *both])
    header = [f"claim, {NAMES[measure]} (seeds)", "published", "random", "ImageNet"]
    return grid(header, rows)


def _with_seeds(d: Difference) -> str:
    return f"{d.stated} ({d.seeds})"


# --- runs -----------------------------------------------------------------------------


def variants(evidence: Evidence, names: Sequence[tuple[str, str]]) -> str:
    """A row for each (variant, cues): means, losses of the last epoch beside chance."""
    runs = measured(evidence.records)
    by_variant = dict(iter(runs.groupby(["variant", "cues"])))
    rows = []
    for name in names:
        if name not in by_variant:
            continue
        kinds = dict(iter(by_variant[name].groupby("kind")))
        fm = kinds.pop("fm")
        others = [f"{kind} {spread(some['map'])}" for kind, some in kinds.items()]
        counts = Counter(fm["asleep"].explode().dropna())
        asleep = [b if n == len(fm) else f"{b} in {n}" for b, n in counts.items()]
        rows.append(
            [
                LABELS[name],
                *(spread(fm[m]) for m in MEASURES),
                ", ".join(others) or "–",
                *(_mean(fm[b]) for b in BRANCHES),
                ", ".join(sorted(asleep)) or "none",
                str(len(fm)),
            ]
        )
    header = [
        "variant", "rank-1 (fm)", "mAP (fm)", "mAP of others", "BpI loss", "BgI loss",
        "BtR loss", "asleep", "seeds",
    ]  # fmt: skip
    return grid(header, rows)


def schedules(evidence: Evidence, cues: str = "layout") -> str:
    """Runs of more epochs beside the recipe's, of the same seeds: mAP and losses."""
    usual, longer = measured(evidence.records), measured(evidence.longer)
    run = ["variant", "cues", "seed", "kind"]
    # only the seeds that were run with both schedules
    both = usual[run].merge(longer[run])
    runs = pd.concat([usual, longer]).merge(both).query("cues == @cues")
    rows = []
    for (name, iterations), some in runs.groupby(["variant", "iterations"]):
        fm, fc = (some[some["kind"] == kind] for kind in ("fm", "fc"))
        rows.append(
            [
                LABELS[name, cues],
                f"{iterations:,}",
                *(spread(by_kind["map"]) for by_kind in (fm, fc)),
                *(_mean(fm[b]) for b in ("part", "global")),
                ", ".join(map(str, sorted(fm["seed"]))),
            ]
        )
    header = ["variant", "iterations", "mAP (fm)", "mAP (fc)", "BpI loss", "BgI loss"]
    return grid([*header, "of seed"], rows)


def _mean(losses: pd.Series) -> str:
    mean = losses.astype(float).mean()
    return "–" if np.isnan(mean) else f"{mean:.2f}"


def one_seed(rates: dict[str, Winners]) -> str:
    """How often two trainings of each variant had a "winner", by each measure."""
    pairs = pd.DataFrame(
        {"variant": rates["rank1"].variants}
        | {m: rate.wins for m, rate in rates.items()}
        | {"gap": rates["rank1"].gaps}
    )
    rows = [
        [
            LABELS[name, "layout"] + ", from ImageNet" * name.startswith(IMAGENET),
            *(f"{mine[m].sum()} of {len(mine)}" for m in rates),
            f"{mine['gap'].max():.1f}",
        ]
        for name, mine in pairs.groupby("variant", sort=False)
    ]
    header = ["variant", *(f"won by {NAMES[m]}" for m in rates), "largest rank-1 gap"]
    return grid(header, rows)
