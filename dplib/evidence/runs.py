"""One run of an ablation: what is asked of it, and how its record is made (§4.3).

``plan`` works out all settings of a run once; ``make`` trains and measures it. On one
thread the same run gives the same record, bit for bit, whatever interrupted it.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dplib import (
    datasets,
    descriptors,
    evaluation,
    files,
    presets,
    stamps,
    toymarket,
    training,
)
from dplib.checkpoints import CheckpointError
from dplib.evaluation import Retrieval
from dplib.evidence import provenance
from dplib.evidence.records import Record, RecordError, records_file
from dplib.evidence.variants import Job
from dplib.presets import Preset
from dplib.samples import ReIDData
from dplib.training import TrainResult

# The code that trains and measures: a change in one of these makes another result.
_CODE = (
    "backbones", "contexts", "model", "losses", "sampling", "transforms", "training",
    "running", "incoming", "presets", "descriptors", "ranking", "evaluation",
)  # fmt: skip
# Settings in which a record and the plan of its run must agree.
_RECIPE = ("data", "cues", "variant", "seed", "preset", "generator")


@dataclass(frozen=True)
class Places:
    """Where runs find their data and leave what they make."""

    root: Path  # data sets; ToyMarket of other cues is below root/<cues>
    runs: Path  # a folder per run
    results: Path  # the folder of the records
    weights: Path | None = None  # where a recipe starts from some; None: torchvision's
    threads: int = 1
    epochs: int | None = None  # in place of the recipe's
    device: str = "auto"


@dataclass(frozen=True)
class Run:
    """A run with all its settings worked out, see ``plan``."""

    job: Job
    preset: Preset  # with the number of epochs that is asked for
    weights: Path | None  # to start from, in place of what the preset names
    root: Path  # of its data set
    folder: Path  # for checkpoint, run.json and result.json
    records: Path  # the file that its record goes to
    threads: int
    device: str
    asked: Record  # what its record must say


def plan(job: Job, places: Places) -> Run:
    """Work out the settings of a run.

    Args:
        job: The variant and the seed.
        places: Where the run finds its data and leaves what it makes.

    Raises:
        DplibError: The number of epochs is below 1.
    """
    preset = job.preset()
    if places.epochs is not None:
        preset = training.with_epochs(preset, places.epochs)
    variant, cues = job.variant, job.variant.cues
    drawn = f"{toymarket.VERSION}:{toymarket.generator_hash()}"
    return Run(
        job,
        preset,
        weights=places.weights if preset.weights is not None else None,
        root=places.root if cues == "layout" else places.root / cues,
        folder=places.runs / job.folder,
        records=records_file(places.results, job.data),
        threads=places.threads,
        device=places.device,
        asked={
            "data": job.data,
            "cues": cues,
            "group": variant.groups[0],
            "variant": variant.name,
            "label": variant.label,
            "seed": job.seed,
            "preset": presets.as_record(preset),
            "generator": drawn if job.data == "toymarket" else None,
            "threads": places.threads,
        },
    )


def find_data(run: Run) -> ReIDData:
    """The run's data set; a ToyMarket of other cues is drawn when it is not there.

    Raises:
        DplibError: The data set is missing.
    """
    cues = run.job.variant.cues
    if cues != "layout":
        toymarket.generate(run.root, cues=cues, progress=False)
    return datasets.load(run.job.data, run.root)


def make(run: Run, *, progress: bool = False) -> Record | None:
    """Train and measure one variant.

    The record's measures are those after the last epoch, never of the best. In the
    run's folder run.json says what it was begun with: recipe, seed, threads, code,
    device type, file of weights, and the settings of a drawn set. Only a run that is
    begun with the same goes on from that folder's checkpoint or takes its result. Older
    folders have no run.json: there a result is taken if it agrees in all that it holds;
    a checkpoint alone is not, as nothing tells what it was trained on. A folder with
    neither holds nothing to go on from, and the run begins anew.

    Args:
        run: The run, from ``plan``.
        progress: Whether to show progress bars.

    Returns:
        The record, with the queries' ``pids``; None when the run was interrupted (and
        saved).

    Raises:
        RecordError: The folder is of another run.
        DplibError: Another runner is at work in the folder.
    """
    torch.set_num_threads(run.threads)
    data = find_data(run)
    run.folder.mkdir(parents=True, exist_ok=True)
    with files.locked(run.folder / "run.lock"):
        begun = _begun(run, data)
        finished = _take_up(run.folder, begun)
        if finished is not None:
            return {**finished, **run.asked}
        return _train_and_measure(run, data, begun, progress)


def differences(record: Record, run: Run) -> list[str]:
    """In what a record's recipe differs from the run's: "preset epochs: 32 → 2"."""
    return _differences(_completed(record), run.asked, _RECIPE)


def code_hash() -> str:
    """The stamp of the code that trains and measures, see ``stamps``."""
    return stamps.of_modules(*_CODE)


# --- the folder of a run --------------------------------------------------------------


def _begun(run: Run, data: ReIDData) -> Record:
    """All that decides a run's result, as run.json has it."""
    drawn = data.root / "toymarket.json"
    weights = None
    if run.weights is not None:
        with run.weights.open("rb") as f:
            sha = hashlib.file_digest(f, "sha256").hexdigest()
        weights = {"name": run.weights.name, "sha256": sha}
    return {
        **{k: run.asked[k] for k in (*_RECIPE, "threads")},
        "code": code_hash(),
        "device": descriptors.pick_device(run.device).type,
        "weights": weights,
        "drawn": _load(drawn)["settings"] if drawn.is_file() else None,
    }


