"""Train, evaluate and describe from a terminal."""

import json
import re
import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dplib import DplibError, files
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

app = typer.Typer()


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
    kind: KindOption = None,
    split: Split = None,
    csv: Csv = None,
    pattern: Pattern = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the whole model here, with a record of its metrics"),
    ] = None,
) -> None:
    """Train a preset; Ctrl-C saves, and the same command goes on from there."""
    from dplib import presets, training

    recipe = presets.get(preset)
    found = load_data(
        data,
        root,
        val_pids=val_pids,
        seed=seed,
        kind=kind,
        split=split,
        csv=csv,
        pattern=pattern,
    )
    start = {None: "preset", "none": None}.get(weights, weights)
    folder = out or base() / "runs" / preset
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
        **provenance.record(seed, found.name, found.root),
        "preset": preset,
        "iterations": len(result.history),
        "seconds": round(result.seconds),
        "clipped share": round(result.clipped_share, 4),
        "pids": sorted(found.labels),  # class i is pids[i]
    }
    files.write(folder / "train.json", json.dumps(done, indent=1) + "\n")
    if export is None:
        given = {
            "root": root,
            "val-pids": val_pids,
            "seed": seed,  # draws the people of --val-pids and of an unsplit folder
            "kind": kind and kind.value,
            "split": split,
            "csv": csv,
            "pattern": pattern,
        }
        more = [w for k, v in given.items() if v for w in (f"--{k}", str(v))]
        words = shlex.join([str(folder), "--data", data, *more])
        print(f"Evaluate it: python -m dplib evaluate {words}")
        return
    from dplib import checkpoints

    query, gallery = _describe(result.model, found, device)
    measured = _single(query, gallery, found)
    print(_line("single query", measured))
    record = {**done, "metrics": measured.summary()}
    print(f"Model and record: {checkpoints.save(result.model, export, record)}")


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
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A file, a training folder or a shipped name (toy); with --split all, "
            "{split} in it stands for the number"
        ),
    ],
    data: Data = "toymarket",
    root: Root = None,
    device: Device = "auto",
    val_pids: ValPids = 0,
    seed: Annotated[
        int, typer.Option(help="Of --val-pids, as in training; of draws and intervals")
    ] = 0,
    kind: KindOption = None,
    split: Split = None,
    csv: Csv = None,
    pattern: Pattern = None,
    features: Annotated[Feature, typer.Option(help="Which features")] = Feature.fm,
    metric: Annotated[Metric, typer.Option(help="How to compare")] = Metric.euclidean,
    multi_query: Annotated[
        bool, typer.Option(help="Multiple query as well (needs gt_bbox)")
    ] = False,
    rerank: Annotated[
        bool, typer.Option(help="k-reciprocal re-ranking as well")
    ] = False,
    k1: Annotated[int, typer.Option(help="Of re-ranking: neighbours")] = 20,
    k2: Annotated[int, typer.Option(help="Of re-ranking: query expansion")] = 6,
    lambda_: Annotated[
        float, typer.Option("--lambda", help="Of re-ranking: share of the distance")
    ] = 0.3,
    skip_unmatched: Annotated[
        bool, typer.Option(help="Leave queries out that have no true match")
    ] = False,
    lists: Annotated[
        Path | None,
        typer.Option(help="Write the ranked lists into this new folder", metavar="DIR"),
    ] = None,
    top: Annotated[int, typer.Option(help="Images in each list")] = 50,
    pictures: Annotated[
        int | None, typer.Option(help="Queries to draw in --lists; default: all")
    ] = None,
    metrics_json: Annotated[
        Path | None, typer.Option(help="Write the metrics here as well")
    ] = None,
) -> None:
    """Rank a data set's gallery for its queries: rank-1, mAP, mINP, with intervals.

    The data set need not be the one that the checkpoint was trained on.
    """
    from dplib import checkpoints, evaluation
    from dplib.cli import ranked_lists

    splits = [str(i) for i in range(20)] if split == "all" else [split]
    if split == "all" and "{split}" not in checkpoint:
        raise DplibError(
            f"--split all needs a checkpoint for each split: {checkpoint} has no "
            "{split} in it; name them as in 'runs/cuhk03-{split}'"
        )
    if split == "all" and lists:
        raise DplibError("--lists shows one split: give its number to --split")
    if lists and lists.exists():  # before minutes of describing
        raise DplibError(f"{lists} exists: name a folder that does not, or remove it")
    tables: list[dict[str, evaluation.Retrieval]] = []
    for number in splits:
        path = checkpoint.replace("{split}", number or "")
        net = checkpoints.load(path)
        found = load_data(
            data,
            root,
            val_pids=val_pids,
            seed=seed,
            kind=kind,
            split=number,
            csv=csv,
            pattern=pattern,
        )
        if multi_query and not found.multi_query:
            raise DplibError(
                f"--multi-query: {found.name} has no images for it (Market-1501 has "
                "them in gt_bbox)"
            )
        if rerank and found.protocol == "cuhk03":
            raise DplibError(
                "--rerank: CUHK03's old protocol ranks one image a person, re-ranking "
                "needs the whole gallery; take --data cuhk03np"
            )
        described = _describe(net, found, device, features.value)
        settings: dict[str, Any] = {
            "metric": metric.value,
            "protocol": found.protocol,
            "unmatched": "skip" if skip_unmatched else "raise",
            "seed": seed,
        }
        results = {"single query": evaluation.evaluate(*described, **settings)}
        if multi_query:
            boxes = _extract(net, found.multi_query, device, features.value)
            several = evaluation.multiple_query(described[0], boxes)
            results["multiple query"] = evaluation.evaluate(
                several, described[1], **settings
            )
        if rerank:
            results["re-ranked"] = _reranked(described, settings, (k1, k2, lambda_))
        tables.append(results)
        _print_table(found, path, results, seed)
    if split == "all":
        means = evaluation.over_splits([t["single query"] for t in tables])
        print("mean ± standard deviation over 20 splits")
        for key, (mean, sd) in means.items():
            name = "rank1, s.d. over gallery draws" if key == "rank1_sd" else key
            print(f"  {name:<30} {100 * mean:6.2f} ± {100 * sd:.2f} %")
    if lists:
        last = "re-ranked" if rerank else "single query"
        samples = (found.query, found.gallery)
        if rerank:
            samples = (found.query, [s for s in found.gallery if s.pid != -1])
        where = ranked_lists.write(
            results[last], *samples, lists, top=top, pictures=pictures
        )
        print(f"Lists of {last}: {where}")
    if metrics_json:
        name = found.name
        if split == "all":
            name = name.rpartition("-split")[0] + ", all splits"
        record = {
            **provenance.record(seed, name, found.root),
            "checkpoint": checkpoint,
            **_numbers(tables, seed),
        }
        if (before := _training(checkpoint)) is not None:
            record["training"] = before
        files.write(metrics_json, json.dumps(record, indent=1) + "\n")
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
    from dplib import checkpoints, descriptors
    from dplib.samples import Sample

    if out.suffix != ".npz":
        raise DplibError(f"{out}: descriptors are written as .npz; name it so.")
    paths = [p for image in images for p in _images(image)]
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
    kinds = {".jpg", ".jpeg", ".png", ".bmp"}
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in kinds)
    if not found:
        raise DplibError(f"{path} holds no image (.jpg, .jpeg, .png, .bmp).")
    return found


