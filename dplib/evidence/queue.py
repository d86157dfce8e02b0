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
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from dplib import (
    DplibError,
    datasets,
    descriptors,
    evaluation,
    presets,
    samples,
    stamps,
    toymarket,
    training,
)
from dplib.checkpoints import CheckpointError
from dplib.evidence import provenance
from dplib.evidence.variants import Job

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

Record = dict[str, Any]
RESULTS = Path(__file__).parents[1] / "assets" / "results"
_CODE = (
    "backbones", "contexts", "model", "losses", "sampling", "transforms", "training",
    "presets", "descriptors", "ranking", "evaluation",
)  # fmt: skip


class RecordError(DplibError):
    """Records or a run's folder that are damaged, in use, or of another recipe."""


@dataclass(frozen=True)
class Places:
    """Where a run finds its data and leaves what it makes."""

    root: Path  # data sets; ToyMarket of other cues is below root/<cues>
    runs: Path  # a folder per run
    results: Path  # the folder of the records
    weights: Path | None = None  # where a recipe starts from some; None: torchvision's
    threads: int = 1
    epochs: int | None = None  # in place of the recipe's
    device: str = "auto"


def code_hash() -> str:
    """The stamp of the code that trains and measures, see ``stamps``."""
    return stamps.of_modules(*_CODE)


# --- records --------------------------------------------------------------------------


def records_file(results: Path, data: str) -> Path:
    """One line of JSON per finished run."""
    return results / f"{data}.jsonl"


def read(path: str | Path, *, cut: bool = False) -> list[Record]:
    """The records of a file; none when it is not there.

    cut: pass over a last line that a kill cut short. Raises RecordError that names the
    line which is no record, or the two lines of one and the same run.
    """
    path = Path(path)
    data = path.read_bytes() if path.exists() else b""
    return _records(path, _whole(data) if cut else data)


def _records(path: Path, data: bytes) -> list[Record]:
    found: dict[tuple[str, str, str, int], tuple[int, Record]] = {}
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    for i, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            key = key_of(record)
            first, _ = found.setdefault(key, (i, record))
        except (ValueError, KeyError, TypeError) as e:
            raise RecordError(
                f"{path}, line {i} of {len(lines)} is no record; remove that line, its "
                "run is then made again"
            ) from e
        if first != i:
            raise RecordError(
                f"{path}, lines {first} and {i} are both of {key[2]}, cues {key[1]}, "
                f"seed {key[3]}; remove one of them"
            )
    return [record for _, record in found.values()]


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


def _whole(data: bytes) -> bytes:
    """The bytes of a file of records with their end mended, see ``mend``."""
    if not data or data.endswith(b"\n"):
        return data
    start = data.rfind(b"\n") + 1
    try:
        json.loads(data[start:])
    except ValueError:
        if data.startswith(b"{", start):  # as ``append`` begins a line
            return data[:start]
    return data + b"\n"


def mend(path: Path) -> None:
    """Make a file of records end with a whole line.

    A last line that a kill cut short is dropped: its run's result is on disk still. One
    that only lacks its newline, as editors leave it, gets one.
    """
    if path.exists() and _whole(data := path.read_bytes()) != data:
        with _locked(path) as f:
            _mend(f)


