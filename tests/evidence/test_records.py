"""The file of records: whole lines, one for each run, one writer at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from made_records import line

from dplib import DplibError, files
from dplib.evidence import records
from dplib.evidence.records import RecordError


def test_only_what_is_cut_short_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "toymarket.jsonl"
    for written, mended in (
        (b"", b""),
        (line(0), line(0)),
        (line(0) + line(1)[:-1], line(0) + line(1)),  # as an editor leaves it
        (line(1)[:-1], line(1)),
        (line(0) + line(1)[:-2], line(0)),
        (line(0)[:5], b""),
        (line(0) + b"a remark", line(0) + b"a remark\n"),  # nothing of ours: named
    ):
        path.write_bytes(written)
        if b"remark" in mended:
            with pytest.raises(RecordError, match="line 2 of 2 is no record"):
                records.read(path, cut=True)
        else:
            assert len(records.read(path, cut=True)) == mended.count(b"\n")
        assert path.read_bytes() == written
        records.mend(path)
        assert path.read_bytes() == mended
    path.write_bytes(line(0) + line(1)[:-2])
    records.append(path, json.loads(line(2)))
    assert [r["seed"] for r in records.read(path)] == [0, 2]


def test_two_records_of_one_run_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "toymarket.jsonl"
    path.write_bytes(line(0) + line(1) + line(0, "full") + line(1))
    with pytest.raises(
        RecordError, match=r"toymarket\.jsonl, lines 2 and 4 are both of bgi, cues layo"
    ):
        records.read(path)
    path.write_bytes(line(0) + line(1))
    with pytest.raises(RecordError, match="has bgi, seed 1 already: another runner"):
        records.append(path, json.loads(line(1)))
    assert path.read_bytes() == line(0) + line(1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fcntl")
def test_one_runner_at_a_time_and_no_lock_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "toymarket.jsonl"
    hold = (
        "import fcntl, sys, time\n"
        f"f = open({str(path)!r}, 'ab')\n"
        "fcntl.lockf(f, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE)
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(DplibError, match="jsonl is in use by another process; wait"),
            files.locked(path, 0.1),
        ):
            pass
        threading.Timer(0.3, other.kill).start()  # with no time to tidy up
        records.append(path, json.loads(line(0)))  # waits
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert len(records.read(path)) == 1


def test_queries_are_noted_once_for_each_cues(tmp_path: Path) -> None:
    path = tmp_path / "new" / "toymarket.jsonl"
    with pytest.raises(RecordError, match="does not name the queries of toymarket"):
        records.query_pids(path.parent, "toymarket")
    records.note_queries(path, "toymarket", "layout", [3, 1])
    records.note_queries(path, "toymarket", "global", [2])
    records.note_queries(path, "toymarket", "layout", [3, 1])
    assert records.query_pids(path.parent, "toymarket") == [3, 1]
    assert records.query_pids(path.parent, "toymarket", "global") == [2]
    with pytest.raises(RecordError, match="lists other queries for layout"):
        records.note_queries(path, "toymarket", "layout", [1, 3])


def test_reading_records_imports_no_training() -> None:
    """A report is made from records alone: no net is trained for it."""
    code = (
        "import sys; from dplib.evidence import records, report\n"
        "print([m for m in sys.modules if m in ('dplib.training', 'dplib.evidence.runs'"
        ", 'dplib.evidence.queue')])"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert out.strip() == "[]"
