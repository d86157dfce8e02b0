"""Features to all measures at Market-1501's size, beside the bare matrix product.

    python benchmarks/evaluation.py [--quick]

3,368 queries, 15,913 ranked gallery images, 2,048 values each, seeded and clustered
by person and camera. In one process, interleaved: ``torch.mm`` into a buffer (no
evaluation can be faster than its distances), ``dplib.evaluation``, an evaluation by
sorting in NumPy as most programs have it, and pytorch-metric-learning where it is
installed (benchmarks/requirements.txt). The figures must agree, or the script fails.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import __version__, evaluation
from dplib.descriptors import Descriptors

RESULTS = Path(__file__).parent / "results"
BAR = 1.3  # evaluation may take this many times the product
Measures = dict[str, float]


def make(
    pids: int, queries: int, own: int, distractors: int, junk: int, dim: int
) -> tuple[Descriptors, Descriptors]:
    """Query and gallery of Market-1501's make-up; its junk comes on top."""
    g = torch.Generator().manual_seed(0)
    people = torch.randn(pids + 1, dim, generator=g)
    people[0] = 0  # distractors are nobody in particular
    cameras = 0.5 * torch.randn(7, dim, generator=g)

    def describe(pid: Tensor, cam: Tensor) -> Descriptors:
        x = 3 * torch.randn(len(pid), dim, generator=g)
        x += people[pid.clamp(min=0)]
        x += cameras[cam]
        return Descriptors(F.normalize(x), pid, cam)

    # every person is there in every camera first, so that no query lacks a match
    each = torch.arange(own)
    pid = torch.cat([1 + each % pids, torch.zeros(distractors), -torch.ones(junk)])
    cam = torch.cat([1 + each // pids % 6, torch.arange(distractors + junk) % 6 + 1])
    order = torch.randperm(len(pid), generator=g)
    gallery = describe(pid.long()[order], cam.long()[order])
    each = torch.arange(queries)
    return describe(1 + each % pids, 1 + each // pids % 6), gallery


# --- those compared -------------------------------------------------------------------


def by_dplib(query: Descriptors, gallery: Descriptors) -> Measures:
    r = evaluation.evaluate(query, gallery)
    return {"rank1": r.rank1, "map": r.map, "minp": r.minp}


def by_sorting(query: Descriptors, gallery: Descriptors) -> Measures:
    """All distances, one argsort, then a pass over the queries."""
    q, g = query.features.numpy(), gallery.features.numpy()
    pids, cams = gallery.pids.numpy(), gallery.camids.numpy()
    distances = (q**2).sum(1)[:, None] + (g**2).sum(1) - 2 * q @ g.T
    order = np.argsort(distances, axis=1)
    first, aps, inps = [], [], []
    for i, (pid, cam) in enumerate(
        zip(query.pids.tolist(), query.camids.tolist(), strict=True)
    ):
        row = order[i]
        right = pids[row] == pid
        right = right[~(right & (cams[row] == cam))]
        ranks = np.flatnonzero(right) + 1
        first.append(ranks[0] == 1)
        aps.append((np.arange(1, len(ranks) + 1) / ranks).mean())
        inps.append(len(ranks) / ranks[-1])
    return {
        "rank1": float(np.mean(first)),
        "map": float(np.mean(aps)),
        "minp": float(np.mean(inps)),
    }


def metric_learning() -> Callable[[Descriptors, Descriptors], Measures] | None:
    """pytorch-metric-learning's, all neighbours, Euclidean; None if it is absent."""
    try:
        from pytorch_metric_learning.distances import LpDistance
        from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
        from pytorch_metric_learning.utils.inference import CustomKNN
    except ImportError:
        return None
    calculator = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision"),
        k=None,
        device=torch.device("cpu"),
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False)),
    )

    def run(query: Descriptors, gallery: Descriptors) -> Measures:
        found = calculator.get_accuracy(
            query.features, query.pids, gallery.features, gallery.pids
        )
        return {
            "rank1": found["precision_at_1"],
            "map": found["mean_average_precision"],
        }

    return run


# --- measuring ------------------------------------------------------------------------


@dataclass
class Contender:
    """One way to do the work, what it found and how long it took."""

    run: Callable[[], Any]
    measures: Measures = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    peak_mib: float | None = None


def peak_memory(run: Callable[[], Any]) -> tuple[Any, float | None]:
    """What ``run`` gives, and the MiB it held above what was held before (Linux)."""

    def status(key: str) -> int:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith(key))

    try:
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # forget the peak so far
        before = status("VmRSS")
    except OSError:
        return run(), None
    return run(), (status("VmHWM") - before) / 1024


def measure(contenders: dict[str, Contender], rounds: int) -> None:
    """A first run each for figures and memory, then timed rounds, interleaved."""
    for c in contenders.values():
        found, c.peak_mib = peak_memory(c.run)
        c.measures = found if isinstance(found, dict) else {}
    for _ in range(rounds):
        for c in contenders.values():
            start = time.perf_counter()
            c.run()
            c.seconds.append(time.perf_counter() - start)


