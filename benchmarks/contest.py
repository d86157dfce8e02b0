"""The contest: one process for each contender, taking turns, and who is left out.

Used by evaluation.py. A process makes its features by itself, the same from the same
seed, so that its memory is its own. It is told what to run through a pipe.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
import peers
import torch
from peers import Measures
from record import free_memory, peak_memory, status
from torch import Tensor

from dplib import evaluation
from dplib.descriptors import Descriptors

COLUMNS = 2048  # gallery images a block of the product: the fastest of those tried
OURS, PRODUCT = "dplib", "matrix product"
LIMIT = 30.0  # seconds: a peer that needs more for one run is left out of the sweep
STOP = 600.0  # seconds after which a peer's run is broken off
PATIENCE = 20.0  # seconds of timed runs after which a peer is not repeated
MAP_TOLERANCE = 1e-4


class Make(NamedTuple):
    """A data set's make-up."""

    queries: int
    pids: int
    own: int  # gallery images of the queries' pids, at most
    market: int  # gallery images ranked in Market-1501; smaller galleries in proportion
    junk: int  # on top, and in proportion
    dim: int


# --- features -------------------------------------------------------------------------


def make(m: Make, ranked: int, junk: bool) -> tuple[Descriptors, Descriptors]:
    """Query and gallery of ``ranked`` images, clustered by person and camera; with
    junk on top or without, the images ranked are the same. Seeded by block of rows,
    so that threads may fill them; nothing of the gallery's size beside it."""
    rng = np.random.default_rng(0)
    people = rng.standard_normal((m.pids + 1, m.dim), dtype=np.float32)
    people[0] = 0  # distractors are nobody in particular
    cameras = 0.5 * rng.standard_normal((7, m.dim), dtype=np.float32)
    share = min(1.0, ranked / m.market)
    own, more = round(share * m.own), round(share * m.junk)
    each = np.arange(own)  # every person in every camera first: no query lacks a match
    rest = np.arange(ranked - own + more)
    nobody = [np.zeros(ranked - own, np.int64), np.full(more, -1)]
    pids = np.concatenate([1 + each % m.pids, *nobody])
    cams = np.concatenate([1 + each // m.pids % 6, rest % 6 + 1])
    order = rng.permutation(len(pids))
    gallery = pids[order], cams[order]
    each = np.arange(m.queries)
    query = 1 + each % m.pids, 1 + each // m.pids % 6

    def describe(pids: np.ndarray, cams: np.ndarray, seed: int) -> Descriptors:
        keep = np.flatnonzero(pids >= 0) if not junk else np.arange(len(pids))
        out = np.empty((len(keep), m.dim), np.float32)

        def fill(lo: int) -> None:
            block = slice(lo, lo + 4096)
            x = np.random.default_rng((seed, lo)).standard_normal(
                (len(pids[block]), m.dim), dtype=np.float32
            )
            x *= 3
            x += people[np.maximum(pids[block], 0)]
            x += cameras[cams[block]]
            x /= np.linalg.norm(x, axis=1, keepdims=True)
            first, last = np.searchsorted(keep, [lo, lo + 4096])
            out[first:last] = x[keep[first:last] - lo]

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(fill, range(0, len(pids), 4096)))
        return Descriptors(
            *(torch.from_numpy(x) for x in (out, pids[keep], cams[keep]))
        )

    return describe(*query, 1), describe(*gallery, 2)


# --- a contender's process ------------------------------------------------------------


class Task(NamedTuple):
    """What a contender gets to do."""

    m: Make
    ranked: int
    given: bool  # distances


def by_dplib(query: Descriptors, gallery: Descriptors, given: Tensor | None) -> Any:
    r = evaluation.evaluate(query, gallery, distances=given)
    return r, {"rank1": r.rank1, "map": r.map, "minp": r.minp}


def product(query: Tensor, gallery: Tensor, buffer: Tensor) -> None:
    for lo in range(0, len(gallery), COLUMNS):
        block = gallery[lo : lo + COLUMNS]
        out = buffer[: len(query) * len(block)].view(len(query), len(block))
        torch.mm(query, block.T, out=out)


def prepare(name: str, task: Task) -> tuple[dict[str, Callable[[], Measures]], int]:
    """What this process may be asked to run, and the bytes of its features."""
    query, gallery = make(task.m, task.ranked, junk=name == OURS and not task.given)
    given = None
    if task.given:  # without junk, the same matrix for all
        arrays = query.features.numpy(), gallery.features.numpy()
        given = torch.from_numpy(peers.square_distances(*arrays))
    size = (query.features.numel() + gallery.features.numel()) * 4

    def spot_check() -> Measures:
        """AP of 16 queries by sorting, and dplib's for them."""
        some = torch.linspace(0, len(query.pids) - 1, 16).long()
        few = Descriptors(*(x[some] for x in query))
        kept = gallery
        if (gallery.pids < 0).any():  # its junk is put where no query looks
            kept = gallery._replace(camids=gallery.camids.where(gallery.pids >= 0, 0))
        distances = peers.square_distances(few.features.numpy(), kept.features.numpy())
        distances[:, (kept.pids < 0).numpy()] = np.inf
        naive = peers.by_sorting(peers.Job(few, kept, torch.from_numpy(distances)))
        own = by_dplib(query, gallery, given)[0]
        return {"naive": naive["map"], "dplib": float(own.ap[some].mean())}

    def free() -> Measures:
        """dplib with every query from a camera of its own: cameras are ignored."""
        elsewhere = query._replace(camids=query.camids + 100)
        return dict(by_dplib(elsewhere, gallery, given)[1])

    if name == OURS:
        return {
            "run": lambda: dict(by_dplib(query, gallery, given)[1]),
            "free": free,
            "spot check": spot_check,
        }, size
    if name == PRODUCT:
        buffer = torch.empty(len(query.pids) * COLUMNS)

        def multiply() -> Measures:
            product(query.features, gallery.features, buffer)
            return {}

        return {"run": multiply}, size
    peer, job = peers.get(name), peers.Job(query, gallery, given)
    return {"run": lambda: peer(job)}, size


def serve(connection: Connection, name: str) -> None:
    """The process: gets tasks ready and runs them, until it is sent None."""
    runs: dict[str, Callable[[], Measures]] = {}
    seconds = 0.0

    def timed() -> Measures:
        nonlocal seconds
        start = time.perf_counter()
        found = runs["run"]()
        seconds = time.perf_counter() - start
        return found

    while (word := connection.recv()) is not None:
        reply: dict[str, Any] = {}
        if isinstance(word, Task):
            runs.clear()  # the features of the task before
            runs, size = prepare(name, word)
            reply["features MiB"] = size / 2**20
        elif word == "run":
            timed()
        elif word == "run, peak":
            reply["measures"], reply["above"] = peak_memory(timed)
            reply["whole"] = reply["above"] and status("VmHWM") / 1024
        else:
            reply["measures"] = runs[word]()
        connection.send({"seconds": seconds, **reply})


class Worker:
    """The other end of that process. None for an answer: it died or was too slow."""

    def __init__(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, name), daemon=True)
        self.process.start()
        other.close()

    def tell(self, word: Task | str | None) -> None:
        self.connection.send(word)

    def answer(self, seconds: float | None = None) -> dict[str, Any] | None:
        try:
            if self.connection.poll(seconds):
                return dict(self.connection.recv())
        except (EOFError, OSError):
            pass
        self.process.kill()
        self.process.join()
        return None

    def ask(self, word: str, seconds: float | None = None) -> dict[str, Any] | None:
        self.tell(word)
        return self.answer(seconds)

    def close(self) -> None:
        if self.process.is_alive():
            self.tell(None)
        self.process.join(30)


