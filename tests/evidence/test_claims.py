"""Comparisons of runs: what the bootstrap covers, Holm, verdicts, false winners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_records import record

from dplib.evidence import claims, resampling
from dplib.evidence.claims import CLAIMS, QUESTIONS, EvidenceError, Side

PIDS = [1, 1, 2, 3, 3, 3, 4, 5]


def noisy(variant: str, seed: int, level: float) -> dict[str, Any]:
    rng = np.random.default_rng([seed, len(variant)])
    return record(variant, seed, list(np.clip(rng.normal(level, 5, len(PIDS)), 0, 100)))


# --- records as numbers ---------------------------------------------------------------


def test_differences_are_added_up_by_seed_and_pid() -> None:
    a = [record("bgi_bpi", s, [10.0 * s + i for i in range(8)]) for s in (0, 1)]
    b = [record("bgi", s, [0.0] * 8) for s in (0, 1, 2)]
    totals, queries = claims.paired(a + b, PIDS, Side("bgi_bpi"), Side("bgi"), "map")
    assert queries.tolist() == [2, 1, 3, 1, 1]
    assert totals.tolist() == [[1, 2, 12, 6, 7], [21, 12, 42, 16, 17]]
    found = resampling.difference(totals, queries)
    assert found.per_seed == (3.5, 13.5)
    assert found.value == 8.5


def test_rank1_comes_from_the_hits() -> None:
    made = record("bgi", 0, [60.0, 40.0, 90.0], "011")
    assert claims.per_query(made, "rank1").tolist() == [0, 100, 100]
    assert claims.per_query(made, "map").tolist() == [60, 40, 90]
    with pytest.raises(EvidenceError, match="measure='minp': records hold rank1"):
        claims.per_query(made, "minp")


def test_spread_is_by_seed() -> None:
    made = [record("bgi", s, [10.0 * s + 1] * 8) for s in (2, 0, 1)]
    assert claims.spread(made, Side("bgi"), "map") == pytest.approx([1, 11, 21])


def test_what_cannot_be_compared_is_refused() -> None:
    a, b = record("bgi", 0, [1.0] * 8), record("full", 1, [1.0] * 8)
    with pytest.raises(EvidenceError, match="no seed has been run for both"):
        claims.paired([a, b], PIDS, Side("bgi"), Side("full"), "map")
    c = record("full", 0, [1.0] * 8)
    with pytest.raises(EvidenceError, match="seed 0 has 8 queries, the list of pids 3"):
        claims.paired([a, c], [1, 2, 3], Side("bgi"), Side("full"), "map")


# --- verdicts -------------------------------------------------------------------------


def test_verdicts_of_a_large_a_reversed_and_no_difference() -> None:
    level = {"bgi": 40, "bgi_bpi_fc": 60, "bgi_bpi": 60, "bpi_fc": 80}
    made = [noisy(v, s, x) for v, x in level.items() for s in range(5)]
    found = claims.verdicts(made, PIDS)
    # table 6 and 7 have no runs here
    assert list(found) == ["parts", "global", "blstm", "lstm"]
    assert [d.verdict for d in found.values()] == [
        "confirmed", "contrary", "confirmed", "inconclusive",
    ]  # fmt: skip
    levels = sorted(d.level for d in found.values())
    assert levels == pytest.approx([1 - 0.05 / m for m in (1, 2, 3, 4)])
    plain = claims.verdicts(made, PIDS, correct=False)
    assert {d.level for d in plain.values()} == {0.95}
    assert claims.verdicts([], PIDS) == {}


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_or_two_seeds_get_no_verdict_whatever_their_interval(seeds: int) -> None:
    level = {"bgi": 10.0, "bgi_bpi": 90.0}
    made = [record(v, s, [x] * 8) for v, x in level.items() for s in range(seeds)]
    found = claims.compare(made, PIDS, Side("bgi_bpi"), Side("bgi"))
    assert found.low > 0
    assert found.verdict == "too few seeds"
    assert (str(found), found.stated) == ("+80.0 [+80.0, +80.0]", "+80.0")


def test_a_claim_of_too_few_seeds_does_not_widen_the_others() -> None:
    """bgi_bpi_fc and bgi have three seeds, the others two: one claim is tested."""
    level = {"bgi": 40, "bgi_bpi_fc": 60, "bgi_bpi": 60}
    made = [
        noisy(v, s, x)
        for v, x in level.items()
        for s in range(2 if v == "bgi_bpi" else 3)
    ]
    found = claims.verdicts(made, PIDS)
    assert {id: (d.seeds, d.level) for id, d in found.items()} == {
        "parts": (3, 0.95),
        "blstm": (2, 0.95),
        "lstm": (2, 0.95),
    }
    assert found["parts"].verdict == "confirmed"
    assert found["parts"].stated == str(found["parts"])


def test_the_claims_carry_the_published_differences() -> None:
    """§4.4 names the LSTM's 3.1 points of mAP; the others follow from the rows."""
    said = {c.id: c.published for c in CLAIMS}
    assert said == {
        "parts": (1.16, 2.03),
        "global": (4.10, 5.99),
        "blstm": (2.41, 5.11),
        "lstm": (1.25, 3.08),
        "triplet": (3.12, 8.25),
        "identification": (7.16, 9.45),
        "fm": (3.09, 2.82),
    }
    assert {c.published for c in QUESTIONS} == {None}
    every = [c.id for c in (*CLAIMS, *QUESTIONS)]
    assert len(set(every)) == len(every)


# --- one seed ---------------------------------------------------------------------


def test_false_winners_draw_people_and_keep_variants_apart() -> None:
    """One person with many queries decides: people scatter, their queries do not."""
    pids = [1] * 40 + [2, 3, 4, 5]
    runs = [
        record("bgi", 0, [60.0] * 40 + [10.0] * 4),
        record("bgi", 1, [50.0] * 40 + [20.0] * 4),
        record("full", 0, [90.0] * 44, cues="global"),
        record("full", 1, [10.0] * 44),
    ]
    found = claims.false_winners(runs, pids, "map")
    # by query +8.2 is far from 0; a resample of people without the first is below 0
    assert found.wins == (False,) and found.variants == ("bgi",)
    assert found.gaps[0] == pytest.approx((40 * 10 - 4 * 10) / 44)


def test_false_winners_among_equal_models() -> None:
    """Two seeds far apart, one like the first: two of three pairs have a winner."""
    made = [
        record("bgi", 0, [10.0] * 8, "00000000"),
        record("bgi", 1, [90.0] * 8, "11111111"),
        record("bgi", 2, [10.0] * 8, "00000000"),
    ]
    found = claims.false_winners(made, PIDS)
    assert (found.pairs, found.won) == (3, 2)
    assert sorted(found.gaps) == [0, 100, 100]
    assert found.share == 2 / 3
    with pytest.raises(EvidenceError, match="no variant has two seeds"):
        claims.false_winners(made[:1], PIDS)


def test_a_branch_at_chance_is_named() -> None:
    losses = {"ranking": None, "part": 6.0, "global": 2.0, "active": None}
    made = record("bgi_bpi", 0, [1.0], chance=6.4, losses=losses)
    assert claims.asleep(made) == ["BpI"]
    assert claims.asleep({**made, "losses": {**losses, "part": None}}) == []
    losses |= {"part": None, "ranking": 0.499, "active": 1.0}
    btr = {**made, "losses": losses, "preset": {"margin": 0.5}}
    assert claims.asleep(btr) == ["BtR"]
    assert claims.asleep({**btr, "losses": {**losses, "active": 0.9}}) == []
    assert claims.asleep({**btr, "preset": {"margin": 1.0}}) == []
