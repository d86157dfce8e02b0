"""When do the identification branches wake? Recorded on ToyMarket for several heads.

    python tools/record_heads.py [EXPERIMENT …]

All three branches are trained together from random weights, at the toy preset's
settings and constant learning rate, with seeds 0 to 2. Each run is added to
dplib/assets/records/heads.json as soon as it has ended: means over blocks of iterations
of the columns of ``dplib.lessons.blstm_branch.shortruns``. Runs that are there already
are not made again, so that the command may be stopped and repeated. Lesson 3 draws
them.
"""

from __future__ import annotations

import json
import math
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import datasets, files, presets, toymarket, transforms, workspace
from dplib.evidence import provenance
from dplib.lessons.blstm_branch import heads, shortruns
from dplib.lessons.blstm_branch.shortruns import Row
from dplib.model import DeepPerson

OUT = ROOT / "dplib" / "assets" / "records" / "heads.json"
SEEDS = (0, 1, 2)


class Experiment(NamedTuple):
    """Runs of equal length on the same people, for several variants."""

    pids: int
    iterations: int
    block: int
    # name → what stands before the classifiers of BpI and BgI, and preset settings
    variants: dict[str, tuple[str, str, dict[str, Any]]]
    stop: bool = False  # once both branches are awake


def same(*kinds: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Variants with the same head in both branches."""
    return {kind: (kind, kind, {}) for kind in kinds}


AUTHORS = {"authors": ("bn", "bn", {"head": "authors"})}
EXPERIMENTS = {
    "40 people": Experiment(
        *(40, 200, 5),
        {
            **same("linear", "centred", "scaled", "both", "bn", "frozen"),
            **AUTHORS,
            "FC rows, linear": ("linear", "linear", {"part_context": "fc"}),
            "linear, no weight decay": ("linear", "linear", {"weight_decay": 0.0}),
        },
    ),
    "one branch": Experiment(
        *(40, 100, 5),
        {
            **{f"BpI {k}": (k, "bn", {}) for k in ("linear", "centred", "scaled")},
            **{f"BgI {k}": ("bn", k, {}) for k in ("linear", "centred", "scaled")},
        },
    ),
    "16 people": Experiment(  # 32 images a batch, of all the people or of some
        *(16, 200, 5),
        {
            f"linear, {p} people a batch": ("linear", "linear", {"p": p, "k": 32 // p})
            for p in (4, 8, 16)
        },
    ),
    "600 people": Experiment(
        600, 1600, 25, same("linear", "centred", "scaled", "bn"), stop=True
    ),
    "600 people, no weight decay": Experiment(
        *(600, 1600, 25),
        {"centred, no weight decay": ("centred", "centred", {"weight_decay": 0.0})},
        stop=True,
    ),
    "600 people, authors": Experiment(600, 2400, 25, AUTHORS, stop=True),
}


def awake(rows: Sequence[Row], num_ids: int, block: int) -> bool:
    """Whether the last block of a run lies a nat below chance, in both branches."""
    last = rows[-block:]
    return len(rows) % block == 0 and all(
        sum(r[key] for r in last) / block < math.log(num_ids) - 1
        for key in ("part", "global")
    )


def run(experiment: Experiment, variant: str, seed: int, data: Any) -> dict[str, Any]:
    """One run, as it is recorded."""
    part, global_, settings = experiment.variants[variant]
    preset = replace(presets.get("toy"), **{"head": "bn", **settings})
    order = {pid: i for i, pid in enumerate(sorted(data.labels)[: experiment.pids])}
    samples = [s for s in data.train if s.pid in order]
    images = transforms.decode(samples, preset.image_size, progress=False)

    def nothing(_: DeepPerson) -> None:
        pass

    _, rows = shortruns.run(
        preset,
        images,
        [order[s.pid] for s in samples],
        experiment.iterations,
        seed=seed,
        change=heads.put(part, global_) if preset.head == "bn" else nothing,
        until=lambda rows: (
            experiment.stop and awake(rows, experiment.pids, experiment.block)
        ),
    )
    curves = shortruns.means(rows, experiment.block)
    return {
        "iterations": len(rows),
        **provenance.circumstances(),
        "machine": f"{platform.machine()} {platform.system()}, 1 thread",
        **{k: [float(f"{x:.4g}") for x in v] for k, v in curves.items()},
    }


def main() -> None:
    torch.set_num_threads(1)
    data = datasets.load("toymarket", workspace.folders()[0])
    record: dict[str, Any] = {}
    if OUT.is_file():
        record = json.loads(OUT.read_text("utf-8"))
    record |= {
        "command": "python tools/record_heads.py",
        "generator": f"{toymarket.VERSION}:{toymarket.generator_hash()}",
        "preset": "toy",
    }
    runs = record.setdefault("runs", [])
    for name in sys.argv[1:] or EXPERIMENTS:
        experiment = EXPERIMENTS[name]
        settings = {k: getattr(experiment, k) for k in ("pids", "iterations", "block")}
        record.setdefault("experiments", {})[name] = settings
        for seed in SEEDS:
            for variant in experiment.variants:
                key = {"experiment": name, "variant": variant, "seed": seed}
                if any(key.items() <= r.items() for r in runs):
                    continue
                runs.append({**key, **run(experiment, variant, seed, data)})
                last = {k: runs[-1][k][-1] for k in ("part", "global")}
                print(f"{name}, {variant}, seed {seed}: {last}", flush=True)
                files.write(OUT, json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
