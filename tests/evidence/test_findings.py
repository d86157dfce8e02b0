"""What the records say in words, and what weakens it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_records import PIDS, made

from dplib import DplibError
from dplib.evidence import claims, findings
from dplib.evidence.claims import CLAIMS, Side
from dplib.evidence.findings import Evidence


def test_sentences_judge_the_claims_that_have_runs(few: Evidence) -> None:
    said = findings.sentences(few)
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
        for s in range(4)
    ]
    found = Evidence("toymarket", runs, few.pids, [])
    (line,) = (x for x in findings.sentences(found) if "BLSTM parts help" in x)
    level = found.verdicts(CLAIMS, "map")["blstm"].level
    sides = Side("bgi_bpi"), Side("bgi")
    rest = [r for r in runs if r["seed"] != 2]
    without = claims.compare(rest, PIDS, *sides, level=level)
    assert f"BgI asleep at the end in 1 of 4 seeds; without them {without}." in line


def test_one_seed_gets_a_difference_and_no_more(few: Evidence) -> None:
    first = [r for r in few.records if r["seed"] == 0]
    found = Evidence("toymarket", first, few.pids, [])
    (line,) = (x for x in findings.sentences(found) if "BLSTM parts help" in x)
    by_map, by_rank1 = (found.verdicts(CLAIMS, m)["blstm"] for m in ("map", "rank1"))
    assert line.startswith(
        f"**Too few seeds**: BLSTM parts help the global branch. mAP "
        f"{by_map.value:+.1f} (1 seed; published +5.11); rank-1 "
        f"{by_rank1.value:+.1f}. BpI asleep"
    )
    assert f"By fc instead of fm: {by_map.value:+.1f}, not" in line
    for word in ("interval", "onfirmed", "contrary", "inconclusive"):
        assert word not in line


def test_starts_from_imagenet_are_counted_by_sign_and_by_interval() -> None:
    """By hand: parts +20, blstm +30, lstm +10; fm is fc. Seeds: 3, 2, 2, 2."""
    level = {"imagenet_bgi": 40, "imagenet_bgi_bpi_fc": 60, "imagenet_bgi_bpi": 70}
    runs = [
        made(v, s, x)
        for v, x in level.items()
        for s in range(2 if v == "imagenet_bgi_bpi" else 3)
    ]
    found = Evidence("toymarket", runs, {"layout": PIDS}, [])
    assert {id: d.seeds for id, d in findings.starts(found).items()} == {
        "parts": 3, "blstm": 2, "lstm": 2, "fm": 2,
    }  # fmt: skip
    assert findings.starts_counted(found) == (
        "From ImageNet weights (MobileNetV2, 2 to 3 seeds), 3 of 4 differences in mAP "
        "have the paper's sign. Intervals over at least 3 seeds (95 %, not corrected): "
        "1 above 0."
    )
    one = [r for r in runs if r["seed"] == 0]
    said = findings.starts_counted(Evidence("toymarket", one, {"layout": PIDS}, []))
    assert said.endswith("1 seed), 3 of 4 differences in mAP have the paper's sign.")


def test_no_records_is_said(tmp_path: Path) -> None:
    with pytest.raises(DplibError, match="has no records: python -m dplib ablate"):
        findings.load(tmp_path)
