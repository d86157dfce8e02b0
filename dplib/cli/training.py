"""The command train."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dplib import files
from dplib.cli.options import (
    MOST,
    MOST_SEEDS,
    Chosen,
    Csv,
    Data,
    Device,
    KindOption,
    Pattern,
    Root,
    SameCamera,
    Split,
    TestShare,
    ValPids,
    WithVal,
    base,
    finite,
)
from dplib.evidence import provenance
from dplib.samples import ReIDData

if TYPE_CHECKING:
    from dplib.model import DeepPerson

app = typer.Typer()


Out = Annotated[
    Path | None, typer.Option(help="Checkpoint and log; default: runs/PRESET")
]
Epochs = Annotated[
    int | None, typer.Option(min=1, max=MOST, help="In place of the preset's")
]
Seed = Annotated[
    int,
    typer.Option(
        min=0, max=MOST_SEEDS, help="Seed of weights, batches and augmentation"
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        help="Go on from the checkpoint in the folder, if any; else start this run "
        "over (another run is never overwritten)"
    ),
]
Weights = Annotated[
    str | None, typer.Option(help="FILE, imagenet or none, in place of the preset's")
]
P = Annotated[
    int | None,
    typer.Option("--p", min=2, max=MOST, help="People in a batch, if not the preset's"),
]
K = Annotated[
    int | None,
    typer.Option("--k", min=2, max=MOST, help="Images of each, if not the preset's"),
]
Lr = Annotated[
    float | None,
    typer.Option(
        "--lr",
        min=1e-12,
        max=1e3,
        callback=finite,
        help="Learning rate, if not the preset's",
    ),
]
ClipNorm = Annotated[
    float | None,
    typer.Option(
        min=1e-12,
        callback=finite,
        help="Longest gradient, if not the preset's",
    ),
]
Head = Annotated[
    str | None,
    typer.Option(help="bn, linear or authors: the heads, if not the preset's"),
]
DropSingle = Annotated[
    bool,
    typer.Option("--drop-single", help="Train without people who have one image"),
]
Export = Annotated[
    Path | None,
    typer.Option(help="Write the whole model here, with a record of its metrics"),
]
_NAMED = 10  # people that a message names


@app.command(rich_help_panel="Train and use")
def train(
    preset: Annotated[
        str,
        typer.Argument(help="toy, market-cpu, toy-imagenet, paper or authors"),
    ],
    data: Data = "toymarket",
    root: Root = None,
    out: Out = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Resume = True,
    weights: Weights = None,
    p: P = None,
    k: K = None,
    lr: Lr = None,
    clip_norm: ClipNorm = None,
    head: Head = None,
    val_pids: ValPids = 0,
    kind: KindOption = None,
    split: Split = None,
    csv: Csv = None,
    pattern: Pattern = None,
    test_share: TestShare = None,
    same_camera: SameCamera = False,
    with_val: WithVal = None,
    drop_single: DropSingle = False,
    export: Export = None,
) -> None:
    """Train a preset; Ctrl-C saves, and the same command goes on from there."""
    from dplib import checkpoints, presets, training
    from dplib.cli import measuring

    changes = {"p": p, "k": k, "lr": lr, "clip_norm": clip_norm, "head": head}
    changed: dict[str, Any] = {n: v for n, v in changes.items() if v is not None}
    recipe = replace(presets.get(preset), **changed)
    start = {None: "preset", "none": None}.get(weights, weights)
    folder = out or base() / "runs" / preset
    files.check_writable(folder, folder=True)
    if export is not None:
        files.check_writable(export.with_suffix(".safetensors"))
    # the seed draws the people of --val-pids and of an unsplit folder, too
    asked = Chosen(
        *(data, root, val_pids, seed, kind, split),
        *(csv, pattern, test_share, with_val, same_camera),
    )
    found = asked.load()
    if drop_single:
        found = _without_single_images(found)
    if export is not None:  # its record has metrics: not to fail after the training
        measuring.ready(found, measuring.Settings(device=device))
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
        **({"changes": changed} if changed else {}),
        "iterations": len(result.history),
        "seconds": round(result.seconds),
        "clipped share": round(result.clipped_share, 4),
        "pids": sorted(found.labels),  # class i is pids[i]
        "people": checkpoints.people(result.checkpoint),
    }
    files.write(folder / "train.json", json.dumps(record, indent=1) + "\n")
    if export is not None:
        _export(result.model, found, device, export, record)
        return
    again = f"{shlex.quote(str(folder))} {asked.words()}"
    if found.query:
        print(f"Evaluate it: python -m dplib evaluate {again}")


def _without_single_images(data: ReIDData) -> ReIDData:
    """``data`` without those training people; what is left out is printed."""
    kept = data.drop_single_images()
    left = sorted(set(data.labels) - set(kept.labels))
    if left:
        names = [data.pid_names.get(pid, str(pid)) for pid in left]
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        print(
            f"Left out of training: {len(left):,} of {len(data.labels):,} people, who "
            f"have one image: {', '.join(names[:_NAMED])}{more}"
        )
    return kept


def _export(
    net: DeepPerson, data: ReIDData, device: str, path: Path, record: dict[str, Any]
) -> None:
    """Evaluate the model, then write it and its record with the metrics to ``path``."""
    from dplib import checkpoints
    from dplib.cli import measuring

    settings = measuring.Settings(device=device)
    results = measuring.measure(net, data, settings)
    measuring.show_results(results, settings.seed)
    # the split lists the images of this machine's folder
    who = {k: v for k, v in record["people"].items() if k != "split"}
    metrics = results[measuring.SINGLE].summary()
    record = {**record, "people": who, "metrics": metrics}
    if measuring.is_own(results):
        record["protocol"] = measuring.OWN
    print(f"Model and record: {checkpoints.save(net, path, record)}")
