"""The ablation runner: its queue, its records, and that kills cost nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dplib import (
    DplibError,
    datasets,
    descriptors,
    evaluation,
    experiments,
    model,
    presets,
    toymarket,
    variants,
)
from dplib.experiments import Places, Record, RecordError
from dplib.variants import VARIANTS, Job

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ToyMarket of 16 + 6 people."""
    where = tmp_path_factory.mktemp("toy")
    toymarket.generate(where, train_pids=16, test_pids=6, workers=1, progress=False)
    return where


def places(root: Path, out: Path, epochs: int = 2) -> Places:
    return Places(root, out / "runs", out / "results", epochs=epochs, device="cpu")


def job(name: str, seed: int = 0) -> Job:
    (variant,) = (v for v in VARIANTS if v.name == name and v.cues == "layout")
    return Job("toymarket", variant, seed)


@pytest.fixture(scope="module")
def done(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Places, Record]:
    """One finished run and where it is."""
    where = places(root, tmp_path_factory.mktemp("done"))
    (record,) = experiments.run_all([job("stripes")], where, progress=False)
    assert isinstance(record, dict), record
    return where, record


def untimed(record: Record) -> Record:
    """A record less what a clock says."""
    return {k: v for k, v in record.items() if not k.endswith("seconds")}


# --- the plan -----------------------------------------------------------------------


def test_every_row_that_the_issue_of_tables_asks_for() -> None:
    assert len({(v.name, v.cues) for v in VARIANTS}) == len(VARIANTS)
    claims = variants.jobs("toymarket", ["4", "6", "7"])
    assert len(claims) == 7 * 5
    assert [j.seed for j in claims] == sorted(j.seed for j in claims)
    assert {v.preset().part_context for v in variants.jobs("toymarket", ["extra"])} == {
        "fc_shared", "blstm_isolated", "stripes", "blstm_authors", "lstm",
        "blstm_fixed_order", "blstm_random_order", "blstm",
    }  # fmt: skip
    assert {v.preset().head for v in variants.jobs("toymarket", ["extra"])} == {
        "bn", "linear", "authors",
    }  # fmt: skip
    assert len(variants.jobs("toymarket", ["global"], 2)) == 8
    assert not variants.jobs("market1501", ["global", "imagenet"])


def test_a_variant_changes_the_model_and_no_other_number() -> None:
    toy = presets.get("toy")
    model_only = {"branches", "part_context", "head"}
    for variant in VARIANTS:
        base = presets.get(variants.PRETRAINED) if variant.pretrained else toy
        preset = Job("toymarket", variant, 0).preset()
        differs = {k for k, v in vars(preset).items() if v != vars(base)[k]}
        assert differs == {k for k in variant.changes if k in differs} <= model_only


def test_unknown_names_are_refused() -> None:
    with pytest.raises(DplibError, match=r"data='duke': ablations know toymarket"):
        variants.jobs("duke", ["4"])
    with pytest.raises(DplibError, match=r"table '5': choose from 4, 6, 7, extra"):
        variants.jobs("toymarket", ["5"])


# --- one run ------------------------------------------------------------------------


def test_a_record_holds_what_was_measured(
    done: tuple[Places, Record], root: Path
) -> None:
    where, record = done
    net = model.load(where.runs / "toymarket/stripes-0")
    data = datasets.load("toymarket", root)
    assert set(record["measures"]) == {"fm", "fc", "parts"}
    for kind in record["measures"]:
        query, gallery = (
            descriptors.extract(net, s, kind=kind, progress=False)
            for s in (data.query, data.gallery)
        )
        found = evaluation.evaluate(query, gallery)
        assert record["measures"][kind] == found.summary()
        assert np.allclose(np.array(record["ap"][kind]) / 1e4, found.ap, atol=5.1e-5)
        hits = [int(c) for c in record["hits"][kind]]
        assert hits == found.per_query("rank1").int().tolist()
    pids = experiments.query_pids(where.results, "toymarket")
    assert pids == [s.pid for s in data.query]
    assert record["chance"] == pytest.approx(np.log(16), abs=1e-6)
    assert record["losses"]["ranking"] is None and record["losses"]["part"] > 0
    assert record["iterations"] == 2 * 2 and record["threads"] == 1
    assert record["generator"] == f"1.0:{toymarket.generator_hash()}"
    (line,) = experiments.read(experiments.records_file(where.results, "toymarket"))
    assert line == json.loads(json.dumps(record))


