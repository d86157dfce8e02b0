"""The ablation runner (§4.3; tables 4, 6 and 7): a queue of trainings with seeds.

A run is a variant of one recipe with one seed. Each finished run adds one line of JSON
to a file of records; runs that have theirs are not made again, and a run that was cut
off goes on from its last epoch. On one thread the same run gives the same record, bit
for bit, whatever interrupted it.
"""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dplib import (
    DplibError,
    datasets,
    descriptors,
    evaluation,
    records,
    toymarket,
    training,
)
from dplib.variants import Job

Record = dict[str, Any]
RESULTS = Path(__file__).parent / "assets" / "results"
_CODE = (
    "backbones", "contexts", "model", "losses", "sampling", "transforms", "training",
    "presets", "descriptors", "ranks", "evaluation",
)  # fmt: skip


class RecordError(DplibError):
    """A file of records that is damaged, or whose records are of another recipe."""


@dataclass(frozen=True)
class Places:
    """Where a run finds its data and leaves what it makes."""

    root: Path  # data sets; ToyMarket of other cues is below root/<cues>
    runs: Path  # a folder per run
    results: Path  # the folder of the records
    weights: Path | None = None  # of ImageNet; None: torchvision's
    threads: int = 1
    epochs: int | None = None  # in place of the recipe's
    device: str = "auto"


def code_hash() -> str:
    """First 12 hex digits of the SHA-256 of the code that trains and measures."""
    digest = hashlib.sha256()
    for name in _CODE:
        source = (Path(__file__).parent / f"{name}.py").read_bytes()
        digest.update(source.replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:12]


# --- records --------------------------------------------------------------------------


def records_file(results: Path, data: str) -> Path:
    """One line of JSON per finished run."""
    return results / f"{data}.jsonl"


def read(path: str | Path) -> list[Record]:
    """The records of a file; none when it is not there.

    Raises RecordError that names the line which is no record.
    """
    path = Path(path)
    if not path.exists():
        return []
    found = []
    lines = path.read_text("utf-8").splitlines()
    for i, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            _ = record["data"], record["variant"], record["seed"]
        except (ValueError, KeyError, TypeError) as e:
            raise RecordError(
                f"{path}, line {i} of {len(lines)} is no record; remove that line, its "
                "run is then made again"
            ) from e
        found.append(record)
    return found


def query_pids(results: str | Path, data: str, cues: str = "layout") -> list[int]:
    """The pid of each query, in the order of the records' ``ap`` and ``hits``."""
    path = Path(results) / f"{data}-queries.json"
    try:
        return list(json.loads(path.read_text("utf-8"))[cues])
    except (OSError, ValueError, KeyError) as e:
        raise RecordError(
            f"{path} does not name the queries of {data} ({cues}); the runner writes "
            "it: python -m dplib ablate"
        ) from e


def key_of(record: Record) -> tuple[str, str, str, int]:
    """What makes a record's run: (data, cues, variant, seed)."""
    return record["data"], record["cues"], record["variant"], record["seed"]


def mend(path: Path) -> None:
    """Drop a last line that a kill cut short: its run's result is on disk still."""
    if path.exists() and (text := path.read_bytes()) and not text.endswith(b"\n"):
        write(path, text[: text.rfind(b"\n") + 1])


