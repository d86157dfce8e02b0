"""Tables (benchmarks/README.md) of the records, and the plot docs/evaluation_cost.png.

python benchmarks/evaluation_report.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from dplib import DplibError, plots

HERE = Path(__file__).parent
PLOT = HERE.parent / "docs" / "evaluation_cost.png"
END = "<!-- /table -->"
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
    lines = [
        "",
        _origin(record),
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


def _origin(record: dict[str, Any]) -> str:
    """Command, date, commit (older records have none), machine and versions."""
    m = record["machine"]
    commit = f", commit `{record['commit']}`" if "commit" in record else ""
    return (
        f"`{record['command']}`, {record['date']}{commit}: {m['cpu']}, {m['cores']} "
        f"cores, {m['torch threads']} threads, {m['memory GiB']} GiB, PyTorch "
        f"{m['versions']['torch']}, NumPy {m['versions']['numpy']}."
    )


def _seconds(row: dict[str, Any]) -> str:
    return f"{row['median seconds']:.3g} ({row['runs']})"


def _mib(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def reranking_table(record: dict[str, Any]) -> str:
    """k-reciprocal re-ranking at Market-1501's size, and on the small set."""
    lines = [
        "",
        f"{_origin(record)} k1 = 20, k2 = 6, λ = 0.3; *difference*: the largest from "
        "dplib's distances. “As called” is torchreid's function as its program calls "
        "it, with distances that are squared twice.",
        "",
        "| | queries × gallery × values | seconds (runs) | peak MiB | rank-1 | mAP "
        "| difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for part in ("small", "market, 512 values", "market"):
        if part not in record:
            continue
        size = record[part]["size"]
        for name, row in record[part]["rows"].items():
            lines.append(
                f"| {name} | {size['queries']:,} × {size['market']:,} × "
                f"{size['dim']:,} | {_seconds(row)} | {_mib(row['peak MiB'])} | "
                f"{100 * row['rank1']:.2f} | "
                f"{100 * row['map']:.2f} | {row['max difference']:.2g} |"
            )
    bars = record["bars"]
    lines += [
        "",
        f"- (d) {bars['seconds']['measured']:.1f} s (at most {bars['seconds']['bar']}),"
        f" {bars['peak MiB']['measured']:,} MiB (at most {bars['peak MiB']['bar']:,})",
        f"- {bars['times faster']['measured']:.1f} × faster than the dense method (at "
        f"least {bars['times faster']['bar']}), with "
        f"{bars['share of memory']['measured']:.2f} of its memory (at most "
        f"{bars['share of memory']['bar']})",
    ]
    for key in ("times the product", "times the product, 512 values"):
        if key in bars:
            bar = bars[key]
            lines.append(f"- {bar['measured']:.2f} {key} (at most {bar['bar']})")
    share = record["market"]["rows"]["dense"]["share beyond 1e-5"]
    lines.append(
        f"- at full size {share:.4%} of the values differ from the dense method by "
        "more than 1e-5; we think of neighbours that float32 cannot tell apart"
    )
    return "\n".join([*lines, "", ""])


def training_table(record: dict[str, Any]) -> str:
    """The cost of feeding a step."""
    return (
        f"\n{_origin(record)} {record['steps']} steps of {record['batch']} images, in "
        "turns:\n\n"
        f"- from uint8 images, augmented: {record['A images/s']:,.0f} images/s\n"
        f"- the same step on tensors that are ready: {record['B images/s']:,.0f}\n"
        f"- ratio (median of pairs): {record['median paired ratio']:.2f}, bar "
        f"{record['bar']}"
        f"{'' if record['median paired ratio'] >= record['bar'] else ': **missed**'}\n"
        f"- decoding alone: {record['decoding images/s']:,} images/s\n\n"
    )


def put(text: str, mark: str, new: str) -> str:
    """``text`` with what stands between the marks made anew; DplibError without."""
    start, end = f"<!-- {mark}: python benchmarks/evaluation_report.py -->\n", END
    head, found, rest = text.partition(start)
    if not found or end not in rest:
        raise DplibError(f"benchmarks/README.md has no lines {start.strip()} and {end}")
    return head + start + new + end + rest.partition(end)[2]


def main() -> None:
    path = HERE / "README.md"
    text = path.read_text("utf-8")
    made = {"table": table, "reranking": reranking_table, "training": training_table}
    for mark, write in made.items():
        name = "evaluation" if mark == "table" else mark
        record = json.loads((HERE / f"results/{name}.json").read_text("utf-8"))
        text = put(text, mark, write(record))
        if mark == "table":
            PLOT.write_bytes(plots.png(draw(record)))
    path.write_text(text, encoding="utf-8")
    print("written: docs/evaluation_cost.png, benchmarks/README.md")


if __name__ == "__main__":
    main()
