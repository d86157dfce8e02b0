"""The ablation runner: its queue, its records, and that kills cost nothing."""

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
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from dplib import (
    DplibError,
    checkpoints,
    datasets,
    descriptors,
    evaluation,
    presets,
    toymarket,
    workspace,
)
from dplib.cli.app import app
from dplib.evidence import queue as experiments
from dplib.evidence import report, variants
from dplib.evidence.queue import Places, Record, RecordError
from dplib.evidence.variants import VARIANTS, Job
from dplib.samples import ReIDData

ROOT = Path(__file__).parents[2]


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
    net = checkpoints.load(where.runs / "toymarket/stripes-0")
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
    assert (record["device"], record["weights"]) == ("cpu", None)
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


# --- the folder of a run ------------------------------------------------------------


class Trained:
    """In place of ``training.train``: saves a first epoch, then is interrupted."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, preset: Any, data: Any, out: Path, **how: Any) -> Any:
        self.calls.append(how)
        (out / "checkpoint.pt").write_bytes(b"of the first epoch")
        return SimpleNamespace(interrupted=True)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    fake = Trained()
    monkeypatch.setattr(experiments.training, "train", fake)
    return fake


def imagenet() -> Job:
    (variant,) = (v for v in VARIANTS if v.name == "imagenet_bgi")
    return Job("toymarket", variant, 0)


def draw(root: Path, seed: int = 0) -> None:
    toymarket.generate(
        root, train_pids=2, test_pids=2, seed=seed, workers=1, progress=False
    )


def test_a_run_does_not_go_on_from_what_was_begun_otherwise(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, file = tmp_path / "data", tmp_path / "net.pt"
    draw(root)
    file.write_bytes(b"weights")
    where = replace(places(root, tmp_path), weights=file)
    folder = where.runs / "toymarket/imagenet_bgi-0"
    assert experiments.run(imagenet(), where) is None
    note = (folder / "run.json").read_text("utf-8")
    begun = json.loads(note)
    assert begun["code"] == experiments.code_hash() and begun["seed"] == 0
    assert begun["device"] == "cpu" and begun["weights"]["name"] == "net.pt"
    assert begun["drawn"]["train_pids"] == 2 and str(tmp_path) not in note
    assert experiments.run(imagenet(), where) is None  # the same: it goes on
    assert len(trained.calls) == 2

    def refused(what: str, **other: Any) -> None:
        with pytest.raises(RecordError, match=what) as e:
            experiments.run(imagenet(), replace(where, **other))
        assert str(folder) in str(e.value) and "remove the folder" in str(e.value)
        assert len(trained.calls) == 2
        assert (folder / "run.json").read_text("utf-8") == note

    refused("preset epochs: 2 → 3", epochs=3)
    refused("threads: 1 → 2", threads=2)
    experiments.torch.set_num_threads(1)
    refused(r"weights: {.*} → None", weights=None)
    file.write_bytes(b"others")
    refused("weights sha256: ")
    file.write_bytes(b"weights")
    with monkeypatch.context() as m:
        m.setattr(experiments, "code_hash", lambda: "of another code")
        refused("code: .* → of another code")
        cuda = torch.device("cuda")
        m.setattr(experiments.descriptors, "pick_device", lambda device: cuda)
        refused("device: cpu → cuda")
        m.setattr(toymarket, "VERSION", "2.0")
        refused("generator: 1.0:.* → 2.0:.*; .*drawn generator: 1.0")
    draw(root, seed=1)
    refused("another run: drawn seed: 0 → 1; remove")
    (folder / "checkpoint.pt").unlink()  # nothing to go on from
    assert experiments.run(imagenet(), where) is None
    assert json.loads((folder / "run.json").read_text("utf-8"))["drawn"]["seed"] == 1


def test_older_folders_and_what_training_refuses(
    done: tuple[Places, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = replace(done[0], runs=tmp_path)
    folder = tmp_path / "toymarket/stripes-0"
    shutil.copytree(done[0].runs / "toymarket/stripes-0", folder)
    (folder / "run.json").unlink()
    result = folder / "result.json"
    record = json.loads(result.read_text("utf-8"))
    old = {k: v for k, v in record.items() if k not in ("weights", "device")}
    with monkeypatch.context() as m:
        m.delattr(experiments.training, "train")
        result.write_text(json.dumps(old))
        assert experiments.run(job("stripes"), where) == old
        result.write_text(json.dumps(old | {"label": "renamed since"}))
        assert experiments.run(job("stripes"), where) == old
        for key in ("code", "generator"):
            result.write_text(json.dumps(old | {key: "another"}))
            with pytest.raises(RecordError, match=f"another run: {key}: another → "):
                experiments.run(job("stripes"), where)
        result.write_text("{")
        with pytest.raises(
            RecordError, match=r"result\.json is damaged; remove the fol"
        ):
            experiments.run(job("stripes"), where)
        result.unlink()
        with pytest.raises(RecordError, match="nothing tells what its checkpoint was"):
            experiments.run(job("stripes"), where)
        noted = (done[0].runs / "toymarket/stripes-0/run.json").read_text("utf-8")
        other = json.loads(noted) | {"code": "another"}
        result.write_text(json.dumps(record))  # both are looked at
        (folder / "run.json").write_text(json.dumps(other))
        with pytest.raises(RecordError, match="another run: code: another → "):
            experiments.run(job("stripes"), where)
    result.unlink()
    (folder / "run.json").write_text(noted)
    (folder / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(RecordError, match=f"remove the folder {folder}, or") as e:
        experiments.run(job("stripes"), where)
    assert "resume=False" not in str(e.value)


def test_weights_go_to_every_recipe_that_starts_from_some(
    trained: Trained, market: ReIDData, root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "net.pt"
    file.write_bytes(b"weights")
    where = replace(places(root, tmp_path), weights=file)
    experiments.run(job("bgi"), where)
    experiments.run(imagenet(), where)
    full = job("bgi")._replace(data="market1501")
    experiments.run(full, replace(where, root=market.root))
    experiments.run(
        full._replace(seed=1), replace(where, root=market.root, weights=None)
    )
    given = [call["weights"] for call in trained.calls]
    assert given == ["preset", file, file, "preset"]


# --- the file of records --------------------------------------------------------------


def copy_of(done: tuple[Places, Record], to: Path) -> tuple[Places, Path]:
    """The finished run's record alone, in a folder of its own."""
    where, _ = done
    source = experiments.records_file(where.results, "toymarket")
    copied = experiments.records_file(to / "results", "toymarket")
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
    (record,) = experiments.read(path)
    (record["preset"] if key in record["preset"] else record)[key] = value
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(
        RecordError, match=f"has stripes, seed 0, of another recipe: {says}"
    ):
        experiments.remaining([job("stripes")], where)


