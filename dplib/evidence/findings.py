"""All records of a data set together, and what they say of the claims in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dplib import DplibError
from dplib.evidence import claims, records, resampling, tables
from dplib.evidence.claims import CLAIMS, QUESTIONS, Claim, EvidenceError, Side, Winners
from dplib.evidence.records import Record
from dplib.evidence.resampling import Array, Difference
from dplib.evidence.variants import IMAGENET, VARIANTS

LABELS = {(v.name, v.cues): v.label for v in VARIANTS}
MEASURES = ("rank1", "map")


@dataclass(frozen=True)
class Evidence:
    """All records of a data set, and the pid of each query."""

    data: str
    records: list[Record]
    pids: dict[str, list[int]]  # by cues
    curves: list[Record]  # of robustness
    longer: list[Record] = field(default_factory=list)  # runs of more epochs

    @property
    def name(self) -> str:
        """The data set's name, as it is written."""
        return {"toymarket": "ToyMarket", "market1501": "Market-1501"}[self.data]

    def of(self, side: Side, measure: str) -> Array:
        """[S] the measure by seed, in points; empty when nothing was run."""
        return claims.spread(self.records, side, measure)

    def verdicts(
        self, judged: Sequence[Claim], measure: str, correct: bool = True
    ) -> dict[str, Difference]:
        """``claims.verdicts`` of these records."""
        return claims.verdicts(
            self.records, self.pids["layout"], judged, measure, correct=correct
        )


def load(results: str | Path | None = None, data: str = "toymarket") -> Evidence:
    """Read all records of a data set.

    Args:
        results: Their folder; None: the records that are shipped.
        data: Name of the data set.

    Raises:
        RecordError: A file of records is damaged.
        DplibError: There is no record.
    """
    folder = Path(results or records.RESULTS)
    path = records.records_file(folder, data)
    read = records.read(path)
    if not read:
        raise DplibError(f"{path} has no records: python -m dplib ablate --data {data}")
    cues = sorted({r["cues"] for r in read})
    pids = {c: records.query_pids(folder, data, c) for c in cues}
    curves = records.read(folder / f"{data}-robustness.jsonl")
    longer = records.read(records.records_file(folder / "long", data))
    return Evidence(data, read, pids, curves, longer)


def beside(evidence: Evidence, number: int) -> dict[str, dict[str, Array]]:
    """Row → measure → our values by seed, for the rows of a table that have runs."""
    rows: dict[str, dict[str, Array]] = {}
    for row, (variant, kind) in tables.table(number).runs.items():
        values = {m: evidence.of(Side(variant, kind), m) for m in MEASURES}
        if len(values["map"]):
            rows[row] = values
    return rows


# --- the claims in words --------------------------------------------------------------


def sentences(evidence: Evidence) -> list[str]:
    """One for each claim of the paper that has its runs, with what weakens it."""
    by_map, by_rank1 = (evidence.verdicts(CLAIMS, m) for m in ("map", "rank1"))
    return [
        " ".join(
            [
                sentence(c, by_map[c.id], by_rank1[c.id]),
                *remarks(evidence, c, by_map[c.id].level),
            ]
        )
        for c in CLAIMS
        if c.id in by_map
    ]


def sentence(claim: Claim, by_map: Difference, by_rank1: Difference) -> str:
    """One plain sentence on a claim, judged by mAP."""
    said = seeds_in_words([by_map.seeds])
    if claim.published is not None:
        said += f"; published {claim.published[1]:+.2f}"
    interval = f", interval {by_map.low:+.1f} to {by_map.high:+.1f}"
    word = f", {by_rank1.verdict}"
    if not by_map.enough:
        interval = word = ""
    return (
        f"**{by_map.verdict.capitalize()}**: {claim.text}. mAP {by_map.value:+.1f}"
        f"{interval} ({said}); rank-1 {by_rank1.value:+.1f}"
        f"{word}."
    )


def seeds_in_words(counts: Sequence[int]) -> str:
    """Numbers of seeds in words: "2 to 5 seeds"."""
    low, high = min(counts), max(counts)
    return f"{low} to {high} seeds" if low < high else f"{low} seed{'s' * (low > 1)}"


