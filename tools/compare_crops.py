"""ToyMarket's pictures beside Market-1501's: light, colour and sharpness, as figures.

    python tools/compare_crops.py

Median and 5th to 95th percentile over 3,000 training images of each set, and how much
of the spread lies between cameras (the share of the variance that the camera explains).
Written to benchmarks/results/crops.json; no picture leaves the data folder.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import datasets, toymarket, transforms  # noqa: E402


def measures(rgb: np.ndarray) -> dict[str, float]:
    """What can be measured without knowing the truth, on values in [0, 1]."""
    x = rgb.astype(np.float64) / 255
    grey = x @ [0.299, 0.587, 0.114]
    inner = grey[1:-1, 1:-1]
    laplace = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "saturation": float((x.max(2) - x.min(2)).mean()),
        "red - blue": float((x[..., 0] - x[..., 2]).mean()),
        "sharpness": float(np.abs(laplace - 4 * inner).mean()),
    }


def main() -> None:
    record: dict[str, object] = {
        "generator": f"{toymarket.VERSION}:{toymarket.generator_hash()}",
        "date": date.today().isoformat(),
    }
    for name in datasets.NAMES:
        samples = datasets.load(name, ROOT / "data").train
        drawn = np.random.default_rng(0).permutation(len(samples))[:3000]
        rows = [
            measures(transforms.read_image(samples[i].path, (128, 64))) for i in drawn
        ]
        camids = np.array([samples[i].camid for i in drawn])
        found = {}
        for key in rows[0]:
            v = np.array([r[key] for r in rows])
            low, middle, high = np.percentile(v, (5, 50, 95))
            groups = [v[camids == c] for c in np.unique(camids)]
            between = sum(len(g) * (g.mean() - v.mean()) ** 2 for g in groups)
            found[key] = {
                "5 %": round(low, 3),
                "median": round(middle, 3),
                "95 %": round(high, 3),
                "explained by camera": round(between / len(v) / v.var(), 3),
            }
            print(
                f"{name:11} {key:11}", *(f"{k} {x:6.3f}" for k, x in found[key].items())
            )
        record[name] = found
    out = ROOT / "benchmarks" / "results" / "crops.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
