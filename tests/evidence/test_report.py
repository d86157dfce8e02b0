"""The report: its numbers are the records', whatever is there yet."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from made_records import PIDS, made
from typer.testing import CliRunner

from dplib import DplibError
from dplib.cli.app import app
from dplib.evidence import claims, queue, report
from dplib.evidence.claims import CLAIMS, Side
from dplib.evidence.report import Evidence

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def few() -> Evidence:
    levels = {"bgi": 40, "bgi_bpi_fc": 60, "bgi_bpi": 55}
    runs = [made(v, s, x) for v, x in levels.items() for s in range(3)]
    return Evidence("toymarket", runs, {"layout": PIDS}, [])


def test_a_table_says_published_measured_difference(few: Evidence) -> None:
    lines = report.table(few, 4).splitlines()
    assert len(lines) == 2 + 4
    cells = [c.strip() for c in lines[2].strip("|").split("|")]
    mine = few.of(Side("bgi"), "map")
    assert cells[0] == "BgI" and cells[4] == "64.71" and cells[-1] == "3"
    assert cells[5] == f"{mine.mean():.1f} ± {mine.std(ddof=1):.1f}"
    assert float(cells[6]) == pytest.approx(mine.mean() - 64.71, abs=0.051)
    assert [c.strip() for c in lines[3].strip("|").split("|")] == [
        "BpI w/o LSTM", "82.39", "–", "–", "60.75", "–", "–", "0",
    ]  # fmt: skip


def test_sentences_judge_the_claims_that_have_runs(few: Evidence) -> None:
    said = report.sentences(few)
    by = few.verdicts(CLAIMS, "map")
    assert len(said) == len(by) == 4
    assert said[0].startswith("**Confirmed**: parts without LSTM help the global")
    for line, found in zip(said, by.values(), strict=True):
        assert f"mAP {found.value:+.1f}, interval {found.low:+.1f} to" in line
        assert f"{found.seeds} seeds; published" in line
        assert "BpI asleep at the end in 3 of 3 seeds." in line
        assert ("By fc instead of fm: " in line) == ("fm is a better" not in line)


def test_a_verdict_says_what_it_is_without_fallen_runs(few: Evidence) -> None:
    awake = {"part": 1.0, "global": 1.0, "ranking": None, "active": None}
    asleep = awake | {"global": 6.3}
    runs = [
        made(v, s, x, losses=asleep if (v, s) == ("bgi", 2) else awake)
        for v, x in {"bgi": 40, "bgi_bpi": 55}.items()
        for s in range(3)
    ]
    found = Evidence("toymarket", runs, few.pids, [])
    (line,) = (x for x in report.sentences(found) if "BLSTM parts help" in x)
    level = found.verdicts(CLAIMS, "map")["blstm"].level
    sides = Side("bgi_bpi"), Side("bgi")
    rest = [r for r in runs if r["seed"] != 2]
    without = claims.compare(rest, PIDS, *sides, level=level)
    assert f"BgI asleep at the end in 1 of 3 seeds; without them {without}." in line


def test_the_page_holds_every_table_and_names_figures_that_exist(
    few: Evidence, tmp_path: Path
) -> None:
    page = report.write(few, tmp_path).read_text("utf-8")
    for number in (4, 6, 7):
        assert report.table(few, number) in page
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
        for line in report.schedules(both).splitlines()[2:]
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
    assert report.interplay(few) is None
    levels = {"bgi": 50, "bgi_bpi": 52}
    more = [made(v, s, x, cues="global") for v, x in levels.items() for s in range(3)]
    pids = {"layout": PIDS, "global": PIDS}
    both = Evidence("toymarket", few.records + more, pids, [])
    found = report.interplay(both)
    assert found is not None
    gains = [
        claims.compare(
            both.records, PIDS, Side("bgi_bpi", cues=c), Side("bgi", cues=c)
        ).value
        for c in ("layout", "global")
    ]
    assert found.value == pytest.approx(gains[0] - gains[1])
    assert found.low < found.value < found.high
    assert report.cues_beside(few).count("\n") == 1  # no rows
    rows = report.cues_beside(both).splitlines()[2:]
    assert len(rows) == 1 and str(found) in rows[0]
    assert f"| {gains[1]:+.1f} [" in rows[0] and "(3)" in rows[0]
    page = report.page(both)
    assert rows[0] in page and page.count("A longer schedule") == 0
    longer = [made("bgi", 0, 60, cues="global", iterations=9600)]
    page = report.page(Evidence("toymarket", both.records, pids, [], longer))
    assert "A longer schedule:" in page and "| BgI | 9,600 |" in page


def test_the_readme_is_what_the_records_say() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert report.put(readme, report.load()) == readme
    with pytest.raises(DplibError, match=r"README\.md has no lines"):
        report.put("# Other\n", report.load())


def test_the_page_in_docs_is_what_the_records_say() -> None:
    page = (ROOT / "docs/evidence.md").read_text("utf-8")
    assert page == report.page(report.load())


def test_the_command_writes_the_page(few: Evidence, tmp_path: Path) -> None:
    path = queue.records_file(tmp_path, "toymarket")
    for run in few.records:
        queue.append(path, run)
    (tmp_path / "toymarket-queries.json").write_text(json.dumps({"layout": PIDS}))
    words = ["report", "--results", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "**Confirmed**: parts without LSTM" in result.output
    assert (tmp_path / "out/evidence.md").read_text("utf-8") == report.page(few)


def test_no_records_is_said(tmp_path: Path) -> None:
    with pytest.raises(DplibError, match="has no records: python -m dplib ablate"):
        report.load(tmp_path)


def test_gains_from_imagenet_stand_beside_those_from_nothing(few: Evidence) -> None:
    assert "From ImageNet" not in report.page(few)
    more = [made("imagenet_bgi", 0, 60), made("imagenet_bgi_bpi", 0, 66)]
    both = Evidence("toymarket", few.records + more, few.pids, [])
    rows = report.starts_beside(both).splitlines()[2:]
    sides = Side("imagenet_bgi_bpi"), Side("imagenet_bgi")
    gain = claims.compare(both.records, PIDS, *sides)
    assert gain.seeds == 1 and len(rows) == 2  # claims blstm and fm
    assert rows[0].startswith("| BLSTM parts help the global branch | +5.11 |")
    assert rows[0].endswith(f"{gain} (1) |")
    assert rows[0] in report.page(both)
    # BLSTM parts help; fc is made equal to fm, which is no gain
    assert "(MobileNetV2, 1 seed), 1 of 2 differences" in report.summary(both)
    assert "No training from ImageNet" in report.summary(few)
