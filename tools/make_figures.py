"""The README's figures, from runs: docs/ranked_gallery.png and docs/*_curves.png.

    python tools/make_figures.py

Needs runs/quickstart (make run) and, for Market's curves, runs/market-cpu (a training).
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import datasets, descriptors, evaluation, model, plots  # noqa: E402


def ranked_gallery() -> bytes:
    """Queries from the whole range of AP, so that failures are seen as well."""
    net = model.load(ROOT / "runs/quickstart/toy")
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
    return plots.png(plots.training_curves(history, num_ids, title=title))


def main() -> None:
    docs = ROOT / "docs"
    docs.mkdir(exist_ok=True)
    (docs / "ranked_gallery.png").write_bytes(ranked_gallery())
    toy = curves("quickstart/toy", 600, "ToyMarket, preset toy (lesson 0)")
    (docs / "toy_curves.png").write_bytes(toy)
    if (ROOT / "runs/market-cpu/log.csv").exists():
        market = curves("market-cpu", 751, "Market-1501, preset market-cpu")
        (docs / "market_curves.png").write_bytes(market)


if __name__ == "__main__":
    main()
