"""What evaluate computes and prints: results, their intervals, the numbers to keep."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dplib import DplibError, checkpoints, descriptors, evaluation, people, reranking
from dplib.cli import tables
from dplib.datasets import near
from dplib.descriptors import Descriptors
from dplib.evaluation import Retrieval
from dplib.evidence import provenance, resampling
from dplib.incoming import decoding
from dplib.model import DeepPerson
from dplib.samples import JUNK, ReIDData, Sample

SINGLE, MULTIPLE, RERANKED = "single query", "multiple query", "re-ranked"
OWN = (
    "protocol same_camera: images of the query's camera count as matches, its near "
    "copies do not; NOT COMPARABLE with published results"
)
_WITH_INTERVAL = ("rank1", "map")
_COLUMNS = {
    "rank1": "rank-1",
    "rank5": "rank-5",
    "rank10": "rank-10",
    "map": "mAP",
    "map_trapezoid": "trapez.",
    "minp": "mINP",
}


@dataclass(frozen=True)
class Settings:
    """How a model is evaluated, as the options of ``evaluate`` say it."""

    device: str = "auto"
    features: str = "fm"
    metric: str = "euclidean"
    seed: int = 0  # of the gallery draws of CUHK03's old protocol
    skip_unmatched: bool = False
    multi_query: bool = False
    rerank: tuple[int, int, float] | None = None  # k1, k2, lambda


def measure(
    net: DeepPerson,
    data: ReIDData,
    wanted: Settings,
    results: dict[str, Retrieval] | None = None,
) -> dict[str, Retrieval]:
    """Describe the images, and evaluate each way of asking that is wanted.

    Args:
        net: The model.
        data: The data set.
        wanted: How to evaluate.
        results: Where each result is put as soon as there is one, so that the caller
            has them when a later one fails.

    Returns:
        The results by name: ``SINGLE`` first, then ``MULTIPLE`` and ``RERANKED`` where
        the settings ask for them.

    Raises:
        DplibError: See ``ready``, which comes before the work.
    """
    left_out = ready(data, wanted)
    results = {} if results is None else results

    def describe(samples: Sequence[Sample]) -> Descriptors:
        device, kind = wanted.device, wanted.features
        return descriptors.extract(net, samples, device=device, kind=kind)

    def rank(query: Descriptors, gallery: Descriptors, **distances: Any) -> Retrieval:
        return evaluation.evaluate(
            query,
            gallery,
            metric=wanted.metric,
            protocol=data.protocol,
            left_out=left_out,
            unmatched="skip" if wanted.skip_unmatched else "raise",
            seed=wanted.seed,
            **distances,
        )

    query = describe(data.query)
    # in CUHK03 both views query
    gallery = query if data.gallery == data.query else describe(data.gallery)
    results[SINGLE] = rank(query, gallery)
    if wanted.multi_query:
        several = evaluation.multiple_query(query, describe(data.multi_query))
        results[MULTIPLE] = rank(several, gallery)
    if wanted.rerank:
        gallery = evaluation.drop_junk(gallery)
        d = reranking.k_reciprocal(query, gallery, *wanted.rerank, progress=True)
        results[RERANKED] = rank(query, gallery, distances=d)
    return results


def ready(data: ReIDData, wanted: Settings) -> np.ndarray | None:
    """Find out before the work whether it can be done, down to the last image.

    Args:
        data: The data set; the images of its query and gallery are decoded once, which
            takes about a tenth of the time of describing them with the smallest model.
        wanted: How to evaluate.

    Returns:
        What ``near.left_out`` gives.

    Raises:
        DplibError: See ``check``; or images cannot be read.
    """
    left_out = near.left_out(data)
    check(data, wanted, left_out)
    samples = [*data.query, *data.gallery]
    if wanted.multi_query:
        samples += data.multi_query
    decoding.refuse(list(dict.fromkeys(s.path for s in samples)))
    return left_out


def check(data: ReIDData, wanted: Settings, left_out: np.ndarray | None) -> None:
    """Refuse what cannot be measured, before the images are described.

    Args:
        data: The data set.
        wanted: How to evaluate.
        left_out: What ``near.left_out`` gives for the data.

    Raises:
        DplibError: There is no query, one has no true match, a query has no box for
            multiple query, or the set cannot be re-ranked with these settings.
    """
    if not data.query or not data.gallery:
        raise DplibError(f"{data.name} at {data.root} has no query or no gallery")
    _check_matches(data, wanted.skip_unmatched, left_out)
    if wanted.multi_query:
        _check_boxes(data)
    if not wanted.rerank:
        return
    if data.protocol == "cuhk03":
        raise DplibError(
            "--rerank: CUHK03's old protocol ranks one image a person, re-ranking "
            "needs the whole gallery; take --data cuhk03np"
        )
    if left_out is not None and len(left_out):
        raise DplibError(
            f"--rerank: {len(set(left_out[:, 0])):,} queries have near copies in the "
            "gallery, which are left out when the images of one camera are ranked. "
            "Re-ranking would find other images by their means; rank without --rerank"
        )
    images = len(data.query) + sum(s.pid != JUNK for s in data.gallery)
    reranking.check_settings(images, *wanted.rerank)


def _check_matches(data: ReIDData, skip: bool, left_out: np.ndarray | None) -> None:
    images: dict[int, list[int]] = defaultdict(list)  # their cameras, by person
    for s in data.gallery:
        images[s.pid].append(s.camid)
    if left_out is None:
        alone = [q for q in data.query if not {*images[q.pid]} - {q.camid}]
        why = "from another camera"
    else:
        copies = Counter(left_out[:, 0].tolist())
        alone = [q for i, q in enumerate(data.query) if len(images[q.pid]) == copies[i]]
        why = "but near copies of the query"
    if not alone or (skip and len(alone) < len(data.query)):
        return
    advice = ["add images of these people"]
    if len(alone) < len(data.query):
        advice.insert(0, "leave such queries out with --skip-unmatched")
    if left_out is None and any(images[q.pid] for q in alone):
        own = "" if data.pid_names else "--data folder, --csv FILE and "
        advice.append(f"rank images of one camera with {own}--same-camera")
    raise DplibError(
        f"{len(alone):,} of {len(data.query):,} queries have no true match: the "
        f"gallery has no image of their person {why}. The first is {alone[0].path}, "
        f"{_person(data, alone[0])}. To go on, {', or '.join(advice)}"
    )


def _check_boxes(data: ReIDData) -> None:
    if not data.multi_query:
        raise DplibError(
            f"--multi-query: {data.name} has no images for it (Market-1501 has them in "
            "gt_bbox)"
        )
    boxes = {(s.pid, s.camid) for s in data.multi_query}
    bare = [q for q in data.query if (q.pid, q.camid) not in boxes]
    if bare:
        raise DplibError(
            f"--multi-query: {len(bare):,} of {len(data.query):,} queries have no "
            f"image of their person from their camera in gt_bbox; the first is "
            f"{bare[0].path}, {_person(data, bare[0])}"
        )


def _person(data: ReIDData, sample: Sample) -> str:
    """Who is on it, under the name that the user gave."""
    return f"person {data.pid_names.get(sample.pid, sample.pid)!r}"


def show(data: ReIDData, path: str, results: dict[str, Retrieval], seed: int) -> None:
    """Print what was ranked by which checkpoint, whether it is a test, the results.

    Nothing is printed when there are none yet.
    """
    if SINGLE not in results:
        return
    first = results[SINGLE]
    asked = len(first.pids.unique())
    print(
        f"{data.name}: {len(first.queries):,} queries of {asked:,} people, "
        f"{first.num_ranked:,} ranked"
    )
    if said := _whether_a_test(data, path, set(first.pids.tolist())):
        print(said)
    show_results(results, seed)
    print("in brackets: 95 % interval, resampled by person; mAP by steps")


def _whether_a_test(data: ReIDData, path: str, pids: set[int]) -> str:
    """What there is to say about who was trained on; empty when they are others."""
    before = training_record(path) or {}
    noted = checkpoints.people(path) or people.older(before, data)
    trained = str(before.get("data", ""))
    if noted is None:
        if trained == "" or _whole(trained) != _whole(data.name):
            return f"across data sets: trained on {trained}" if trained else ""
        return (
            "an older version noted no names with this run: whether these people were "
            "trained on is not known"
        )
    found = people.known(noted, data, pids)
    if found.pids:
        return _said_of_known(found, data, len(pids))
    if found.namesakes:
        return (
            f"trained on another folder, in which {len(found.namesakes):,} people have "
            f"the names of people here, such as {data.name_of(min(found.namesakes))!r};"
            " if they are the same people, this is no test"
        )
    trained = noted["data"]
    if _whole(trained) != _whole(data.name):
        return f"across data sets: trained on {trained}"
    return ""


def _said_of_known(found: people.Known, data: ReIDData, asked: int) -> str:
    """Who was trained on, by name, and then who only has copies of such images."""
    said = []
    if named := len(found.pids) - len(found.copies):
        said.append(
            f"NO TEST: {named:,} of these {asked:,} people were trained on; to test on "
            "others, give --val-pids, --seed and --split as in training"
        )
    if found.copies:
        said.append(
            f"SEEN BEFORE: {len(found.copies):,} of these {asked:,} people, such as "
            f"{data.name_of(min(found.copies))!r}, have images that were trained on "
            f"under other names ({sum(found.copies.values()):,} test images, byte for "
            "byte); their results say nothing about new people, so test without them"
        )
    return "\n".join(said)


def show_results(results: dict[str, Retrieval], seed: int) -> None:
    """Print a row of measures for each result, in per cent."""
    header = ["(%)"]
    for key, name in _COLUMNS.items():
        header += [name, "[95 %]"] if key in _WITH_INTERVAL else [name]
    numbers = [i for i, name in enumerate(header) if i and name != "[95 %]"]
    rows = []
    for name, result in results.items():
        values, found = result.summary(), _intervals(result, seed)
        row = [name]
        for key in _COLUMNS:
            row.append(f"{100 * values[key]:.2f}")
            if key in found:
                low, high = found[key]
                row.append(f"[{100 * low:.1f}, {100 * high:.1f}]")
            elif key in _WITH_INTERVAL:
                row.append("")
        rows.append(row)
    tables.show(rows, header, numbers=numbers)
    if is_own(results):
        print(OWN)


def is_own(results: dict[str, Retrieval]) -> bool:
    """Whether they are by a protocol of ours, and so not comparable with others."""
    return any(r.protocol == "same_camera" for r in results.values())


def show_means(results: list[dict[str, Retrieval]]) -> None:
    """Print mean and standard deviation over CUHK03's splits, in per cent."""
    print(f"mean ± standard deviation over {len(results)} splits")
    rows = []
    for key, (mean, sd) in _over_splits(results).items():
        name = "rank1, s.d. over gallery draws" if key == "rank1_sd" else key
        rows.append([f"  {name}", f"{100 * mean:.2f} ± {100 * sd:.2f} %"])
    tables.show(rows, numbers=[1])


