"""The evidence as text: tables 4, 6 and 7 published | measured | difference, and more.

``write`` makes a page (Markdown) and its figures from the records alone.
Records may be few: what has no run yet is left out, and the page says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dplib import DplibError, plots, workspace
from dplib.evidence import charts, queue, robustness, tables
from dplib.evidence import claims as evidence
from dplib.evidence.claims import (
    CLAIMS,
    QUESTIONS,
    Array,
    Claim,
    Difference,
    Record,
    Side,
)
from dplib.evidence.variants import VARIANTS

LABELS = {(v.name, v.cues): v.label for v in VARIANTS}
MEASURES = ("rank1", "map")
NAMES = charts.NAMES
IMAGENET = "imagenet_"  # begins the names of variants that start from its weights


@dataclass(frozen=True)
class Evidence:
    """All records of a data set, and the pid of each query."""

    data: str
    records: list[Record]
    pids: dict[str, list[int]]  # by cues
    curves: list[Record]  # of robustness
    longer: list[Record] = field(default_factory=list)  # runs of more epochs
    _verdicts: dict[tuple[object, ...], dict[str, Difference]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def name(self) -> str:
        return {"toymarket": "ToyMarket", "market1501": "Market-1501"}[self.data]

    def of(self, side: Side, measure: str) -> Array:
        """The measure by seed, in points; empty when nothing was run."""
        return evidence.spread(self.records, side, measure)

    def verdicts(
        self, claims: Sequence[Claim], measure: str, correct: bool = True
    ) -> dict[str, Difference]:
        key = (*(c.id for c in claims), measure, correct)
        if key not in self._verdicts:  # 20,000 resamples each, asked for several times
            self._verdicts[key] = evidence.verdicts(
                self.records, self.pids["layout"], claims, measure, correct=correct
            )
        return self._verdicts[key]


def load(results: str | Path | None = None, data: str = "toymarket") -> Evidence:
    """The records below ``results`` (default: those that are shipped).

    Raises RecordError for a damaged file, DplibError when there is no record.
    """
    folder = Path(results or queue.RESULTS)
    path = queue.records_file(folder, data)
    records = queue.read(path)
    if not records:
        raise DplibError(f"{path} has no records: python -m dplib ablate --data {data}")
    cues = sorted({r["cues"] for r in records})
    pids = {c: queue.query_pids(folder, data, c) for c in cues}
    curves = queue.read(folder / f"{data}-robustness.jsonl")
    longer = queue.read(queue.records_file(folder / "long", data))
    return Evidence(data, records, pids, curves, longer)


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _mean(values: Array) -> str:
    """mean ± standard deviation over seeds, in points."""
    if len(values) == 0:
        return "–"
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def beside(found: Evidence, number: int) -> dict[str, dict[str, Array]]:
    """Row → measure → our values by seed, for the rows of a table that have runs."""
    rows: dict[str, dict[str, Array]] = {}
    for row, (variant, kind) in tables.table(number).runs.items():
        values = {m: found.of(Side(variant, kind), m) for m in MEASURES}
        if len(values["map"]):
            rows[row] = values
    return rows


def table(found: Evidence, number: int) -> str:
    """Table 4, 6 or 7: published | measured | difference, for rank-1 and mAP."""
    paper, ours = tables.table(number), beside(found, number)
    rows = []
    for name in paper.rows:
        cells = [name]
        for m in MEASURES:
            printed = paper.value(name, m)
            mine = ours.get(name, {}).get(m, np.array([]))
            gap = f"{mine.mean() - printed:+.1f}" if len(mine) and printed else "–"
            cells += [f"{printed:.2f}", _mean(mine), gap]
        seeds = len(ours.get(name, {}).get("map", []))
        rows.append([*cells, str(seeds)])
    words = ("published", "measured", "difference")
    header = ["", *(f"{NAMES[m]} {w}" for m in MEASURES for w in words)]
    return _grid([*header, "seeds"], rows)


def sentence(claim: Claim, by_map: Difference, by_rank1: Difference) -> str:
    """One plain sentence on a claim, judged by mAP."""
    low, high = f"{by_map.low:+.1f}", f"{by_map.high:+.1f}"
    said = "" if claim.published is None else f"; published {claim.published[1]:+.2f}"
    seeds = f"{by_map.seeds} seeds" if by_map.seeds > 1 else "one seed only"
    return (
        f"**{by_map.verdict.capitalize()}**: {claim.text}. mAP {by_map.value:+.1f}, "
        f"interval {low} to {high} ({seeds}{said}); rank-1 {by_rank1.value:+.1f}, "
        f"{by_rank1.verdict}."
    )


def sentences(found: Evidence) -> list[str]:
    """One for each claim of the paper that has its runs, with what weakens it."""
    by = {m: found.verdicts(CLAIMS, m) for m in MEASURES}
    known = [c for c in CLAIMS if c.id in by["map"]]
    return [
        " ".join(
            [
                sentence(c, by["map"][c.id], by["rank1"][c.id]),
                *remarks(found, c, by["map"][c.id].level),
            ]
        )
        for c in known
    ]


def remarks(found: Evidence, claim: Claim, level: float) -> list[str]:
    """What a reader of the verdict must know: fallen runs, another descriptor."""
    said = []
    runs = [evidence.chosen(found.records, side) for side in (claim.more, claim.less)]
    both = runs[0].keys() & runs[1].keys()
    fallen = {
        s: names
        for s in both
        if (names := [b for r in runs for b in evidence.asleep(r[s])])
    }
    if fallen:
        who = " and ".join(sorted({b for names in fallen.values() for b in names}))
        line = f"{who} asleep at the end in {len(fallen)} of {len(both)} seeds"
        if len(fallen) < len(both):
            rest = [r for r in found.records if r["seed"] not in fallen]
            sides = claim.more, claim.less
            d = evidence.compare(rest, found.pids["layout"], *sides, "map", level=level)
            line += f"; without them {d}"
        said.append(f"{line}.")
    by_fc = [c for c in QUESTIONS if c.id == f"{claim.id}_fc"]
    for d in found.verdicts(by_fc, "map", correct=False).values():
        said.append(f"By fc instead of fm: {d}, not corrected.")
    return said


def claims(found: Evidence, said: Sequence[Claim], correct: bool = True) -> str:
    """A table of differences with intervals and verdicts, for both measures."""
    by = {m: found.verdicts(said, m, correct) for m in MEASURES}
    rows = []
    for c in said:
        if c.id not in by["map"]:
            continue
        m, r = by["map"][c.id], by["rank1"][c.id]
        cells = [c.text]
        if c.table:
            cells += [f"table {c.table}"]
        if c.published:
            cells += [f"{c.published[1]:+.2f}"]
        for d in (m, r):
            word = d.verdict if correct else side_of_zero(d)
            cells += [str(d), f"{word} ({d.level:.1%})" if correct else word]
        rows.append([*cells, str(m.seeds)])
    header = ["claim", "of", "published mAP"] if correct else ["question"]
    return _grid([*header, "mAP", "", "rank-1", "", "seeds"], rows)


def side_of_zero(d: Difference) -> str:
    """Where an interval lies that is only looked at: no verdict."""
    words = {"confirmed": "above 0", "contrary": "below 0", "inconclusive": "holds 0"}
    return "one seed" if d.seeds < 2 else words[d.verdict]


def variants(found: Evidence, names: Sequence[tuple[str, str]]) -> str:
    """A row for each (variant, cues): means, losses of the last epoch beside chance."""
    rows = []
    for name, cues in names:
        runs = evidence.chosen(found.records, Side(name, cues=cues))
        if not runs:
            continue
        cells = [LABELS[name, cues]]
        kinds = [
            k for k in ("fm", "fc", "parts") if k in next(iter(runs.values()))["ap"]
        ]
        for m in MEASURES:
            cells.append(_mean(found.of(Side(name, "fm", cues), m)))
        others = [
            f"{k} {_mean(found.of(Side(name, k, cues), 'map'))}" for k in kinds[1:]
        ]
        cells.append(", ".join(others) or "–")
        for branch in ("part", "global", "ranking"):
            losses = [r["losses"][branch] for r in runs.values()]
            cells.append("–" if None in losses else f"{np.mean(losses):.2f}")
        asleep = Counter(b for r in runs.values() for b in evidence.asleep(r))
        who = [b if n == len(runs) else f"{b} in {n}" for b, n in asleep.items()]
        rows.append([*cells, ", ".join(sorted(who)) or "none", str(len(runs))])
    header = [
        "variant", "rank-1 (fm)", "mAP (fm)", "mAP of others", "BpI loss", "BgI loss",
        "BtR loss", "asleep", "seeds",
    ]  # fmt: skip
    return _grid(header, rows)


def interplay(
    found: Evidence, measure: str = "map", *, id: str = "blstm"
) -> Difference | None:
    """Does BpI's gain shrink where identity is global? layout's gain less global's.

    id: of the claim whose gain is meant. Other people, other pictures: the two gains
    are independent, so resamples of one are taken from resamples of the other. None
    without runs of both.
    """
    claim = next(c for c in CLAIMS if c.id == id)
    drawn: list[Array] = []
    gains: list[Array] = []
    for cues in ("layout", "global"):
        sides = claim.more._replace(cues=cues), claim.less._replace(cues=cues)
        pids = found.pids.get(cues, [])
        try:
            totals, queries = evidence.paired(found.records, pids, *sides, measure)
        except evidence.EvidenceError:
            return None
        drawn.append(evidence.resample(totals, queries, seed=len(drawn)))
        gains.append(totals.sum(1) / queries.sum())
    seeds = min(map(len, gains))
    value = float(gains[0].mean() - gains[1].mean())
    both = gains[0][:seeds] - gains[1][:seeds]
    return evidence.summarise(drawn[0] - drawn[1], both, value=value)


_SHRINKS = {
    "above 0": "smaller with global cues",
    "below 0": "larger with global cues",
    "holds 0": "open",
    "one seed": "one seed",
}


def cues_beside(found: Evidence, measure: str = "map") -> str:
    """The claims of table 4 under both kinds of cues, and what is between them."""
    rows = []
    for c in CLAIMS:
        between = interplay(found, measure, id=c.id) if c.table == 4 else None
        if between is None:
            continue
        row = [c.text]
        for cues in ("layout", "global"):
            sides = c.more._replace(cues=cues), c.less._replace(cues=cues)
            d = evidence.compare(found.records, found.pids[cues], *sides, measure)
            row.append(f"{d} ({d.seeds})")
        rows.append([*row, str(between), _SHRINKS[side_of_zero(between)]])
    name = NAMES[measure]
    header = [f"claim, {name} (seeds)", "layout", "global", "layout less global", ""]
    return _grid(header, rows)


def from_imagenet(found: Evidence, claim: Claim, measure: str) -> Difference | None:
    """A claim's difference between nets that start from ImageNet; None without runs."""
    more, less = (
        side._replace(variant=IMAGENET + side.variant)
        for side in (claim.more, claim.less)
    )
    try:
        return evidence.compare(
            found.records, found.pids["layout"], more, less, measure
        )
    except evidence.EvidenceError:
        return None


