"""python -m dplib: every part of the project from a terminal, on every system.

Thin on purpose: each command hands on to a module. Those that load PyTorch are imported
inside the commands, so that help appears at once.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from . import DplibError, __version__, lessons, workspace

app = typer.Typer(
    help="Deep-Person in notebooks: learn, train and use person re-identification.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Draw, find and verify data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data", rich_help_panel="Data and set-up")

Root = Annotated[
    Path | None,
    typer.Option(
        "--root", help="Folder of the data sets; default: data", metavar="DIR"
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1")]
Data = Annotated[str, typer.Option(help="Data set: toymarket or market1501")]
ValPids = Annotated[
    int, typer.Option(help="Hold out so many training people, and rank those instead")
]


class Cues(StrEnum):
    """Where a drawn person's identity lies."""

    layout = "layout"
    global_ = "global"


def _root(root: Path | None) -> Path:
    return root or workspace.folders()[0]


def _base() -> Path:
    return workspace.checkout() or Path.cwd()


# --------------------------------------------------------------------------- learn


@app.command(rich_help_panel="Learn")
def quickstart(
    out: Annotated[
        Path | None, typer.Option(help="Results; default: runs/quickstart")
    ] = None,
    root: Root = None,
) -> None:
    """Run lesson 0: draw ToyMarket, train Deep-Person, rank people (a few minutes)."""
    out = (out or _base() / "runs" / "quickstart").absolute()
    metrics_file = out / "metrics.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if metrics_file.exists():  # a finished run: start anew; else go on with it
            metrics_file.unlink()
            for checkpoint in out.glob("*/checkpoint.pt"):
                checkpoint.unlink()
    except OSError as e:
        raise DplibError(f"Nothing can be written to {out}: {e}") from e
    env = {"DPLIB_OUT": str(out), "DPLIB_DATA": str(_root(root))}
    done = lessons.execute(lessons.find_lesson(0), out, env=env)
    metrics = read_metrics(metrics_file)
    metrics |= {"command": "python -m dplib quickstart", **_circumstances()}
    lessons.write_atomically(metrics_file, json.dumps(metrics, indent=1) + "\n")
    print(f"\n{metrics_table(metrics)}\n")
    print(f"Lesson 0 took {done.seconds:.0f} s. Look at it: {done.html}")
    print(f"All that it wrote: {out}")
    make = "make lab, or " if workspace.checkout() else ""
    print(f"Now open the lessons in JupyterLab: {make}python -m dplib lab")


def read_metrics(path: Path) -> dict[str, Any]:
    """The metrics.json that lesson 0 writes; DplibError when something is missing."""
    try:
        metrics = json.loads(path.read_text("utf-8"))
        wanted = {"seconds", "rank1", "map", "minp", "baselines", "seed"}
        if missing := sorted(wanted - set(metrics)):
            raise ValueError(f"it lacks {', '.join(missing)}")
    except (OSError, ValueError, TypeError) as e:
        raise DplibError(
            f"Lesson 0 ran, but its metrics are not in {path}: {e}. Build it anew from "
            "its source: python tools/build_notebooks.py 00 --force"
        ) from e
    return dict(metrics)


def metrics_table(metrics: dict[str, Any]) -> str:
    """Lesson 0's result beside its baselines, in per cent."""
    rows = [("Deep-Person", metrics), *metrics["baselines"].items()]
    width = max(len(name) for name, _ in rows) + 2
    lines = [f"{'':{width}}  rank-1     mAP    mINP   (%)"]
    for name, row in rows:
        cells = [row.get(key) for key in ("rank1", "map", "minp")]
        shown = [f"{'–':>8}" if c is None else f"{100 * c:8.1f}" for c in cells]
        lines.append(f"{name:{width}}{''.join(shown)}")
    lines.append(f"seed {metrics['seed']}, {metrics['seconds']:.0f} s")
    return "\n".join(lines)


@app.command("lessons", rich_help_panel="Learn")
def lessons_command(
    dest: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put them")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Numbers or names; default: all")
    ] = None,
) -> None:
    """Write your own copies of the lessons, without outputs; never overwrites yours."""
    lessons.copy_lessons(dest, names)