# --- measuring ------------------------------------------------------------------------


@dataclass
class Row:
    """One contender at one size."""

    seconds: list[float]
    peak_mib: float | None  # above what the process held before the run
    process_mib: float | None  # the whole process
    features_mib: float
    measures: Measures

    def record(self, product: Row | None) -> dict[str, Any]:
        row: dict[str, Any] = {
            "median seconds": round(statistics.median(self.seconds), 4),
            "min seconds": round(min(self.seconds), 4),
            "runs": len(self.seconds),
        }
        if product is not None:
            # within a round, so that a slow moment hits both
            pairs = list(zip(self.seconds, product.seconds, strict=False))
            ratio = statistics.median(self.seconds) / statistics.median(product.seconds)
            row["ratio"] = round(ratio, 3)
            row["median paired ratio"] = round(
                statistics.median(a / b for a, b in pairs), 3
            )
        for key, value in (
            ("peak MiB", self.peak_mib),
            ("process MiB", self.process_mib),
            ("features MiB", self.features_mib),
        ):
            row[key] = None if value is None else round(value)
        return {**row, **{k: round(v, 6) for k, v in self.measures.items()}}


def too_much(
    name: str, ranked: int, before: dict[str, Any], limit: float
) -> str | None:
    """Why a peer is left out at this size, foretold from the sizes before: time and
    memory grow with the gallery at least in proportion."""
    if name in (OURS, PRODUCT):
        return None
    for size, part in reversed(before.items()):
        times = ranked / int(size)
        if name in part["left out"]:
            return str(part["left out"][name])
        if (row := part["rows"].get(name)) is None:
            continue
        room, need = free_memory(), (row["peak MiB"] or 0) * times
        features = row["features MiB"] * times * (2 + len(peers.PACKAGES))  # one each
        if room is not None and need > 0.9 * room - features:
            return f"needs about {need / 1024:.0f} GiB at {ranked:,}"
        if (seconds := row["median seconds"] * times) > limit:
            return f"needs about {seconds:.0f} s a run at {ranked:,}"
        return None
    return None


