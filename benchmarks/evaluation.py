"""Evaluation beside its peers and beside the bare matrix product.

    python benchmarks/evaluation.py            # all; minutes
    python benchmarks/evaluation.py --quick    # small; writes nothing
    python benchmarks/evaluation.py --resume   # go on after an interruption
    python benchmarks/evaluation.py --plot     # table and plot from the last record

(a) Distances given, 3,368 x 15,913: ranks and AP. (b) The same from features of 2,048
values to all measures. (c) With 500,000 random distractors. (b) and (c) are points of
a sweep over the size of the gallery. No evaluation can be faster than the product of
its features, ``torch.mm`` in blocks into a buffer, so that is run as well.

Each contender is a process of its own, which makes the same features from the same
seed; they take turns, one run each. Peak memory is the kernel's (VmHWM). All must
agree: rank-1 to one query, mAP to 1e-4 (equal distances may stand in any order; dplib
puts the match last), or the script fails. Peers: peers.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import contest
import evaluation_report
import peers
from contest import OURS, PRODUCT, Make, Worker, measure, show
from record import ROOT, machine, write

from dplib import files

PARTS = ROOT / "build" / "evaluation.part.json"  # what an interrupted run has so far
BAR = 1.2  # evaluation may take this many times the product …
BAR_MIB = 1024  # … and this memory beside the features
MODULES = (__file__, str(contest.__file__), str(peers.__file__))
MARKET = Make(3368, 750, 13_115, 15_913, 3_819, 2048)
SIZES = (5_000, 10_000, 15_913, 20_000, 50_000, 100_000, 200_000, 515_913)
SMALL = Make(336, 75, 1_311, 1_591, 381, 256)
SMALL_SIZES = (500, 1_591, 8_000)


def code() -> str:
    """What the figures depend on: a part of an interrupted run is kept only for it."""
    ours = ("evaluation", "ranking/ranks", "ranking/distances", "descriptors")
    paths = [*(ROOT / f"dplib/{x}.py" for x in ours), *map(Path, MODULES)]
    return hashlib.sha256(b"".join(f.read_bytes() for f in paths)).hexdigest()[:12]


def bars(result: dict[str, Any]) -> dict[str, Any]:
    """(b) and (c) beside their bars."""
    found = {}
    for key, size in (("b", MARKET.market), ("c", max(SIZES))):
        if str(size) not in result["sizes"]:
            continue
        row = result["sizes"][str(size)]["rows"][OURS]
        found[key] = {
            "gallery": size,
            "times the product": row["median paired ratio"],
            "at most": BAR,
        }
        if row["process MiB"] is not None:
            found[key]["MiB beside the features"] = (
                row["process MiB"] - row["features MiB"]
            )
            found[key]["at most MiB"] = BAR_MIB
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small; writes nothing")
    parser.add_argument("--resume", action="store_true", help="keep the parts done")
    parser.add_argument("--plot", action="store_true", help="draw, measure nothing")
    parser.add_argument("--sizes", type=int, nargs="+", help="in place of the sweep")
    parser.add_argument("--rounds", type=int, help="runs of each (5; 3 if long)")
    args = parser.parse_args()
    rounds = args.rounds or (2 if args.quick else 5)
    if args.plot:
        evaluation_report.main()
        return
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    here, absent = peers.available()
    for name, why in absent.items():
        print(f"absent: {name} ({why})")
    if absent:
        print(f"To install the peers: {peers.NEED}")
    m, sizes = (SMALL, SMALL_SIZES) if args.quick else (MARKET, SIZES)
    sizes = tuple(args.sizes or sizes)
    key = {"code": code(), "machine": machine(), "rounds": rounds}
    result: dict[str, Any] = {"key": key, "sizes": {}}
    if args.resume and PARTS.is_file():
        done = json.loads(PARTS.read_text("utf-8"))
        if done["key"] == key:
            result = done
        else:
            print("other code or another machine: from the start")
    started = time.perf_counter()
    workers: dict[str, Worker] = {}

    def keep() -> None:
        if not args.quick:
            files.write(PARTS, json.dumps(result))

    if "distances" not in result:
        names = [OURS, *here]
        part = measure(workers, names, m, m.market, True, rounds, {})
        result["distances"] = part
        show(part, f"(a) distances given, {m.queries:,} x {m.market:,}")
        keep()
    for size in sizes:
        if str(size) in result["sizes"]:
            continue
        names = [PRODUCT, OURS, *here]
        turns = rounds if size <= 20_000 else min(3, rounds)
        part = measure(workers, names, m, size, False, turns, result["sizes"])
        result["sizes"][str(size)] = part
        mark = {m.market: "(b) ", max(sizes): "(c) "}.get(size, "")
        show(part, f"{mark}features, {m.queries:,} x {size:,} x {m.dim:,}")
        keep()
    for worker in workers.values():
        worker.close()
    print(f"\n{(time.perf_counter() - started) / 60:.1f} minutes")
    if args.quick:
        print("all agree; too small a size to judge times by")
        return
    del result["key"]
    result = {"rounds": rounds, "bars": bars(result), "absent": absent, **result}
    for name, bar in result["bars"].items():
        print(f"({name}) {', '.join(f'{k} {v}' for k, v in bar.items())}")
    write("evaluation", result)
    PARTS.unlink(missing_ok=True)
    evaluation_report.main()


if __name__ == "__main__":
    main()