@app.command(
    rich_help_panel="Learn",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def lab(
    context: typer.Context,
    dest: Annotated[
        Path | None, typer.Option(help="Your copies; default: my-lessons")
    ] = None,
) -> None:
    """Open the lessons in JupyterLab, as your own copies (other options go to it)."""
    import importlib.util

    if importlib.util.find_spec("jupyterlab") is None:
        raise DplibError(
            "JupyterLab is not installed: pip install 'dplib[notebooks]', or in a "
            "checkout `make setup`."
        )
    dest = dest or _base() / "my-lessons"
    lessons.copy_lessons(dest)
    command = [sys.executable, "-m", "jupyterlab", *context.args]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    before = signal.signal(signal.SIGINT, lambda *_: None)  # JupyterLab asks by itself
    try:
        code = subprocess.run(command, cwd=dest).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    raise typer.Exit(code)


# ------------------------------------------------------------------------ the data


@data_app.command("list")
def data_list(root: Root = None) -> None:
    """The data sets that dplib knows, which are there, and how to get the rest."""
    from . import datasets, doctor

    for name in datasets.NAMES:
        print(doctor.find_data(name, _root(root)))


@data_app.command("verify")
def data_verify(
    name: Annotated[str, typer.Argument(help="toymarket or market1501")],
    root: Root = None,
) -> None:
    """Compare a data set with its published counts."""
    from . import datasets

    where = _root(root)
    drawn = any((p / "toymarket.json").is_file() for p in (where, where / "ToyMarket"))
    if name == "toymarket" and not drawn:
        raise DplibError(
            f"ToyMarket is not in {where} yet: python -m dplib data toymarket draws it."
        )
    print(datasets.verify(datasets.load(name, where)))


@data_app.command("toymarket")
def data_toymarket(
    root: Root = None,
    train_pids: Annotated[int, typer.Option(help="People to train on")] = 600,
    test_pids: Annotated[int, typer.Option(help="People to be ranked")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed, the same bytes")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes; default: one per core")
    ] = None,
    cues: Annotated[Cues, typer.Option(help="Where identity lies")] = Cues.layout,
) -> None:
    """Draw ToyMarket, the embedded data set."""
    from . import toymarket

    path = toymarket.generate(
        _root(root),
        train_pids=train_pids,
        test_pids=test_pids,
        seed=seed,
        workers=workers,
        cues=cues.value,
    )
    print(f"ToyMarket is in {path}")


# ------------------------------------------------------------------- train and use


@app.command(rich_help_panel="Train and use")
def train(
    preset: Annotated[str, typer.Argument(help="toy, market-cpu, paper or authors")],
    data: Data = "toymarket",
    root: Root = None,
    out: Annotated[
        Path | None, typer.Option(help="Checkpoint and log; default: runs/PRESET")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="In place of the preset's")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, batches, augmentation")] = 0,
    device: Device = "auto",
    resume: Annotated[
        bool, typer.Option(help="Go on from the checkpoint in the folder, if any")
    ] = True,
    weights: Annotated[
        str | None,
        typer.Option(help="FILE, imagenet or none, in place of the preset's"),
    ] = None,
    val_pids: ValPids = 0,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the whole model here, with a record of its metrics"),
    ] = None,
) -> None:
    """Train a preset; Ctrl-C saves, and the same command goes on from there."""
    from . import datasets, presets, training

    recipe = presets.get(preset)
    found = datasets.load(data, _root(root), val_pids=val_pids, seed=seed)
    start = {None: "preset", "none": None}.get(weights, weights)
    folder = out or _base() / "runs" / preset
    result = training.train(
        recipe,
        found,
        folder,
        seed=seed,
        resume=resume,
        device=device,
        epochs=epochs,
        weights=start,
    )
    print(
        f"Checkpoint: {result.checkpoint} ({len(result.history):,} iterations in "
        f"{result.seconds:.0f} s, {result.clipped_share:.1%} of them clipped)"
    )
    if result.interrupted:
        print("Interrupted and saved: the same command goes on from here.")
        raise typer.Exit(130)
    done = {
        **_record(seed, found),
        "preset": preset,
        "iterations": len(result.history),
        "seconds": round(result.seconds),
        "clipped share": round(result.clipped_share, 4),
    }
    lessons.write_atomically(folder / "train.json", json.dumps(done, indent=1) + "\n")
    if export is None:
        more = f" --val-pids {val_pids}" if val_pids else ""
        print(f"Evaluate it: python -m dplib evaluate {folder} --data {data}{more}")
        return
    from . import model

    metrics = _measure(result.model, found, device)
    record = {
        **done,
        "metrics": metrics,
        "pids": sorted(found.labels),  # class i is pids[i]
    }
    print(f"Model and record: {model.save(result.model, export, record)}")


