"""Does the part branch learn? Its three heads, and FC rows, recorded on ToyMarket.

    python tools/record_heads.py

Two experiments, all three branches trained together at the toy preset's settings:
"40 pids": 200 iterations on the first 40 training pids, seeds 0 to 2;
"600 pids": 1,200 iterations on all of them, seed 0 (the first half of the preset's run,
at its constant learning rate). Written to dplib/assets/records/heads.json: means over
blocks of iterations of the columns of ``dplib.lessons.blstm_branch.shortruns``.
Lesson 3 draws them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import datasets, files, presets, toymarket, transforms
from dplib.lessons.blstm_branch import shortruns

OUT = ROOT / "dplib" / "assets" / "records" / "heads.json"
VARIANTS = {
    "linear": ("blstm", "linear"),
    "bn": ("blstm", "bn"),
    "authors": ("blstm", "authors"),
    "FC rows, linear": ("fc", "linear"),
}
EXPERIMENTS = {"40 pids": (40, 200, 10, (0, 1, 2)), "600 pids": (600, 1200, 25, (0,))}


def main() -> None:
    torch.set_num_threads(1)
    data = datasets.load("toymarket", ROOT / "data")
    toy = presets.get("toy")
    record: dict[str, Any] = {
        "made by": "python tools/record_heads.py",
        "generator": f"{toymarket.VERSION}:{toymarket.generator_hash()}",
        "date": date.today().isoformat(),
        "preset": "toy",
        "torch": torch.__version__,
    }
    for name, (count, iterations, block, seeds) in EXPERIMENTS.items():
        order = {pid: i for i, pid in enumerate(sorted(data.labels)[:count])}
        samples = [s for s in data.train if s.pid in order]
        images = transforms.decode(samples, toy.image_size, progress=False)
        labels = [order[s.pid] for s in samples]
        runs = []
        for variant, (context, head) in VARIANTS.items():
            for seed in seeds:
                preset = replace(toy, part_context=context, head=head)
                _, rows = shortruns.run(preset, images, labels, iterations, seed=seed)
                curves = shortruns.means(rows, block)
                print(f"{name} {variant} seed {seed}: last {curves['part'][-1]:.3f}")
                short = {k: [float(f"{x:.4g}") for x in v] for k, v in curves.items()}
                runs.append({"variant": variant, "seed": seed, **short})
        settings = {"pids": count, "iterations": iterations, "block": block}
        record[name] = {**settings, "runs": runs}
        files.write(OUT, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
