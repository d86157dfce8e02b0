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

from dplib import DplibError
from dplib.evidence import tables as paper
from dplib.evidence.records import Record
from dplib.evidence.resampling import (
    SAMPLES,
    Array,
    Difference,
    difference,
    holm,
    resample,
    sum_by_pid,
    summarise,
)


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
            round(better - worse, 2)
            for better, worse in zip(more, less, strict=True)
            if better and worse
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
    """A measure of each query, in points.

    Args:
        record: Of one run.
        measure: "rank1" (0 or 100) or "map" (the query's AP).
        kind: The descriptor.

    Returns:
        [Q] values in the order of the queries.

    Raises:
        EvidenceError: Records do not hold the measure query by query.
    """
    if measure == "rank1":
        return np.asarray([100 * int(hit) for hit in record["hits"][kind]], np.float64)
    if measure == "map":
        return np.asarray(record["ap"][kind], np.float64) / 100
    raise EvidenceError(f"measure={measure!r}: records hold rank1 and map by query")


def spread(records: Sequence[Record], side: Side, measure: str) -> Array:
    """[S] the measure of each seed's run, in points; empty when nothing was run."""
    runs = chosen(records, side)
    values = [runs[seed]["measures"][side.kind][measure] for seed in sorted(runs)]
    return np.asarray([100 * v for v in values], np.float64)


def paired(
    records: Sequence[Record],
    pids: Sequence[int],
    more: Side,
    less: Side,
    measure: str,
) -> tuple[Array, Array]:
    """Differences added up by seed and pid, over the seeds that both sides have.

    Args:
        records: Of both sides, and perhaps others.
        pids: [Q] who each query shows.
        more: The side to subtract from.
        less: The side that is subtracted.
        measure: "rank1" or "map".

    Returns:
        (totals [S, P], queries [P]): see ``resampling.resample``.

    Raises:
        EvidenceError: No seed was run for both, or the records are of other queries.
    """
    more_runs, less_runs = chosen(records, more), chosen(records, less)
    seeds = sorted(more_runs.keys() & less_runs.keys())
    if not seeds:
        raise EvidenceError(
            f"no seed has been run for both {more.variant} and {less.variant}: python "
            "-m dplib ablate"
        )
    totals = []
    for seed in seeds:
        better = per_query(more_runs[seed], measure, more.kind)
        worse = per_query(less_runs[seed], measure, less.kind)
        if len(better) != len(pids):
            raise EvidenceError(
                f"seed {seed} has {len(better)} queries, the list of pids {len(pids)}"
            )
        total, queries = sum_by_pid(pids, better - worse)
        totals.append(total)
    return np.stack(totals), queries


def compare(
    records: Sequence[Record],
    pids: Sequence[int],
    more: Side,
    less: Side,
    measure: str = "map",
    **how: Any,
) -> Difference:
    """``more`` minus ``less`` in points of ``measure``, over the seeds both have.

    ``how`` goes on to ``resampling.difference``; the other arguments and the errors are
    those of ``paired``.
    """
    return difference(*paired(records, pids, more, less, measure), **how)


def verdicts(
    records: Sequence[Record],
    pids: Sequence[int],
    claims: Sequence[Claim] = CLAIMS,
    measure: str = "map",
    *,
    correct: bool = True,
    samples: int = SAMPLES,
) -> dict[str, Difference]:
    """Judge each claim that has its runs.

    Args:
        records: Of all runs.
        pids: [Q] who each query shows.
        claims: What to judge; claims without runs are left out.
        measure: "rank1" or "map".
        correct: Whether Holm's procedure sets the level of each interval, over the
            claims with seeds enough to be judged. False gives each its own interval of
            95 %, as for questions that are only looked at.
        samples: Number of resamples.

    Returns:
        The difference of each claim, by id.
    """
    resampled: dict[str, tuple[Array, Array]] = {}  # with each seed's difference
    for claim in claims:
        try:
            totals, queries = paired(records, pids, claim.more, claim.less, measure)
        except EvidenceError:
            continue
        drawn = resample(totals, queries, samples=samples)
        resampled[claim.id] = drawn, totals.sum(1) / queries.sum()
    plain = {id: summarise(*both) for id, both in resampled.items()}
    if not correct:
        return plain
    # claims with too few seeds are not tested, so they do not widen the others
    tested = [id for id, d in plain.items() if d.enough]
    levels = holm([plain[id].p for id in tested])
    return plain | {
        id: summarise(*resampled[id], level=1 - alpha)
        for id, alpha in zip(tested, levels, strict=True)
    }


# --- how a single seed misleads -------------------------------------------------------


class Winners(NamedTuple):
    """Comparisons of two trainings of one and the same variant, pair by pair."""

    gaps: tuple[float, ...]  # |difference| in points
    wins: tuple[bool, ...]  # whether an interval over pids alone excludes 0
    variants: tuple[str, ...]

    @property
    def pairs(self) -> int:
        return len(self.gaps)

    @property
    def won(self) -> int:
        return sum(self.wins)

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
    interval of 95 % over the queries' pids.

    Args:
        records: Of all runs.
        pids: [Q] who each query shows.
        measure: "rank1" or "map".
        samples: Number of resamples for each pair.

    Raises:
        EvidenceError: No variant has two seeds.
    """
    names = sorted({(r["variant"], r["cues"]) for r in records})
    pairs: list[tuple[float, bool, str]] = []
    for variant, cues in names:
        runs = chosen(records, Side(variant, cues=cues))
        for one, other in itertools.combinations(sorted(runs), 2):
            gap = per_query(runs[one], measure) - per_query(runs[other], measure)
            totals, queries = sum_by_pid(pids, gap)
            d = difference(totals[None], queries, samples=samples)
            pairs.append((abs(d.value), not d.low <= 0 <= d.high, variant))
    if not pairs:
        raise EvidenceError("no variant has two seeds yet: python -m dplib ablate")
    return Winners(*zip(*pairs, strict=True))


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