def _extract(net: Any, samples: Sequence[Any], device: str, kind: str = "fm") -> Any:
    from dplib import descriptors

    return descriptors.extract(net, samples, device=device, kind=kind)


def _describe(net: Any, found: Any, device: str, kind: str = "fm") -> tuple[Any, Any]:
    query = _extract(net, found.query, device, kind)
    if found.gallery == found.query:  # CUHK03: both views query
        return query, query
    return query, _extract(net, found.gallery, device, kind)


def _single(query: Any, gallery: Any, found: Any) -> Any:
    from dplib import evaluation

    return evaluation.evaluate(query, gallery, protocol=found.protocol)


def _reranked(
    described: tuple[Any, Any], settings: dict[str, Any], k: tuple[int, int, float]
) -> Any:
    from dplib import evaluation, reranking

    query, gallery = described[0], evaluation.drop_junk(described[1])
    d = reranking.k_reciprocal(query, gallery, *k, progress=True)
    return evaluation.evaluate(query, gallery, distances=d, **settings)


def _intervals(result: Any, seed: int) -> dict[str, Any]:
    """Of rank1 and map; none where a single person queries."""
    from dplib.evidence import intervals

    if len(result.pids.unique()) < 2:
        return {}
    return {m: intervals.bootstrap(result, m, seed=seed) for m in ("rank1", "map")}


