"""What is right in lesson 6's exercises, and what common mistakes give.

For each exercise: inputs, the right answer, and the mistakes as functions that compute
what a reader who made them would get, keyed by what the reader is told.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dplib import evaluation
from dplib.descriptors import Descriptors

Array = NDArray[np.float64]
Mistakes = Mapping[str, Callable[..., Any]]


# --- 6.1: AP and INP of one ranked list -----------------------------------------------

LISTS = [
    (torch.tensor([bool(int(x)) for x in text]),)
    for text in ("011001", "1001", "001", "1110100", "0100000110", "01")
]


def ranks_of(right: Tensor) -> Tensor:
    return right.nonzero().flatten().double() + 1


def both(right: Tensor) -> tuple[float, float]:
    """AP and INP."""
    ranks = ranks_of(right)
    steps, _ = evaluation.average_precision(ranks.numpy())
    return steps, len(ranks) / ranks[-1].item()


def precisions(right: Tensor) -> Tensor:
    """Precision after each image of the list."""
    return right.cumsum(0).double() / torch.arange(1, len(right) + 1)


_OF_AP: Mistakes = {
    "AP: you averaged 1 / rank; at the j-th match the precision is j / rank": (
        lambda right: (1 / ranks_of(right)).mean()
    ),
    "AP: you averaged the precision at every image; average it at the true matches "
    "alone": lambda right: precisions(right).mean(),
    "AP: you divided by the number of images; divide by the number of true matches": (
        lambda right: (precisions(right) * right).mean()
    ),
    "AP: that is the sum of the precisions; divide it by the number of true matches": (
        lambda right: precisions(right)[right].sum()
    ),
    "AP: that is the rule of trapezoids; take the precision at each match alone": (
        lambda right: evaluation.average_precision(ranks_of(right).numpy())[1]
    ),
    "AP: your ranks count from 0; the first image has rank 1": (
        lambda right: (right.cumsum(0)[right] / (ranks_of(right) - 1)).mean()
    ),
    "AP: you counted the matches from 0; at the first match the precision is 1 / rank, "
    "not 0": lambda right: (precisions(right)[right] - 1 / ranks_of(right)).mean(),
    "AP: that is the share of right images in the whole list, whatever their order": (
        lambda right: right.double().mean()
    ),
    "AP: that is a percentage; give the number between 0 and 1": (
        lambda right: 100 * both(right)[0]
    ),
}
_OF_INP: Mistakes = {
    "INP: you took the rank of the first match; take that of the last": (
        lambda right: right.sum() / ranks_of(right)[0]
    ),
    "INP: that is rank / number of matches; turn the fraction over": (
        lambda right: 1 / both(right)[1]
    ),
    "INP: that is 1 / rank of the last match; put the number of matches above it": (
        lambda right: 1 / ranks_of(right)[-1]
    ),
    "INP: you divided by the length of the list; divide by the rank of the last "
    "match": lambda right: right.double().mean(),
    "INP: your ranks count from 0; the first image has rank 1": (
        lambda right: right.sum() / (ranks_of(right)[-1] - 1)
    ),
    "INP: that is a percentage; give the number between 0 and 1": (
        lambda right: 100 * both(right)[1]
    ),
}
OF_ONE_LIST = {"AP": _OF_AP, "INP": _OF_INP}


# --- 6.2: the CMC of many ranked lists ------------------------------------------------


def bits(*rows: str) -> tuple[Tensor]:
    return (torch.tensor([[bool(int(x)) for x in row] for row in rows]),)


MANY = {
    "the worked example": bits("0110", "1001", "0001"),
    "one query and right = [[False, False, True]]": bits("001"),
    "right = [[True, False], [False, True]]": bits("10", "01"),
    "five other queries with six images each": bits(
        "011001", "100000", "000101", "001110", "010000"
    ),
}


def cmc(right: Tensor) -> Tensor:
    return (right.cumsum(1) > 0).double().mean(0)


def late(right: Tensor) -> Tensor:
    return torch.cat([torch.zeros(1).double(), cmc(right)[:-1]])


OF_THE_CURVE: Mistakes = {
    "those are numbers of queries; divide by how many queries there are": (
        lambda right: cmc(right) * len(right)
    ),
    "that is the share of right images at rank k alone; CMC asks whether there is a "
    "match among the first k": lambda right: right.double().mean(0),
    "those are the shares of queries whose first match is at rank k exactly; a query "
    "with its first match at rank 2 also has one among the first 3, 4, …": (
        lambda right: cmc(right).diff(prepend=torch.zeros(1).double())
    ),
    "you counted every match; a query counts once, from its first match on": (
        lambda right: right.cumsum(1).double().mean(0)
    ),
    "you counted every match and divided by their number, which gives recall; a query "
    "counts once, from its first match on": lambda right: (
        right.cumsum(1).sum(0) / right.sum()
    ),
    "that is the share of the matches that are found up to rank k (recall); one match "
    "is enough for CMC": lambda right: (
        right.cumsum(1) / right.sum(1, keepdim=True)
    ).mean(0),
    "that is the precision up to rank k; CMC asks only whether there is a match": (
        lambda right: (right.cumsum(1) / torch.arange(1, right.shape[1] + 1)).mean(0)
    ),
    "your curve is one rank late: a match at rank k counts at k already": late,
    "you accumulated over the queries (dimension 0); accumulate along each list, "
    "which is dimension 1": lambda right: (right.cumsum(0) > 0).double().mean(0),
    "you waited for the last match of each query; CMC needs the first": lambda right: (
        (right.cumsum(1) == right.sum(1, keepdim=True)).double().mean(0)
    ),
    "you averaged over the ranks; average over the queries, which are dimension 0": (
        lambda right: (right.cumsum(1) > 0).double().mean(1)
    ),
}


# --- 6.4: the interval over people ----------------------------------------------------


def sampled(seed: int, people: int, draws: int) -> tuple[Array, NDArray[Any], Any]:
    """Values [Q] of people with 1 to 5 queries each, their pids, drawn pids."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.arange(3, 3 + 2 * people, 2))
    pids = rng.permutation(np.repeat(names, rng.integers(1, 6, people)))
    values = np.round(rng.random(len(pids)), 2)
    return values, pids, rng.choice(names, (draws, people))