def last(
    results: dict[str, Retrieval], data: ReIDData
) -> tuple[str, tuple[Retrieval, list[Sample], list[Sample]]]:
    """The result whose ranked lists are written: its name; it, its query and gallery.

    It is the re-ranked one where there is one; that gallery has no junk.
    """
    if RERANKED not in results:
        return SINGLE, (results[SINGLE], data.query, data.gallery)
    kept = [s for s in data.gallery if s.pid != JUNK]
    return RERANKED, (results[RERANKED], data.query, kept)


def record(
    checkpoint: str, data: ReIDData, results: list[dict[str, Retrieval]], seed: int
) -> dict[str, Any]:
    """What --metrics-json keeps: single query in ``metrics``, the rest beside it.

    Args:
        checkpoint: As it was given, with {split} where there are several.
        data: The data set; of several splits the last one.
        results: What ``measure`` gave for each split.
        seed: Of the intervals.
    """
    name, measured = data.name, _numbers(results, seed)
    if len(results) > 1:
        name = name.rpartition("-split")[0] + ", all splits"
    made = provenance.record(seed, name, data.root)
    kept = {**made, "checkpoint": checkpoint, **measured}
    if is_own(results[-1]):
        kept["protocol"] = OWN
    if (before := training_record(checkpoint)) is not None:
        kept["training"] = before
    return kept