def test_a_finished_run_is_not_made_again(done: tuple[Places, Record]) -> None:
    where, _ = done
    assert experiments.remaining([job("stripes")], where) == []
    assert list(experiments.run_all([job("stripes")], where)) == []
    left = [job("stripes"), job("stripes", seed=1), job("bgi")]
    assert experiments.remaining(left, where) == left[1:]


def test_a_failed_run_does_not_stop_the_queue(root: Path, tmp_path: Path) -> None:
    where = places(root, tmp_path, epochs=1)
    (tmp_path / "runs/toymarket").mkdir(parents=True)
    (tmp_path / "runs/toymarket/bgi-0").write_text("in the way")
    bad, good = experiments.run_all([job("bgi"), job("btr")], where, progress=False)
    assert isinstance(bad, tuple) and bad[0] == job("bgi")
    assert isinstance(bad[1], OSError)
    assert isinstance(good, dict) and good["variant"] == "btr"


# --- the file of records --------------------------------------------------------------


def copy_of(done: tuple[Places, Record], to: Path) -> tuple[Places, Path]:
    """The finished run's record alone, in a folder of its own."""
    where, _ = done
    source = experiments.records_file(where.results, "toymarket")
    copied = experiments.records_file(to / "results", "toymarket")
    copied.parent.mkdir()
    copied.write_bytes(source.read_bytes())
    return places(where.root, to), copied


def test_a_record_of_another_recipe_is_refused(
    done: tuple[Places, Record], tmp_path: Path
) -> None:
    where, path = copy_of(done, tmp_path)
    path.write_text(path.read_text("utf-8").replace('"margin":0.5', '"margin":0.4'))
    with pytest.raises(
        RecordError, match=r"has stripes, seed 0, made with another pre"
    ):
        experiments.remaining([job("stripes")], where)


def test_a_line_cut_short_is_dropped_and_a_damaged_one_named(
    done: tuple[Places, Record], tmp_path: Path
) -> None:
    where, path = copy_of(done, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100])
    assert experiments.remaining([job("stripes")], where) == []
    assert path.read_bytes() == whole
    path.write_bytes(whole + b"nonsense\n" + whole)
    with pytest.raises(
        RecordError, match=r"line 2 of 3 is no record; remove that line"
    ):
        experiments.remaining([job("stripes")], where)


def test_records_of_other_queries_are_refused(
    done: tuple[Places, Record], tmp_path: Path
) -> None:
    where, _ = copy_of(done, tmp_path)
    with pytest.raises(RecordError, match=r"does not name the queries of toymarket"):
        experiments.query_pids(where.results, "toymarket")
    (where.results / "toymarket-queries.json").write_text('{"layout": [1, 2]}')
    with pytest.raises(RecordError, match=r"lists other queries for layout"):
        list(experiments.run_all([job("btr")], where, progress=False))


# --- kills ----------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs SIGKILL")
def test_killed_three_times_the_records_are_the_same(
    root: Path, tmp_path: Path
) -> None:
    """Between two runs, and within one; two workers at the end, one in the other."""
    command = [sys.executable, "-m", "dplib", "ablate", "--table", "6", "--seeds", "1"]
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
        {experiments.key_of(r): untimed(r) for r in experiments.read(p)}
        for p in (tmp_path / "whole" / "toymarket.jsonl", log)
    )
    assert len(whole) == 4
    assert whole == killed
    queries = [tmp_path / n / "toymarket-queries.json" for n in ("whole", "killed")]
    assert queries[0].read_bytes() == queries[1].read_bytes()
