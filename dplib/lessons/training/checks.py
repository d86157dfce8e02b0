"""Checks of lesson 5."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dplib.lessons.checks import choice, exercise
from dplib.lessons.training.branchgrads import cosines

# Slopes of three losses at fb [2, 3]: two pictures that differ in length by far
_SLOPES = torch.tensor(
    [
        [[3.0, 0.0, 0.0], [0.0, 0.1, 0.0]],
        [[0.0, 2.0, 0.0], [0.0, 0.3, 0.4]],
        [[-1.0, 1.0, 0.0], [0.2, 0.0, 0.0]],
    ]
)


@exercise("5.1", praise="Each gradient is one long vector.")
def _agreement(answer: Callable[[list[Tensor], Tensor], Any]) -> str | None:
    fb = torch.ones(2, 3, requires_grad=True)
    shared = 0.5 * fb.square()  # its slope at 1 is 1
    try:
        got = torch.as_tensor(answer([(shared * s).sum() for s in _SLOPES], fb))
    except Exception as e:
        if "backward through the graph a second time" not in str(e):
            raise
        return (
            "the losses share a graph, and it is gone after your first gradient: "
            "retain_graph=True leaves it standing for the next loss"
        )
    want = cosines(_SLOPES)
    if got.shape != (3, 3):
        return (
            f"three losses have a cosine for each pair, [3, 3]; got {list(got.shape)}"
        )
    got = got.detach()
    flat = _SLOPES.flatten(1)
    if _same(got, flat @ flat.T):
        return (
            "those are dot products: long gradients then agree with everything; "
            "divide by both norms"
        )
    if _same(got, cosines(_SLOPES.cumsum(0))):
        return (
            "your gradients add up: backward() adds to fb.grad what was there before; "
            "use torch.autograd.grad"
        )
    pictures = torch.stack([cosines(s) for s in _SLOPES.unbind(1)]).nanmean(0)
    if _same(got, pictures):
        return (
            "you took a cosine for each picture and their mean: a picture that hardly "
            "pulls then counts as much as one that does; take the batch as one vector"
        )
    if _same(got, want.abs()):
        return (
            "the sign is lost: gradients that oppose each other have a cosine below 0"
        )
    if not _same(got, want):
        return (
            f"losses 0 and 2 should have the cosine {want[0, 2]:.3f}, yours is "
            f"{got[0, 2].item():.3f}"
        )
    return None


def _rate(epoch: float, lr: float, start: int, epochs: int) -> float:
    decay = max(epoch - start, 0) / (epochs - start)
    return float(lr * 0.001**decay)


@exercise("5.2", praise="Constant, then a thousandth by the end.")
def _schedule(answer: Callable[..., Any]) -> str | None:
    lr, start, epochs = 3e-4, 100, 150

    def all_near(other: Callable[[float], float]) -> bool:
        points = (0, 50, 100, 125, 150)
        return all(
            abs(float(answer(e, lr, start, epochs)) / other(e) - 1) < 1e-6
            for e in points
        )

    if all_near(lambda e: lr * 0.001 ** ((e - start) / (epochs - start))):
        return (
            "before epoch s your exponent is below 0, so the rate is above lr (at "
            "epoch 0 a million times lr): keep it from going below 0, max(…, 0)"
        )
    if all_near(lambda e: lr * 0.001 ** (e / epochs)):
        return "your rate falls from the first epoch on: up to epoch s it is constant"
    if all_near(lambda e: lr if e <= start else lr * 0.001 ** ((e - start) / epochs)):
        return (
            "you divided by E, so the run ends before the decay does, at a tenth of "
            "lr; the decay lasts from s to E"
        )
    if all_near(lambda e: lr if e <= start else lr * 0.001 ** (e / epochs)):
        return "at epoch s your rate leaps down: the exponent must be 0 there, so e - s"
    if all_near(
        lambda e: lr * (1 - 0.999 * max(e - start, 0) / (epochs - start)),
    ):
        return (
            "you fall along a straight line; the factor 0.001 stands under an exponent"
        )
    if all_near(lambda e: lr if e <= start else 0.001 * lr):
        return "you fall in one step; half-way from s to E it should be lr · 0.001^0.5"
    for e in (0, 50, 100, 125, 150, 112.5):
        got, want = float(answer(e, lr, start, epochs)), _rate(e, lr, start, epochs)
        if abs(got / want - 1) > 1e-6:
            return (
                f"lr = {lr:g}, s = {start}, E = {epochs}: at epoch {e:g} the rate is "
                f"{want:.3g}; yours: {got:.3g}"
            )
    got, want = float(answer(28, 1.5e-3, 24, 32)), _rate(28, 1.5e-3, 24, 32)
    if abs(got / want - 1) > 1e-6:
        return "with lr = 1.5e-3, s = 24, E = 32 it is wrong: use the arguments"
    return None


@exercise("5.3", praise="Shorter, in the same direction.")
def _clip(answer: Callable[[list[Tensor], float], Any]) -> str | None:
    long = [torch.tensor([3.0, 0.0]), torch.tensor([[0.0, 4.0], [12.0, 0.0]])]  # 13
    got = _list(answer([g.clone() for g in long], 6.5))
    if got is None or [g.shape for g in got] != [g.shape for g in long]:
        return (
            "give back a list of gradients, of the same shapes as those you are given"
        )
    want = [g / 2 for g in long]
    if _all(got, long):
        return "nothing was shortened: together they are 13 long, and 6.5 is the limit"
    norms = [g.norm().item() for g in long]  # 3 and 12.65
    for norm, words in (
        (sum(norms), "you added the norms of the tensors"),
        (max(norms), "you took the largest norm of a tensor"),
        (sum(norms) / 2, "you took the mean of the tensors' norms"),
        (13.0**2, "you left out the root: that is the square of the norm"),
        (19.0, "you added absolute values"),
    ):
        if _all(got, [g * 6.5 / norm for g in long]):
            return (
                f"{words}; all tensors together are one vector, 13 long: the root of "
                "the sum of all squares"
            )
    if _all(got, [g * min(1.0, 6.5 / g.norm().item()) for g in long]):
        return (
            "you clipped each tensor by itself: that turns the whole gradient; there "
            "is one norm, over all of them"
        )
    if _all(got, [g.clamp(-6.5, 6.5) for g in long]):
        return (
            "you cut off single numbers at the limit: that turns the gradient; "
            "multiply all of it by one factor"
        )
    if not _all(got, want):
        norm = torch.cat([g.flatten() for g in got]).norm()
        return (
            f"gradients 13 long, limit 6.5: each should be halved; yours are together "
            f"{norm:.4g} long"
        )
    short = _list(answer([g.clone() for g in long], 26.0))
    if short is None or not _all(short, long):
        return (
            "a gradient of length 13 under a limit of 26 must stay as it is; yours "
            "is stretched"
        )
    return None


choice(
    "5.4",
    {
        "a": "the first loss after the stop is the same in both, so the batch and the "
        "weights are; batches follow from (seed, epoch), whoever trains",
        "b": "BatchNorm's running statistics are in the model's state, which both runs "
        "load; and in training BatchNorm uses those of the batch",
        "c": None,
        "d": "up to decay_start the rate is constant, and the stop was before that: "
        "both go on at the same rate",
    },
    praise="Adam's memory is part of the run.",
)


def _list(given: Any) -> list[Tensor] | None:
    if not isinstance(given, Sequence):
        return None
    return [torch.as_tensor(g).detach() for g in given]


def _same(got: Tensor, want: Tensor) -> bool:
    return torch.allclose(got.float(), want, atol=1e-4)


def _all(got: list[Tensor], want: list[Tensor]) -> bool:
    return all(_same(g, w) for g, w in zip(got, want, strict=True))