def write(path: Path, data: bytes) -> None:
    """Write under a temporary name, then rename it to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def append(path: Path, record: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as f:
        f.write((json.dumps(record, separators=(",", ":")) + "\n").encode())
        f.flush()
        os.fsync(f.fileno())


def _note_queries(results: Path, job: Job, pids: list[int]) -> None:
    path = results / f"{job.data}-queries.json"
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    cues = job.variant.cues
    if known.setdefault(cues, pids) != pids:
        raise RecordError(
            f"{path} lists other queries for {cues} than this data set has; its "
            "records are of another set: choose another --results"
        )
    write(path, (json.dumps(known, separators=(",", ":")) + "\n").encode())


# --- one run --------------------------------------------------------------------------


def _find_data(job: Job, root: Path) -> datasets.ReIDData:
    cues = job.variant.cues
    if cues != "layout":
        root = root / cues
        toymarket.generate(root, cues=cues, progress=False)
    return datasets.load(job.data, root)


def run(job: Job, places: Places, *, progress: bool = False) -> Record | None:
    """Train and measure one variant; None when it was interrupted (and saved).

    The record's measures are those after the last epoch, never of the best.
    """
    torch.set_num_threads(places.threads)
    out = places.runs / job.folder
    done = out / "result.json"
    if done.exists():
        finished: Record = json.loads(done.read_text("utf-8"))
        if _recipe(finished) == _asked(job, places):
            return finished
    data = _find_data(job, places.root)
    preset = job.preset()
    weights: Any = "preset"
    if job.variant.pretrained and places.weights is not None:
        weights = places.weights
    cpu = time.process_time()
    result = training.train(
        preset,
        data,
        out,
        seed=job.seed,
        device=places.device,
        epochs=places.epochs,
        weights=weights,
        progress=progress,
    )
    if result.interrupted:
        return None
    kinds = ["fm"]
    kinds += ["fc"] * bool({"part", "global"} & set(preset.branches))
    kinds += ["parts"] * (
        preset.part_context == "stripes" and "part" in preset.branches
    )
    found = {k: _measure(result.model, data, k, places.device, progress) for k in kinds}
    steps = len(result.history)
    last = result.history[-max(1, steps // (places.epochs or preset.epochs)) :]
    record: Record = {
        **_asked(job, places),
        **records.circumstances(),
        "code": code_hash(),
        "iterations": steps,
        "seconds": round(result.seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "clipped_share": round(result.clipped_share, 6),
        "chance": round(math.log(len(data.labels)), 6),
        "losses": {k: _mean(last, k) for k in ("ranking", "part", "global", "active")},
        "measures": {k: r.summary() for k, r in found.items()},
        "ap": {k: (r.ap * 10_000).round().int().tolist() for k, r in found.items()},
        "hits": {
            k: "".join("01"[int(h)] for h in r.per_query("rank1"))
            for k, r in found.items()
        },
        "pids": next(iter(found.values())).pids.tolist(),
    }
    write(done, json.dumps(record).encode())
    return record


def _asked(job: Job, places: Places) -> Record:
    """What a run is asked to be: a record that differs in it is of another run."""
    preset = job.preset()
    if places.epochs is not None:
        preset = training.with_epochs(preset, places.epochs)
    drawn = f"{toymarket.VERSION}:{toymarket.generator_hash()}"
    return {
        "data": job.data,
        "cues": job.variant.cues,
        "group": job.variant.groups[0],
        "variant": job.variant.name,
        "label": job.variant.label,
        "seed": job.seed,
        "preset": json.loads(json.dumps(asdict(preset))),
        "generator": drawn if job.data == "toymarket" else None,
        "threads": places.threads,
    }


_RECIPE = ("data", "cues", "variant", "seed", "preset", "generator")


def _recipe(record: Record) -> Record:
    """The part of a record that decides its result."""
    return {k: record.get(k) for k in (*_RECIPE, "group", "label", "threads")}


def _mean(rows: list[dict[str, float]], key: str) -> float | None:
    value = float(np.mean([r[key] for r in rows]))
    return None if math.isnan(value) else round(value, 5)


def _measure(
    model: Any, data: datasets.ReIDData, kind: str, device: str, progress: bool
) -> evaluation.Retrieval:
    query, gallery = (
        descriptors.extract(model, s, kind=kind, device=device, progress=progress)
        for s in (data.query, data.gallery)
    )
    return evaluation.evaluate(query, gallery, protocol=data.protocol)


# --- the queue ------------------------------------------------------------------------


def remaining(queue: Sequence[Job], places: Places) -> list[Job]:
    """The runs that have no record yet.

    Raises RecordError for a record of the same name but another recipe or generator.
    """
    left = []
    known: dict[Path, dict[tuple[str, str, str, int], Record]] = {}
    for job in queue:
        path = records_file(places.results, job.data)
        if path not in known:
            mend(path)
            known[path] = {key_of(r): r for r in read(path)}
        record = known[path].get(job.key)
        if record is None:
            left.append(job)
            continue
        asked = _asked(job, places)
        differ = [k for k in _RECIPE if record.get(k) != asked[k]]
        if differ:
            raise RecordError(
                f"{path} has {job.variant.name}, seed {job.seed}, made with another "
                f"{' and '.join(differ)}; remove that line, or choose another --results"
            )
    return left


def run_all(
    queue: Sequence[Job], places: Places, *, workers: int = 1, progress: bool = True
) -> Iterator[Record | tuple[Job, BaseException]]:
    """Make the runs that are left; yields each record once it is on disk.

    workers: processes at a time, each with ``places.threads`` threads. A run that
    fails is yielded as (job, error) and the queue goes on. Ctrl-C ends the batches
    under way, saves, and ends the queue; the same call goes on from there.
    """
    todo = remaining(queue, places)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_die_with_parent
    )
    waiting: dict[Future[Record | None], Job] = {}
    show = progress and workers == 1
    try:
        while todo or waiting:
            while todo and len(waiting) < workers:
                job = todo.pop(0)
                waiting[pool.submit(run, job, places, progress=show)] = job
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                job = waiting.pop(future)
                error = future.exception()
                if error is not None:
                    yield job, error
                    continue
                record = future.result()
                if record is None:  # interrupted
                    todo.clear()
                    continue
                _note_queries(places.results, job, record.pop("pids"))
                append(records_file(places.results, job.data), record)
                yield record
    except KeyboardInterrupt:  # reaches the workers too: they save and come back
        todo.clear()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _die_with_parent() -> None:
    """In a worker: end at once when the runner was killed, so that none is orphaned."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
