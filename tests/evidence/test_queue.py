"""The queue of runs: what is left, what fails, and that kills cost nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_records import line
from tiny_runs import job, places, planned
from typer.testing import CliRunner

from dplib import DplibError, presets, workspace
from dplib.cli.app import app
from dplib.evidence import findings, queue, records
from dplib.evidence.records import Record, RecordError
from dplib.evidence.runs import Places, Run

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "tests/tiny_runs.py")  # in place of "-m dplib"


def untimed(record: Record) -> Record:
    """A record less what a clock says."""
    return {k: v for k, v in record.items() if not k.endswith("seconds")}


# --- what is left and what is made ----------------------------------------------------


def test_a_finished_run_is_not_made_again(done: tuple[Places, Record]) -> None:
    where, _ = done
    assert queue.remaining(planned(where, job("stripes"))) == []
    assert list(queue.run_all(planned(where, job("stripes")))) == []
    left = planned(where, job("stripes"), job("stripes", seed=1), job("bgi"))
    assert queue.remaining(left) == left[1:]


def test_a_failed_run_does_not_stop_the_queue(root: Path, tmp_path: Path) -> None:
    where = places(root, tmp_path, epochs=1)
    folder = tmp_path / "runs/toymarket/bgi-0"
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    both = planned(where, job("bgi"), job("btr"))
    with pytest.raises(DplibError, match="cannot be written"):  # before any run begins
        list(queue.run_all(both, progress=False))
    folder.unlink()
    folder.mkdir()
    (folder / "result.json").write_text("{")
    bad, good = queue.run_all(both, progress=False)
    assert isinstance(bad, tuple) and bad[0] == both[0]
    assert isinstance(bad[1], RecordError) and "is damaged" in str(bad[1])
    assert isinstance(good, dict) and good["variant"] == "btr"


# --- the file of records --------------------------------------------------------------


def copy_of(done: tuple[Places, Record], to: Path) -> tuple[Places, Path]:
    """The finished run's record alone, in a folder of its own."""
    where, _ = done
    source = records.records_file(where.results, "toymarket")
    copied = records.records_file(to / "results", "toymarket")
    copied.parent.mkdir()
    copied.write_bytes(source.read_bytes())
    return places(where.root, to), copied


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("margin", 0.4, "preset margin: 0.4 → 0.5"),
        ("epochs", 32, "preset epochs: 32 → 2"),
        ("generator", "0.9:abc", r"generator: 0\.9:abc → 1\.0:"),
    ],
)
def test_a_record_of_another_recipe_is_refused(
    done: tuple[Places, Record], tmp_path: Path, key: str, value: Any, says: str
) -> None:
    where, path = copy_of(done, tmp_path)
    (record,) = records.read(path)
    (record["preset"] if key in record["preset"] else record)[key] = value
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(
        RecordError, match=f"has stripes, seed 0, of another recipe: {says}"
    ):
        queue.remaining(planned(where, job("stripes")))


def test_a_field_that_came_later_means_its_default(
    done: tuple[Places, Record], tmp_path: Path
) -> None:
    where, path = copy_of(done, tmp_path)
    (record,) = records.read(path)
    assert record["preset"].pop("part_units") != 256  # the recipe's, not the default
    assert record["preset"].pop("flip") == 0.5
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(RecordError, match=r"recipe: preset part_units: 256 → 8; rem"):
        queue.remaining(planned(where, job("stripes")))
    record["preset"]["part_units"] = 8
    path.write_text(json.dumps(record) + "\n")
    assert queue.remaining(planned(where, job("stripes"))) == []


def test_a_line_cut_short_is_dropped_and_a_damaged_one_named(
    done: tuple[Places, Record], tmp_path: Path
) -> None:
    where, path = copy_of(done, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100])
    assert queue.remaining(planned(where, job("stripes"))) == []
    assert path.read_bytes() == whole + whole[:100]  # looking writes nothing
    assert list(queue.run_all(planned(where, job("stripes")))) == []
    assert path.read_bytes() == whole
    path.write_bytes(whole + b"nonsense\n" + whole)
    with pytest.raises(
        RecordError, match=r"line 2 of 3 is no record; remove that line"
    ):
        queue.remaining(planned(where, job("stripes")))