def _mend(f: IO[bytes]) -> bytes:
    f.seek(0)
    data = f.read()
    whole = _whole(data)
    if len(whole) < len(data):
        f.truncate(len(whole))
    f.write(whole[len(data) :])
    return whole


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
    """Add a record's line.

    Raises RecordError when another runner has added one of the same run, or does not
    let go of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as f:
        known = {key_of(r) for r in _records(path, _mend(f))}
        if key_of(record) in known:
            raise RecordError(
                f"{path} has {record['variant']}, seed {record['seed']} already: "
                "another runner has made the same run; one at a time is enough"
            )
        f.write((json.dumps(record, separators=(",", ":")) + "\n").encode())
        f.flush()
        os.fsync(f.fileno())


@contextmanager
def _locked(path: Path, seconds: float = 10) -> Iterator[IO[bytes]]:
    """The file, open for reading and appending, for this process alone.

    The system's own lock: it ends with its process, however that ends, so that none is
    left behind. Waits ``seconds`` for another process, then raises RecordError.
    """
    with path.open("a+b") as f:
        end = time.monotonic() + seconds
        while not _lock(f.fileno()):
            if time.monotonic() > end:
                raise RecordError(
                    f"{path} is in use by another runner; wait until that one ends, or "
                    "give this one its own --results and --runs"
                )
            time.sleep(0.1)
        yield f


def _lock(file: int) -> bool:
    """False when another process has the lock; it is let go when the file is closed."""
    if sys.platform == "win32":
        os.lseek(file, 1 << 30, os.SEEK_SET)  # far behind the text, which stays free
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        try:  # lockf, as children do not inherit it: an orphan would keep it for ever
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            pass  # some network folders know no locks
    return True


def _note_queries(results: Path, job: Job, pids: list[int]) -> None:
    path, cues = results / f"{job.data}-queries.json", job.variant.cues
    results.mkdir(parents=True, exist_ok=True)
    with _locked(records_file(results, job.data)):
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
        if known.get(cues, pids) != pids:
            raise RecordError(
                f"{path} lists other queries for {cues} than this data set has; its "
                "records are of another set: choose another --results"
            )
        if cues not in known:
            known[cues] = pids
            write(path, (json.dumps(known, separators=(",", ":")) + "\n").encode())


# --- one run --------------------------------------------------------------------------


def _find_data(job: Job, root: Path) -> samples.ReIDData:
    cues = job.variant.cues
    if cues != "layout":
        root = root / cues
        toymarket.generate(root, cues=cues, progress=False)
    return datasets.load(job.data, root)


def run(job: Job, places: Places, *, progress: bool = False) -> Record | None:
    """Train and measure one variant; None when it was interrupted (and saved).

    The record's measures are those after the last epoch, never of the best. In the
    run's folder run.json says what it was begun with: recipe, seed, threads, code,
    device type, file of weights, and the settings of a drawn set. Only a run that is
    begun with the same goes on from that folder's checkpoint or takes its result. Older
    folders have no run.json: there a result is taken if it agrees in all that it holds;
    a checkpoint alone is not, as nothing tells what it was trained on. A folder with
    neither holds nothing to go on from, and the run begins anew.
    Raises RecordError for a folder of another run, and for one in which another runner
    is at work.
    """
    torch.set_num_threads(places.threads)
    out = places.runs / job.folder
    data = _find_data(job, places.root)
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out / "run.lock"):
        begun = _begun(job, places, data)
        finished = _take_up(out, begun)
        if finished is not None:
            return {**finished, **_asked(job, places)}
        return _make(job, places, data, out, begun, progress)


def _make(
    job: Job,
    places: Places,
    data: samples.ReIDData,
    out: Path,
    begun: Record,
    progress: bool,
) -> Record | None:
    preset = job.preset()
    cpu = time.process_time()
    try:
        result = training.train(
            preset,
            data,
            out,
            seed=job.seed,
            device=places.device,
            epochs=places.epochs,
            weights=_weights(job, places) or "preset",
            progress=progress,
        )
    except CheckpointError as e:
        # its advice is of arguments that the command line does not have
        said = str(e).partition("; choose another folder")[0]
        raise RecordError(f"{said}; {_remove(out)}") from e
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
        **provenance.circumstances(),
        **{k: begun[k] for k in ("code", "device", "weights")},
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
    write(out / "result.json", json.dumps(record).encode())
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
        "preset": presets.as_record(preset),
        "generator": drawn if job.data == "toymarket" else None,
        "threads": places.threads,
    }


_RECIPE = ("data", "cues", "variant", "seed", "preset", "generator")


def _weights(job: Job, places: Places) -> Path | None:
    """The given file of weights, if the run's recipe starts from such."""
    return places.weights if job.preset().weights is not None else None


