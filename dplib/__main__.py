"""python -m dplib: every part of the project from a terminal, on every system.

Thin on purpose: each command hands on to a module. Those that load PyTorch are imported
inside the commands, so that help appears at once.
"""

import json
import os
import signal
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dplib import DplibError, __version__, files, workspace
from dplib.cli import experiments, models
from dplib.cli.options import (
    Csv,
    KindOption,
    Pattern,
    Root,
    Split,
    base,
    load_data,
    root_folder,
)
from dplib.evidence import provenance
from dplib.lessons import copies

app = typer.Typer(
    help="Deep-Person in notebooks: learn, train and use person re-identification.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Draw, find and verify data sets.", no_args_is_help=True)
app.add_typer(models.app)
app.add_typer(experiments.app)
app.add_typer(data_app, name="data", rich_help_panel="Data and set-up")


class Cues(StrEnum):
    """Where a drawn person's identity lies."""

    layout = "layout"
    global_ = "global"


# --------------------------------------------------------------------------- learn


@app.command(rich_help_panel="Learn")
def quickstart(
    out: Annotated[
        Path | None, typer.Option(help="Results; default: runs/quickstart")
    ] = None,
    root: Root = None,
) -> None:
    """Run lesson 0: draw ToyMarket, train Deep-Person, rank people (a few minutes)."""
    out = (out or base() / "runs" / "quickstart").absolute()
    metrics_file = out / "metrics.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if metrics_file.exists():  # a finished run: start anew; else go on with it
            metrics_file.unlink()
            for checkpoint in out.glob("*/checkpoint.pt"):
                checkpoint.unlink()
    except OSError as e:
        raise DplibError(f"Nothing can be written to {out}: {e}") from e
    env = {"DPLIB_OUT": str(out), "DPLIB_DATA": str(root_folder(root))}
    done = copies.execute(copies.find_lesson(0), out, env=env)
    metrics = read_metrics(metrics_file)
    metrics |= {"command": "python -m dplib quickstart", **provenance.circumstances()}
    files.write(metrics_file, json.dumps(metrics, indent=1) + "\n")
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
    copies.copy_lessons(dest, names)


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
    dest = dest or base() / "my-lessons"
    copies.copy_lessons(dest)
    command = [sys.executable, "-m", "jupyterlab", *context.args]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    before = signal.signal(signal.SIGINT, lambda *_: None)  # JupyterLab asks by itself
    try:
        code = subprocess.run(command, cwd=dest).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    raise typer.Exit(code)


@app.command(rich_help_panel="Learn")
def progress(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Your copies; default: my-lessons"),
    ] = None,
) -> None:
    """List which exercises you have passed, from your saved notebooks."""
    from dplib.lessons import progress as the_progress

    print(the_progress.table(the_progress.read(folder or base() / "my-lessons")))


# ------------------------------------------------------------------------ the data


@data_app.command("list")
def data_list(root: Root = None) -> None:
    """The data sets that dplib knows, which are there, and how to get the rest."""
    from dplib import datasets
    from dplib.cli import doctor

    for name in datasets.NAMES:
        print(doctor.find_data(name, root_folder(root)))


@data_app.command("verify")
def data_verify(
    name: Annotated[str, typer.Argument(help="A name that `data list` shows")],
    root: Root = None,
    kind: KindOption = None,
    split: Split = None,
    csv: Csv = None,
    pattern: Pattern = None,
) -> None:
    """Compare a data set with its published counts."""
    from dplib import datasets

    where = root_folder(root)
    drawn = any((p / "toymarket.json").is_file() for p in (where, where / "ToyMarket"))
    if name == "toymarket" and not drawn:
        raise DplibError(
            f"ToyMarket is not in {where} yet: python -m dplib data toymarket draws it."
        )
    found = load_data(name, root, kind=kind, split=split, csv=csv, pattern=pattern)
    print(datasets.verify(found))


@data_app.command("unpack")
def data_unpack(
    archive: Annotated[Path, typer.Argument(help="A .zip or .tar of a data set")],
    root: Root = None,
    password: Annotated[
        str | None, typer.Option(help="Of a locked .zip, from the set's authors")
    ] = None,
) -> None:
    """Unpack a data set's archive among the data sets; no file can get elsewhere."""
    from dplib.datasets import archives

    where = archives.unpack(archive, root_folder(root), password=password)
    print(f"Unpacked: {where}")


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
    from dplib import toymarket

    path = toymarket.generate(
        root_folder(root),
        train_pids=train_pids,
        test_pids=test_pids,
        seed=seed,
        workers=workers,
        cues=cues.value,
    )
    print(f"ToyMarket is in {path}")


# ------------------------------------------------------------------------- the rest


@app.command(rich_help_panel="Data and set-up")
def doctor(root: Root = None) -> None:
    """Tell what is installed and found, and what to do about the rest."""
    from dplib.cli import doctor

    bad = 0
    for finding in doctor.examine(root):
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
