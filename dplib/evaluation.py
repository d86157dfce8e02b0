"""CMC, AP (by steps and by trapezoids) and mINP, under the protocols of §4.2.

"market1501": for each query the gallery is ranked by distance. Junk (pid -1) is
dropped, and so are the images of the query's own pid from its own camera; distractors
(pid 0) stay. "cuhk03" (the old protocol of that set): the gallery is one image per pid
from the other camera, drawn several times. "same_camera" is not the paper's, and its
results are not comparable with published ones: all images of the query's pid count,
from whatever camera, but for the pairs that are left out, such as a query and a copy of
it. They are neither matches nor wrong; junk is dropped.

Every measure follows from the ranks of the true matches (``dplib.ranking.ranks``). Ties
count against the model, so that constant descriptors score nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import seeds
from dplib.descriptors import Descriptors, as_tensors, check_pair
from dplib.incoming.arrays import as_tensor
from dplib.ranking import ranks
from dplib.ranking.distances import BLOCK
from dplib.ranking.distances import EvaluationError as EvaluationError
from dplib.ranking.retrieval import MEASURES as MEASURES
from dplib.ranking.retrieval import RankedList as RankedList
from dplib.ranking.retrieval import Retrieval as Retrieval
from dplib.samples import JUNK

METRICS = ("euclidean", "cosine")
PROTOCOLS = ("market1501", "cuhk03", "same_camera")
CHOICES = {
    "metric": METRICS,
    "protocol": PROTOCOLS,
    "unmatched": ("raise", "skip"),
}


def average_precision(ranks: np.ndarray) -> tuple[float, float]:
    """Compute the average precision of one query from the ranks of its matches.

    Args:
        ranks: Ranks r_1 < r_2 < … [M] of the matches, from 1.

    Returns:
        AP by steps, the mean of j / r_j, and AP by trapezoids, where the precision at
        a match is averaged with the precision just before it, (j - 1) / (r_j - 1), or
        1 at rank 1.
    """
    after, area = _precisions(ranks, np.arange(1, len(ranks) + 1))
    return float(after.mean()), float(area.mean())


def _precisions(ranks: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the precision at each match, and its mean with the one just before."""
    after = j / ranks
    before = np.where(ranks > 1, (j - 1) / np.maximum(ranks - 1, 1), 1.0)
    return after, (after + before) / 2


def multiple_query(query: Descriptors, boxes: Descriptors) -> Descriptors:
    """Replace each query by the mean of its pid's boxes from its camera (§4.2).

    Args:
        query: Descriptors [Q, D].
        boxes: Descriptors [B, D] of Market-1501's gt_bbox images.

    Returns:
        The queries with features [Q, D] of length 1.

    Raises:
        EvaluationError: If a query has no box.
    """
    query = as_tensors("query", query, EvaluationError)
    boxes = as_tensors("boxes", boxes, EvaluationError)
    _check(query, boxes)
    groups: dict[tuple[int, int], list[int]] = {}
    for j, key in enumerate(
        zip(boxes.pids.tolist(), boxes.camids.tolist(), strict=True)
    ):
        groups.setdefault(key, []).append(j)
    keys = list(zip(query.pids.tolist(), query.camids.tolist(), strict=True))
    for i, (pid, cam) in enumerate(keys):
        if (pid, cam) not in groups:
            raise EvaluationError(
                f"query {i} (pid {pid}, camera {cam}) has no image among the boxes of "
                "multiple query; describe data.multi_query (gt_bbox) in full"
            )
    means = {key: boxes.features[js].mean(0) for key, js in groups.items()}
    features = torch.stack([means[key] for key in keys])
    return query._replace(features=F.normalize(features))


def drop_junk(gallery: Descriptors) -> Descriptors:
    """Return the gallery without junk (pid -1), as re-ranking needs it."""
    gallery = as_tensors("gallery", gallery, EvaluationError)
    keep = gallery.pids != JUNK
    return Descriptors(*(x[keep] for x in gallery))


def over_splits(results: Sequence[Retrieval]) -> dict[str, tuple[float, float]]:
    """Average the measures over splits, of which CUHK03 has 20 (§4.2).

    Args:
        results: One result per split.

    Returns:
        For each key of ``Retrieval.summary``: mean, standard deviation (0 of one).

    Raises:
        EvaluationError: If there are no results.
    """
    tables = [r.summary() for r in results]
    if not tables:
        raise EvaluationError("over_splits: there are no results to average")
    values = {k: np.array([t[k] for t in tables]) for k in tables[0]}
    sd = int(len(tables) > 1)
    return {k: (float(v.mean()), float(v.std(ddof=sd))) for k, v in values.items()}