def _line(name: str, result: Any, seed: int = 0) -> str:
    """rank-1 and mAP with intervals, the rest without, in per cent."""
    m, found = result.summary(), _intervals(result, seed)
    cells = [f"{name:<15}"]
    for key in ("rank1", "rank5", "rank10", "map", "map_trapezoid", "minp"):
        cells.append(f"{100 * m[key]:{7 if key in ('rank1', 'map') else 8}.2f}")
        if key in ("rank1", "map"):
            i = found.get(key)
            text = f" [{100 * i.low:.1f}, {100 * i.high:.1f}]" if i else ""
            cells.append(f"{text:<15}")
    return "".join(cells)


def _print_table(found: Any, path: str, results: dict[str, Any], seed: int) -> None:
    first = next(iter(results.values()))
    people = len(first.pids.unique())
    print(
        f"{found.name}: {len(first.queries):,} queries of {people:,} people, "
        f"{first.num_ranked:,} ranked"
    )
    before = _training(path) or {}
    trained = str(before.get("data", ""))
    if trained and _whole(trained) != _whole(found.name):
        print(f"across data sets: trained on {trained}")
    elif known := set(before.get("pids", [])) & set(first.pids.tolist()):
        print(
            f"NO TEST: {len(known):,} of these {people:,} people were trained on; to "
            "test on others, give --val-pids, --seed and --split as in training"
        )
    print(
        f"{'(%)':<15}{'rank-1':>7}{'':15}{'rank-5':>8}{'rank-10':>8}{'mAP':>7}{'':15}"
        f"{'trapez.':>8}{'mINP':>8}"
    )
    for name, result in results.items():
        print(_line(name, result, seed))
    print("in brackets: 95 % interval, resampled by person; mAP by steps")


def _whole(name: str) -> str:
    """The data set that a split or held-out pids were taken of."""
    return re.sub(r"-(val|split)\d+", "", name)


def _numbers(tables: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """What goes into --metrics-json: single query in ``metrics``, the rest beside."""
    from dplib import evaluation

    if len(tables) > 1:
        means = evaluation.over_splits([t["single query"] for t in tables])
        return {
            "metrics": {k: mean for k, (mean, _) in means.items()},
            "standard deviation over splits": {k: sd for k, (_, sd) in means.items()},
        }
    named = {}
    for name, result in tables[0].items():
        named[name] = dict(result.summary())
        for measure, interval in _intervals(result, seed).items():
            bounds = [round(x, 6) for x in (interval.low, interval.high)]
            named[name][f"{measure}_interval"] = bounds
    return {"metrics": named.pop("single query"), **named}


def _training(checkpoint: str) -> dict[str, Any] | None:
    """The record of a checkpoint's training, where there is one."""
    from dplib import checkpoints

    path = Path(checkpoint)
    shipped = checkpoints.ASSETS / f"{checkpoint}.json"
    for note in (path / "train.json", path.with_suffix(".json"), shipped):
        if note.is_file() and note != path:
            found = json.loads(note.read_text("utf-8"))
            return found if isinstance(found, dict) else None
    return None