SAMPLES = {
    "the worked example, with both draws": (
        np.array([1.0, 0, 0, 1, 1, 1]),
        np.array([5, 8, 8, 9, 9, 9]),
        np.array([[5, 5, 8], [9, 8, 9]]),
    ),
    "4 people and 30 draws": sampled(0, 4, 30),
    "7 people and 101 draws": sampled(1, 7, 101),
    "3 people and 5 draws": sampled(2, 3, 5),
}


def of_means(summary: Callable[[Array], Any]) -> Callable[..., Any]:
    """What `summary` makes of the means of all draws."""

    def compute(values: Array, pids: Any, drawn: Any) -> Any:
        rows = [np.concatenate([values[pids == p] for p in row]) for row in drawn]
        return summary(np.array([row.mean() for row in rows]))

    return compute


def middle(means: Any) -> Array:
    return np.quantile(np.asarray(means), [0.025, 0.975])


interval = of_means(middle)


def each_person_once(values: Array, pids: Any, drawn: Any) -> Array:
    own = {p: values[pids == p].mean() for p in set(pids.tolist())}
    return middle([np.mean([own[p] for p in row]) for row in drawn])


def normal(means: Array) -> Array:
    return means.mean() + np.array([-1.96, 1.96]) * means.std()


OF_THE_INTERVAL: Mistakes = {
    "your ends are in the wrong order: the lower one comes first": of_means(
        lambda means: middle(means)[::-1]
    ),
    "you returned the means of all draws; return their quantiles 0.025 and 0.975": (
        of_means(lambda means: means)
    ),
    "every person weighs the same in yours; average over all queries of the drawn "
    "people, so that a person with more queries weighs more": each_person_once,
    "a person who is drawn twice must count twice (`np.isin` counts once)": (
        lambda values, pids, drawn: middle(
            [values[np.isin(pids, row)].mean() for row in drawn]
        )
    ),
    "those are the smallest and the largest mean; take the quantiles 0.025 and 0.975": (
        of_means(lambda means: [means.min(), means.max()])
    ),
    "that is the middle 90 %; take the middle 95 %, from 0.025 to 0.975": of_means(
        lambda means: np.quantile(means, [0.05, 0.95])
    ),
    "np.percentile counts to 100, so that 0.025 is almost the smallest mean: take "
    "np.quantile, or 2.5 and 97.5": of_means(
        lambda means: np.percentile(means, [0.025, 0.975])
    ),
    "you used the standard deviation of the means; take their quantiles, which need "
    "no bell curve": of_means(normal),
    "those are quantiles of the single values; take them of the draws' means": (
        lambda values, pids, drawn: middle(values)
    ),
    "your draws have sums in place of means; divide by the number of queries": (
        lambda values, pids, drawn: middle(
            [sum(values[pids == p].sum() for p in row) for row in drawn]
        )
    ),
}