def test_a_field_that_came_later_means_its_default(
    done: tuple[Places, Record], tmp_path: Path
) -> None:
    where, path = copy_of(done, tmp_path)
    (record,) = experiments.read(path)
    assert record["preset"].pop("part_units") != 256  # the recipe's, not the default
    assert record["preset"].pop("flip") == 0.5
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(RecordError, match=r"recipe: preset part_units: 256 → \d+; rem"):
        experiments.remaining([job("stripes")], where)
    record["preset"]["part_units"] = job("stripes").preset().part_units
    path.write_text(json.dumps(record) + "\n")
    assert experiments.remaining([job("stripes")], where) == []


def test_a_line_cut_short_is_dropped_and_a_damaged_one_named(
    done: tuple[Places, Record], tmp_path: Path
) -> None:
    where, path = copy_of(done, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100])
    assert experiments.remaining([job("stripes")], where) == []
    assert path.read_bytes() == whole + whole[:100]  # looking writes nothing
    assert list(experiments.run_all([job("stripes")], where)) == []
    assert path.read_bytes() == whole
    path.write_bytes(whole + b"nonsense\n" + whole)
    with pytest.raises(
        RecordError, match=r"line 2 of 3 is no record; remove that line"
    ):
        experiments.remaining([job("stripes")], where)


