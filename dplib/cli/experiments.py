"""Run ablations and report them from a terminal."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dplib import DplibError, files, workspace
from dplib.cli import tables, words
from dplib.cli.options import MOST, MOST_WORKERS, Device, Root, base, root_folder

if TYPE_CHECKING:
    from dplib.evidence.runs import Run

app = typer.Typer()

Results = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the records; default: dplib/assets/results, without a checkout "
        "results"
    ),
]
Benchmark = Annotated[str, typer.Option(help="toymarket or market1501")]
Tables = Annotated[
    list[str] | None,
    typer.Option(help="4, 6, 7, extra, global or imagenet; again for more"),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        min=1, max=MOST, help="Number of seeds of each variant; default: as planned"
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1, max=MOST, help="Instead of the recipe's, for a trial; with --results"
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="ImageNet weights, where a recipe has some; default: torchvision's"
    ),
]
Runs = Annotated[
    Path | None,
    typer.Option(help="Checkpoints; default: runs/ablate, of a trial RESULTS/runs"),
]


def results_folder(results: Path | None) -> Path:
    """Where records are: in the checkout, or ``results`` beside an installed dplib."""
    if results is not None:
        return results
    checkout = workspace.checkout()
    return checkout / "dplib/assets/results" if checkout else Path.cwd() / "results"


@app.command(rich_help_panel="Experiments")
def ablate(
    data: Benchmark = "toymarket",
    table: Tables = None,
    seeds: Seeds = None,
    workers: Annotated[
        int, typer.Option(min=1, max=MOST_WORKERS, help="Runs at a time")
    ] = 1,
    threads: Annotated[
        int, typer.Option(min=1, max=MOST_WORKERS, help="Threads of each run")
    ] = 1,
    epochs: Epochs = None,
    weights: Weights = None,
    runs: Runs = None,
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
    from dplib.evidence import queue, variants
    from dplib.evidence.runs import Places, plan

    chosen = table or ["4", "6", "7"]
    jobs = variants.jobs(data, chosen, seeds)
    if not jobs:
        raise DplibError(
            f"table {', '.join(chosen)} has no run of {data}: its variants are of "
            "ToyMarket alone; choose --data toymarket, or another --table"
        )
    into = results_folder(results)
    if epochs is not None and into.resolve() == results_folder(None).resolve():
        raise DplibError(
            f"--epochs {epochs} is a trial, whose records must not stand among those "
            "of the recipe; give it a folder of its own: --results DIR"
        )
    places = Places(
        root=root_folder(root),
        runs=runs or (base() / "runs/ablate" if epochs is None else into / "runs"),
        results=into,
        weights=weights,
        threads=threads,
        epochs=epochs,
        device=device,
    )
    asked = [plan(job, places) for job in jobs]
    left = queue.remaining(asked)
    print(f"{len(asked)} runs, {len(asked) - len(left)} done, {len(left)} to do")
    if dry_run:
        tables.show([(f"  {run.job.folder}", run.job.variant.label) for run in left])
        return
    for target in {places.runs, into}:
        files.check_writable(target, folder=True)
    failed, undone = _make_all(left, workers)
    if undone:
        print("Stopped; the same command goes on from here.")
        raise typer.Exit(130)
    if failed:
        raise DplibError(f"{failed} of {len(left)} runs failed, see above")


def _make_all(left: list[Run], workers: int) -> tuple[int, int]:
    """Make the runs; returns how many failed and how many Ctrl-C left undone."""
    from dplib.evidence import queue

    start, done, failed = time.monotonic(), 0, 0
    try:
        with closing(queue.run_all(left, workers=workers)) as finished:
            for made in finished:
                if not isinstance(made, dict):
                    failed += 1
                    run, error = made
                    print(f"{run.job.folder} FAILED: {words.here(error)}", flush=True)
                    continue
                done += 1
                undone, m = len(left) - done - failed, made["measures"]["fm"]
                minutes = (time.monotonic() - start) / done * undone / 60
                print(
                    f"{made['variant']:16} {made['cues']:7} seed {made['seed']}: "
                    f"rank-1 {100 * m['rank1']:5.1f}  mAP {100 * m['map']:5.1f}  "
                    f"({undone} left, about {minutes:.0f} min)",
                    flush=True,
                )
    except KeyboardInterrupt:  # while it drew a set, or between two runs
        pass
    return failed, len(left) - done - failed


@app.command(rich_help_panel="Experiments")
def robustness(
    runs: Annotated[
        Path | None,
        typer.Option(help="Folder of the runs of `ablate`; default: runs/ablate"),
    ] = None,
    results: Results = None,
    root: Root = None,
    workers: Annotated[
        int, typer.Option(min=1, max=MOST_WORKERS, help="Processes that draw")
    ] = 2,
) -> None:
    """Measure the finished runs against occlusion, blur, box shift and clutter.

    Each model of the variants BgI, BgI+BpI (with and without LSTM) and the full one
    that `ablate` has trained on ToyMarket gets one line of JSON, once.
    """
    from dplib import checkpoints, datasets
    from dplib.evidence import records
    from dplib.evidence import robustness as curves

    folder = (runs or base() / "runs" / "ablate") / "toymarket"
    into = results_folder(results) / "toymarket-robustness.jsonl"
    have = {(r["variant"], r["seed"]) for r in records.read(into, cut=True)}
    found = [
        (variant, int(path.parent.name.rpartition("-")[2]), path.parent)
        for variant in curves.VARIANTS
        for path in sorted(folder.glob(f"{variant}-[0-9]*/result.json"))
    ]
    if not found:
        raise DplibError(
            f"{folder} has no finished run of {', '.join(curves.VARIANTS)}: python -m "
            "dplib ablate makes them; or name the folder of its runs with --runs"
        )
    todo = [f for f in found if f[:2] not in have]
    print(f"{len(found)} finished runs, {len(todo)} to measure")
    files.check_writable(into)
    nets = [(v, seed, checkpoints.load(path)) for v, seed, path in todo]
    data = datasets.load("toymarket", root_folder(root))
    for record in curves.records(nets, data, workers=workers):
        records.append(into, record)
        print(f"{record['variant']:12} seed {record['seed']}: written", flush=True)


@app.command(rich_help_panel="Experiments")
def report(
    results: Results = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of evidence.md; default: docs")
    ] = None,
    data: Benchmark = "toymarket",
    readme: Annotated[
        bool, typer.Option("--readme", help="Put the summary into README.md as well")
    ] = False,
) -> None:
    """Make the paper's tables from the records: published, measured, difference.

    With intervals over seeds and people, a verdict for each claim of the paper, charts
    and robustness curves. Takes under a minute; few records are enough for a look.
    Where `ablate` has written none yet, those that come with dplib are taken.
    """
    from dplib.evidence import findings, records
    from dplib.evidence import readme as readme_section
    from dplib.evidence import report as evidence_report

    page_folder = out or base() / "docs"
    files.check_writable(page_folder, folder=True)
    folder = results_folder(results)
    mine = records.records_file(folder, data)
    if results is None and not records.read(mine, cut=True):
        folder = records.RESULTS  # those that are shipped
    evidence = findings.load(folder, data)
    page = evidence_report.write(evidence, page_folder)
    for line in findings.sentences(evidence):
        print(f"- {line}")
    if readme:
        path = base() / "README.md"
        text = readme_section.put(path.read_text("utf-8"), evidence)
        files.write(path, text)
    print(f"{page}: written, from {len(evidence.records)} records in {folder}")