def measure(
    workers: dict[str, Worker],
    names: list[str],
    m: Make,
    ranked: int,
    given: bool,
    rounds: int,
    before: dict[str, Any],
) -> dict[str, Any]:
    """One part: all contenders that are feasible, interleaved; rows and who is out."""
    limit = math.inf if given else LIMIT
    left_out = {n: w for n in names if (w := too_much(n, ranked, before, limit))}
    rows: dict[str, Row] = {}
    for name in left_out:  # it holds features that others need the room for
        if name in workers:
            workers.pop(name).close()
    for name in names:
        if name not in left_out:
            if name not in workers or not workers[name].process.is_alive():
                workers[name] = Worker(name)
            workers[name].tell(Task(m, ranked, given))
    for name in names:
        if name not in left_out:
            if (ready := workers[name].answer(600)) is None:
                raise SystemExit(f"{name} did not start: see above")
            rows[name] = Row([], None, None, ready["features MiB"], {})
    for turn in range(-1, rounds):  # the first turn: figures, memory, warm caches
        for name, row in rows.items():
            own = name in (OURS, PRODUCT)
            if name in left_out or (not own and sum(row.seconds) > PATIENCE):
                continue
            if own and len(row.seconds) == rounds:
                continue
            reply = workers[name].ask(
                "run" if turn >= 0 else "run, peak", None if own else STOP
            )
            if reply is None and own:
                raise SystemExit(f"{name} died at {ranked:,} images: see above")
            if reply is None:
                left_out[name] = f"died or took over {STOP:.0f} s at {ranked:,}"
                continue
            if turn < 0:
                row.measures = reply["measures"]
                row.peak_mib, row.process_mib = reply["above"], reply["whole"]
            if turn >= 0 or reply["seconds"] > 5:  # a long run needs no warming up
                row.seconds.append(reply["seconds"])
    rows = {name: row for name, row in rows.items() if name not in left_out}
    for name in peers.NO_CAMERAS:
        if name in rows:
            reply = workers[OURS].ask("free")
            assert reply is not None
            agree(name, rows[name].measures, reply["measures"], m.queries)
    for name, row in rows.items():
        if row.measures and name not in peers.NO_CAMERAS:
            agree(name, row.measures, rows[OURS].measures, m.queries)
    if not given:
        check = workers[OURS].ask("spot check")
        assert check is not None
        naive = {"map": check["measures"]["naive"]}
        agree("sorting 16 queries", naive, {"map": check["measures"]["dplib"]}, 16)
    return {
        "gallery": ranked,
        "rows": {name: row.record(rows.get(PRODUCT)) for name, row in rows.items()},
        "left out": left_out,
    }


def agree(name: str, theirs: Measures, ours: Measures, queries: int) -> None:
    """SystemExit unless rank-1 is the same but for one query, the means to 1e-4."""
    for key, value in theirs.items():
        tolerance = 1.01 / queries if key == "rank1" else MAP_TOLERANCE
        if key in ours and not abs(value - ours[key]) <= tolerance:
            raise SystemExit(
                f"{name}: {key} is {value:.6f}, dplib's is {ours[key]:.6f}; they must "
                f"agree within {tolerance:.1e}"
            )


def show(part: dict[str, Any], title: str) -> None:
    print(f"\n{title}")
    print(f"{'':22}{'median s':>9}{'runs':>5}{'ratio':>7}{'peak MiB':>10}", end="")
    print(f"{'rank-1':>9}{'mAP':>9}{'mINP':>9}")
    for name, row in part["rows"].items():
        ratio, peak = row.get("median paired ratio"), row["peak MiB"]
        print(f"{name:22}{row['median seconds']:9.3f}{row['runs']:5}", end="")
        print(f"{'–' if ratio is None else f'{ratio:.2f}':>7}", end="")
        print(f"{'–' if peak is None else f'{peak:,}':>10}", end="")
        for key in ("rank1", "map", "minp"):
            value = row.get(key)
            print(f"{'–' if value is None else f'{100 * value:.3f}':>9}", end="")
        print()
    for name, why in part["left out"].items():
        print(f"{name:22}left out: {why}")
