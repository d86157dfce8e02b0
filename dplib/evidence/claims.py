"""What records of runs say for or against a claim (§4.3; tables 4, 6 and 7).

Two variants are compared on the same queries, seed by seed. Two things might have come
out otherwise: the seeds of the trainings, and the people who are looked for. The
hierarchical bootstrap draws both again, with replacement: seeds, then pids with all
their queries. The paper makes several claims at once, so their intervals are widened by
Holm's procedure: the chance of any false *confirmed* stays below 5 %.

The plan, fixed when one seed of each of the claims' variants had been seen: a claim is
judged by mAP, which looks at every match and not at the first alone; rank-1 is a family
of its own, corrected likewise.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dplib import DplibError
from dplib.evidence import tables as paper

Record = dict[str, Any]
Array = NDArray[np.float64]
SAMPLES = 20_000
LEVEL = 0.95


class EvidenceError(DplibError):
    """Records that cannot be compared."""


class Side(NamedTuple):
    """One side of a comparison: a variant, the descriptor, and where identity lies."""

    variant: str
    kind: str = "fm"
    cues: str = "layout"


@dataclass(frozen=True)
class Claim:
    """``more`` is said to be better than ``less``, by a table of the paper or by us."""

    id: str
    text: str
    more: Side
    less: Side
    table: int | None = None

    @property
    def published(self) -> tuple[float, float] | None:
        """The table's differences in rank-1 and mAP, in points; None when ours."""
        if self.table is None:
            return None
        shown = paper.table(self.table)
        rows = {run: shown.rows[row] for row, run in shown.runs.items()}
        more, less = (rows[side.variant, side.kind] for side in (self.more, self.less))
        rank1, map_ = (
            round(a - b, 2) for a, b in zip(more, less, strict=True) if a and b
        )
        return rank1, map_


_BGI, _FC, _BLSTM = Side("bgi"), Side("bgi_bpi_fc"), Side("bgi_bpi")
_PARTS, _BOTH = Side("bpi_fc"), Side("bgi_btr")
CLAIMS = (
    Claim("parts", "parts without LSTM help the global branch", _FC, _BGI, 4),
    Claim("global", "the global branch helps parts without LSTM", _FC, _PARTS, 4),
    Claim("blstm", "BLSTM parts help the global branch", _BLSTM, _BGI, 4),
    Claim("lstm", "the LSTM helps the parts", _BLSTM, _FC, 4),
    Claim("triplet", "the triplet loss helps identification", _BOTH, _BGI, 6),
    Claim(
        "identification", "identification helps the triplet loss", _BOTH, Side("btr"), 6
    ),
    Claim("fm", "fm is a better descriptor than fc", _BLSTM, Side("bgi_bpi", "fc"), 7),
)

# Ours, not the paper's: looked at without correction, to find out why. Those that begin
# with "by fc" were added when the results were known.
QUESTIONS = (
    Claim("part_in_full", "the part branch helps the full model",
          Side("full"), Side("bgi_btr")),
    Claim("triplet_in_full", "the triplet loss helps the full model",
          Side("full"), _BLSTM),
    Claim("context", "context helps: BLSTM against the same LSTM on each row alone",
          _BLSTM, Side("isolated")),
    Claim("both_ways", "reading both ways helps: BLSTM against head to foot only",
          _BLSTM, Side("lstm")),
    Claim("order_fixed", "the order head to foot helps: against one shuffled order",
          _BLSTM, Side("order_fixed")),
    Claim("order_random", "a steady order helps: against one drawn anew each batch",
          _BLSTM, Side("order_random")),
    Claim("global_fc", "by fc, the global branch helps parts without LSTM",
          _FC._replace(kind="fc"), _PARTS._replace(kind="fc")),
    Claim("parts_fc", "by fc, parts without LSTM help the global branch",
          _FC._replace(kind="fc"), _BGI._replace(kind="fc")),
    Claim("blstm_fc", "by fc, BLSTM parts help the global branch",
          _BLSTM._replace(kind="fc"), _BGI._replace(kind="fc")),
    Claim("lstm_fc", "by fc, the LSTM helps the parts",
          _BLSTM._replace(kind="fc"), _FC._replace(kind="fc")),
    Claim("own_fc", "an FC of its own for each row helps: against one for all",
          _FC, Side("fc_shared")),
    Claim("authors_blstm", "our BLSTM is better than the authors' layers",
          _BLSTM, Side("authors_blstm")),
    Claim("stripes", "the BLSTM helps more than stripes (PCB)",
          _BLSTM, Side("stripes")),
    Claim("stripes_parts", "of PCB, concatenated parts are better than fm",
          Side("stripes", "parts"), Side("stripes")),
    Claim("head_linear", "BatchNorm in the heads helps: against linear heads",
          _BLSTM, Side("head_linear")),
    Claim("head_authors", "our heads are better than the authors'",
          _BLSTM, Side("head_authors")),
    Claim("fc_no_lstm", "without LSTM too, fm is better than fc",
          _FC, Side("bgi_bpi_fc", "fc")),
    Claim("fc_linear", "with linear heads, fm is better than fc",
          Side("head_linear"), Side("head_linear", "fc")),
    Claim("fc_authors", "with the authors' heads, fm is better than fc",
          Side("head_authors"), Side("head_authors", "fc")),
    Claim("fc_bgi", "with BgI alone, fm is better than fc",
          _BGI, Side("bgi", "fc")),
)  # fmt: skip


