"""Checks of lesson 4.

A mistake is named by comparison with what that very mistake would have given.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from dplib.lessons.batch_hard_triplet.mistakes import (
    CASES,
    LOSS_MISTAKES,
    SHARE_MISTAKES,
    Way,
    masks,
    right_loss,
    right_share,
)
from dplib.lessons.checks import choice, exercise
from dplib.losses import pairwise_distances

# Six points, not on a line; the fourth and the fifth are in one place
_POINTS = torch.tensor(
    [[0.0, 0, 1], [3, 4, 1], [0, 8, 2], [6, 0, -1], [6, 0, -1], [2, -3, 0]]
)
_FAR = torch.tensor([[100.0], [100.011], [103.0]])  # squares that round below 0


@exercise("4.1", praise="Gradients can flow through these distances.")
def _distances(answer: Callable[[Tensor], Any]) -> str | None:
    points = _POINTS.clone().requires_grad_()
    given = answer(points)
    got, want = _tensor(given).detach().float(), pairwise_distances(_POINTS)
    if got.shape != (6, 6):
        return f"6 rows have a distance for each pair, [6, 6]; you give {_shape(got)}"
    wrong = ~torch.isclose(got, want, rtol=1e-4, atol=2e-4)
    if wrong.any():
        return _wrong_distances(got, want, wrong)
    if not isinstance(given, Tensor) or not given.requires_grad:
        return (
            "the values are right, but no gradient can flow through them: compute with "
            "torch all the way, without detach() or no_grad()"
        )
    weights = torch.linspace(-1, 1, 36).view(6, 6)
    (slope,) = torch.autograd.grad((given * weights).sum(), points)
    if not slope.isfinite().all():
        return (
            "the values are right, but the gradient is nan, because the slope of the "
            "root is infinite at 0: clamp the *square*, before the root, at a small "
            "number above 0 such as 1e-12"
        )
    true = _POINTS.clone().requires_grad_()
    (want_slope,) = torch.autograd.grad(
        (pairwise_distances(true) * weights).sum(), true
    )
    if not torch.allclose(slope, want_slope, atol=1e-3):
        return (
            "the values are right, but the gradient is not: some part of the formula "
            "is detached from the graph"
        )
    if _tensor(answer(_FAR)).isnan().any():
        return (
            "the rows 100 and 100.011 give nan, because rounding takes the square "
            "below 0: clamp the square before the root"
        )
    return None


def _wrong_distances(got: Tensor, want: Tensor, wrong: Tensor) -> str:
    """What is wrong with the values of 4.1."""
    x = _POINTS
    norms = x.square().sum(1)
    both, products = norms[:, None] + norms, x @ x.T
    variants = (
        (want.square(), "those are squared distances: the root is missing"),
        (
            (x[:, None] - x).abs().sum(-1),
            "you added absolute differences; the Euclidean distance is the root of the "
            "sum of their squares",
        ),
        (
            (both - products).clamp(min=1e-12).sqrt(),
            "you subtracted a·b once; |a - b|² has - 2 a·b",
        ),
        (
            (both + 2 * products).clamp(min=1e-12).sqrt(),
            "you added 2 a·b, which gives |a + b|; |a - b|² has - 2 a·b",
        ),
        (
            (x[:, None] - x).square().mean(-1).sqrt(),
            "you took the mean over the C coordinates; the squares are added up",
        ),
        (
            (x[:, None] - x).sum(-1).abs(),
            "you added the differences before you squared them: square each first",
        ),
    )
    named = _named(got, variants, 1e-3)
    if named:
        return named
    off = ~wrong | (want < 0.1)
    if got.isnan().any() and (off | got.isnan()).all():
        return (
            "some distances are nan: a square that is 0 or less has no usable root; "
            "clamp the square from below before you take the root"
        )
    if wrong[3, 4] and off.all():
        return (
            f"two rows in one place are 0 apart, yours are {got[3, 4].item():.3g} "
            "apart: the limit of your clamp (or what you add) is too large and moves "
            "small distances; 1e-12 will do"
        )
    i, j = wrong.nonzero()[0].tolist()
    return (
        f"rows {_at(i)} and {_at(j)} are {want[i, j].item():.4g} apart; you give "
        f"{got[i, j].item():.4g}"
    )


# ------------------------------------------------------------------------- the masks

_BATCHES = (
    torch.tensor([4, 9, 4, 7, 9, 4, 7]),  # mixed, and not all pids equally often
    torch.tensor([2, 2, 300, 300]),
)


@exercise("4.2", praise="Each row says who is what to this anchor.")
def _masks(answer: Callable[[Tensor], Any]) -> str | None:
    for labels in _BATCHES:
        given = answer(labels.clone())
        if not isinstance(given, tuple | list) or len(given) != 2:
            return "give back two masks: positive, negative"
        raw = [_tensor(x) for x in given]
        n = len(labels)
        if any(x.shape != (n, n) for x in raw):
            shapes = " and ".join(_shape(x) for x in raw)
            return f"{n} labels need two masks [{n}, {n}]; you give {shapes}"
        if any(not ((x == 0) | (x == 1)).all() for x in raw):
            return (
                "a mask holds True and False alone. (Of integers, ~ gives -1 and -2: "
                "negate Booleans.)"
            )
        mistake = _wrong_masks(labels, raw[0].bool(), raw[1].bool())
        if mistake:
            return mistake
    return None


def _wrong_masks(labels: Tensor, positive: Tensor, negative: Tensor) -> str | None:
    want_positive, want_negative = masks(labels)
    same = labels[:, None] == labels
    said = f"for the labels {labels.tolist()} "
    if positive.equal(want_negative) and negative.equal(want_positive):
        return "the two masks are swapped: the positives come first"
    variants = (
        (same, "the diagonal is True: no picture is a positive of itself"),
        (~same, "your positives are the pictures of *other* pids: use =="),
        (
            want_positive.triu(),
            "you kept one half: if b is a positive of a, a is one of b as well",
        ),
        (
            same | torch.eye(len(labels), dtype=torch.bool).logical_not(),
            "you joined the two conditions by *or*; a positive has the anchor's pid "
            "*and* is another picture",
        ),
        (
            same & torch.eye(len(labels), dtype=torch.bool),
            "your positives are each picture itself and nobody else: negate the "
            "identity matrix",
        ),
    )
    if not positive.equal(want_positive):
        return _named(positive, variants) or said + _differs(
            "positive", positive, want_positive
        )
    variants = (
        (
            ~want_positive,
            "the diagonal of your negatives is True, because you negated the positives "
            "and a picture is neither to itself",
        ),
        (same, "your negatives are the pictures of the *same* pid: negate"),
        (want_positive, "you gave the positives twice"),
        (want_negative.triu(), "you kept one half: negatives go both ways, too"),
    )
    if not negative.equal(want_negative):
        return _named(negative, variants) or said + _differs(
            "negative", negative, want_negative
        )
    return None


def _differs(name: str, got: Tensor, want: Tensor) -> str:
    a, b = (got != want).nonzero()[0].tolist()
    return (
        f"{name}[{a}, {b}] should be {bool(want[a, b])}, and you give {bool(got[a, b])}"
    )


@exercise("4.3", praise="That is equation 1.")
def _loss(answer: Callable[..., Any]) -> str | None:
    given = [answer(*case.given()) for case in CASES]
    got = [_tensor(x) for x in given]
    many = next((x for x in got if x.numel() != 1), None)
    if many is not None:
        return f"the loss is one number, the mean over anchors; got {_shape(many)}"
    if _alike(got, right_loss):
        if any(isinstance(x, Tensor) and not x.requires_grad for x in given):
            return (
                "the value is right, but no gradient can flow through it: compute "
                "with torch all the way, without item() or detach()"
            )
        return None
    if not all(x.isfinite().all() for x in got):
        return (
            "the loss is infinite or nan: fill with -∞ before a maximum and with +∞ "
            "before a minimum"
        )
    return _numbers(got, right_loss, LOSS_MISTAKES, "the loss")


@exercise("4.4", praise="Counted over every triplet of the batch.")
def _share(answer: Callable[..., Any]) -> str | None:
    got = [_tensor(answer(*case.given())) for case in CASES]
    many = next((x for x in got if x.numel() != 1), None)
    if many is not None:
        return f"the share of the whole batch is one number; got {_shape(many)}"
    if _alike(got, right_share):
        return None
    return _numbers(got, right_share, SHARE_MISTAKES, "the share")


def _alike(got: list[Tensor], way: Way) -> bool:
    pairs = zip(got, CASES, strict=True)
    return all(_close(x, way(case)) for x, case in pairs)


def _numbers(
    got: list[Tensor], right: Way, mistakes: Iterable[tuple[Way, str]], what: str
) -> str:
    """Which mistake gives these numbers for every case; else what is wrong with one."""
    for way, words in mistakes:
        if _alike(got, way):
            return words
    for fixed in {case.margin for case in CASES}:
        if _alike(got, lambda c, fixed=fixed: right(c._replace(margin=fixed))):
            return f"you use the margin {fixed:g} whatever the argument says"
    for x, case in zip(got, CASES, strict=True):
        if not _close(x, right(case)):
            break
    return (
        f"in a batch of {len(case.distances)} pictures, with margin {case.margin:g}, "
        f"{what} should be {right(case).item():.4f}; you give {x.item():.4f}"
    )


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


# ----------------------------------------------------------------------------- helpers


def _tensor(x: Any) -> Tensor:
    """What the reader gave as a tensor: nested lists may hold tensors and numbers."""
    if isinstance(x, list | tuple):
        return torch.stack([_tensor(item) for item in x]) if x else torch.zeros(0)
    return torch.as_tensor(x)


def _named(
    got: Tensor, variants: Iterable[tuple[Tensor, str]], atol: float = 1e-4
) -> str:
    """The words of the first mistake that gives this very value, or nothing."""
    for value, words in variants:
        if got.shape == value.shape and _close(got, value, atol):
            return words
    return ""


def _close(got: Tensor, want: Tensor, atol: float = 1e-4) -> bool:
    got, want = got.detach().double().squeeze(), want.detach().double().squeeze()
    return got.shape == want.shape and torch.allclose(got, want, rtol=1e-5, atol=atol)


def _shape(x: Tensor) -> str:
    return str(list(x.shape))


def _at(row: int) -> str:
    return "(" + ", ".join(f"{x:g}" for x in _POINTS[row].tolist()) + ")"