def starts_beside(found: Evidence, measure: str = "map") -> str:
    """The claims from random and from ImageNet weights, intervals of 95 %."""
    random = found.verdicts(CLAIMS, measure, correct=False)
    rows = []
    for c in CLAIMS:
        pretrained = from_imagenet(found, c, measure)
        if c.published and c.id in random and pretrained is not None:
            both = (f"{d} ({d.seeds})" for d in (random[c.id], pretrained))
            printed = c.published[MEASURES.index(measure)]
            rows.append([c.text, f"{printed:+.2f}", *both])
    header = [f"claim, {NAMES[measure]} (seeds)", "published", "random", "ImageNet"]
    return _grid(header, rows)


def schedules(found: Evidence, cues: str = "layout") -> str:
    """Runs of more epochs beside the recipe's, of the same seeds: mAP and losses."""
    rows = []
    names = sorted({r["variant"] for r in found.longer if r["cues"] == cues})
    for name in names:
        side = Side(name, cues=cues)
        more = evidence.chosen(found.longer, side)
        usual = evidence.chosen(found.records, side)
        seeds = sorted(more.keys() & usual.keys())
        for runs in ({s: usual[s] for s in seeds}, more):
            some = [runs[s] for s in seeds]
            if not some:
                continue
            cells = [LABELS[name, cues], f"{some[0]['iterations']:,}"]
            for kind in ("fm", "fc"):
                values = [
                    100 * r["measures"][kind]["map"]
                    for r in some
                    if kind in r["measures"]
                ]
                cells.append(_mean(np.array(values)))
            for branch in ("part", "global"):
                losses = [r["losses"][branch] for r in some]
                cells.append("–" if None in losses else f"{np.mean(losses):.2f}")
            rows.append([*cells, ", ".join(map(str, seeds))])
    header = ["variant", "iterations", "mAP (fm)", "mAP (fc)", "BpI loss", "BgI loss"]
    return _grid([*header, "of seed"], rows)


