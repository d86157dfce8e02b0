"""k-reciprocal re-ranking beside the dense published method and torchreid's.

    python benchmarks/reranking.py            # small, then Market-1501's size; minutes
    python benchmarks/reranking.py --quick    # small only; writes nothing

3,368 x 15,913 features of 512 and of 2,048 values (contest.py makes them), k1 = 20,
k2 = 6, lambda = 0.3, from features to distances. Each contender is a process of its
own, one after the other: peak memory is the kernel's (VmHWM), above that of the
features. The dense method holds several matrices of 19,281 x 19,281: about 12 GiB must
be free.

"times the product" compares with ``torch.mm`` of all images with all images, block by
block into one buffer. It runs in dplib's process, before each of its runs.

"dense" is the published method in float32, written here. torchreid's function squares
what it gets, so it gets roots. "torchreid, as called" gets what its own engine hands
it, which is squared already; small only, to see what squaring twice changes. torchreid
comes by the command in README.md, is found by peers.py and left out where it is absent.

The results must agree: all but 3 in 10,000 values to 1e-5. Two images whose distances
to a third differ by less than float32 can tell may stand in either order, and change
a few encodings.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import peers
import torch
from contest import Make, make
from record import free_memory, peak_memory, write

from dplib.descriptors import Descriptors
from dplib.evaluation import evaluate
from dplib.reranking import k_reciprocal

K1, K2, LAMBDA = 20, 6, 0.3
MARKET = Make(3368, 750, 13_115, 15_913, 3_819, 2048)
NARROW = MARKET._replace(dim=512)
SMALL = Make(336, 75, 1_311, 1_591, 381, 256)
OURS, DENSE, THEIRS, TWICE = "dplib", "dense", "torchreid", "torchreid, as called"
BARS = {
    "seconds": 35,
    "peak MiB": 570,
    "times faster": 4,
    "share of memory": 0.2,
    "times the product": 1.15,
    "times the product, 512 values": 1.15,
}
DENSE_MIB = 13_000  # free memory that the dense method needs at MARKET
TOLERANCE, STRAYS = 1e-5, 3e-4


# --- those compared -------------------------------------------------------------------


def by_dplib(query: Descriptors, gallery: Descriptors) -> np.ndarray:
    return k_reciprocal(query, gallery, K1, K2, LAMBDA).numpy()


def product(query: Descriptors, gallery: Descriptors) -> None:
    """All images by all images, which no dense method can do without."""
    x = torch.cat([query.features, gallery.features])
    buffer = torch.empty(1024 * len(x))
    for block in x.split(1024):
        torch.mm(block, x.T, out=buffer[: len(block) * len(x)].view(-1, len(x)))


def mutual(ranked: np.ndarray, p: int, k: int) -> np.ndarray:
    """R(p, k); p itself comes on top of k."""
    near = ranked[p, : k + 1]
    return near[(ranked[near, : k + 1] == p).any(1)]


def by_dense(query: Descriptors, gallery: Descriptors) -> np.ndarray:
    """Zhong et al. (2017), section 3, with matrices of all images by all images."""
    x = torch.cat([query.features, gallery.features]).numpy()  # of length 1 as made
    q, n = len(query.features), len(x)
    d = np.maximum(peers.square_distances(x, x), 0)
    np.fill_diagonal(d, 0)
    d /= d.max(1, keepdims=True)
    ranked = np.argsort(d, axis=1).astype(np.int32)
    half = int(np.around(K1 / 2))
    v = np.zeros((n, n), np.float32)
    for p in range(n):
        own = mutual(ranked, p, K1)
        sets = [own]
        for member in own:
            theirs = mutual(ranked, member, half)
            if 3 * np.isin(theirs, own).sum() > 2 * len(theirs):
                sets.append(theirs)
        members = np.unique(np.concatenate(sets))
        weights = np.exp(-d[p, members])
        v[p, members] = weights / weights.sum()
    d = d[:q].copy()
    mean = np.zeros_like(v)
    for p in range(n):
        mean[p] = v[ranked[p, :K2]].mean(0)
    v = mean
    del ranked, mean
    holders = [np.flatnonzero(v[:, j]) for j in range(n)]
    result = np.empty((q, n - q), np.float32)
    for p in range(q):
        common = np.zeros(n, np.float32)
        for j in np.flatnonzero(v[p]):
            images = holders[j]
            common[images] += np.minimum(v[p, j], v[images, j])
        jaccard = 1 - common / (2 - common)
        result[p] = ((1 - LAMBDA) * jaccard + LAMBDA * d[p])[q:]
    return result


def by_torchreid(
    query: Descriptors, gallery: Descriptors, root: bool = True
) -> np.ndarray:
    peers.available()  # puts their folder on the path
    rerank = peers.load("torchreid", "reid", "utils", "rerank")
    q, g = query.features.numpy(), gallery.features.numpy()
    pairs = ((q, g), (q, q), (g, g))
    found = [np.maximum(peers.square_distances(a, b), 0) for a, b in pairs]
    if root:
        for d in found:
            np.sqrt(d, out=d)
    return np.asarray(rerank.re_ranking(*found, K1, K2, LAMBDA))


# --- measuring ------------------------------------------------------------------------


def serve(reply: Connection, name: str, m: Make, rounds: int, file: Path) -> None:
    """The contender's process. The first run gives the result and the peak."""
    query, gallery = make(m, m.market, junk=False)
    seconds: list[float] = []

    def run() -> np.ndarray:
        start = time.perf_counter()
        if name == OURS:
            found = by_dplib(query, gallery)
        elif name == DENSE:
            found = by_dense(query, gallery)
        else:
            found = by_torchreid(query, gallery, root=name != TWICE)
        seconds.append(time.perf_counter() - start)
        return found

    found, peak = peak_memory(run)
    np.save(file, found)
    after = evaluate(query, gallery, distances=found)
    del found
    bare: list[float] = []
    if name == OURS:
        seconds.clear()  # the first run also warmed up
        for _ in range(rounds):
            start = time.perf_counter()
            product(query, gallery)
            bare.append(time.perf_counter() - start)
            run()
    row = {
        "median seconds": round(statistics.median(seconds), 3),
        "min seconds": round(min(seconds), 3),
        "runs": len(seconds),
        "peak MiB": None if peak is None else round(peak),
        "rank1": round(after.rank1, 6),
        "map": round(after.map, 6),
    }
    if bare:
        row["product seconds"] = round(statistics.median(bare), 3)
        pairs = zip(seconds, bare, strict=True)
        row["times the product"] = round(statistics.median(a / b for a, b in pairs), 3)
    reply.send(row)