# --- 6.5: multiple query --------------------------------------------------------------


def boxed(seed: int, queries: int, width: int) -> tuple[Descriptors, Descriptors]:
    """Queries and 1 to 3 boxes of each, among boxes of other cameras and people."""
    rng = torch.Generator().manual_seed(seed)
    pids = torch.arange(queries) % 3 + 4
    camids = torch.arange(queries) // 3 + 1
    many = torch.randint(1, 4, (queries,), generator=rng)
    mixed = torch.randperm(int(many.sum()) + 2, generator=rng)
    others = torch.tensor([4, 9]), torch.tensor([8, 1])
    of = [
        torch.cat([x.repeat_interleave(many), other])[mixed]
        for x, other in zip((pids, camids), others, strict=True)
    ]
    own = F.normalize(torch.randn(queries, width, generator=rng))
    features = F.normalize(torch.randn(len(mixed), width, generator=rng))
    return Descriptors(own, pids, camids), Descriptors(features, *of)


BOXED = {
    "1 query with features of 3 values": boxed(2, 1, 3),
    "3 queries with features of 6 values": boxed(1, 3, 6),
    "5 queries with features of 4 values": boxed(0, 5, 4),
}


def pooled(
    one: Callable[[Tensor], Tensor],
    mask: Callable[[Tensor, Tensor], Tensor] = torch.logical_and,
    last: Callable[[Tensor], Tensor] = F.normalize,
) -> Callable[[Descriptors, Descriptors], Tensor]:
    """Pool by `one` the boxes that `mask` picks; `last` is applied to all rows."""

    def compute(query: Descriptors, boxes: Descriptors) -> Tensor:
        rows = []
        for pid, camid in zip(query.pids, query.camids, strict=True):
            mine = mask(boxes.pids == pid, boxes.camids == camid)
            rows.append(one(boxes.features[mine]))
        return last(torch.stack(rows))

    return compute


def mean(features: Tensor) -> Tensor:
    return features.mean(0)


def with_query(query: Descriptors, boxes: Descriptors) -> Tensor:
    everything = Descriptors(
        *(torch.cat(pair) for pair in zip(query, boxes, strict=True))
    )
    return pooled(mean)(query, everything)


OF_THE_POOL: Mistakes = {
    "the mean of several vectors of length 1 is shorter than 1; scale each row to "
    "length 1": pooled(mean, last=lambda rows: rows),
    "that is the sum of the boxes; scale each row to length 1": (
        pooled(lambda f: f.sum(0), last=lambda rows: rows)
    ),
    "you scaled the columns: `F.normalize(…, dim=0)` of a table [Q, D] mixes the "
    "queries. Scale each row, which is `dim=1`": pooled(
        mean, last=lambda rows: F.normalize(rows, dim=0)
    ),
    "you took the person's boxes of every camera; the other cameras' images are what "
    "is searched for, so take the query's camera alone": pooled(
        mean, lambda pid, camid: pid
    ),
    "you took the boxes of everybody in the camera; take the query's pid alone": (
        pooled(mean, lambda pid, camid: camid)
    ),
    "you took boxes of the pid *or* of the camera; both must agree": pooled(
        mean, torch.logical_or
    ),
    "you took the largest value of each column; take the mean": pooled(
        lambda f: f.amax(0)
    ),
    "you took one box of each query; average all of them": pooled(lambda f: f[0]),
    "leave out the query's own image: its box is among the boxes already": (with_query),
}
