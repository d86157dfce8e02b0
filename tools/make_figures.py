"""The README's pictures, from runs, and its table, from the records of runs.

    python tools/make_figures.py

docs/ranked_gallery.png and docs/toy_curves.png need runs/quickstart (make run), which
benchmarks/results/quickstart.json notes; docs/market_curves.png needs runs/market-cpu.
The table stands between two marks in README.md; a test compares it with the records.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import checkpoints, datasets, descriptors, evaluation, plots
from dplib.lessons.training import figures


def ranked_gallery() -> bytes:
    """Queries from the whole range of AP, so that failures are seen as well."""
    net = checkpoints.load(ROOT / "runs/quickstart/toy")
    data = datasets.load("toymarket", ROOT / "data")
    query, gallery = (descriptors.extract(net, s) for s in (data.query, data.gallery))
    result = evaluation.evaluate(query, gallery)
    order = result.ap.argsort(descending=True, stable=True)
    chosen = [order[int(q * (len(order) - 1))].item() for q in (0.1, 0.4, 0.6, 0.9)]
    rows = [plots.ranked_row(result, i, data.query, data.gallery) for i in chosen]
    return plots.png(plots.ranked_galleries(rows, width=10))


def curves(run: str, num_ids: int, title: str) -> bytes:
    with (ROOT / "runs" / run / "log.csv").open(encoding="utf-8") as f:
        history = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(f)]
    return plots.png(figures.training_curves(history, num_ids, title=title))


RESULTS = ROOT / "benchmarks" / "results"
MARK = "<!-- figures: python tools/make_figures.py -->\n", "<!-- /figures -->"


def read(name: str) -> dict[str, Any]:
    return dict(json.loads((RESULTS / f"{name}.json").read_text("utf-8")))


def table() -> str:
    """README's figures, from the records alone."""
    quick, market = read("quickstart"), read("market-cpu")
    speed, steps, rerank = read("evaluation"), read("training"), read("reranking")
    path = ROOT / "dplib/assets/checkpoints/toy.json"
    long = json.loads(path.read_text("utf-8"))
    rows = [
        (name, "", b["rank1"], b["map"], b["minp"], "")
        for name, b in quick["baselines"].items()
    ]
    note = f"lesson 0 as a whole {quick['seconds']:.0f} s"
    rows.append(("**preset toy**", "random", *scores(quick), note))
    took = f"{long['iterations']:,} iterations"
    rows.append(("preset toy, ten times as long", "random", *scores(long), took))
    took = f"{market['training']['seconds'] / 60:.0f} minutes of training"
    rows.append(("**preset market-cpu**", "ImageNet", *scores(market), took))
    for name in ("multiple query", "re-ranked"):
        rows.append((f"the same, {name}", "ImageNet", *scores(market[name]), ""))
    lines = [
        "| data | model | starts from | rank-1 | mAP | mINP | time, two cores |",
        "|---|---|---|---|---|---|---|",
    ]
    for i, (name, start, *values, took) in enumerate(rows):
        data = "Market-1501" if i >= len(rows) - 3 else "ToyMarket"
        cells = " | ".join(f"{100 * v:.1f}" for v in values)
        lines.append(f"| {data} | {name} | {start} | {cells} | {took} |")
    low, high = (f"{100 * x:.1f}" for x in market["metrics"]["map_interval"])
    sizes, again = speed["sizes"], rerank["market"]["rows"]
    lines += [
        "",
        f"Commands: `make run` ({quick['date']}, seed {quick['seed']}); "
        f"`{long['command']}` ({long['date']}, seed {long['seed']}); "
        f"`{market['training']['command']}`, then `{market['command']}` "
        f"({market['date']}, seed {market['seed']}). Two cores of an AMD EPYC, "
        f"no GPU, PyTorch {quick['versions']['torch']}. The descriptor is fm, averaged "
        "over the mirror image, L2-normalised; AP is by steps.",
        "",
        f"Market-1501's mAP has a 95 % interval of {low} to {high}, resampled by "
        "person (`dplib.evidence.resampling`).",
        "",
        *(
            f"Evaluation of 3,368 queries, features of 2,048 values to all measures: "
            f"**{row['dplib']['median seconds']:.2f} s** against {size} images, "
            f"{row['dplib']['median paired ratio']:.2f} x the bare matrix product, "
            f"{row['dplib']['peak MiB']:,.0f} MiB beside the features."
            for size, row in (
                (f"{int(n):,}", sizes[n]["rows"]) for n in ("15913", "515913")
            )
        ),
        f"The fastest peer at 15,913 takes {fastest(sizes['15913']['rows']):.1f} s "
        "(`python benchmarks/evaluation.py`, [all figures](benchmarks/README.md)).",
        "Re-ranking at Market-1501's size: "
        f"**{again['dplib']['median seconds']:.1f} s** and "
        f"{again['dplib']['peak MiB']:,.0f} MiB; the published dense method "
        f"{again['dense']['median seconds']:.1f} s and "
        f"{again['dense']['peak MiB']:,.0f} MiB (`python benchmarks/reranking.py`).",
        f"Training runs at {steps['median paired ratio']:.2f} of the speed of the same "
        "step on tensors already in memory (`python benchmarks/training.py`).",
        "",
    ]
    return "\n".join(lines)


def scores(record: dict[str, Any]) -> tuple[float, float, float]:
    r = record.get("metrics", record)
    return r["rank1"], r["map"], r["minp"]


def fastest(rows: dict[str, Any]) -> float:
    """Median seconds of the fastest peer, the bare product aside."""
    peers = rows.keys() - {"dplib", "matrix product"}
    return min(rows[name]["median seconds"] for name in peers)


def put_table() -> None:
    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    head, _, rest = text.partition(MARK[0])
    tail = rest.partition(MARK[1])[2]
    path.write_text(head + MARK[0] + table() + MARK[1] + tail, encoding="utf-8")


def main() -> None:
    docs = ROOT / "docs"
    docs.mkdir(exist_ok=True)
    (docs / "ranked_gallery.png").write_bytes(ranked_gallery())
    metrics = (ROOT / "runs/quickstart/metrics.json").read_text("utf-8")
    (RESULTS / "quickstart.json").write_text(metrics, encoding="utf-8")
    toy = curves("quickstart/toy", 600, "ToyMarket, preset toy (lesson 0)")
    (docs / "toy_curves.png").write_bytes(toy)
    if (ROOT / "runs/market-cpu/log.csv").exists():
        market = curves("market-cpu", 751, "Market-1501, preset market-cpu")
        (docs / "market_curves.png").write_bytes(market)
    put_table()


if __name__ == "__main__":
    main()
