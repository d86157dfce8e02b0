"""Cases for the checks of lesson 5, and the functions that make typical mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib.lessons.training.branchgrads import cosines
from dplib.losses import batch_hard_triplet
from dplib.model import Outputs

Mistakes = dict[str, Callable[..., Any]]
Lambdas = tuple[float, float, float]


# --- 5.1: the sum of the losses -------------------------------------------------------


def total_cases() -> dict[str, tuple[Outputs, Tensor, Lambdas, float]]:
    """Outputs of 8 images of 4 people for other weights and another margin."""
    generator = torch.Generator().manual_seed(5)
    fm, part, whole = (torch.randn(8, n, generator=generator) for n in (3, 4, 4))
    out = Outputs(fm, part, 2 * whole, None, None, None)
    labels = torch.tensor([2, 3, 2, 3, 1, 0, 1, 0])
    return {
        f"lambdas {weights} and margin {m:g}": (out, labels, weights, m)
        for weights, m in (
            ((1.0, 1.0, 1.0), 0.5),
            ((0.5, 1.0, 2.0), 0.5),
            ((3.0, 0.25, 0.5), 1.5),
        )
    }


def _three(out: Outputs, labels: Tensor, m: float, how: str = "mean") -> Tensor:
    """The losses of BtR, BpI and BgI."""
    assert out.part_logits is not None and out.global_logits is not None
    result = batch_hard_triplet(out.fm, labels, m)
    hinge = (m + result.hardest_positive - result.hardest_negative).clamp(min=0)
    ranking = hinge.mean() if how == "mean" else hinge.sum()
    part = F.cross_entropy(out.part_logits, labels, reduction=how)
    whole = F.cross_entropy(out.global_logits, labels, reduction=how)
    return torch.stack([ranking, part, whole])


def _summed_classifiers(
    out: Outputs, labels: Tensor, lambdas: Lambdas, margin: float
) -> Tensor:
    """With reduction="sum" in both cross-entropies."""
    ranking = _three(out, labels, margin)[:1]
    classifiers = _three(out, labels, margin, "sum")[1:]
    return (torch.tensor(lambdas) * torch.cat([ranking, classifiers])).sum()


def right_total(
    out: Outputs, labels: Tensor, lambdas: Lambdas, margin: float
) -> Tensor:
    """Equation 3."""
    return (torch.tensor(lambdas) * _three(out, labels, margin)).sum()


def _ordered(*order: int) -> Callable[..., Tensor]:
    """The sum with the weights given to other losses."""

    def wrong(out: Outputs, labels: Tensor, lambdas: Lambdas, margin: float) -> Tensor:
        weights = torch.tensor(lambdas)[list(order)]
        return (weights * _three(out, labels, margin)).sum()

    return wrong


def _without(missing: int) -> Callable[..., Tensor]:
    def wrong(out: Outputs, labels: Tensor, lambdas: Lambdas, margin: float) -> Tensor:
        weights = torch.tensor(lambdas)
        weights[missing] = 0
        return (weights * _three(out, labels, margin)).sum()

    return wrong


def _softmaxed(out: Outputs) -> Outputs:
    """Probabilities in place of the logits, as softmax before cross-entropy gives."""
    assert out.part_logits is not None and out.global_logits is not None
    part, whole = out.part_logits.softmax(1), out.global_logits.softmax(1)
    return out._replace(part_logits=part, global_logits=whole)


_ORDER = "λ1 weights BtR, λ2 BpI and λ3 BgI; you exchanged the weights of"
TOTAL: Mistakes = {
    "the weights λ are missing": lambda o, y, w, m: _three(o, y, m).sum(),
    "you took the mean of the three; equation 3 is their sum": (
        lambda o, y, w, m: right_total(o, y, w, m) / 3
    ),
    "you divided by the sum of the λ; equation 3 does not": (
        lambda o, y, w, m: right_total(o, y, w, m) / sum(w)
    ),
    f"{_ORDER} BtR and BpI": _ordered(1, 0, 2),
    f"{_ORDER} BtR and BgI": _ordered(2, 1, 0),
    f"{_ORDER} BpI and BgI": _ordered(0, 2, 1),
    "λ1 weights BtR, λ2 BpI and λ3 BgI; your weights are shifted by one": (
        _ordered(1, 2, 0)
    ),
    "λ1 weights BtR, λ2 BpI and λ3 BgI; your weights are shifted by two": (
        _ordered(2, 0, 1)
    ),
    "the loss of BtR is missing": _without(0),
    "the loss of BpI is missing": _without(1),
    "the loss of BgI is missing": _without(2),
    "you use the margin 0.5 whatever the argument says": (
        lambda o, y, w, m: right_total(o, y, w, 0.5)
    ),
    "you added the losses of the images up; each of the three is a mean over the "
    "batch": lambda o, y, w, m: (torch.tensor(w) * _three(o, y, m, "sum")).sum(),
    'with reduction="sum" the cross-entropies are sums over the batch; each of the '
    "three losses is a mean, which cross_entropy gives without being asked": (
        _summed_classifiers
    ),
    "cross_entropy takes the logits as they are: it has a softmax of its own": (
        lambda o, y, w, m: right_total(_softmaxed(o), y, w, m)
    ),
    "you multiplied the three losses; equation 3 adds them": (
        lambda o, y, w, m: (torch.tensor(w) * _three(o, y, m)).prod()
    ),
}


# --- 5.2: cosines between gradients ---------------------------------------------------


def slopes() -> dict[str, tuple[Tensor]]:
    """Gradients of losses at fb [N, 3], of pictures that differ in length by far."""
    three = torch.tensor(
        [
            [[3.0, 0.0, 0.0], [0.0, 0.1, 0.0]],
            [[0.0, 2.0, 0.0], [0.0, 0.3, 0.4]],
            [[-1.0, 1.0, 0.0], [0.2, 0.0, 0.0]],
        ]
    )
    return {
        "three losses": (three,),
        "two losses": (
            torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[2.0, 0.5], [1, -4]]]),
        ),
    }


def right_agreement(g: Tensor) -> Tensor:
    """The cosines [B, B] between gradients [B, ...]."""
    return cosines(g)


def _picture_by_picture(g: Tensor) -> Tensor:
    return torch.stack([cosines(s) for s in g.unbind(1)]).mean(0)


def _lengths(g: Tensor) -> Tensor:
    return g.flatten(1).norm(dim=1)


AGREEMENT: Mistakes = {
    "those are dot products, in which long gradients dominate: divide by both "
    "lengths": (lambda g: g.flatten(1) @ g.flatten(1).T),
    "you divided by the squares of the lengths, or twice": (
        lambda g: cosines(g) / (_lengths(g)[:, None] * _lengths(g))
    ),
    "you divided by one of the two lengths only": (lambda g: cosines(g) * _lengths(g)),
    "you divided by one of the two lengths only (that of the column)": (
        lambda g: cosines(g) * _lengths(g)[:, None]
    ),
    "your gradients add up, because backward() adds to what fb.grad held before: use "
    "torch.autograd.grad": lambda g: cosines(g.cumsum(0)),
    "you took a cosine for each picture and then their mean, so that a picture with a "
    "tiny gradient counts as much as any: take the batch as one vector": (
        _picture_by_picture
    ),
    "the sign is lost: gradients that oppose each other have a cosine below 0": (
        lambda g: cosines(g).abs()
    ),
    "the sign is turned: gradients that agree have a cosine above 0": (
        lambda g: -cosines(g)
    ),
    "those are the angles; give their cosines": (
        lambda g: cosines(g).clamp(-1, 1).arccos()
    ),
}


# --- 5.3: the schedule ----------------------------------------------------------------

_RECIPES = ((3e-4, 100, 150), (1.5e-3, 24, 32), (1.0, 0, 10))
RATE_CASES = {
    f"epoch {e:g} of {end}, with s = {s} and lr = {lr:g},": (e, lr, s, end)
    for lr, s, end in _RECIPES
    for e in (0, s / 2, s, s + 1, s + 2.5, (s + end) / 2, end)
}


def right_rate(epoch: float, lr: float, start: int, epochs: int) -> float:
    """lr until s, then down to a thousandth on an exponential."""
    return float(lr * 0.001 ** (max(epoch - start, 0) / (epochs - start)))


def _rate(done: Callable[[float, int, int], float], base: float = 0.001) -> Any:
    """The schedule with another exponent, or another base."""
    return lambda e, lr, s, end: lr * base ** done(e, s, end)


def _share(e: float, s: int, end: int) -> float:
    return max(e - s, 0) / (end - s)


RATE: Mistakes = {
    "before epoch s your exponent is below 0, so that the rate is above lr: keep the "
    "exponent from going below 0": _rate(lambda e, s, end: (e - s) / (end - s)),
    "your rate falls from the first epoch on: up to epoch s it is constant": (
        _rate(lambda e, s, end: e / end)
    ),
    "you divided by E, so that the run ends before the decay does; the decay lasts "
    "from s to E": _rate(lambda e, s, end: max(e - s, 0) / end),
    "you divided by s; the decay lasts from s to E, that is E - s epochs": (
        _rate(lambda e, s, end: max(e - s, 0) / s if s else _share(e, s, end))
    ),
    "at epoch s your rate falls at once: the exponent must be 0 there, so take e - s": (
        _rate(lambda e, s, end: e / end if e > s else 0)
    ),
    "you fall along a straight line; 0.001 is the base of a power": (
        lambda e, lr, s, end: lr * (1 - 0.999 * _share(e, s, end))
    ),
    "you fall in one step; half-way from s to E it should be lr · 0.001^0.5": (
        lambda e, lr, s, end: lr if e <= s else 0.001 * lr
    ),
    "you fall as exp(-3x), which ends at 0.05; the base is 0.001, that is exp(-6.9)": (
        _rate(_share, math.exp(-3))
    ),
    "your rate ends at a tenth of lr: the base is 0.001": _rate(_share, 0.1),
    "your rate ends at a hundredth of lr: the base is 0.001": _rate(_share, 0.01),
    "your rate ends at a ten-thousandth of lr: the base is 0.001": _rate(_share, 1e-4),
    "lr is missing: that is the factor alone": (
        lambda e, lr, s, end: right_rate(e, 1.0, s, end)
    ),
    "you use the paper's lr, 3e-4, whatever the argument says": (
        lambda e, lr, s, end: right_rate(e, 3e-4, s, end)
    ),
    "you cut fractions of an epoch off; the rate falls within an epoch, too": (
        lambda e, lr, s, end: right_rate(int(e), lr, s, end)
    ),
    "your decay begins one epoch late": _rate(
        lambda e, s, end: max(e - s - 1, 0) / (end - s)
    ),
    "your decay begins one epoch early": _rate(
        lambda e, s, end: max(e - s + 1, 0) / (end - s)
    ),
    "with max(…, 1) the rate falls below lr before epoch s: the least exponent is 0": (
        _rate(lambda e, s, end: max(e - s, 1) / (end - s))
    ),
}


# --- 5.6: comparing over seeds --------------------------------------------------------

SEED_CASES = {
    "the example of the text": ([3.0, 2.8, 3.1], [2.5, 2.9, 2.4]),
    "five seeds of which most fall": (
        [1.0, 2.0, 2.5, 2.0, 4.5],
        [3.0, 1.5, 4.5, 2.0, 5.25],
    ),
    "one seed": ([0.25], [0.5]),
    "large differences": ([10.0, 2.0, 9.0], [2.0, 6.0, 1.0]),
}


def _differences(changed: Sequence[float], baseline: Sequence[float]) -> Any:
    return np.asarray(changed, float) - np.asarray(baseline, float)


def _agreeing(d: Any) -> int:
    return int((d * d.mean() > 0).sum())


COMPARE: Mistakes = {
    "the sign is turned: it is changed minus baseline": (
        lambda c, b: (-_differences(c, b).mean(), _agreeing(_differences(c, b)))
    ),
    "you added the differences up; give their mean": (
        lambda c, b: (_differences(c, b).sum(), _agreeing(_differences(c, b)))
    ),
    "you took absolute values: differences of both signs must be able to cancel": (
        lambda c, b: (np.abs(_differences(c, b)).mean(), len(c))
    ),
    "you count the positive differences; count those that have the sign of the mean": (
        lambda c, b: (_differences(c, b).mean(), (_differences(c, b) > 0).sum())
    ),
    "you count the negative differences; count those that have the sign of the mean": (
        lambda c, b: (_differences(c, b).mean(), (_differences(c, b) < 0).sum())
    ),
    "a difference of exactly 0 has no sign, and so it does not agree": (
        lambda c, b: (
            _differences(c, b).mean(),
            (_differences(c, b) * _differences(c, b).mean() >= 0).sum(),
        )
    ),
    "you count the seeds that disagree": (
        lambda c, b: (
            _differences(c, b).mean(),
            (_differences(c, b) * _differences(c, b).mean() < 0).sum(),
        )
    ),
    "give the number of seeds, not their share": (
        lambda c, b: (
            _differences(c, b).mean(),
            _agreeing(_differences(c, b)) / len(c),
        )
    ),
    "you counted all seeds; count those that have the sign of the mean": (
        lambda c, b: (_differences(c, b).mean(), len(c))
    ),
    "the two results are swapped: the mean comes first": (
        lambda c, b: (_agreeing(_differences(c, b)), _differences(c, b).mean())
    ),
    "you took the median; give the mean": (
        lambda c, b: (
            float(np.median(_differences(c, b))),
            _agreeing(_differences(c, b)),
        )
    ),
}
