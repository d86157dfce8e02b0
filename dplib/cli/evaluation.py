"""The commands that use a trained model: evaluate and describe."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dplib import DplibError, files
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
    finite,
)
from dplib.datasets import scanning
from dplib.incoming import decoding
from dplib.samples import Sample

if TYPE_CHECKING:
    from dplib.evaluation import Retrieval

app = typer.Typer()

Checkpoint = Annotated[
    str,
    typer.Argument(
        help="A file, a training folder or a shipped name (toy); with --split all, "
        "{split} in it stands for the number"
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        min=0,
        max=MOST_SEEDS,
        help="Seed of --val-pids, as in training, and of gallery draws and intervals",
    ),
]
MultiQuery = Annotated[
    bool, typer.Option(help="Multiple query as well (needs gt_bbox)")
]
Rerank = Annotated[bool, typer.Option(help="k-reciprocal re-ranking as well")]
K1 = Annotated[int, typer.Option(min=1, help="Re-ranking: number of neighbours")]
K2 = Annotated[
    int, typer.Option(min=1, help="Re-ranking: neighbours of the query expansion")
]
Lambda = Annotated[
    float,
    typer.Option(
        "--lambda",
        min=0,
        max=1,
        callback=finite,
        help="Re-ranking: share of the original distance",
    ),
]
SkipUnmatched = Annotated[
    bool, typer.Option(help="Leave out queries that have no true match")
]
Lists = Annotated[
    Path | None,
    typer.Option(help="Write the ranked lists into this new folder", metavar="DIR"),
]
Pictures = Annotated[
    int | None, typer.Option(min=0, help="Queries to draw in --lists; default: all")
]
MetricsJson = Annotated[
    Path | None, typer.Option(help="Write the metrics here as well")
]


class Metric(StrEnum):
    """How descriptors are compared."""

    euclidean = "euclidean"
    cosine = "cosine"


class Feature(StrEnum):
    """Which features describe an image (table 7)."""

    fm = "fm"
    fc = "fc"
    parts = "parts"


@app.command(rich_help_panel="Train and use")
def evaluate(
    checkpoint: Checkpoint,
    data: Data = "toymarket",
    root: Root = None,
    device: Device = "auto",
    val_pids: ValPids = 0,
    seed: Seed = 0,
    kind: KindOption = None,
    split: Split = None,
    csv: Csv = None,
    pattern: Pattern = None,
    test_share: TestShare = None,
    same_camera: SameCamera = False,
    with_val: WithVal = None,
    features: Annotated[Feature, typer.Option(help="Which features")] = Feature.fm,
    metric: Annotated[Metric, typer.Option(help="How to compare")] = Metric.euclidean,
    multi_query: MultiQuery = False,
    rerank: Rerank = False,
    k1: K1 = 20,
    k2: K2 = 6,
    lambda_: Lambda = 0.3,
    skip_unmatched: SkipUnmatched = False,
    lists: Lists = None,
    top: Annotated[int, typer.Option(min=1, max=MOST, help="Images in each list")] = 50,
    pictures: Pictures = None,
    metrics_json: MetricsJson = None,
) -> None:
    """Rank a data set's gallery for its queries: rank-1, mAP, mINP, with intervals.

    The data set need not be the one that the checkpoint was trained on.
    """
    from dplib import checkpoints
    from dplib.cli import measuring, ranked_lists

    numbers = [str(i) for i in range(20)] if split == "all" else [split]
    paths = [checkpoint.replace("{split}", number or "") for number in numbers]
    _check(checkpoint, split, lists)
    if lists:
        files.check_writable(lists, folder=True)
    if metrics_json:
        files.check_writable(metrics_json)
    for path in paths:
        checkpoints.find(path)
    wanted = measuring.Settings(
        *(device, features.value, metric.value, seed, skip_unmatched, multi_query),
        rerank=(k1, k2, lambda_) if rerank else None,
    )
    asked = Chosen(
        *(data, root, val_pids, seed, kind, None),
        *(csv, pattern, test_share, with_val, same_camera),
    )
    results: list[dict[str, Retrieval]] = []
    for number, path in zip(numbers, paths, strict=True):
        net = checkpoints.load(path)
        found = asked._replace(split=number).load(checkpoints.people(path))
        results.append({})
        try:
            measuring.measure(net, found, wanted, results[-1])
        finally:  # an error, or Ctrl-C, does not take with it what is measured
            measuring.show(found, path, results[-1], seed)
    if split == "all":
        measuring.show_means(results)
    if metrics_json:
        record = measuring.record(checkpoint, found, results, seed)
        files.write(metrics_json, json.dumps(record, indent=1) + "\n")
        print(f"Written: {metrics_json}")
    if lists:
        name, of = measuring.last(results[-1], found)
        where = ranked_lists.write(*of, lists, top=top, pictures=pictures)
        print(f"Lists of {name}: {where}")


def _check(checkpoint: str, split: str | None, lists: Path | None) -> None:
    """Refuse options that do not fit, before minutes of describing."""
    if split == "all" and "{split}" not in checkpoint:
        raise DplibError(
            f"--split all needs a checkpoint for each split: {checkpoint} has no "
            "{split} in it; name them as in 'runs/cuhk03-{split}'"
        )
    if split == "all" and lists:
        raise DplibError("--lists shows one split: give its number to --split")
    if lists and lists.exists():
        raise DplibError(
            f"--lists {lists} exists: name a folder that does not, or remove it"
        )


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
    from dplib import checkpoints, descriptors

    if out.suffix != ".npz":
        raise DplibError(f"{out}: descriptors are written as .npz; name it so.")
    files.check_writable(out)
    paths = [p for image in images for p in _images(image)]
    decoding.refuse(paths)
    net = checkpoints.load(checkpoint)
    found = descriptors.extract(net, [Sample(p, -1, -1) for p in paths], device=device)
    descriptors.save_npz(out, found, paths)
    n, c = found.features.shape
    print(f"{out}: {n:,} descriptors of {c} numbers")


def _images(path: Path) -> list[Path]:
    if not path.exists():
        raise DplibError(f"{path} does not exist: give image files or folders of them.")
    if path.is_file():
        return [path]
    found = scanning.scan(path)
    if not found.images:
        raise DplibError(
            f"{path} holds no image ({', '.join(scanning.SUFFIXES)})"
            f"{found.note('; ')}. Name images, or the folders that hold them."
        )
    found.tell(path)
    return found.images
