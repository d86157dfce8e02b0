"""The report: its numbers are the records', whatever is there yet."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from made_records import PIDS, made
from typer.testing import CliRunner

from dplib.cli.app import app
from dplib.evidence import claims, findings, grids, readme, records, report
from dplib.evidence.claims import Side
from dplib.evidence.findings import Evidence

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_holds_every_table_and_names_figures_that_exist(
    few: Evidence, tmp_path: Path
) -> None:
    page = report.write(few, tmp_path).read_text("utf-8")
    for number in (4, 6, 7):
        assert grids.table(few, number) in page
    named = set(re.findall(r"\]\(evidence/(\w+\.png)\)", page))
    there = {p.name for p in (tmp_path / "evidence").iterdir()}
    assert {"claims.png", "table4.png", "winners.png"} <= named <= there
    assert "table2.png" in there
    assert "9 records (2026-11-01 to 2026-11-01, commits aaaaaaa, code ccc" in page
    assert "ccc, 0.1 hours of one core" in page and "recipe `toy`: 32 epochs, " in page
    assert "| BgI+BpI |" in page and "| BpI |" in page  # asleep


def test_a_longer_schedule_stands_beside_the_usual_one(few: Evidence) -> None:
    assert "A longer schedule" not in report.page(few)
    more = [made("bgi", s, 70, iterations=9600) for s in (1, 2, 7)]
    both = Evidence("toymarket", few.records, few.pids, [], more)
    usual, longer = (
        [c.strip() for c in line.strip("|").split("|")]
        for line in grids.schedules(both).splitlines()[2:]
    )
    assert [usual[1], longer[1]] == ["2,400", "9,600"]
    assert usual[-1] == longer[-1] == "1, 2"  # seeds that both have
    values = [100 * r["measures"]["fm"]["map"] for r in more[:2]]  # type: ignore[index]
    assert longer[2] == f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"
    assert "A longer schedule" in report.page(both)


def test_one_record_is_enough(tmp_path: Path) -> None:
    one = Evidence("toymarket", [made("bgi", 0, 40)], {"layout": PIDS}, [])
    page = report.write(one, tmp_path).read_text("utf-8")
    assert "| BgI | 85.33 |" in page
    assert "One seed" not in page
    assert not (tmp_path / "evidence/winners.png").exists()


def test_the_gain_of_layout_less_that_of_global_cues(few: Evidence) -> None:
    assert findings.interplay(few) is None
    levels = {"bgi": 50, "bgi_bpi": 52}
    more = [made(v, s, x, cues="global") for v, x in levels.items() for s in range(3)]
    pids = {"layout": PIDS, "global": PIDS}
    both = Evidence("toymarket", few.records + more, pids, [])
    found = findings.interplay(both)
    assert found is not None
    gains = [
        claims.compare(
            both.records, PIDS, Side("bgi_bpi", cues=c), Side("bgi", cues=c)
        ).value
        for c in ("layout", "global")
    ]
    assert found.value == pytest.approx(gains[0] - gains[1])
    assert found.low < found.value < found.high
    assert grids.cues_beside(few).count("\n") == 1  # no rows
    rows = grids.cues_beside(both).splitlines()[2:]
    assert len(rows) == 1 and str(found) in rows[0]
    assert f"| {gains[1]:+.1f} [" in rows[0] and "(3)" in rows[0]
    page = report.page(both)
    assert rows[0] in page and page.count("A longer schedule") == 0
    longer = [made("bgi", 0, 60, cues="global", iterations=9600)]
    page = report.page(Evidence("toymarket", both.records, pids, [], longer))
    assert "A longer schedule:" in page and "| BgI | 9,600 |" in page


def test_the_page_in_docs_is_what_the_records_say(shipped: Evidence) -> None:
    page = (ROOT / "docs/evidence.md").read_text("utf-8")
    assert page == report.page(shipped)


def test_the_command_writes_the_page(few: Evidence, tmp_path: Path) -> None:
    path = records.records_file(tmp_path, "toymarket")
    for run in few.records:
        records.append(path, run)
    (tmp_path / "toymarket-queries.json").write_text(json.dumps({"layout": PIDS}))
    words = ["report", "--results", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "**Confirmed**: parts without LSTM" in result.output
    assert (tmp_path / "out/evidence.md").read_text("utf-8") == report.page(few)


def test_gains_from_imagenet_stand_beside_those_from_nothing(few: Evidence) -> None:
    assert "From ImageNet" not in report.page(few)
    more = [made("imagenet_bgi", 0, 60), made("imagenet_bgi_bpi", 0, 66)]
    both = Evidence("toymarket", few.records + more, few.pids, [])
    rows = grids.starts_beside(both).splitlines()[2:]
    sides = Side("imagenet_bgi_bpi"), Side("imagenet_bgi")
    gain = claims.compare(both.records, PIDS, *sides)
    assert gain.seeds == 1 and len(rows) == 2  # claims blstm and fm
    assert rows[0].startswith("| BLSTM parts help the global branch | +5.11 |")
    assert rows[0].endswith(f"| {gain.value:+.1f} (1) |")  # one seed: no interval
    assert rows[0] in report.page(both)
    # BLSTM parts help; fc is made equal to fm, which is no gain
    assert "(MobileNetV2, 1 seed), 1 of 2 differences" in readme.summary(both)
    assert f"global branch: mAP {gain.value:+.1f} (1 seed; publ" in readme.summary(both)
    assert "No training from ImageNet" in readme.summary(few)