class Difference(NamedTuple):
    """A paired difference in points of a measure, with its interval."""

    value: float
    low: float
    high: float
    p: float  # two-sided
    level: float
    per_seed: tuple[float, ...]

    @property
    def seeds(self) -> int:
        return len(self.per_seed)

    @property
    def verdict(self) -> str:
        """confirmed, contrary, or inconclusive when the interval holds 0.

        One seed says nothing of other trainings, whatever its interval.
        """
        if self.seeds < 2 or self.low <= 0 <= self.high:
            return "inconclusive"
        return "confirmed" if self.value > 0 else "contrary"

    def __str__(self) -> str:
        return f"{self.value:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


# --- records as numbers ---------------------------------------------------------------


def chosen(records: Sequence[Record], side: Side) -> dict[int, Record]:
    """The records of one side by seed."""
    return {
        r["seed"]: r
        for r in records
        if r["variant"] == side.variant
        and r["cues"] == side.cues
        and side.kind in r["measures"]
    }


def per_query(record: Record, measure: str, kind: str = "fm") -> Array:
    """rank1 (0 or 1) or map (AP) of each query, in points; [Q].

    Raises EvidenceError for a measure that records do not hold query by query.
    """
    if measure == "rank1":
        return np.asarray([100 * int(hit) for hit in record["hits"][kind]], np.float64)
    if measure == "map":
        return np.asarray(record["ap"][kind], np.float64) / 100
    raise EvidenceError(f"measure={measure!r}: records hold rank1 and map by query")


def spread(records: Sequence[Record], side: Side, measure: str) -> Array:
    """The measure of each seed's run, in points; [S]."""
    found = chosen(records, side)
    values = [found[s]["measures"][side.kind][measure] for s in sorted(found)]
    return np.asarray([100 * v for v in values], np.float64)


def paired(
    records: Sequence[Record],
    pids: Sequence[int],
    more: Side,
    less: Side,
    measure: str,
) -> tuple[Array, Array]:
    """(totals [S, P], queries [P]): differences added up by seed and pid.

    Seeds that only one side has are left out. Raises EvidenceError when none is left,
    or the records are of other queries than ``pids``.
    """
    a, b = chosen(records, more), chosen(records, less)
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        raise EvidenceError(
            f"no seed has been run for both {more.variant} and {less.variant}: python "
            "-m dplib ablate"
        )
    _, of = np.unique(np.asarray(pids), return_inverse=True)
    totals = []
    for s in seeds:
        d = per_query(a[s], measure, more.kind) - per_query(b[s], measure, less.kind)
        if len(d) != len(of):
            raise EvidenceError(
                f"seed {s} has {len(d)} queries, the list of pids {len(of)}"
            )
        totals.append(np.bincount(of, d))
    return np.stack(totals), np.bincount(of).astype(np.float64)


# --- the bootstrap --------------------------------------------------------------------


def resample(
    totals: Array, queries: Array, *, samples: int = SAMPLES, seed: int = 0
) -> Array:
    """Means over all queries of so many resamples of seeds and pids; [samples].

    totals: [S, P], queries: [P]. The same pids are drawn for all seeds: a person who
    is hard for one training is hard for the next. S values drawn from S are less apart
    than S new ones, so that the seeds' deviations are widened by √(S / χ²) with S - 1
    degrees of freedom, drawn anew each time: few seeds become as uncertain as Student's
    t has it. With one seed only the pids are drawn.
    """
    many, people = totals.shape
    rng = np.random.default_rng([seed, samples, 0x48494552])
    drawn = rng.multinomial(people, np.full(people, 1 / people), samples)
    by_seed = (drawn @ totals.T) / (drawn @ queries)[:, None]  # [samples, S]
    centre = by_seed.mean(1)
    if many == 1:
        return centre
    picked = rng.multinomial(many, np.full(many, 1 / many), samples) / many
    wider = np.sqrt(many / rng.chisquare(many - 1, samples))
    result: Array = centre + wider * ((picked * by_seed).sum(1) - centre)
    return result


