"""One run: what its record holds, and which folder it goes on from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import job, places, planned

from dplib import checkpoints, datasets, descriptors, evaluation, toymarket, training
from dplib.evidence import records, runs
from dplib.evidence.records import Record, RecordError
from dplib.evidence.runs import Places
from dplib.evidence.variants import VARIANTS, Job
from dplib.samples import ReIDData


def make(job: Job, where: Places) -> Record | None:
    (run,) = planned(where, job)
    return runs.make(run)


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
    pids = records.query_pids(where.results, "toymarket")
    assert pids == [s.pid for s in data.query]
    assert record["chance"] == pytest.approx(np.log(8), abs=1e-6)
    assert record["losses"]["ranking"] is None and record["losses"]["part"] > 0
    assert record["iterations"] == 2 * 2 and record["threads"] == 1
    assert record["generator"] == f"1.0:{toymarket.generator_hash()}"
    assert (record["device"], record["weights"]) == ("cpu", None)
    (line,) = records.read(where.results / "toymarket.jsonl")
    assert line == json.loads(json.dumps(record))


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
    monkeypatch.setattr(training, "train", fake)
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
    assert make(imagenet(), where) is None
    note = (folder / "run.json").read_text("utf-8")
    begun = json.loads(note)
    assert begun["code"] == runs.code_hash() and begun["seed"] == 0
    assert begun["device"] == "cpu" and begun["weights"]["name"] == "net.pt"
    assert begun["drawn"]["train_pids"] == 2 and str(tmp_path) not in note
    assert make(imagenet(), where) is None  # the same: it goes on
    assert len(trained.calls) == 2

    def refused(what: str, **other: Any) -> None:
        with pytest.raises(RecordError, match=what) as e:
            make(imagenet(), replace(where, **other))
        assert str(folder) in str(e.value) and "remove the folder" in str(e.value)
        assert len(trained.calls) == 2
        assert (folder / "run.json").read_text("utf-8") == note

    refused("preset epochs: 2 → 3", epochs=3)
    refused("threads: 1 → 2", threads=2)
    torch.set_num_threads(1)
    refused(r"weights: {.*} → None", weights=None)
    file.write_bytes(b"others")
    refused("weights sha256: ")
    file.write_bytes(b"weights")
    with monkeypatch.context() as m:
        m.setattr(runs, "code_hash", lambda: "of another code")
        refused("code: .* → of another code")
        cuda = torch.device("cuda")
        m.setattr(descriptors, "pick_device", lambda device: cuda)
        refused("device: cpu → cuda")
        m.setattr(toymarket, "VERSION", "2.0")
        m.setattr(toymarket.generation, "VERSION", "2.0")
        refused("generator: 1.0:.* → 2.0:.*; .*drawn generator: 1.0")
    draw(root, seed=1)
    refused("another run: drawn seed: 0 → 1; remove")
    (folder / "checkpoint.pt").unlink()  # nothing to go on from
    assert make(imagenet(), where) is None
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
        m.delattr(training, "train")
        result.write_text(json.dumps(old))
        assert make(job("stripes"), where) == old
        result.write_text(json.dumps(old | {"label": "renamed since"}))
        assert make(job("stripes"), where) == old
        for key in ("code", "generator"):
            result.write_text(json.dumps(old | {key: "another"}))
            with pytest.raises(RecordError, match=f"another run: {key}: another → "):
                make(job("stripes"), where)
        result.write_text("{")
        with pytest.raises(
            RecordError, match=r"result\.json is damaged; remove the fol"
        ):
            make(job("stripes"), where)
        result.unlink()
        with pytest.raises(RecordError, match="nothing tells what its checkpoint was"):
            make(job("stripes"), where)
        noted = (done[0].runs / "toymarket/stripes-0/run.json").read_text("utf-8")
        other = json.loads(noted) | {"code": "another"}
        result.write_text(json.dumps(record))  # both are looked at
        (folder / "run.json").write_text(json.dumps(other))
        with pytest.raises(RecordError, match="another run: code: another → "):
            make(job("stripes"), where)
    result.unlink()
    (folder / "run.json").write_text(noted)
    (folder / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(RecordError, match=f"remove the folder {folder}, or") as e:
        make(job("stripes"), where)
    assert "resume=False" not in str(e.value)


def test_weights_go_to_every_recipe_that_starts_from_some(
    trained: Trained, market: ReIDData, root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "net.pt"
    file.write_bytes(b"weights")
    where = replace(places(root, tmp_path), weights=file)
    make(job("bgi"), where)
    make(imagenet(), where)
    full = job("bgi")._replace(data="market1501")
    make(full, replace(where, root=market.root))
    make(full._replace(seed=1), replace(where, root=market.root, weights=None))
    given = [call["weights"] for call in trained.calls]
    assert given == ["preset", file, file, "preset"]
