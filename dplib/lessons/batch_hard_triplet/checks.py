"""Checks of lesson 4."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dplib.lessons.batch_hard_triplet.mistakes import (
    CASES,
    DISTANCES,
    LOSS,
    MASKS,
    SHARE,
    masks,
    right_loss,
    right_share,
)
from dplib.lessons.causes import blame, numbers
from dplib.lessons.checks import choice, exercise
from dplib.losses import pairwise_distances

# Six points, not on a line; the fourth and the fifth are in one place
_POINTS = torch.tensor(
    [[0.0, 0, 1], [3, 4, 1], [0, 8, 2], [6, 0, -1], [6, 0, -1], [2, -3, 0]]
)
_LINE = torch.tensor([[-2.0], [0.5], [7.0]])
_FAR = torch.tensor([[100.0], [100.011], [103.0]])  # squares that round below 0
_ATOL = 2e-4  # a limit of 1e-8 at the clamp is still small enough


@exercise("4.1", praise="Gradients can flow through these distances.")
def _distances(answer: Callable[[Tensor], Any]) -> str | None:
    points = _POINTS.clone().requires_grad_()
    given = answer(points)
    moved = _moved_distance(given)
    if moved:
        return (
            "only the two rows in one place are wrong: they should be 0 apart, yours: "
            f"{moved:.3g}. The limit of your clamp (or what you add) is so large that "
            "it moves small distances; 1e-12 will do"
        )
    cases = {
        f"the rows {_POINTS.int().tolist()}": (_POINTS,),
        "the rows [-2], [0.5], [7]": (_LINE,),
    }
    mistake = blame(answer, _exact_distances, cases, DISTANCES, atol=_ATOL)
    if mistake:
        return mistake
    if not isinstance(given, Tensor) or not given.requires_grad:
        return (
            "the values are right, but no gradient can flow through them: compute with "
            "torch all the way, without detach() or no_grad()"
        )
    if torch.as_tensor(answer(_FAR)).isnan().any():
        return (
            "the rows 100 and 100.011 are close together, yours: nan. Rounding takes "
            "the square below 0: clamp it before the root"
        )
    return _wrong_gradient(given, points)


def _exact_distances(fm: Tensor) -> Tensor:
    """Without the clamp's 1e-6 between rows in one place, which are 0 apart."""
    found = pairwise_distances(fm)
    return found.masked_fill(found < 1e-5, 0.0)


def _wrong_gradient(given: Tensor, points: Tensor) -> str | None:
    """What is wrong with the gradient of the distances, whose values are right."""
    weights = torch.linspace(-1, 1, 36).view(6, 6)
    (slope,) = torch.autograd.grad((given * weights).sum(), points)
    if not slope.isfinite().all():
        return (
            "the values are right; the gradient must be finite, yours: nan. The slope "
            "of the root is infinite at 0: clamp the *square*, before the root, at a "
            "small number above 0 such as 1e-12"
        )
    left, right = (_POINTS.clone().requires_grad_() for _ in range(2))
    d2 = (left[:, None] - right).square().sum(-1)
    total = (d2.clamp(min=1e-12).sqrt() * weights).sum()
    sides = torch.autograd.grad(total, (left, right))
    if torch.allclose(slope, sides[0] + sides[1], atol=1e-3):
        return None
    if any(torch.allclose(slope, side, atol=1e-3) for side in sides):
        return (
            "the values are right, but the gradient is that of one side only: a "
            "distance depends on both of its rows, and one of them is detached"
        )
    off = (slope - sides[0] - sides[1]).abs().sum(1).argmax()
    return (
        "the values are right, but the gradient is not (that on the row "
        f"{_POINTS[off].int().tolist()} differs most): clamp the square, and detach "
        "nothing"
    )


def _moved_distance(given: Any) -> float:
    """The distance of rows in one place, if nothing else is wrong; otherwise 0."""
    values = numbers(given)
    if values is None or isinstance(values, list) or values.shape != (6, 6):
        return 0.0
    got, want = torch.tensor(values), pairwise_distances(_POINTS).double()
    wrong = ~torch.isclose(got, want, rtol=1e-4, atol=_ATOL)
    others_right = not wrong[want > 0.1].any() and bool((got >= 0).all())
    return float(got[3, 4]) if wrong[3, 4] and others_right else 0.0


@exercise("4.2", praise="Each row says who is what to its anchor.")
def _masks(answer: Callable[[Tensor], Any]) -> str | None:
    batches = ([4, 9, 4, 7, 9, 4, 7], [2, 2, 300, 300])
    cases = {f"the labels {b}": (torch.tensor(b),) for b in batches}
    first = answer(torch.tensor(batches[0]))
    if not isinstance(first, tuple | list) or len(first) != 2:
        return "give back two masks: positive, negative"
    return blame(answer, masks, cases, MASKS)


@exercise("4.3", praise="That is equation 1.")
def _loss(answer: Callable[..., Any]) -> str | None:
    distances, *rest = next(iter(CASES.values()))
    given = answer(distances.clone().requires_grad_(), *rest)
    if _many(given):
        return "the loss is one number, the mean over the anchors; you give several"
    mistake = blame(answer, right_loss, CASES, LOSS)
    if mistake:
        return mistake
    if not isinstance(given, Tensor):
        return (
            f"the value is right, but it is of type {type(given).__name__}: give back "
            "a tensor with one number, without item() or float(), so that a gradient "
            "can flow through it"
        )
    if not given.requires_grad:
        return (
            "the value is right, but no gradient can flow through it: compute with "
            "torch all the way, without item() or detach()"
        )
    return None


@exercise("4.4", praise="Counted over every triplet of the batch.")
def _share(answer: Callable[..., Any]) -> str | None:
    if _many(answer(*next(iter(CASES.values())))):
        return "the share of the batch is one number; you give several"
    return blame(answer, right_share, CASES, SHARE)


def _many(given: Any) -> bool:
    values = numbers(given)
    return isinstance(values, list) or (values is not None and values.size > 1)


choice(
    "4.5",
    {
        "a": "if no triplet were active, all hinges would be 0; here every triplet is "
        "active to the end",
        "b": "the gradients were not 0: they moved the points for 300 steps, and all "
        "of them towards each other. It is their direction that is at fault",
        "c": None,
        "d": "a larger margin adds the same constant to the hinge of each active "
        "anchor and leaves the gradient as it was. Call scaled(2.0): the loss ends "
        "at the new margin",
    },
    praise="A smaller copy of the same disorder costs less.",
)
