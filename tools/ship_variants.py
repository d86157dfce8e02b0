"""Ship the nets of the variants that lessons show: figures 5 and 6, and PCB.

    python tools/ship_variants.py [NAME …] [--runs runs/ablate] [--results DIR]

From finished runs of `python -m dplib ablate`, seed 0, to
dplib/assets/checkpoints/toy-NAME: whole models in half precision (BatchNorm: float32),
each with the record of its run and its measures after halving.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import (
    DplibError,
    checkpoints,
    datasets,
    descriptors,
    evaluation,
    samples,
    workspace,
)
from dplib.evidence import records

NAMES = ("bgi", "bgi_bpi_fc", "bgi_bpi", "full", "stripes")
MAX_BYTES = 8_000_000
LONG = ("ap", "hits")  # stays in the records


def ship(
    name: str, runs: Path, results: Path, data: samples.ReIDData, into: Path
) -> Path:
    """One variant's net; DplibError when its run is not finished or it is too large."""
    key = ("toymarket", "layout", name, 0)
    lines = records.read(records.records_file(results, "toymarket"))
    by_key = {records.key_of(r): r for r in lines}
    if key not in by_key:
        raise DplibError(
            f"{name}, seed 0, has no record in {results}: python -m dplib ablate"
        )
    record: dict[str, Any] = {k: v for k, v in by_key[key].items() if k not in LONG}
    net = checkpoints.load(runs / "toymarket" / f"{name}-0")
    path = checkpoints.save(net, into / f"toy-{name}", record)
    halved = checkpoints.load(path)
    query, gallery = (
        descriptors.extract(halved, s, progress=False)
        for s in (data.query, data.gallery)
    )
    record["metrics"] = evaluation.evaluate(query, gallery).summary()
    record["command"] = "python tools/ship_variants.py"
    checkpoints.save(net, path, record)
    if path.stat().st_size > MAX_BYTES:
        raise DplibError(f"{path}: {path.stat().st_size:,} bytes, over {MAX_BYTES:,}")
    return path


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs/ablate")
    parser.add_argument("--results", type=Path, default=records.RESULTS)
    args = parser.parse_args(argv)
    data = datasets.load("toymarket", workspace.folders()[0])
    for name in args.names:
        path = ship(name, args.runs, args.results, data, checkpoints.ASSETS)
        record = json.loads(path.with_suffix(".json").read_text("utf-8"))
        before = record["measures"]["fm"]
        print(
            f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, rank-1 / mAP "
            f"{100 * record['metrics']['rank1']:.2f} / "
            f"{100 * record['metrics']['map']:.2f} (before halving "
            f"{100 * before['rank1']:.2f} / {100 * before['map']:.2f})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