def winners(found: Evidence, measure: str = "rank1") -> evidence.Winners | None:
    """Over all variants of the layout set; None while none has two seeds."""
    layout = [r for r in found.records if r["cues"] == "layout"]
    try:
        return evidence.false_winners(layout, found.pids["layout"], measure)
    except evidence.EvidenceError:
        return None


# --- the page -------------------------------------------------------------------------


def page(found: Evidence) -> str:
    """The report in Markdown; figures are named by ``figures``."""
    commits = sorted({str(r["commit"])[:7] for r in found.records})
    dates = sorted({r["date"] for r in found.records})
    codes = sorted({str(r["code"]) for r in found.records})
    versions = found.records[-1]["versions"]
    hours = sum(r["cpu_seconds"] for r in found.records) / 3600
    first = found.records[0]
    made = f"{found.name}, generator {g}" if (g := first["generator"]) else found.name
    parts = [
        "# Evidence",
        f"Written by `python -m dplib report` from {len(found.records)} records "
        f"({dates[0]} to {dates[-1]}, commits {', '.join(commits)}, code "
        f"{', '.join(codes)}, {hours:.1f} hours of one core; PyTorch "
        f"{versions['torch']}). {made}; {recipes(found)}; the last epoch is reported. "
        "Published values are of Market-1501: compare the order of rows and the "
        "differences, not the heights. mean ± standard deviation over seeds. Lesson 7 "
        "goes through all of it and looks for the reasons.",
        "## The paper's claims",
        "Paired differences by seed; intervals by a bootstrap over seeds and pids, "
        "widened by Holm's procedure over the claims (the level stands beside the "
        "word). A claim is judged by mAP. *Confirmed*: the interval lies above 0; "
        "*contrary*: below; *inconclusive*: it holds 0, or there is one seed only.",
        claims(found, CLAIMS),
        f"![{claims_alt(found)}](evidence/claims.png)",
        "\n".join(f"- {s}" for s in sentences(found)),
    ]
    for number in (4, 6, 7):
        parts += [f"## Table {number}: {tables.table(number).title}"]
        parts += [table(found, number)]
        if note := tables.table(number).note:
            parts += [f"On the published table: {note}"]
        values = beside(found, number)
        alt = "; ".join(f"{k} {v['map'].mean():.1f}" for k, v in values.items())
        parts += [
            f"![Table {number}: published rows left, ours right, a mark for each seed; "
            f"mind that the axes differ. Our mAP: {alt}](evidence/table{number}.png)"
        ]
    parts += [
        "## Questions of ours",
        "Looked at to find out why, each with an interval of 95 %, without correction: "
        "no verdicts. The interval of a single seed is over people alone.",
    ]
    parts += [claims(found, QUESTIONS, correct=False)]
    parts += ["## All variants"]
    here = [v for v in VARIANTS if v.cues == "layout"]
    parts += [variants(found, [(v.name, v.cues) for v in here if not v.pretrained])]
    chance = first["chance"]
    parts += [
        f"Losses: mean of the last epoch; guessing is {chance:.2f}. BpI or BgI is "
        "asleep when its loss ends above nine tenths of that, BtR when its loss ends "
        "at the margin with every triplet active (a collapse)."
    ]
    if found.longer:
        parts += ["## A longer schedule", schedules(found)]
    other = [(v.name, v.cues) for v in VARIANTS if v.cues == "global"]
    if any(r["cues"] == "global" for r in found.records):
        parts += ["## Identity in global cues", variants(found, other)]
        if interplay(found) is not None:
            parts += ["Gains, intervals of 95 %, not corrected:", cues_beside(found)]
        if any(r["cues"] == "global" for r in found.longer):
            parts += ["A longer schedule:", schedules(found, "global")]
    weights = [(v.name, v.cues) for v in here if v.pretrained]
    if {(r["variant"], r["cues"]) for r in found.records} & set(weights):
        parts += ["## From ImageNet weights (MobileNetV2)", variants(found, weights)]
        parts += [
            "Differences, intervals of 95 %, not corrected; those of one seed are over "
            "people alone:",
            starts_beside(found),
        ]
    rates = {m: rate for m in MEASURES if (rate := winners(found, m)) is not None}
    if rates:
        parts += _one_seed(found, rates)
    if found.curves:
        parts += [
            "## Robustness",
            "ToyMarket's queries drawn again with one nuisance turned up and all "
            "others off, the gallery as it was (`python -m dplib robustness`).",
            "![Rank-1 of four variants against occlusion, blur, displaced boxes and "
            "clutter](evidence/robustness.png)",
            "![The same for mAP](evidence/robustness_map.png)",
        ]
    parts += [
        "## Tables 1, 2, 3 and 5",
        "Rivals as published; ours below the line, on data that are named: not "
        "comparable in height.",
    ]
    for n, columns in DRAWN.items():
        shown = " and ".join(charts.name_of(c) for c in columns)
        name = f"Table {n}: {shown} of the paper's rivals, the paper, and our runs"
        parts += [f"![{name}](evidence/table{n}.png)"]
        if note := tables.table(n).note:
            parts += [f"On the published table: {note}"]
    return "\n\n".join(parts) + "\n"