def test_a_record_that_another_runner_made_does_not_end_the_queue(
    done: tuple[Places, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, path = copy_of(done, tmp_path)
    shutil.copytree(done[0].runs, where.runs)
    monkeypatch.setattr(queue, "remaining", list)
    ((which, error),) = queue.run_all(planned(where, job("stripes")), progress=False)
    assert which.job == job("stripes") and isinstance(error, RecordError)
    assert len(records.read(path)) == 1


def test_records_of_other_queries_are_refused(
    done: tuple[Places, Record], tmp_path: Path
) -> None:
    where, _ = copy_of(done, tmp_path)
    with pytest.raises(RecordError, match=r"does not name the queries of toymarket"):
        records.query_pids(where.results, "toymarket")
    (where.results / "toymarket-queries.json").write_text('{"layout": [1, 2]}')
    with pytest.raises(RecordError, match=r"lists other queries for layout"):
        list(queue.run_all(planned(where, job("btr")), progress=False))


# --- what is looked at before the queue begins ----------------------------------------


@pytest.mark.parametrize(
    ("data", "other", "says"),
    [
        ("toymarket", {"device": "abacus"}, "device 'abacus' cannot be used"),
        ("toymarket", {"epochs": 0}, "epochs=0: expected at least 1"),
        (
            "market1501",
            {"weights": Path("nosuch.pt")},
            "weights nosuch.pt: no such file",
        ),
        ("market1501", {"weights": "made"}, "no Market-1501 at"),
    ],
)
def test_what_all_runs_need_is_looked_for_once(
    tmp_path: Path, data: str, other: dict[str, Any], says: str
) -> None:
    if other.get("weights") == "made":
        net = presets.get("market-cpu").build_model(2, weights=None)
        torch.save(net.backbone.state_dict(), tmp_path / "net.pt")
        other = {"weights": tmp_path / "net.pt"}
    where = replace(places(tmp_path / "none", tmp_path), **other)
    jobs = (job(name)._replace(data=data) for name in ("bgi", "btr"))
    with pytest.raises(DplibError, match=says):
        next(queue.run_all(planned(where, *jobs)))
    assert not (tmp_path / "none").exists() and not where.runs.exists()


def call(*words: object) -> Any:
    return CliRunner().invoke(app, [str(w) for w in words])


def test_choices_without_a_run_are_refused(tmp_path: Path) -> None:
    into = ["--results", tmp_path, "--dry-run"]
    for words in (["--workers", 0], ["--seeds", 0], ["--seeds", -1], ["--epochs", 0]):
        assert call("ablate", *words, *into).exit_code == 2
    assert call("robustness", "--workers", 0).exit_code == 2
    words = ["--data", "market1501", "--table", "global", "--table", "imagenet"]
    said = str(call("ablate", *words, *into).exception)
    assert "table global, imagenet has no run of market1501: its variants" in said


def test_a_trial_keeps_to_folders_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def run_all(left: list[Run], **_: Any) -> Iterator[Record]:
        seen.append(left[0].folder.parents[1])
        yield from ()

    monkeypatch.setattr(queue, "run_all", run_all)
    shipped = records.RESULTS
    before = {p: p.stat().st_mtime_ns for p in shipped.rglob("*")}
    for words in ([], ["--results", shipped]):
        result = call("ablate", "--epochs", 2, *words)
        assert isinstance(result.exception, DplibError)
        assert "of its own: --results DIR" in str(result.exception)
    assert not seen
    call("ablate", "--epochs", 2, "--results", tmp_path / "mine")
    call("ablate", "--epochs", 2, "--results", tmp_path, "--runs", tmp_path / "there")
    call("ablate", "--results", tmp_path)
    assert seen == [
        tmp_path / "mine/runs", tmp_path / "there", ROOT / "runs/ablate",
    ]  # fmt: skip
    assert {p: p.stat().st_mtime_ns for p in shipped.rglob("*")} == before


def test_report_reads_what_ablate_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a checkout too: there both mean ./results, once it holds records."""
    seen: list[Path] = []

    def load(folder: Path, data: str) -> None:
        seen.append(folder)
        raise DplibError("seen")

    monkeypatch.setattr(findings, "load", load)
    monkeypatch.setattr(workspace, "checkout", lambda: None)
    monkeypatch.chdir(tmp_path)
    call("report")
    (tmp_path / "results").mkdir()
    path = tmp_path / "results/toymarket.jsonl"
    path.touch()
    call("report")
    path.write_bytes(line(0))
    call("report")
    call("report", "--data", "market1501")
    call("report", "--results", tmp_path)
    shipped = records.RESULTS
    assert seen == [shipped, shipped, tmp_path / "results", shipped, tmp_path]


# --- kills ----------------------------------------------------------------------------


def when(ready: Callable[[], bool], then: Callable[[], None]) -> threading.Thread:
    """Does ``then`` as soon as it is ready, from a thread."""

    def watch() -> None:
        end = time.monotonic() + 300
        while not ready() and time.monotonic() < end:
            time.sleep(0.02)
        then()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_worker_does_not_end_the_queue(root: Path, tmp_path: Path) -> None:
    where = places(root, tmp_path, epochs=1)
    begun = tmp_path / "runs/toymarket/bgi-0/run.json"

    def kill() -> None:
        for child in multiprocessing.active_children():
            child.kill()

    killer = when(begun.exists, kill)
    both = planned(where, job("bgi"), job("btr"))
    bad, good = queue.run_all(both, progress=False)
    killer.join()
    assert isinstance(bad, tuple) and bad[0] == both[0]
    assert isinstance(bad[1], DplibError) and "ended before its time" in str(bad[1])
    assert isinstance(good, dict) and good["variant"] == "btr"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_ctrl_c_while_a_worker_starts(root: Path, tmp_path: Path) -> None:
    """No traceback, exit code 130, and nothing was begun."""
    command = [sys.executable, TINY, "ablate", "--table", "6", "--seeds", "1"]
    command += ["--epochs", "2", "--root", str(root), "--results", str(tmp_path)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        start_new_session=True,  # as a terminal does: Ctrl-C reaches all in it
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def worker_starts() -> bool:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        try:
            for pid in children.read_text().split():
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return True
        except OSError:  # it has ended meanwhile
            pass
        return process.poll() is not None

    when(worker_starts, lambda: os.killpg(process.pid, signal.SIGINT)).join()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err.decode()
    assert b"the same command goes on from here" in out
    assert b"Traceback" not in err, err.decode()
    assert not list((tmp_path / "runs").glob("*/*/run.json"))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs SIGKILL")
def test_killed_three_times_the_records_are_the_same(
    root: Path, tmp_path: Path
) -> None:
    """Between two runs, and within one; two workers at the end, one in the other."""
    command = [sys.executable, TINY, "ablate", "--table", "6", "--seeds", "1"]
    command += ["--epochs", "8", "--root", str(root), "--device", "cpu"]

    def start(name: str, *more: str) -> subprocess.Popen[bytes]:
        places = ["--results", str(tmp_path / name), "--runs", str(tmp_path / name)]
        return subprocess.Popen([*command, *places, *more], cwd=ROOT)

    assert start("whole", "--workers", "2").wait() == 0
    log = tmp_path / "killed" / "toymarket.jsonl"

    def lines() -> int:
        return log.read_bytes().count(b"\n") if log.exists() else 0

    for wanted in (
        lambda: (tmp_path / "killed/toymarket/bgi-0/checkpoint.pt").exists(),
        lambda: lines() == 1,
        lambda: lines() == 2 and (tmp_path / "killed/toymarket/bgi_btr-0").exists(),
    ):
        process = start("killed")
        while not wanted():
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert lines() < 4
    assert start("killed").wait() == 0
    whole, killed = (
        {records.key_of(r): untimed(r) for r in records.read(p)}
        for p in (tmp_path / "whole" / "toymarket.jsonl", log)
    )
    assert len(whole) == 4
    assert whole == killed
    queries = [tmp_path / n / "toymarket-queries.json" for n in ("whole", "killed")]
    assert queries[0].read_bytes() == queries[1].read_bytes()
