"""Run ablations and report them from a terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from . import DplibError, workspace
from .options import Device, Root, base, root_folder

app = typer.Typer()

Results = Annotated[
    Path | None,
    typer.Option(help="Folder of the records; default: dplib/assets/results"),
]


def results_folder(results: Path | None) -> Path:
    """Where records are: in the checkout, or ``results`` beside an installed dplib."""
    if results is not None:
        return results
    checkout = workspace.checkout()
    return checkout / "dplib/assets/results" if checkout else Path.cwd() / "results"


@app.command(rich_help_panel="Experiments")
def ablate(
    data: Annotated[str, typer.Option(help="toymarket or market1501")] = "toymarket",
    table: Annotated[
        list[str] | None,
        typer.Option(help="4, 6, 7, extra, global or imagenet; again for more"),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Of each variant; default: as the plan has it")
    ] = None,
    workers: Annotated[int, typer.Option(help="Runs at a time")] = 1,
    threads: Annotated[int, typer.Option(help="Threads of each run")] = 1,
    epochs: Annotated[
        int | None, typer.Option(help="Instead of the recipe's (for a trial)")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="ImageNet weights; default: torchvision's")
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="Checkpoints; default: runs/ablate")
    ] = None,
    results: Results = None,
    root: Root = None,
    device: Device = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the runs that are left")
    ] = False,
) -> None:
    """Train every variant of the paper's tables, with seeds; resumable at any moment.

    A line of JSON per finished run goes to the results; runs that have one are not made
    again. On one thread a run's figures are the same to the bit each time.
    """
    from . import experiments, variants

    queue = variants.jobs(data, table or ["4", "6", "7"], seeds)
    places = experiments.Places(
        root=root_folder(root),
        runs=runs or base() / "runs" / "ablate",
        results=results_folder(results),
        weights=weights,
        threads=threads,
        epochs=epochs,
        device=device,
    )
    left = experiments.remaining(queue, places)
    print(f"{len(queue)} runs, {len(queue) - len(left)} done, {len(left)} to do")
    if dry_run:
        for job in left:
            print(f"  {job.folder:32} {job.variant.label}")
        return
    start, done, failed = time.monotonic(), 0, 0
    for made in experiments.run_all(queue, places, workers=workers):
        if isinstance(made, dict):
            done += 1
            pace = (time.monotonic() - start) / done
            m = made["measures"]["fm"]
            print(
                f"{made['variant']:16} {made['cues']:7} seed {made['seed']}: rank-1 "
                f"{100 * m['rank1']:5.1f}  mAP {100 * m['map']:5.1f}  "
                f"({len(left) - done - failed} left, about "
                f"{pace * (len(left) - done - failed) / 60:.0f} min)",
                flush=True,
            )
        else:
            failed += 1
            job, error = made
            print(f"{job.folder} FAILED: {error}", flush=True)
    if done + failed < len(left):
        print("Stopped; the same command goes on from here.")
    if failed:
        raise DplibError(f"{failed} of {len(left)} runs failed, see above")


@app.command(rich_help_panel="Experiments")
def robustness(
    runs: Annotated[
        Path | None, typer.Option(help="Of `ablate`; default: runs/ablate")
    ] = None,
    results: Results = None,
    root: Root = None,
    workers: Annotated[int, typer.Option(help="Processes that draw")] = 2,
) -> None:
    """Measure the finished runs against occlusion, blur, box shift and clutter.

    Each model of the variants BgI, BgI+BpI (with and without LSTM) and the full one
    that `ablate` has trained on ToyMarket gets one line of JSON, once.
    """
    from . import datasets, experiments, model
    from . import robustness as curves

    folder = (runs or base() / "runs" / "ablate") / "toymarket"
    into = results_folder(results) / "toymarket-robustness.jsonl"
    experiments.mend(into)
    have = {(r["variant"], r["seed"]) for r in experiments.read(into)}
    found = [
        (variant, int(path.parent.name.rpartition("-")[2]), path.parent)
        for variant in curves.VARIANTS
        for path in sorted(folder.glob(f"{variant}-[0-9]*/result.json"))
    ]
    todo = [f for f in found if f[:2] not in have]
    print(f"{len(found)} finished runs, {len(todo)} to measure")
    nets = [(v, seed, model.load(path)) for v, seed, path in todo]
    data = datasets.load("toymarket", root_folder(root))
    for record in curves.records(nets, data, workers=workers):
        experiments.append(into, record)
        print(f"{record['variant']:12} seed {record['seed']}: written", flush=True)


@app.command(rich_help_panel="Experiments")
def report(
    results: Results = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of evidence.md; default: docs")
    ] = None,
    data: Annotated[str, typer.Option(help="toymarket or market1501")] = "toymarket",
    readme: Annotated[
        bool, typer.Option("--readme", help="Put the summary into README.md, too")
    ] = False,
) -> None:
    """Make the paper's tables from the records: published, measured, difference.

    With intervals over seeds and people, a verdict for each claim of the paper, charts
    and robustness curves. Takes under a minute; few records are enough for a look.
    """
    from . import experiments
    from . import report as evidence_report

    found = evidence_report.load(results, data)
    page = evidence_report.write(found, out or base() / "docs")
    for line in evidence_report.sentences(found):
        print(f"- {line}")
    if readme:
        path = base() / "README.md"
        text = evidence_report.put(path.read_text("utf-8"), found)
        experiments.write(path, text.encode())
    print(f"{page}: written, from {len(found.records)} records")