def contend(name: str, m: Make, rounds: int, file: Path) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    mine, other = context.Pipe()
    process = context.Process(target=serve, args=(other, name, m, rounds, file))
    process.start()
    other.close()
    try:
        row = dict(mine.recv())
    except EOFError:
        raise SystemExit(f"{name} died: see above") from None
    process.join()
    return row


def measure(names: list[str], m: Make, rounds: int) -> dict[str, Any]:
    query, gallery = make(m, m.market, junk=False)
    before = evaluate(query, gallery)
    plain = {"rank1": round(before.rank1, 6), "map": round(before.map, 6)}
    del query, gallery
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{i}.npy") for i, name in enumerate(names)}
        for name, file in files.items():
            rows[name] = contend(name, m, rounds if name == OURS else 1, file)
            gap = np.abs(np.load(file) - np.load(files[OURS]))
            rows[name]["max difference"] = float(f"{gap.max():.3g}")
            rows[name]["share beyond 1e-5"] = float(f"{(gap > TOLERANCE).mean():.3g}")
            show(name, rows[name], first=name == OURS, m=m)
    for name, row in rows.items():
        if name != TWICE and row["share beyond 1e-5"] > STRAYS:
            raise SystemExit(f"{name} and dplib disagree")
    print(f"without re-ranking: rank-1 {plain['rank1']:.3%}, mAP {plain['map']:.3%}")
    return {"size": m._asdict(), "rows": rows, "not re-ranked": plain}


def show(name: str, row: dict[str, Any], first: bool, m: Make) -> None:
    if first:
        print(f"\n{m.queries:,} x {m.market:,} x {m.dim:,}")
        print(f"{'':22}{'median s':>9}{'runs':>5}{'peak MiB':>10}{'rank-1':>9}", end="")
        print(f"{'mAP':>9}{'max diff.':>11}{'> 1e-5':>9}")
    peak = row["peak MiB"]
    print(f"{name:22}{row['median seconds']:9.2f}{row['runs']:5}", end="")
    print(f"{'–' if peak is None else f'{peak:,}':>10}", end="")
    print(f"{100 * row['rank1']:9.3f}{100 * row['map']:9.3f}", end="")
    print(f"{row['max difference']:11.1e}{row['share beyond 1e-5']:9.1e}", end="")
    ratio = row.get("times the product")
    print("" if ratio is None else f"   {ratio:.2f} x the product")


def bars(rows: dict[str, Any], narrow: dict[str, Any]) -> dict[str, Any]:
    ours, dense = rows[OURS], rows.get(DENSE)
    found = {
        "seconds": ours["median seconds"],
        "peak MiB": ours["peak MiB"],
        "times the product": ours["times the product"],
        "times the product, 512 values": narrow[OURS]["times the product"],
    }
    if dense is not None:
        found["times faster"] = round(
            dense["median seconds"] / ours["median seconds"], 2
        )
        if ours["peak MiB"] is not None:
            found["share of memory"] = round(ours["peak MiB"] / dense["peak MiB"], 3)
    return {k: {"measured": v, "bar": BARS[k]} for k, v in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small; writes nothing")
    parser.add_argument("--rounds", type=int, default=3, help="runs of dplib (3)")
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): times will be too long")
    here, absent = peers.available()
    others = [THEIRS] if "torchreid, Python" in here else []
    if not others:
        print(f"absent: torchreid. To install the peers: {peers.NEED}")
    names = [OURS, DENSE, *others]
    small = measure([*names, TWICE] if others else names, SMALL, args.rounds)
    if args.quick:
        print("too small a size to judge times by")
        return
    left_out = {k: v for k, v in absent.items() if k.startswith("torchreid, Python")}
    room = free_memory()
    if room is not None and room < DENSE_MIB:
        why = f"{room:,.0f} MiB free, {DENSE_MIB:,} needed"
        print(f"only dplib: {why}")
        left_out |= dict.fromkeys(names[1:], why)
        names = names[:1]
    narrow = measure(names[:2], NARROW, args.rounds)
    full = measure(names, MARKET, args.rounds)
    result = bars(full["rows"], narrow["rows"])
    for name, bar in result.items():
        print(f"{name}: {bar['measured']} (bar {bar['bar']})")
    write(
        "reranking",
        {
            "settings": {"k1": K1, "k2": K2, "lambda": LAMBDA},
            "load at the start": round(load, 2),
            "bars": result,
            "small": small,
            "market, 512 values": narrow,
            "market": full,
            "left out": left_out,
        },
    )


if __name__ == "__main__":
    main()