def line(seed: int, variant: str = "bgi") -> bytes:
    record = {"data": "toymarket", "cues": "layout", "variant": variant, "seed": seed}
    return json.dumps(record).encode() + b"\n"


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
                experiments.read(path, cut=True)
        else:
            assert len(experiments.read(path, cut=True)) == mended.count(b"\n")
        assert path.read_bytes() == written
        experiments.mend(path)
        assert path.read_bytes() == mended
    path.write_bytes(line(0) + line(1)[:-2])
    experiments.append(path, json.loads(line(2)))
    assert [r["seed"] for r in experiments.read(path)] == [0, 2]


def test_two_records_of_one_run_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "toymarket.jsonl"
    path.write_bytes(line(0) + line(1) + line(0, "full") + line(1))
    with pytest.raises(
        RecordError, match=r"toymarket\.jsonl, lines 2 and 4 are both of bgi, cues layo"
    ):
        experiments.read(path)
    path.write_bytes(line(0) + line(1))
    with pytest.raises(RecordError, match="has bgi, seed 1 already: another runner"):
        experiments.append(path, json.loads(line(1)))
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
            pytest.raises(RecordError, match="jsonl is in use by another runner; wait"),
            experiments._locked(path, 0.1),
        ):
            pass
        threading.Timer(0.3, other.kill).start()  # with no time to tidy up
        experiments.append(path, json.loads(line(0)))  # waits
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert len(experiments.read(path)) == 1


def test_a_record_that_another_runner_made_does_not_end_the_queue(
    done: tuple[Places, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, path = copy_of(done, tmp_path)
    shutil.copytree(done[0].runs, where.runs)
    monkeypatch.setattr(experiments, "remaining", lambda queue, places: [*queue])
    ((which, error),) = experiments.run_all([job("stripes")], where, progress=False)
    assert which == job("stripes") and isinstance(error, RecordError)
    assert len(experiments.read(path)) == 1


def test_records_of_other_queries_are_refused(
    done: tuple[Places, Record], tmp_path: Path
) -> None:
    where, _ = copy_of(done, tmp_path)
    with pytest.raises(RecordError, match=r"does not name the queries of toymarket"):
        experiments.query_pids(where.results, "toymarket")
    (where.results / "toymarket-queries.json").write_text('{"layout": [1, 2]}')
    with pytest.raises(RecordError, match=r"lists other queries for layout"):
        list(experiments.run_all([job("btr")], where, progress=False))


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
    queue = [job("bgi")._replace(data=data), job("btr")._replace(data=data)]
    with pytest.raises(DplibError, match=says):
        next(experiments.run_all(queue, where))
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
    seen: list[Places] = []

    def run_all(queue: list[Job], places: Places, **_: Any) -> Iterator[Record]:
        seen.append(places)
        yield from ()

    monkeypatch.setattr(experiments, "run_all", run_all)
    shipped = experiments.RESULTS
    before = {p: p.stat().st_mtime_ns for p in shipped.rglob("*")}
    for words in ([], ["--results", shipped]):
        result = call("ablate", "--epochs", 2, *words)
        assert isinstance(result.exception, DplibError)
        assert "of its own: --results DIR" in str(result.exception)
    assert not seen
    call("ablate", "--epochs", 2, "--results", tmp_path / "mine")
    call("ablate", "--epochs", 2, "--results", tmp_path, "--runs", tmp_path / "there")
    call("ablate", "--results", tmp_path)
    assert [p.runs for p in seen] == [
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

    monkeypatch.setattr(report, "load", load)
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
    shipped = experiments.RESULTS
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
    bad, good = experiments.run_all([job("bgi"), job("btr")], where, progress=False)
    killer.join()
    assert isinstance(bad, tuple) and bad[0] == job("bgi")
    assert isinstance(bad[1], DplibError) and "ended before its time" in str(bad[1])
    assert isinstance(good, dict) and good["variant"] == "btr"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_ctrl_c_while_a_worker_starts(root: Path, tmp_path: Path) -> None:
    """No traceback, exit code 130, and nothing was begun."""
    command = [sys.executable, "-m", "dplib", "ablate", "--table", "6", "--seeds", "1"]
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