def _take_up(folder: Path, begun: Record) -> Record | None:
    """The folder's finished record, if it has one; else notes what is begun there."""
    note, result = folder / "run.json", folder / "result.json"
    finished = _load(result) if result.exists() else None
    earlier = [r for r in (_load(note) if note.exists() else None, finished) if r]
    holds_something = result.exists() or (folder / "checkpoint.pt").exists()
    differ = [
        difference
        for record in earlier
        for difference in _differences(
            # an older record lacks keys that came later: those are not compared
            {**begun, **_completed(record)},
            begun,
            begun,
        )
    ]
    if holds_something and not earlier:
        differ = ["nothing tells what its checkpoint was trained on"]
    if holds_something and differ:
        unique = "; ".join(dict.fromkeys(differ))
        raise RecordError(
            f"{folder} was begun as another run: {unique}; {_remove(folder)}"
        )
    if finished is None:
        files.write(note, json.dumps(begun, indent=1) + "\n")
    return finished


def _load(path: Path) -> Record:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as e:
        raise RecordError(f"{path} is damaged; {_remove(path.parent)}") from e


def _remove(folder: Path) -> str:
    return f"remove the folder {folder}, or choose another --runs"


def _differences(
    was: Record, now: Record, keys: Iterable[str], prefix: str = ""
) -> list[str]:
    """What differs in these keys, by name: "preset epochs: 32 → 2"."""
    differ = []
    for key in keys:
        before, after, name = was.get(key), now.get(key), f"{prefix}{key}"
        if isinstance(before, dict) and isinstance(after, dict):
            differ += _differences(before, after, {**before, **after}, f"{name} ")
        elif before != after:
            differ.append(f"{name}: {before} → {after}")
    return differ


def _completed(record: Record) -> Record:
    """The record with a full preset.

    A field that a record does not have was not there yet when it was made: it means
    that field's default, so that a new field leaves older records valid.
    """
    if "preset" not in record:
        return record
    return {**record, "preset": presets.with_defaults(record["preset"])}


# --- training and measuring -----------------------------------------------------------


def _train_and_measure(
    run: Run, data: ReIDData, begun: Record, progress: bool
) -> Record | None:
    started = time.process_time()
    result = _train(run, data, progress)
    if result.interrupted:
        return None
    retrievals = {
        kind: _retrieve(result, data, kind, run.device, progress)
        for kind in _kinds(run.preset)
    }
    steps = len(result.history)
    last_epoch = result.history[-max(1, steps // run.preset.epochs) :]
    record: Record = {
        **run.asked,
        **provenance.circumstances(),
        **{k: begun[k] for k in ("code", "device", "weights")},
        "iterations": steps,
        "seconds": round(result.seconds, 1),
        "cpu_seconds": round(time.process_time() - started, 1),
        "clipped_share": round(result.clipped_share, 6),
        "chance": round(math.log(len(data.labels)), 6),
        "losses": {
            k: _mean(last_epoch, k) for k in ("ranking", "part", "global", "active")
        },
        "measures": {k: r.summary() for k, r in retrievals.items()},
        # hundredths of a point and one digit for each query keep the lines short
        "ap": {
            k: (r.ap * 10_000).round().int().tolist() for k, r in retrievals.items()
        },
        "hits": {
            k: "".join("01"[int(hit)] for hit in r.per_query("rank1"))
            for k, r in retrievals.items()
        },
        "pids": retrievals["fm"].pids.tolist(),
    }
    files.write(run.folder / "result.json", json.dumps(record))
    return record


def _train(run: Run, data: ReIDData, progress: bool) -> TrainResult:
    try:
        return training.train(
            run.preset,
            data,
            run.folder,
            seed=run.job.seed,
            device=run.device,
            weights=run.weights or "preset",
            progress=progress,
        )
    except CheckpointError as e:
        # its advice is of arguments that the command line does not have
        said = str(e).partition("; choose another folder")[0]
        raise RecordError(f"{said}; {_remove(run.folder)}") from e


def _kinds(preset: Preset) -> list[str]:
    """The descriptors that a variant is measured by, see ``descriptors.extract``."""
    kinds = ["fm"]
    if {"part", "global"} & set(preset.branches):
        kinds.append("fc")
    if preset.part_context == "stripes" and "part" in preset.branches:
        kinds.append("parts")
    return kinds


def _retrieve(
    result: TrainResult, data: ReIDData, kind: str, device: str, progress: bool
) -> Retrieval:
    query, gallery = (
        descriptors.extract(
            result.model, samples, kind=kind, device=device, progress=progress
        )
        for samples in (data.query, data.gallery)
    )
    return evaluation.evaluate(query, gallery, protocol=data.protocol)


def _mean(rows: list[dict[str, float]], key: str) -> float | None:
    value = float(np.mean([row[key] for row in rows]))
    return None if math.isnan(value) else round(value, 5)