def _numbers(results: list[dict[str, Retrieval]], seed: int) -> dict[str, Any]:
    if len(results) > 1:
        means = _over_splits(results)
        return {
            "metrics": {k: mean for k, (mean, _) in means.items()},
            "standard deviation over splits": {k: sd for k, (_, sd) in means.items()},
        }
    named: dict[str, Any] = {}
    for name, result in results[0].items():
        named[name] = dict(result.summary())
        for measure, bounds in _intervals(result, seed).items():
            named[name][f"{measure}_interval"] = [round(x, 6) for x in bounds]
    return {"metrics": named.pop(SINGLE), **named}


def _over_splits(
    results: list[dict[str, Retrieval]],
) -> dict[str, tuple[float, float]]:
    return evaluation.over_splits([r[SINGLE] for r in results])


def training_record(checkpoint: str) -> dict[str, Any] | None:
    """The record of a checkpoint's training, where there is one."""
    path = Path(checkpoint)
    shipped = checkpoints.ASSETS / f"{checkpoint}.json"
    for note in (path / "train.json", path.with_suffix(".json"), shipped):
        if note.is_file() and note != path:
            found = json.loads(note.read_text("utf-8"))
            return found if isinstance(found, dict) else None
    return None


def _intervals(result: Retrieval, seed: int) -> dict[str, tuple[float, float]]:
    """Bounds of rank1 and map; none where a single person queries."""
    if len(result.pids.unique()) < 2:
        return {}
    found = {m: resampling.bootstrap(result, m, seed=seed) for m in _WITH_INTERVAL}
    return {m: (interval.low, interval.high) for m, interval in found.items()}


def _whole(name: str) -> str:
    """The data set from which a split or held-out pids were taken."""
    return re.sub(r"-(val|split)\d+|-noval", "", name)
