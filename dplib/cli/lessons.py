"""The commands of the lessons: run the first one, copy them, open them, progress."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dplib import DplibError, files, workspace
from dplib.cli import tables
from dplib.cli.options import Root, base, root_folder
from dplib.evidence import provenance
from dplib.lessons import copies

if TYPE_CHECKING:
    from dplib.lessons.progress import Lesson

app = typer.Typer()
_SIGNS = {"right": "✓", "not yet": "✗", "not tried": "·"}


@app.command(rich_help_panel="Learn")
def quickstart(
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results; default: runs/quickstart"),
    ] = None,
    root: Root = None,
) -> None:
    """Run lesson 0: draw ToyMarket, train Deep-Person, rank people (a few minutes)."""
    out = (out or base() / "runs" / "quickstart").absolute()
    metrics_file = out / "metrics.json"
    data = root_folder(root)
    files.check_writable(out, folder=True)
    if not data.is_dir():  # one that is there may hold the drawn set already
        files.check_writable(data, folder=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if metrics_file.exists():  # a finished run: start anew; else go on with it
            metrics_file.unlink()
            for checkpoint in out.glob("*/checkpoint.pt"):
                checkpoint.unlink()
    except OSError as e:
        raise files.not_written(out, e) from e
    env = {"DPLIB_OUT": str(out), "DPLIB_DATA": str(data)}
    done = copies.execute(copies.find_lesson(0), out, env=env)
    metrics = _read_metrics(metrics_file)
    metrics |= {"command": "python -m dplib quickstart", **provenance.circumstances()}
    files.write(metrics_file, json.dumps(metrics, indent=1) + "\n")
    print()
    _show_metrics(metrics)
    print(f"\nLesson 0 took {done.seconds:.0f} s. Look at it: {done.html}")
    print(f"All that it wrote: {out}")
    make = "make lab, or " if workspace.checkout() else ""
    print(f"Now open the lessons in JupyterLab: {make}python -m dplib lab")


def _read_metrics(path: Path) -> dict[str, Any]:
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


def _show_metrics(metrics: dict[str, Any]) -> None:
    """Lesson 0's result beside its baselines, in per cent."""
    rows = []
    for name, row in [("Deep-Person", metrics), *metrics["baselines"].items()]:
        values = [row.get(key) for key in ("rank1", "map", "minp")]
        rows.append([name, *("–" if v is None else f"{100 * v:.1f}" for v in values)])
    tables.show(rows, ["(%)", "rank-1", "mAP", "mINP"], numbers=range(1, 4))
    print(f"seed {metrics['seed']}, {metrics['seconds']:.0f} s")


@app.command("lessons", rich_help_panel="Learn")
def copy(
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
        Path | None, typer.Option(help="Folder of your copies; default: my-lessons")
    ] = None,
) -> None:
    """Open the lessons in JupyterLab, as your own copies (other options go to it)."""
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
        typer.Argument(
            metavar="DIR", help="Folder of your copies; default: my-lessons"
        ),
    ] = None,
) -> None:
    """List which exercises you have passed, from your saved notebooks."""
    from dplib.lessons import progress as saved

    show_progress(saved.read(folder or base() / "my-lessons"))


def show_progress(lessons: list[Lesson]) -> None:
    """Print all exercises with their state, and the totals.

    An exercise in several copies of a lesson counts once, by its best state.
    """
    for lesson in lessons:
        if lesson.problem:
            print(f"{lesson.path.stem}: not counted. {lesson.problem}")
            continue
        right = sum(c.state == "right" for c in lesson.checks)
        print(
            f"{lesson.path.stem}: {right} of {len(lesson.checks)} exercises right, "
            f"{lesson.predicted} of {lesson.predictions} predictions made"
        )
        tables.show(
            [(f"  {_SIGNS[c.state]} {c.id:<4}", c.title) for c in lesson.checks]
        )
    states: dict[str, set[str]] = {}
    for check in (c for lesson in lessons for c in lesson.checks):
        states.setdefault(check.id, set()).add(check.state)
    every = [next(s for s in _SIGNS if s in found) for found in states.values()]
    n = {state: every.count(state) for state in _SIGNS}
    print(
        f"{n['right']} of {len(every)} exercises right, {n['not yet']} not yet (✗), "
        f"{n['not tried']} not tried (·)"
    )