def remarks(evidence: Evidence, claim: Claim, level: float) -> list[str]:
    """What a reader of the verdict must know: fallen runs, another descriptor."""
    said = []
    sides = claim.more, claim.less
    more_runs, less_runs = (claims.chosen(evidence.records, s) for s in sides)
    both = more_runs.keys() & less_runs.keys()
    fallen: dict[int, list[str]] = {}  # seed → branches of either side
    for seed in both:
        branches = claims.asleep(more_runs[seed]) + claims.asleep(less_runs[seed])
        if branches:
            fallen[seed] = branches
    if fallen:
        who = " and ".join(sorted({b for names in fallen.values() for b in names}))
        line = f"{who} asleep at the end in {len(fallen)} of {len(both)} seeds"
        if len(fallen) < len(both):
            rest = [r for r in evidence.records if r["seed"] not in fallen]
            d = claims.compare(
                rest, evidence.pids["layout"], *sides, "map", level=level
            )
            line += f"; without them {d.stated}"
        said.append(f"{line}.")
    by_fc = [c for c in QUESTIONS if c.id == f"{claim.id}_fc"]
    for d in evidence.verdicts(by_fc, "map", correct=False).values():
        said.append(f"By fc instead of fm: {d.stated}, not corrected.")
    return said


def counted(evidence: Evidence) -> str:
    """The chart of the claims in words: how many verdicts of each kind."""
    by_map = evidence.verdicts(CLAIMS, "map")
    counts = Counter(d.verdict for d in by_map.values())
    count = ", ".join(f"{n} {word}" for word, n in sorted(counts.items()))
    return (
        "Our difference in mAP for each claim, with its interval, beside the published "
        f"one: {count}"
    )


def side_of_zero(d: Difference) -> str:
    """Where an interval lies that is only looked at: no verdict."""
    words = {"confirmed": "above 0", "contrary": "below 0", "inconclusive": "holds 0"}
    return words.get(d.verdict, d.verdict)


# --- further comparisons --------------------------------------------------------------


def interplay(
    evidence: Evidence, measure: str = "map", *, id: str = "blstm"
) -> Difference | None:
    """Does BpI's gain shrink where identity is global? layout's gain less global's.

    The sets show other people in other pictures, so that the two gains are independent:
    resamples of one are subtracted from resamples of the other.

    Args:
        evidence: With runs of both kinds of cues.
        measure: "rank1" or "map".
        id: Of the claim whose gain is meant.

    Returns:
        The difference of the gains; None without runs of both.
    """
    claim = next(c for c in CLAIMS if c.id == id)
    drawn: list[Array] = []
    gains: list[Array] = []
    for cues in ("layout", "global"):
        sides = claim.more._replace(cues=cues), claim.less._replace(cues=cues)
        pids = evidence.pids.get(cues, [])
        try:
            totals, queries = claims.paired(evidence.records, pids, *sides, measure)
        except EvidenceError:
            return None
        drawn.append(resampling.resample(totals, queries, seed=len(drawn)))
        gains.append(totals.sum(1) / queries.sum())
    seeds = min(map(len, gains))
    value = float(gains[0].mean() - gains[1].mean())
    per_seed = gains[0][:seeds] - gains[1][:seeds]
    return resampling.summarise(drawn[0] - drawn[1], per_seed, value=value)


def from_imagenet(evidence: Evidence, claim: Claim, measure: str) -> Difference | None:
    """A claim's difference between nets that start from ImageNet; None without runs."""
    more, less = (
        side._replace(variant=IMAGENET + side.variant)
        for side in (claim.more, claim.less)
    )
    pids = evidence.pids["layout"]
    try:
        return claims.compare(evidence.records, pids, more, less, measure)
    except EvidenceError:
        return None


def starts(evidence: Evidence, measure: str = "map") -> dict[str, Difference]:
    """``from_imagenet`` of the claims that have such runs, by id."""
    found = {c.id: from_imagenet(evidence, c, measure) for c in CLAIMS}
    return {id: d for id, d in found.items() if d is not None}


def starts_counted(evidence: Evidence) -> str:
    """The differences from ImageNet weights in words: their signs and intervals."""
    found = starts(evidence).values()
    if not found:
        return "No training from ImageNet weights yet."
    agree = sum(d.value > 0 for d in found)
    seeds = seeds_in_words([d.seeds for d in found])
    said = (
        f"From ImageNet weights (MobileNetV2, {seeds}), {agree} of {len(found)} "
        "differences in mAP have the paper's sign."
    )
    places = Counter(side_of_zero(d) for d in found if d.enough)
    if not places:
        return said
    ordered = ("above 0", "holds 0", "below 0")
    counts = ", ".join(f"{places[k]} {k}" for k in ordered if places[k])
    return (
        f"{said} Intervals over at least {resampling.FEWEST} seeds (95 %, not "
        f"corrected): {counts.replace('holds', 'including')}."
    )


def winners(evidence: Evidence, measure: str = "rank1") -> Winners | None:
    """Over all variants of the layout set; None while none has two seeds."""
    layout = [r for r in evidence.records if r["cues"] == "layout"]
    try:
        return claims.false_winners(layout, evidence.pids["layout"], measure)
    except EvidenceError:
        return None
