"""The report's tables: each cell is what the records say."""

from __future__ import annotations

import pytest
from made_records import PIDS, made

from dplib.evidence import grids
from dplib.evidence.claims import Side
from dplib.evidence.findings import Evidence, winners


def test_a_table_says_published_measured_difference(few: Evidence) -> None:
    lines = grids.table(few, 4).splitlines()
    assert len(lines) == 2 + 4
    cells = [c.strip() for c in lines[2].strip("|").split("|")]
    mine = few.of(Side("bgi"), "map")
    assert cells[0] == "BgI" and cells[4] == "64.71" and cells[-1] == "3"
    assert cells[5] == f"{mine.mean():.1f} ± {mine.std(ddof=1):.1f}"
    assert float(cells[6]) == pytest.approx(mine.mean() - 64.71, abs=0.051)
    assert [c.strip() for c in lines[3].strip("|").split("|")] == [
        "BpI w/o LSTM", "82.39", "–", "–", "60.75", "–", "–", "0",
    ]  # fmt: skip


def test_a_variant_has_its_means_losses_and_who_fell_asleep(few: Evidence) -> None:
    """By hand: an absent branch has a dash, and NaN never reaches the table."""
    losses = {"part": None, "global": 2.0, "ranking": None, "active": None}
    fallen = losses | {"global": 6.3}
    runs = [made("bgi", s, 40, losses=fallen if s == 1 else losses) for s in range(3)]
    evidence = Evidence("toymarket", [*few.records[3:], *runs], few.pids, [])
    names = [("bgi", "layout"), ("btr", "layout"), ("bgi_bpi", "layout")]
    first, second = grids.variants(evidence, names).splitlines()[2:]
    cells = [c.strip() for c in first.strip("|").split("|")]
    fm, fc = (evidence.of(Side("bgi", kind), "map") for kind in ("fm", "fc"))
    assert cells[0] == "BgI"
    assert cells[2] == f"{fm.mean():.1f} ± {fm.std(ddof=1):.1f}"
    assert cells[3] == f"fc {fc.mean():.1f} ± {fc.std(ddof=1):.1f}"
    assert cells[4:] == ["–", "3.43", "–", "BgI in 1", "3"]
    assert second.endswith("| 6.30 | 1.00 | – | BpI | 3 |")


def test_a_schedule_without_longer_runs_is_empty(few: Evidence) -> None:
    assert grids.schedules(few).count("\n") == 1


def test_pairs_from_imagenet_are_told_apart_from_those_from_nothing() -> None:
    runs = [made(v, s, 60) for v in ("bgi", "imagenet_bgi") for s in range(2)]
    evidence = Evidence("toymarket", runs, {"layout": PIDS}, [])
    rates = {m: winners(evidence, m) for m in ("rank1", "map")}
    first, second = grids.one_seed(rates).splitlines()[2:]  # type: ignore[arg-type]
    assert first.startswith("| BgI | ") and second.startswith("| BgI, from ImageNet | ")
