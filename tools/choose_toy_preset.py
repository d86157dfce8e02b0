"""Choose the toy preset's schedule on held-out training people, never on test people.

    python tools/choose_toy_preset.py

Each candidate differs from the preset in what its name says, sees the same number of
images, and is measured on 100 held-out training pids of ToyMarket. One line of JSON per
candidate goes to benchmarks/results/toy_preset.jsonl; those that are there are skipped.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import datasets, descriptors, evaluation, presets, toymarket, training

VAL_PIDS, SEED = 100, 0
CANDIDATES: dict[str, dict[str, float]] = {
    "P 8, lr 1.5e-3": {"p": 8, "lr": 1.5e-3},
    "P 16, lr 1.5e-3": {"p": 16, "lr": 1.5e-3},
    "P 8, lr 7e-4": {"p": 8, "lr": 7e-4},
    "P 8, lr 3e-3": {"p": 8, "lr": 3e-3},
    "P 8, lr 1.5e-3, decay from 24": {"p": 8, "lr": 1.5e-3, "decay_start": 24},
}


def main() -> None:
    out = ROOT / "benchmarks" / "results" / "toy_preset.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = out.read_text("utf-8").splitlines() if out.exists() else []
    generator = f"{toymarket.VERSION}:{toymarket.generator_hash()}"
    done = {
        r["candidate"] for r in map(json.loads, lines) if r["generator"] == generator
    }
    data = datasets.load("toymarket", ROOT / "data", val_pids=VAL_PIDS, seed=SEED)
    for name, change in CANDIDATES.items():
        if name in done:
            continue
        base = replace(presets.get("toy"), epochs=32, decay_start=16)
        preset = replace(base, **change)
        with tempfile.TemporaryDirectory() as folder:
            run = training.train(preset, data, folder, seed=SEED)
        query, gallery = (
            descriptors.extract(run.model, samples)
            for samples in (data.query, data.gallery)
        )
        record = {
            "candidate": name,
            "val_pids": VAL_PIDS,
            "seed": SEED,
            "generator": generator,
            "iterations": len(run.history),
            "seconds": round(run.seconds),
            "date": date.today().isoformat(),
            **evaluation.evaluate(query, gallery).summary(),
        }
        with out.open("a", encoding="utf-8") as f:
            f.write(json.dumps(record) + "\n")
        print(record)


if __name__ == "__main__":
    main()