def evaluate(
    query: Descriptors,
    gallery: Descriptors,
    *,
    distances: Tensor | np.ndarray | None = None,
    metric: str = "euclidean",
    protocol: str = "market1501",
    left_out: Tensor | np.ndarray | Sequence[Sequence[int]] | None = None,
    unmatched: str = "raise",
    draws: int = 10,
    seed: int = 0,
) -> Retrieval:
    """Rank the gallery for every query and measure the result.

    Args:
        query: Descriptors [Q, D], as tensors or as the NumPy arrays of a .npz file.
        gallery: Descriptors [G, D].
        distances: Distances [Q, G] to rank by in place of the features', for example
            re-ranked ones.
        metric: "euclidean" or "cosine", of the features.
        protocol: "market1501", "cuhk03" or "same_camera", see the module.
        left_out: Under "same_camera" alone, and required there: pairs [n, 2] of a query
            and a gallery image of its pid that do not count for it. Descriptors do not
            tell copies, and a query that finds its copy measures nothing; so where
            there are none, say so by ``[]``. ``datasets.left_out`` finds them.
        unmatched: Whether to "raise" or to "skip" when a query has no true match.
        draws: How many galleries are drawn, under "cuhk03" alone.
        seed: Of these draws.

    Returns:
        CMC, mAP and mINP, and what is known of each query.

    Raises:
        EvaluationError: For NaN, for shapes that disagree, for an unknown metric or
            protocol, for pairs that cannot be left out, and for a query without a
            match, which is named.
    """
    query = as_tensors("query", query, EvaluationError)
    gallery = as_tensors("gallery", gallery, EvaluationError)
    _check(query, gallery, metric=metric, protocol=protocol, unmatched=unmatched)
    given = None
    if distances is not None:
        given = as_tensor("distances", distances, EvaluationError)
        _check_distances(given, query, gallery)
    seed = seeds.check(seed)
    pairs = _pairs(left_out, query, gallery, protocol)
    single = protocol == "cuhk03"
    if single:
        places, of, size = ranks.single_shot(query, gallery, given, metric, draws, seed)
    else:
        places, of, size = ranks.all_ranked(query, gallery, given, metric, pairs)
    found = np.bincount(of, minlength=len(query.pids))
    if not found.all() and (unmatched == "raise" or not len(places)):
        i = int(np.flatnonzero(found == 0)[0])
        raise _unmatched(query, gallery, i, protocol, unmatched)
    shares, curves = _measured(places, found[found > 0], size, single)
    return Retrieval(
        protocol=protocol,
        cmc=curves.mean(0),
        map=float(shares["map"].mean()),
        map_trapezoid=float(shares["map_trapezoid"].mean()),
        minp=float(shares["minp"].mean()),
        num_ranked=size,
        ap=shares["map"],
        match_ranks=list(torch.from_numpy(places).split(found[found > 0].tolist())),
        queries=torch.from_numpy(np.flatnonzero(found)),
        cmc_draws=curves if single else None,
        _shares=shares,
        _query=query,
        _gallery=gallery,
        _distances=given,
        _metric=metric,
        _left_out=pairs,
    )


def _measured(
    places: np.ndarray, counts: np.ndarray, size: int, single: bool
) -> tuple[dict[str, Tensor], Tensor]:
    """Return each query's share in the measures, and the CMC curve of each draw.

    Args:
        places: Ranks of all matches [M], query by query.
        counts: How many of them each query has [Q].
        size: How many gallery images are ranked.
        single: Whether a query has one match in each of several draws.
    """
    starts = counts.cumsum() - counts
    nth = np.arange(len(places)) - np.repeat(starts, counts) + 1
    after, area = _precisions(places, np.ones_like(places) if single else nth)
    # All draws count alike; without draws there is one, of the first matches.
    first = places.reshape(len(counts), -1).T if single else places[starts][None]
    shares = {
        "rank1": (first == 1).mean(0),
        "map": np.add.reduceat(after, starts) / counts,
        "map_trapezoid": np.add.reduceat(area, starts) / counts,
        "minp": (1 / first).mean(0) if single else after[starts + counts - 1],
    }
    cmc = np.stack([np.bincount(f, minlength=size + 1)[1:].cumsum() for f in first])
    curves = torch.from_numpy(cmc / len(counts))
    return {k: torch.from_numpy(v) for k, v in shares.items()}, curves


