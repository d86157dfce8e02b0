"""How far do the figures of lesson 0 move with the seed, and with the threads?

    python tools/record_quickstart.py                all runs
    python tools/record_quickstart.py SEED THREADS   this run, beside those on record

Lesson 0's net is trained with seeds 0, 1 and 2 on one thread, and with seed 0 on two
threads. Written to dplib/assets/records/quickstart.json: for each run the measures with
and without the camera rule, and when each identification loss left guessing, which is
the answer to a question of lesson 0. The lesson prints the record beside its own run.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import (
    datasets,
    descriptors,
    evaluation,
    files,
    presets,
    toymarket,
    training,
    workspace,
)
from dplib.lessons.quickstart import leaving
from dplib.samples import ReIDData

OUT = ROOT / "dplib" / "assets" / "records" / "quickstart.json"
RUNS = ((0, 1), (1, 1), (2, 1), (0, 2))  # seed, threads


def run(data: ReIDData, seed: int, threads: int, folder: Path) -> dict[str, Any]:
    """Train once and measure, as lesson 0 does."""
    torch.set_num_threads(threads)
    toy = presets.get("toy")
    trained = training.train(toy, data, folder, seed=seed, progress=False)
    query = descriptors.extract(trained.model, data.query, progress=False)
    gallery = descriptors.extract(trained.model, data.gallery, progress=False)
    nowhere = query._replace(camids=torch.zeros_like(query.camids))
    result = evaluation.evaluate(query, gallery)
    losses = {name: [h[name] for h in trained.history] for name in ("part", "global")}
    return {
        "seed": seed,
        "threads": threads,
        "rank1": round(result.rank1, 6),
        "map": round(result.map, 6),
        "rank1 without the camera rule": round(
            evaluation.evaluate(nowhere, gallery).rank1, 6
        ),
        "left guessing": {
            name: leaving.iteration(values, len(data.labels))
            for name, values in losses.items()
        },
    }


def main(chosen: list[str]) -> None:
    data = datasets.load("toymarket", workspace.folders()[0])
    known = (
        json.loads(OUT.read_text("utf-8"))["runs"] if chosen and OUT.exists() else []
    )
    runs = {(r["seed"], r["threads"]): r for r in known}
    which = [(int(chosen[0]), int(chosen[1]))] if chosen else list(RUNS)
    for seed, threads in which:
        with tempfile.TemporaryDirectory() as work:
            found = runs[seed, threads] = run(data, seed, threads, Path(work))
        print(found)
        record = {
            "made by": "python tools/record_quickstart.py",
            "generator": f"{toymarket.VERSION}:{toymarket.generator_hash()}",
            "date": date.today().isoformat(),
            "preset": "toy",
            "torch": torch.__version__,
            "runs": list(runs.values()),
        }
        files.write(OUT, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
