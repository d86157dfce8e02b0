"""ToyMarket's pictures beside Market-1501's: light, colour and sharpness, as figures.

    python tools/compare_crops.py

Percentiles (5, 25, 50, 75, 95) over 3,000 training images of each set, and how much of
the spread lies between cameras (the share of the variance that the camera explains);
beside them, how many images the training pids have. Lesson 1 draws the record,
dplib/assets/records/crops.json; no picture leaves the data folder.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import datasets, files, toymarket, transforms

SETS = ("toymarket", "market1501")
OUT = ROOT / "dplib" / "assets" / "records" / "crops.json"


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


def spread(values: np.ndarray, camids: np.ndarray) -> dict[str, float]:
    """Percentiles of ``values`` [n]; the share of their variance between cameras."""
    names = {5: "5 %", 25: "25 %", 50: "median", 75: "75 %", 95: "95 %"}
    found = dict(
        zip(names.values(), np.percentile(values, list(names)).tolist(), strict=True)
    )
    groups = [values[camids == c] for c in np.unique(camids)]
    between = sum(len(g) * (g.mean() - values.mean()) ** 2 for g in groups)
    found["explained by camera"] = float(between / len(values) / values.var())
    return {k: round(x, 3) for k, x in found.items()}


def images_per_pid(pids: list[int]) -> dict[str, int]:
    """How many images a training pid has: least, median, most, and below K = 8."""
    n = np.array(list(Counter(pids).values()))
    return {
        "least": int(n.min()),
        "median": int(np.median(n)),
        "most": int(n.max()),
        "pids": len(n),
        "pids with fewer than 8": int((n < 8).sum()),
    }


def main() -> None:
    record: dict[str, object] = {
        "made by": "python tools/compare_crops.py",
        "generator": f"{toymarket.VERSION}:{toymarket.generator_hash()}",
        "date": date.today().isoformat(),
    }
    for name in SETS:
        samples = datasets.load(name, ROOT / "data").train
        drawn = np.random.default_rng(0).permutation(len(samples))[:3000]
        rows = [
            measures(transforms.read_image(samples[i].path, (128, 64))) for i in drawn
        ]
        camids = np.array([samples[i].camid for i in drawn])
        found: dict[str, dict[str, float] | dict[str, int]] = {}
        for key in rows[0]:
            found[key] = spread(np.array([r[key] for r in rows]), camids)
            print(
                f"{name:11} {key:11}", *(f"{k} {x:6.3f}" for k, x in found[key].items())
            )
        found["images per pid"] = images_per_pid([s.pid for s in samples])
        print(f"{name:11} images per pid", found["images per pid"])
        record[name] = found
    files.write(OUT, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