@app.command(rich_help_panel="Train and use")
def evaluate(
    checkpoint: Annotated[
        str, typer.Argument(help="A file, a training folder or a shipped name (toy)")
    ],
    data: Data = "toymarket",
    root: Root = None,
    device: Device = "auto",
    val_pids: ValPids = 0,
    seed: Annotated[int, typer.Option(help="Of --val-pids, as in training")] = 0,
    metrics_json: Annotated[
        Path | None, typer.Option(help="Write the metrics here as well")
    ] = None,
) -> None:
    """Rank a data set's gallery for its queries: rank-1, mAP, mINP."""
    from . import datasets, model

    net = model.load(checkpoint)
    found = datasets.load(data, _root(root), val_pids=val_pids, seed=seed)
    metrics = _measure(net, found, device)
    if metrics_json:
        record = {**_record(seed, found), "checkpoint": checkpoint, "metrics": metrics}
        trained = Path(checkpoint) / "train.json"
        if trained.is_file():
            record["training"] = json.loads(trained.read_text("utf-8"))
        lessons.write_atomically(metrics_json, json.dumps(record, indent=1) + "\n")
        print(f"Written: {metrics_json}")


@app.command(rich_help_panel="Train and use")
def describe(
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of them")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write (.npz)")],
    checkpoint: Annotated[
        str, typer.Option(help="A file, a training folder or a shipped name")
    ] = "toy",
    device: Device = "auto",
) -> None:
    """Write the descriptors of images: features [N, C], each of length 1, and paths.

    pids and camids in the file are -1: nothing is known of these images.
    """
    from . import descriptors, model
    from .datasets import Sample

    if out.suffix != ".npz":
        raise DplibError(f"{out}: descriptors are written as .npz; name it so.")
    paths = [p for image in images for p in _images(image)]
    net = model.load(checkpoint)
    found = descriptors.extract(net, [Sample(p, -1, -1) for p in paths], device=device)
    descriptors.save_npz(out, found, paths)
    n, c = found.features.shape
    print(f"{out}: {n:,} descriptors of {c} numbers")


def _images(path: Path) -> list[Path]:
    if not path.exists():
        raise DplibError(f"{path} does not exist: give image files or folders of them.")
    if path.is_file():
        return [path]
    kinds = {".jpg", ".jpeg", ".png", ".bmp"}
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in kinds)
    if not found:
        raise DplibError(f"{path} holds no image (.jpg, .jpeg, .png, .bmp).")
    return found


def _measure(net: Any, found: Any, device: str) -> dict[str, float]:
    """Describe queries and gallery, evaluate, print, and return the metrics."""
    from . import descriptors, evaluation

    query, gallery = (
        descriptors.extract(net, samples, device=device)
        for samples in (found.query, found.gallery)
    )
    retrieval = evaluation.evaluate(query, gallery)
    metrics = retrieval.summary()
    print(f"{found.name}: {len(query.pids):,} queries, {retrieval.num_ranked:,} ranked")
    for name, value in metrics.items():
        print(f"  {name:<14} {100 * value:6.2f} %")
    return metrics


def _record(seed: int, found: Any) -> dict[str, Any]:
    """How a result came about: command, commit, seed, data, versions."""
    words = [Path(a).name if Path(a).is_absolute() else a for a in sys.argv[1:]]
    record: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "dplib", *words]),
        "seed": seed,
        "data": found.name,
        **_circumstances(),
    }
    drawn = found.root / "toymarket.json"
    if drawn.is_file():
        record["toymarket"] = json.loads(drawn.read_text("utf-8"))
    return record


def _circumstances() -> dict[str, Any]:
    """When, from which code and on what a result was made."""
    from . import doctor

    now = datetime.now(UTC).strftime("%Y-%m-%d")
    here = {"cores": os.cpu_count(), "versions": doctor.versions()}
    return {"date": now, "commit": _commit(), **here}


def _commit() -> str | None:
    """The checkout's commit, "+changes" when files differ from it; None without git."""
    root = workspace.checkout()
    if root is None:
        return None
    git = ["git", "-C", str(root)]
    try:
        commit, status = (
            subprocess.run(
                [*git, *a], capture_output=True, text=True, check=True
            ).stdout
            for a in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.strip() + ("+changes" if status.strip() else "")


# ------------------------------------------------------------------------- the rest


@app.command(rich_help_panel="Data and set-up")
def doctor(root: Root = None) -> None:
    """Tell what is installed and found, and what to do about the rest."""
    from . import doctor as the_doctor

    bad = 0
    for finding in the_doctor.examine(root):
        print(finding)
        bad += finding.ok is False
    print(
        "\nAll that is needed is here." if not bad else f"\nTo mend: {bad} (✗ above)."
    )
    if bad:
        raise typer.Exit(1)


@app.command(rich_help_panel="Data and set-up")
def version() -> None:
    """Print dplib's version."""
    print(__version__)


def main() -> None:
    """Run the command line; a DplibError is one clear message and exit code 1."""
    try:
        app()
    except DplibError as e:
        print(f"Error: {e}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
