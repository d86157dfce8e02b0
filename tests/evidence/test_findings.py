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
        for s in range(3)
    ]
    found = Evidence("toymarket", runs, few.pids, [])
    (line,) = (x for x in findings.sentences(found) if "BLSTM parts help" in x)
    level = found.verdicts(CLAIMS, "map")["blstm"].level
    sides = Side("bgi_bpi"), Side("bgi")
    rest = [r for r in runs if r["seed"] != 2]
    without = claims.compare(rest, PIDS, *sides, level=level)
    assert f"BgI asleep at the end in 1 of 3 seeds; without them {without}." in line


def test_no_records_is_said(tmp_path: Path) -> None:
    with pytest.raises(DplibError, match="has no records: python -m dplib ablate"):
        findings.load(tmp_path)