def recipes(found: Evidence) -> str:
    """The recipes of the records, with their lengths."""
    lengths: dict[str, set[str]] = {}
    for r in found.records:
        length = f"{r['preset']['epochs']} epochs, {r['iterations']:,} iterations"
        lengths.setdefault(r["preset"]["name"], set()).add(length)
    return "; ".join(
        f"recipe `{name}`: {' or '.join(sorted(some))}"
        for name, some in sorted(lengths.items())
    )


def claims_alt(found: Evidence) -> str:
    """The chart of the claims in words."""
    by_map = found.verdicts(CLAIMS, "map")
    counted = Counter(d.verdict for d in by_map.values())
    count = ", ".join(f"{n} {word}" for word, n in sorted(counted.items()))
    return (
        "Our difference in mAP for each claim, with its interval, beside the published "
        f"one: {count}"
    )


def _one_seed(found: Evidence, rates: dict[str, evidence.Winners]) -> list[str]:
    rank1 = rates["rank1"]
    shares = [f"by {NAMES[m]} {r.won} ({r.share:.0%})" for m, r in rates.items()]
    rows = []
    for name in dict.fromkeys(rank1.variants):
        row = [LABELS[name, "layout"]]
        for r in rates.values():
            won = [w for w, v in zip(r.found, r.variants, strict=True) if v == name]
            row.append(f"{sum(won)} of {len(won)}")
        pairs = zip(rank1.gaps, rank1.variants, strict=True)
        rows.append([*row, f"{max(gap for gap, v in pairs if v == name):.1f}"])
    header = ["variant", *(f"won by {NAMES[m]}" for m in rates), "largest rank-1 gap"]
    return [
        "## One seed",
        f"Of {rank1.pairs} pairs of trainings that differ in their seed alone (a "
        "training stands in several pairs), so many have a “winner” whose interval "
        f"over the queries' pids excludes 0: {'; '.join(shares)}. In rank-1 the "
        f"median gap is {np.median(rank1.gaps):.1f} points, the largest "
        f"{max(rank1.gaps):.1f}.",
        _grid(header, rows),
        "![How far two trainings of the same variant are apart in rank-1, a histogram "
        "over all pairs](evidence/winners.png)",
    ]