def machine() -> dict[str, Any]:
    """The machine and the versions; no names or paths."""
    cpu, memory = platform.processor() or platform.machine(), None
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        names = [
            x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    if hasattr(os, "sysconf"):
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = round(pages / 2**30, 1)
    packages = ("torch", "numpy", "pillow", "pytorch-metric-learning")
    versions = {"python": platform.python_version(), "dplib": __version__}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "torch threads": torch.get_num_threads(),
        "memory GiB": memory,
        "system": platform.system(),
        "versions": versions,
    }


def write(name: str, result: dict[str, Any]) -> None:
    """results/NAME.json, with the machine, the date and the command."""
    record = {
        "command": f"python benchmarks/{name}.py",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        **result,
    }
    RESULTS.mkdir(exist_ok=True)
    part = RESULTS / f"{name}.json.tmp"
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    part.replace(RESULTS / f"{name}.json")
    print(f"written: benchmarks/results/{name}.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth; writes nothing")
    parser.add_argument("--rounds", type=int, default=7, help="timed runs of each")
    args = parser.parse_args()
    if args.quick:
        query, gallery = make(75, 336, 1311, 279, 381, 512)
    else:
        query, gallery = make(750, 3368, 13_115, 2_798, 3_819, 2048)
    # The peers do not know junk: they get the gallery without it, for nothing.
    ranked = Descriptors(*(x[gallery.pids >= 0].contiguous() for x in gallery))
    q, g = query.features, ranked.features
    buffer = torch.empty(len(q), len(g))
    contenders = {
        "matrix product": Contender(lambda: torch.mm(q, g.T, out=buffer)),
        "dplib": Contender(lambda: by_dplib(query, gallery)),
        "NumPy argsort": Contender(lambda: by_sorting(query, ranked)),
    }
    pml = metric_learning()
    if pml is None:
        print("pytorch-metric-learning is absent: python -m pip install -r")
        print("benchmarks/requirements.txt brings it into the table")
    else:
        run = pml
        contenders["pytorch-metric-learning"] = Contender(lambda: run(query, ranked))
    measure(contenders, args.rounds)

    product = statistics.median(contenders["matrix product"].seconds)
    print(f"{len(q):,} x {len(g):,} x {q.shape[1]:,}, {args.rounds} rounds")
    print(f"{'':24}{'median s':>9}{'min s':>8}{'ratio':>8}{'peak MiB':>10}", end="")
    print(f"{'rank-1':>9}{'mAP':>9}{'mINP':>9}")
    rows: dict[str, Any] = {}
    for name, c in contenders.items():
        median, best = statistics.median(c.seconds), min(c.seconds)
        # paired within a round, so that a slow moment hits both
        pairs = zip(c.seconds, contenders["matrix product"].seconds, strict=True)
        paired = statistics.median(a / b for a, b in pairs)
        rows[name] = {
            "median seconds": round(median, 4),
            "min seconds": round(best, 4),
            "ratio": round(median / product, 3),
            "median paired ratio": round(paired, 3),
            "peak MiB": None if c.peak_mib is None else round(c.peak_mib),
            **{k: round(v, 6) for k, v in c.measures.items()},
        }
        peak = "–" if c.peak_mib is None else f"{c.peak_mib:,.0f}"
        print(f"{name:24}{median:9.3f}{best:8.3f}{median / product:8.2f}", end="")
        print(f"{peak:>10}", end="")
        for key in ("rank1", "map", "minp"):
            value = c.measures.get(key)
            print(f"{'–' if value is None else f'{100 * value:.3f}':>9}", end="")
        print()

    # dplib lets images at a match's distance, within rounding, stand before the match;
    # sorting decides them by that rounding. This leaves some 1e-5 between the two.
    for key, value in contenders["NumPy argsort"].measures.items():
        assert abs(value - contenders["dplib"].measures[key]) < 1e-4, key
    if pml is not None:
        # It knows no cameras either, and counts the query's own camera's images as
        # matches. With a camera of the query's own, we count them too.
        free = by_dplib(query._replace(camids=query.camids + 100), gallery)
        for key, value in contenders["pytorch-metric-learning"].measures.items():
            assert abs(value - free[key]) < 1e-4, key
        rows["dplib, cameras ignored"] = {k: round(v, 6) for k, v in free.items()}
        print(
            "pytorch-metric-learning ignores cameras; so asked, dplib gives rank-1",
            end="",
        )
        print(f" {100 * free['rank1']:.3f}, mAP {100 * free['map']:.3f}")
    ratio = rows["dplib"]["ratio"]
    if args.quick:
        print("too small a size to judge the ratio by")
    else:
        print(f"dplib / product = {ratio:.2f} (at most {BAR})")
        write("evaluation", {"rounds": args.rounds, "bar": BAR, "rows": rows})


if __name__ == "__main__":
    main()