def _begun(job: Job, places: Places, data: samples.ReIDData) -> Record:
    """All that decides a run's result, as run.json has it."""
    asked, weights = _asked(job, places), _weights(job, places)
    drawn = data.root / "toymarket.json"
    file = None
    if weights is not None:
        with weights.open("rb") as f:
            sha = hashlib.file_digest(f, "sha256").hexdigest()
        file = {"name": weights.name, "sha256": sha}
    return {
        **{k: asked[k] for k in (*_RECIPE, "threads")},
        "code": code_hash(),
        "device": descriptors.pick_device(places.device).type,
        "weights": file,
        "drawn": _json(drawn)["settings"] if drawn.is_file() else None,
    }


def _take_up(out: Path, begun: Record) -> Record | None:
    """The folder's finished record, if it has one; else notes what is begun there."""
    note, done = out / "run.json", out / "result.json"
    finished: Record | None = _json(done) if done.exists() else None
    was = [x for x in (_json(note) if note.exists() else None, finished) if x]
    held = done.exists() or (out / "checkpoint.pt").exists()
    differ = [
        d for x in was for d in _differences({**begun, **_completed(x)}, begun, begun)
    ]
    if held and not was:
        differ = ["nothing tells what its checkpoint was trained on"]
    if held and differ:
        unique = "; ".join(dict.fromkeys(differ))
        raise RecordError(f"{out} was begun as another run: {unique}; {_remove(out)}")
    if finished is None:
        write(note, (json.dumps(begun, indent=1) + "\n").encode())
    return finished


def _json(path: Path) -> Record:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as e:
        raise RecordError(f"{path} is damaged; {_remove(path.parent)}") from e


def _remove(folder: Path) -> str:
    return f"remove the folder {folder}, or choose another --runs"


def _differences(was: Any, now: Any, keys: Iterable[str], path: str = "") -> list[str]:
    """What differs in these keys, by name: "preset epochs: 32 → 2"."""
    found = []
    for key in keys:
        a, b, name = was.get(key), now.get(key), f"{path}{key}"
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, {**a, **b}, f"{name} ")
        elif a != b:
            found.append(f"{name}: {a} → {b}")
    return found


def _completed(record: Record) -> Record:
    """The record with a full preset.

    A field that a record does not have was not there yet when it was made: it means
    that field's default, so that a new field leaves older records valid.
    """
    if "preset" not in record:
        return record
    return {**record, "preset": presets.with_defaults(record["preset"])}


def _mean(rows: list[dict[str, float]], key: str) -> float | None:
    value = float(np.mean([r[key] for r in rows]))
    return None if math.isnan(value) else round(value, 5)


def _measure(
    model: Any, data: samples.ReIDData, kind: str, device: str, progress: bool
) -> evaluation.Retrieval:
    query, gallery = (
        descriptors.extract(model, s, kind=kind, device=device, progress=progress)
        for s in (data.query, data.gallery)
    )
    return evaluation.evaluate(query, gallery, protocol=data.protocol)


# --- the queue ------------------------------------------------------------------------


def remaining(queue: Sequence[Job], places: Places) -> list[Job]:
    """The runs that have no record yet; nothing is written.

    Raises RecordError for a record of the same name but another recipe or generator,
    and names what differs.
    """
    left = []
    known: dict[Path, dict[tuple[str, str, str, int], Record]] = {}
    for job in queue:
        path = records_file(places.results, job.data)
        if path not in known:
            known[path] = {key_of(r): r for r in read(path, cut=True)}
        record = known[path].get(job.key)
        if record is None:
            left.append(job)
            continue
        differ = _differences(_completed(record), _asked(job, places), _RECIPE)
        if differ:
            raise RecordError(
                f"{path} has {job.variant.name}, seed {job.seed}, of another recipe: "
                f"{'; '.join(differ)}; remove that line, or choose another --results"
            )
    return left