def _pairs(
    left_out: object, query: Descriptors, gallery: Descriptors, protocol: str
) -> np.ndarray | None:
    """Return the pairs to leave out [n, 2]; None under the other protocols.

    Raises:
        EvaluationError: They are no pairs of a query and an image of its pid, or they
            and the protocol do not go together.
    """
    if protocol != "same_camera":
        if left_out is None:
            return None
        raise EvaluationError(
            f"left_out is for protocol='same_camera', not for {protocol!r}"
        )
    if left_out is None:
        raise EvaluationError(
            "protocol='same_camera' needs left_out=, the pairs of a query and its near "
            "copies in the gallery: datasets.left_out(data) of an own folder, or [] "
            "where there are none"
        )
    if isinstance(left_out, Tensor):
        left_out = left_out.cpu()
    try:
        pairs = np.asarray(left_out)
    except ValueError as e:
        raise EvaluationError(f"left_out has rows of several lengths: {e}") from e
    pairs = pairs.reshape(0, 2).astype(np.int64) if not pairs.size else pairs
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise EvaluationError(
            f"left_out is {pairs.shape} of {pairs.dtype}; expected whole numbers "
            "[n, 2], a query and a gallery image in each row"
        )
    wrong = ((pairs < 0) | (pairs >= (len(query.pids), len(gallery.pids)))).any(1)
    if not wrong.any():
        pairs = pairs.astype(np.int64)
        wrong = (query.pids[pairs[:, 0]] != gallery.pids[pairs[:, 1]]).numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise EvaluationError(
            f"left_out, row {row}: {pairs[row].tolist()} is no pair of a query (0 to "
            f"{len(query.pids) - 1}) and a gallery image of the same pid (0 to "
            f"{len(gallery.pids) - 1})"
        )
    return pairs


def _unmatched(
    query: Descriptors, gallery: Descriptors, i: int, protocol: str, unmatched: str
) -> EvaluationError:
    """Return what is said of query ``i``, the first that has no match."""
    where = (
        "that is not left out" if protocol == "same_camera" else "from another camera"
    )
    if unmatched == "skip":
        said = f"no query has a true match in the gallery, an image of its pid {where}"
    else:
        said = (
            f"query {i} (pid {int(query.pids[i])}, camera {int(query.camids[i])}) has "
            f"no gallery image of its pid {where}; remove it, or pass unmatched='skip'"
        )
    here = (gallery.pids == query.pids[i]).any() and query.pids[i] != JUNK
    if protocol == "market1501" and here:
        said += (
            ". Images of one camera are ranked by protocol='same_camera', an own "
            "folder with same_camera=True"
        )
    return EvaluationError(said)


def _check_distances(given: Tensor, query: Descriptors, gallery: Descriptors) -> None:
    """Raise EvaluationError for distances of another shape or with NaN."""
    expected = (len(query.pids), len(gallery.pids))
    if given.shape != expected:
        raise EvaluationError(
            f"distances are {tuple(given.shape)}, expected one row per query and one "
            f"column per gallery image: {expected}"
        )
    for q0, block in zip(range(0, len(given), BLOCK), given.split(BLOCK), strict=True):
        if (bad := block.isnan().any(1)).any():
            raise EvaluationError(
                f"distances of query {q0 + int(bad.nonzero()[0])} hold NaN: they "
                "cannot be ranked; look at the features they were computed from"
            )


def _check(query: Descriptors, gallery: Descriptors, **settings: str) -> None:
    """Raise EvaluationError for unknown settings and arrays that do not agree."""
    for name, value in settings.items():
        known = CHOICES[name]
        if value not in known:
            raise EvaluationError(f"{name}={value!r}: choose one of {', '.join(known)}")
    for name, d in (("query", query), ("gallery", gallery)):
        if not len(d.features) == len(d.pids) == len(d.camids) or not len(d.pids):
            raise EvaluationError(
                f"{name}: {len(d.features)} features, {len(d.pids)} pids and "
                f"{len(d.camids)} camids; expected as many of each, and at least one"
            )
        if d.features.ndim != 2 or not d.features.shape[1]:
            raise EvaluationError(
                f"{name} features are {tuple(d.features.shape)}; expected one row of "
                "values per image"
            )
    check_pair(query, gallery, EvaluationError)