DRAWN = {  # the columns of the charts
    1: ("rank1", "map"),
    2: ("rank1", "map", "multi rank1", "multi map"),
    3: ("labeled r1", "detected r1"),
    5: ("rank1", "map"),
}


def ours(found: Evidence, number: int) -> dict[str, dict[str, Array]]:
    """What stands below table 1, 2, 3 or 5: label → column → our values by seed."""
    rows: dict[str, dict[str, Array]] = {}
    named = dict(zip(DRAWN[number], MEASURES, strict=False))
    if number == 3:
        named = {"labeled r1": "rank1"}  # ToyMarket has no detector
    for variant, kind in tables.table(number).runs.values():
        values = {c: found.of(Side(variant, kind), m) for c, m in named.items()}
        if len(next(iter(values.values()))):
            rows[f"{LABELS[variant, 'layout']}, {found.name}"] = values
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


def figures(found: Evidence) -> dict[str, bytes]:
    """The page's pictures, by file name."""
    by_map = found.verdicts(CLAIMS, "map")
    made = {}
    for n in (4, 6, 7):
        rows = beside(found, n)
        made[f"table{n}"] = charts.rows_beside(tables.table(n), rows, found.name)
    rate = winners(found)
    if rate is not None:
        made["winners"] = charts.winners(rate)
    if by_map:
        made["claims"] = charts.claims(CLAIMS, by_map)
    for n, columns in DRAWN.items():
        mine = ours(found, n)
        made[f"table{n}"] = charts.rivals(tables.table(n), columns, mine)
    if found.curves:
        labels = {v: LABELS[v, "layout"] for v in robustness.VARIANTS}
        made["robustness"] = charts.curves(found.curves, labels)
        made["robustness_map"] = charts.curves(found.curves, labels, "map")
    return {f"{name}.png": plots.png(fig) for name, fig in made.items()}