def summarise(
    drawn: Array, per_seed: Array, *, value: float | None = None, level: float = LEVEL
) -> Difference:
    """Resamples as a Difference: ``value`` (default: the mean over seeds), percentile
    interval of confidence ``level``, two-sided p."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    tail = int(min((drawn <= 0).sum(), (drawn >= 0).sum()))
    return Difference(
        float(per_seed.mean()) if value is None else value,
        float(low),
        float(high),
        min(1.0, 2 * (tail + 1) / (len(drawn) + 1)),
        level,
        tuple(map(float, per_seed)),
    )


def difference(
    totals: Array,
    queries: Array,
    *,
    level: float = LEVEL,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Difference:
    """The mean difference of ``paired`` with its interval."""
    drawn = resample(totals, queries, samples=samples, seed=seed)
    return summarise(drawn, totals.sum(1) / queries.sum(), level=level)


def compare(
    records: Sequence[Record],
    pids: Sequence[int],
    more: Side,
    less: Side,
    measure: str = "map",
    **how: Any,
) -> Difference:
    """``more`` minus ``less`` in points of ``measure``, over the seeds both have."""
    return difference(*paired(records, pids, more, less, measure), **how)


def holm(ps: Sequence[float], alpha: float = 1 - LEVEL) -> list[float]:
    """Holm's step-down procedure: the level α of each test, in the order of ``ps``.

    The smallest p of m is held against α / m, the next against α / (m - 1), and so on;
    after the first that fails, all others get the level at which that one failed.
    """
    levels = [0.0] * len(ps)
    failed: float | None = None
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        here = alpha / (len(ps) - rank)
        levels[i] = here if failed is None else failed
        if failed is None and ps[i] > here:
            failed = here
    return levels


def verdicts(
    records: Sequence[Record],
    pids: Sequence[int],
    claims: Sequence[Claim] = CLAIMS,
    measure: str = "map",
    *,
    correct: bool = True,
    samples: int = SAMPLES,
) -> dict[str, Difference]:
    """Each claim's difference with Holm's interval; claims without runs are left out.

    correct=False gives each its own interval of 95 %, as for questions that are only
    looked at.
    """
    made: dict[str, tuple[Array, Array]] = {}  # resamples, and each seed's difference
    for c in claims:
        try:
            totals, queries = paired(records, pids, c.more, c.less, measure)
        except EvidenceError:
            continue
        drawn = resample(totals, queries, samples=samples)
        made[c.id] = drawn, totals.sum(1) / queries.sum()
    plain = {k: summarise(*v) for k, v in made.items()}
    if not correct:
        return plain
    levels = holm([d.p for d in plain.values()])
    return {
        k: summarise(*v, level=1 - a)
        for (k, v), a in zip(made.items(), levels, strict=True)
    }


# --- how a single seed misleads -------------------------------------------------------


class Winners(NamedTuple):
    """Comparisons of two trainings of one and the same variant."""

    gaps: tuple[float, ...]  # |difference| in points, of all pairs
    found: tuple[bool, ...]  # an interval over pids alone excludes 0
    variants: tuple[str, ...]  # of each pair

    @property
    def pairs(self) -> int:
        return len(self.gaps)

    @property
    def won(self) -> int:
        return sum(self.found)

    @property
    def share(self) -> float:
        return self.won / self.pairs


def false_winners(
    records: Sequence[Record],
    pids: Sequence[int],
    measure: str = "rank1",
    *,
    samples: int = 2000,
) -> Winners:
    """How often "model A beats model B" is found for two models that are equal.

    Every pair of seeds of every variant is compared as papers compare: one run each,
    interval of 95 % over the queries' pids. Raises EvidenceError when no variant has
    two seeds.
    """
    names = sorted({(r["variant"], r["cues"]) for r in records})
    _, of = np.unique(np.asarray(pids), return_inverse=True)
    queries = np.bincount(of).astype(np.float64)
    made: list[tuple[float, bool, str]] = []
    for variant, cues in names:
        runs = chosen(records, Side(variant, cues=cues))
        for s, t in itertools.combinations(sorted(runs), 2):
            d = per_query(runs[s], measure) - per_query(runs[t], measure)
            totals = np.bincount(of, d).astype(np.float64)[None]
            found = difference(totals, queries, samples=samples)
            won = not found.low <= 0 <= found.high
            made.append((abs(found.value), won, variant))
    if not made:
        raise EvidenceError("no variant has two seeds yet: python -m dplib ablate")
    return Winners(*zip(*made, strict=True))


def asleep(record: Record, share: float = 0.9) -> list[str]:
    """Branches that ended where they began: with nothing for the backbone to learn.

    BpI, BgI: a loss in the last epoch above ``share`` of chance (ln Nc). BtR: a
    collapse, all triplets active and a loss above ``share`` of the margin.
    """
    losses = record["losses"]
    limits = {"part": record["chance"], "global": record["chance"]}
    if (losses["active"] or 0) > 0.99:
        limits["ranking"] = record["preset"]["margin"]
    names = {"part": "BpI", "global": "BgI", "ranking": "BtR"}
    return [
        names[k]
        for k, limit in limits.items()
        if losses[k] is not None and losses[k] > share * limit
    ]
