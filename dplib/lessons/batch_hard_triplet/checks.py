"""Checks of lesson 4."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dplib.lessons.checks import choice, exercise
from dplib.losses import batch_hard_triplet, pairwise_distances

# Five points of three pids, with the fourth and fifth in one place
_POINTS = torch.tensor([[0.0, 0], [3, 4], [0, 8], [6, 0], [6, 0]])
_FAR = torch.tensor([[100.0], [100.011], [103.0]])  # squares that round below 0

# Neither the nearest nor the first is the answer; the order of pids is mixed
_LABELS = torch.tensor([4, 9, 4, 9, 4, 9])
_DISTANCES = torch.tensor(
    [
        [0.0, 2.0, 1.0, 5.0, 3.0, 4.0],
        [2.0, 0.0, 2.5, 1.5, 6.0, 0.5],
        [1.0, 2.5, 0.0, 0.7, 2.0, 3.5],
        [5.0, 1.5, 0.7, 0.0, 4.5, 2.2],
        [3.0, 6.0, 2.0, 4.5, 0.0, 1.2],
        [4.0, 0.5, 3.5, 2.2, 1.2, 0.0],
    ]
)
_FAR_POSITIVE = torch.tensor([3.0, 1.5, 2.0, 2.2, 3.0, 2.2])
_NEAR_NEGATIVE = torch.tensor([2.0, 2.0, 0.7, 0.7, 1.2, 1.2])

_FM = torch.tensor([[0.0, 0], [1, 0], [1.2, 0], [2.2, 0], [9, 0], [9.6, 0]])
_FM_LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


@exercise("4.1", praise="Distances that can be trained through.")
def _distances(answer: Callable[[Tensor], Any]) -> str | None:
    points = _POINTS.clone().requires_grad_()
    got = torch.as_tensor(answer(points))
    want = pairwise_distances(_POINTS)
    if got.shape != (5, 5):
        return f"expected a distance for each pair of 5 rows, [5, 5]; got {_shape(got)}"
    if _same(got, want.square()):
        return "those are squared distances; equation 1 takes the root"
    if _same(got, (_POINTS[:, None] - _POINTS).abs().sum(-1)):
        return "you added absolute differences; Euclid adds squares and takes the root"
    if got.isnan().any():
        return "some distances are nan: a square below 0 has no root; clamp it first"
    wrong = ~torch.isclose(got.detach().float(), want, atol=2e-3)
    if wrong[3, 4] and not (wrong & (want > 0.1)).any():
        return (
            f"rows in one place are 0 apart, yours {got[3, 4].item():.3g}: the limit "
            "at which you clamp (or what you add) is too large, it moves small "
            "distances; 1e-12 will do"
        )
    if wrong.any():
        i, j = wrong.nonzero()[0].tolist()
        return (
            f"rows {_at(i)} and {_at(j)} are {round(want[i, j].item(), 3):g} apart; "
            f"yours: {got[i, j].item():.4g}"
        )
    if not got.requires_grad:
        return "the result carries no gradient: leave detach() and no_grad() away"
    (slope,) = torch.autograd.grad(got[0, 1], points)
    if not slope.isfinite().all():
        return (
            "the values are right, but the gradient is nan: the slope of the root at "
            "0 is infinite. Clamp the *square*, before the root"
        )
    moved = torch.tensor([[-0.6, -0.8], [0.6, 0.8], [0, 0], [0, 0], [0, 0]])
    if not _same(slope, moved):
        return (
            f"the gradient of D(0, 1) on row 1 should be (0.6, 0.8), it is "
            f"({slope[1, 0]:.3g}, {slope[1, 1]:.3g}): is something added or detached?"
        )
    far = torch.as_tensor(answer(_FAR))
    if far.isnan().any():
        return (
            "rows 100 and 100.011 give nan: rounding takes the square below 0; "
            "clamp it before the root"
        )
    return None


@exercise("4.2", praise="One pair of numbers for each anchor.")
def _hardest(answer: Callable[..., Any]) -> str | None:
    given = answer(_DISTANCES.clone(), _LABELS.clone())
    if not isinstance(given, tuple | list) or len(given) != 2:
        return "give back two tensors: hardest positives, hardest negatives"
    if any(isinstance(x, tuple | list) for x in given):
        return "max(1) and min(1) give values *and* places: take .values, or amax, amin"
    far, near = (torch.as_tensor(x) for x in given)
    if not (far.is_floating_point() and near.is_floating_point()):
        return (
            "those are places (indices) in the row; give back the distances there: "
            "amax and amin in place of argmax and argmin"
        )
    if far.shape != (6,) or near.shape != (6,):
        return (
            f"each anchor has a hardest positive and negative of its own: [6] and [6], "
            f"not {_shape(far)} and {_shape(near)}"
        )
    same = _LABELS[:, None] == _LABELS
    if _same(far, _NEAR_NEGATIVE) and _same(near, _FAR_POSITIVE):
        return "the two are swapped: positives first"
    if not far.isfinite().all() or not near.isfinite().all():
        return "a value is infinite: fill with -inf before amax, with +inf before amin"
    if _same(near, torch.zeros(6)):
        return (
            "your hardest negatives are all 0: multiplying by a mask leaves zeros, and "
            "amin finds them; fill what is no negative with +inf"
        )
    others = _DISTANCES.masked_fill(same, -torch.inf).amax(1)
    if _same(near, others):
        return "that is the farthest negative; the hardest is the *nearest*"
    own = torch.eye(6, dtype=torch.bool)
    closest = _DISTANCES.masked_fill(~same | own, torch.inf).amin(1)
    if _same(far, closest):
        return "that is the nearest positive; the hardest is the *farthest*"
    if _same(far, torch.zeros(6)):
        return "your hardest positives are all 0: that is each anchor itself"
    if _same(far, _DISTANCES.amax(1)):
        return "your hardest positives look at all pictures; mask out the other pids"
    if not _same(far, _FAR_POSITIVE):
        return (
            f"hardest positives should be {_show(_FAR_POSITIVE)}; yours: {_show(far)}"
        )
    if not _same(near, _NEAR_NEGATIVE):
        return (
            f"hardest negatives should be {_show(_NEAR_NEGATIVE)}; yours: {_show(near)}"
        )
    return None


@exercise("4.3", praise="That is equation 1.")
def _loss(answer: Callable[..., Any]) -> str | None:
    got = torch.as_tensor(answer(_FM.clone(), _FM_LABELS.clone(), 0.5))
    want = batch_hard_triplet(_FM, _FM_LABELS, 0.5)
    far, near = want.hardest_positive, want.hardest_negative
    if got.numel() != 1:
        return f"the loss is one number, the mean over anchors; got {_shape(got)}"
    hinge = (0.5 + far - near).clamp(min=0)
    mistakes = (
        (hinge.sum(), "you added the anchors up; equation 1 is their mean"),
        (
            (0.5 + far - near).mean().clamp(min=0),
            "you took the mean before [·]₊: well separated anchors then pay for others",
        ),
        ((0.5 + far - near).mean(), "[·]₊ is missing: a hinge below 0 counts as 0"),
        (
            hinge.sum() / (hinge > 0).sum(),
            "you divided by the active anchors; equation 1 divides by all, PK",
        ),
        (
            (0.5 + far.square() - near.square()).clamp(min=0).mean(),
            "your distances are squared; equation 1 takes them as they are",
        ),
        (
            (0.5 + near - far).clamp(min=0).mean(),
            "the sign is turned: a far positive and a near negative must cost more",
        ),
        ((far - near).clamp(min=0).mean(), "the margin is missing"),
    )
    for value, words in mistakes:
        if abs(got.item() - value.item()) < 1e-4:
            return words
    if abs(got.item() - want.loss.item()) > 1e-4:
        return (
            f"for six points on a line it should be {want.loss.item():.4f}, yours is "
            f"{got.item():.4f}"
        )
    other = torch.as_tensor(answer(_FM.clone(), _FM_LABELS.clone(), 2.0)).item()
    if abs(other - batch_hard_triplet(_FM, _FM_LABELS, 2.0).loss.item()) > 1e-4:
        return "with margin = 2 it is wrong: use the argument, not 0.5"
    return None


choice(
    "4.4",
    {
        "a": "when all negatives are far enough, hinges are 0 and no triplet is "
        "active; here all are active",
        "b": "the gradients differ from 0: the same rate moved the points for 300 "
        "steps, all towards each other. It is their direction that is at fault",
        "c": None,
        "d": "a larger margin adds the same constant to each active hinge and leaves "
        "the gradient as it was: try it, the loss goes to the new margin",
    },
    praise="A smaller picture of the same mess costs less.",
)


def _at(row: int) -> str:
    x, y = _POINTS[row].tolist()
    return f"({x:g}, {y:g})"


def _same(got: Tensor, want: Tensor, atol: float = 1e-4) -> bool:
    return torch.allclose(got.detach().float(), want, atol=atol)


def _shape(x: Tensor) -> str:
    return str(list(x.shape))


def _show(values: Tensor) -> str:
    return ", ".join(f"{x:.3g}" for x in values.tolist())