def write(found: Evidence, out: str | Path) -> Path:
    """``out``/evidence.md and its figures in ``out``/evidence; returns the page.

    Of another set than ToyMarket, evidence-SET.md and evidence-SET.
    """
    out = Path(out)
    name = "evidence" if found.data == "toymarket" else f"evidence-{found.data}"
    for picture, data in figures(found).items():
        queue.write(out / name / picture, data)
    text = page(found).replace("](evidence/", f"]({name}/")
    queue.write(out / f"{name}.md", text.encode())
    return out / f"{name}.md"


# --- the README -----------------------------------------------------------------------

SHOWN = ("part_in_full", "context", "order_fixed", "head_linear")  # of the questions
MARK = "<!-- evidence: python -m dplib report -->\n", "<!-- /evidence -->"


def summary(found: Evidence) -> str:
    """The README's section, between its marks."""
    seeds = sorted(len(v["map"]) for n in (4, 6, 7) for v in beside(found, n).values())
    low, high = seeds[0], seeds[-1]
    many = f"{low} to {high} seeds" if low < high else f"{low} seed{'s' * (low > 1)}"
    rows = []
    for n in (4, 6, 7):
        paper, ours = tables.table(n), beside(found, n)
        for row, values in paper.rows.items():
            mine = ours.get(row)
            cells = [f"{v:.2f}" for v in values]
            cells += [_mean(mine[m]) if mine else "–" for m in MEASURES]
            rows.append([f"{n}", row, *cells])
    header = ["table", "", "rank-1", "mAP", "ours: rank-1", "mAP"]
    grid = _grid(header, rows)
    lines = "\n".join(f"- {s}" for s in sentences(found))
    asked = found.verdicts(QUESTIONS, "map", correct=False)
    told = [
        f"- {c.text}: mAP {asked[c.id]} ({asked[c.id].seeds} seeds)"
        for c in QUESTIONS
        if c.id in SHOWN and c.id in asked
    ]
    return (
        f"\nPublished on Market-1501; ours on {found.name}, {many}, mean ± standard "
        f"deviation:\n\n{grid}\n\nThe paper's claims, with intervals over seeds and "
        f"people, corrected by Holm's procedure:\n\n{lines}\n\n"
        f"![{claims_alt(found)}](docs/evidence/claims.png)\n\n"
        "Questions of ours, intervals of 95 %, not corrected:\n\n"
        + "\n".join(told)
        + f"\n\n{further(found)}\n\n"
    )


def further(found: Evidence) -> str:
    """How many of the paper's differences have its sign from ImageNet weights."""
    made = [d for c in CLAIMS if (d := from_imagenet(found, c, "map")) is not None]
    if not made:
        return "No training from ImageNet weights yet."
    agree = sum(d.value > 0 for d in made)
    seeds = max(d.seeds for d in made)
    return (
        f"From ImageNet weights (MobileNetV2, {seeds} seed{'s' * (seeds > 1)}), "
        f"{agree} of {len(made)} differences in mAP have the paper's sign."
    )


def put(readme: str, found: Evidence) -> str:
    """``readme`` with its section of evidence made anew.

    Raises DplibError when it has not the marks that the section stands between.
    """
    start, end = MARK
    before, mark, rest = readme.partition(start)
    _, closing, after = rest.partition(end)
    if not (mark and closing):
        raise DplibError(f"README.md has no lines {start.strip()!r} and {end!r}")
    return before + start + summary(found) + end + after
