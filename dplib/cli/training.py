"""The command train."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dplib import files
from dplib.cli.options import (
    Csv,
    Data,
    Device,
    KindOption,
    Pattern,
    Root,
    Split,
    ValPids,
    base,
    load_data,
)
from dplib.evidence import provenance
from dplib.samples import ReIDData

if TYPE_CHECKING:
    from dplib.model import DeepPerson

app = typer.Typer()


Out = Annotated[
    Path | None, typer.Option(help="Checkpoint and log; default: runs/PRESET")
]
Epochs = Annotated[int | None, typer.Option(help="In place of the preset's")]
Seed = Annotated[int, typer.Option(help="Seed of weights, batches and augmentation")]
Resume = Annotated[
    bool, typer.Option(help="Go on from the checkpoint in the folder, if any")
]
Weights = Annotated[
    str | None, typer.Option(help="FILE, imagenet or none, in place of the preset's")
]
Export = Annotated[
    Path | None,
    typer.Option(help="Write the whole model here, with a record of its metrics"),
]


@app.command(rich_help_panel="Train and use")
def train(
    preset: Annotated[str, typer.Argument(help="toy, market-cpu, paper or authors")],
    data: Data = "toymarket",
    root: Root = None,
    out: Out = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Resume = True,
    weights: Weights = None,
    val_pids: ValPids = 0,
    kind: KindOption = None,
    split: Split = None,
    csv: Csv = None,
    pattern: Pattern = None,
    export: Export = None,
) -> None:
    """Train a preset; Ctrl-C saves, and the same command goes on from there."""
    from dplib import presets, training

    recipe = presets.get(preset)
    start = {None: "preset", "none": None}.get(weights, weights)
    # the seed draws the people of --val-pids and of an unsplit folder, too
    given: dict[str, Any] = {"val_pids": val_pids, "seed": seed, "kind": kind}
    given |= {"split": split, "csv": csv, "pattern": pattern}
    found = load_data(data, root, **given)
    folder = out or base() / "runs" / preset
    how: dict[str, Any] = {"seed": seed, "resume": resume, "device": device}
    how |= {"epochs": epochs, "weights": start}
    result = training.train(recipe, found, folder, **how)
    print(
        f"Checkpoint: {result.checkpoint} ({len(result.history):,} iterations in "
        f"{result.seconds:.0f} s, {result.clipped_share:.1%} of them clipped)"
    )
    if result.interrupted:
        print("Interrupted and saved: the same command goes on from here.")
        raise typer.Exit(130)
    record = {
        **provenance.record(seed, found.name, found.root),
        "preset": preset,
        "iterations": len(result.history),
        "seconds": round(result.seconds),
        "clipped share": round(result.clipped_share, 4),
        "pids": sorted(found.labels),  # class i is pids[i]
    }
    files.write(folder / "train.json", json.dumps(record, indent=1) + "\n")
    if export is not None:
        _export(result.model, found, device, export, record)
        return
    words = [str(folder), "--data", data]
    for key, value in {"root": root, **given}.items():
        words += [f"--{key.replace('_', '-')}", str(value)] if value else []
    print(f"Evaluate it: python -m dplib evaluate {shlex.join(words)}")


def _export(
    net: DeepPerson, data: ReIDData, device: str, path: Path, record: dict[str, Any]
) -> None:
    """Evaluate the model, then write it and its record with the metrics to ``path``."""
    from dplib import checkpoints
    from dplib.cli import measuring

    settings = measuring.Settings(device=device)
    results = measuring.measure(net, data, settings)
    measuring.show_results(results, settings.seed)
    record = {**record, "metrics": results[measuring.SINGLE].summary()}
    print(f"Model and record: {checkpoints.save(net, path, record)}")