def prepare(queue: Sequence[Job], places: Places) -> None:
    """Find what the runs need, once for all: device, epochs, weights, data sets.

    A ToyMarket that is not there is drawn. Raises DplibError for what is missing.
    """
    descriptors.pick_device(places.device)
    for job in queue:
        _asked(job, places)  # looks at the epochs
    starts = {(j.preset().backbone, _weights(j, places)): j for j in queue}
    for job in starts.values():  # reads the file, or downloads what torchvision has
        job.preset().build_model(2, weights=_weights(job, places) or "preset")
    for job in {(j.data, j.variant.cues): j for j in queue}.values():
        _find_data(job, places.root)


def run_all(
    queue: Sequence[Job], places: Places, *, workers: int = 1, progress: bool = True
) -> Generator[Record | tuple[Job, BaseException]]:
    """Make the runs that are left; yields each record once it is on disk.

    workers: processes at a time, each with ``places.threads`` threads. A run that
    fails is yielded as (job, error) and the queue goes on; when a process is killed,
    that is so for all runs under way. Ctrl-C ends the batches under way, saves, and
    ends the queue; the same call goes on from there. Errors of ``remaining`` and
    ``prepare`` are raised before any run begins.
    """
    todo = remaining(queue, places)
    for path in {records_file(places.results, job.data) for job in queue}:
        mend(path)
    prepare(todo, places)
    pool = _pool(workers)
    waiting: dict[Future[Record | None], tuple[Job, ProcessPoolExecutor]] = {}
    show = progress and workers == 1
    try:
        while todo or waiting:
            while todo and len(waiting) < workers:
                try:
                    future = _submit(pool, todo[0], places, show)
                except BrokenProcessPool:  # an idle process was killed
                    pool = _pool(workers)
                    future = _submit(pool, todo[0], places, show)
                waiting[future] = todo.pop(0), pool
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                job, its = waiting.pop(future)
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    if its is pool:
                        pool.shutdown()  # ends its other processes, too
                        pool = _pool(workers)
                    error = DplibError(
                        "its process, or one beside it, ended before its time (killed, "
                        "or short of memory?); the same command goes on from its last "
                        "epoch"
                    )
                if error is not None:
                    yield job, error
                    continue
                record = future.result()
                if record is None:  # interrupted
                    todo.clear()
                    continue
                _note_queries(places.results, job, record.pop("pids"))
                try:
                    append(records_file(places.results, job.data), record)
                except RecordError as e:
                    yield job, e
                    continue
                yield record
    except KeyboardInterrupt:  # reaches the workers too: they save and come back
        todo.clear()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# --- its processes --------------------------------------------------------------------

_interrupted = threading.Event()  # in a worker: Ctrl-C came while it had no run


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _submit(
    pool: ProcessPoolExecutor, job: Job, places: Places, progress: bool
) -> Future[Record | None]:
    """Hand on a run. A process that is started for it begins with SIGINT held back:
    while it imports, Ctrl-C would end it with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return pool.submit(_work, job, places, progress)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        return pool.submit(_work, job, places, progress)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    """In a worker: end at once when the runner was killed, so that none is orphaned;
    from now on note Ctrl-C, and one that was held back."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGINT, _note_interrupt)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _note_interrupt(signum: int, frame: Any) -> None:
    _interrupted.set()


def _work(job: Job, places: Places, progress: bool) -> Record | None:
    """``run`` in a worker: None when Ctrl-C came before it, or within it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return None if _interrupted.is_set() else run(job, places, progress=progress)
    except KeyboardInterrupt:  # while it drew, decoded or measured: all else is saved
        return None
    finally:
        signal.signal(signal.SIGINT, _note_interrupt)
