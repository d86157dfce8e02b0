"""Table (benchmarks/README.md) and plot (docs/evaluation_cost.png) of evaluation.json.

python benchmarks/evaluation_report.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from dplib import plots

HERE = Path(__file__).parent
PLOT = HERE.parent / "docs" / "evaluation_cost.png"
MARK = (
    "<!-- table: python benchmarks/evaluation_report.py -->\n",
    "<!-- /table -->",
)
STYLES = {  # colour, marker, line
    "matrix product": ("black", "", "--"),
    "dplib": ("blue", "o", "-"),
    "NumPy argsort": ("vermilion", "s", "-"),
    "torchreid, compiled": ("green", "^", "-"),
    "torchreid, Python": ("purple", "v", "-"),
    "OML": ("orange", "D", "-"),
    "PML": ("sky", "P", "-"),
}


def draw(record: dict[str, Any]) -> Figure:
    """Seconds and memory beside the features against the gallery's size, log-log."""
    fig = Figure(figsize=(10, 4.4), layout="constrained")
    axes = fig.subplots(1, 2)
    parts = record["sizes"].values()
    for ax, key, unit, title in (
        (axes[0], "median seconds", "seconds", "Time from features to all measures"),
        (axes[1], "peak MiB", "MiB", "Peak memory beside the features"),
    ):
        for name, (colour, marker, line) in STYLES.items():
            points = [
                (p["gallery"], p["rows"][name][key])
                for p in parts
                if name in p["rows"] and p["rows"][name][key]
            ]
            if points:
                ax.plot(
                    *zip(*points, strict=True),
                    color=plots.PALETTE[colour],
                    marker=marker,
                    linestyle=line,
                    linewidth=2.4 if name == "dplib" else 1.4,
                    markersize=5,
                    zorder=3 if name == "dplib" else 2,
                    label=name,
                )
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_title(title, fontsize=11)
        ax.set_xlabel("gallery images")
        ax.set_ylabel(unit)
        ax.grid(alpha=0.3)
        ax.set_xticks([5_000, 20_000, 50_000, 200_000, 500_000])
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].legend(fontsize=8)
    return fig


def table(record: dict[str, Any]) -> str:
    """Three tables in Markdown, from the record alone."""
    here = record["machine"]
    lines = [
        "",
        f"`{record['command']}`, {record['date']}, commit `{record['commit']}`: "
        f"{here['cpu']}, {here['cores']} cores, {here['torch threads']} threads, "
        f"{here['memory GiB']} GiB, PyTorch {here['versions']['torch']}, NumPy "
        f"{here['versions']['numpy']}.",
        "",
        "**(a) Distances given**, 3,368 × 15,913: median seconds (runs), and the peak "
        "of memory beside what was there before.",
        "",
        "| | seconds | times dplib | peak MiB | rank-1 | mAP |",
        "|---|---|---|---|---|---|",
    ]
    rows = record["distances"]["rows"]
    ours = rows["dplib"]["median seconds"]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {_seconds(row)} | {row['median seconds'] / ours:.1f} | "
            f"{_mib(row['peak MiB'])} | {100 * row['rank1']:.2f} | "
            f"{100 * row['map']:.2f} |"
        )
    sizes = record["sizes"]
    for title, cell in (
        (
            "**(b), (c) and between: features of 2,048 values to all measures**, by "
            "gallery images; median seconds (runs). 15,913 is Market-1501 (b), 515,913 "
            "Market-1501 and 500,000 distractors (c).",
            _seconds,
        ),
        (
            "The same, **times the matrix product** (median of pairs in a round).",
            lambda row: f"{row['median paired ratio']:.2f}",
        ),
        (
            "The same, **peak MiB beside the features**.",
            lambda row: _mib(row["peak MiB"]),
        ),
    ):
        lines += ["", title, ""]
        lines.append("| | " + " | ".join(f"{int(s):,}" for s in sizes) + " |")
        lines.append("|---" * (len(sizes) + 1) + "|")
        for name in STYLES:
            if any(name in p["rows"] for p in sizes.values()):
                cells = (
                    cell(p["rows"][name]) if name in p["rows"] else "–"
                    for p in sizes.values()
                )
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
    last = list(sizes.values())[-1]["left out"]
    lines += ["", "Left out (–): " + "; ".join(f"{n} {w}" for n, w in last.items())]
    if record["absent"]:
        lines[-1] += "; not installed: " + ", ".join(record["absent"])
    lines += [lines.pop() + ".", ""]
    for key, bar in record["bars"].items():
        text = f"({key}) {bar['times the product']:.2f} × the product (at most "
        text += f"{bar['at most']})"
        if "at most MiB" in bar:
            text += (
                f", the whole process {bar['MiB beside the features']:,} MiB beside "
            )
            text += f"the features (at most {bar['at most MiB']:,})"
        lines.append(f"- {text}")
    return "\n".join([*lines, "", ""])


def _seconds(row: dict[str, Any]) -> str:
    return f"{row['median seconds']:.3g} ({row['runs']})"


def _mib(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def main() -> None:
    record = json.loads((HERE / "results" / "evaluation.json").read_text("utf-8"))
    if "sizes" not in record:
        print("evaluation.json is of an older kind: run benchmarks/evaluation.py")
        return
    PLOT.write_bytes(plots.png(draw(record)))
    path = HERE / "README.md"
    head, _, rest = path.read_text("utf-8").partition(MARK[0])
    tail = rest.partition(MARK[1])[2]
    path.write_text(head + MARK[0] + table(record) + MARK[1] + tail, encoding="utf-8")
    print("written: docs/evaluation_cost.png, benchmarks/README.md")


if __name__ == "__main__":
    main()
