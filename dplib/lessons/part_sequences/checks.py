"""Checks of lesson 2."""

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dplib.lessons.causes import blame
from dplib.lessons.checks import choice, exercise

Layers = Sequence[tuple[int, int, int]]


def _random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------ 2.1, the rows


@exercise("2.1", praise="From head to foot, each row is the mean of its columns.")
def _part_sequence(answer: Callable[[Tensor], Any]) -> str | None:
    def rows(fb: Tensor) -> Tensor:
        return fb.mean(3).transpose(1, 2)

    # with as many channels as rows and columns, a wrong order has the right shape
    return blame(
        answer,
        right=rows,
        cases={
            "fb of shape [3, 4, 4, 4]": (_random(0, 3, 4, 4, 4),),
            "fb of shape [2, 5, 8, 3]": (_random(1, 2, 5, 8, 3),),
            "fb of shape [1, 2, 3, 1]": (_random(2, 1, 2, 3, 1),),
        },
        mistakes={
            "your result is in the order [N, C, H]; rows and channels still have to "
            "change places": lambda fb: fb.mean(3),
            "reshape gives the right shape but moves no number; transpose makes rows "
            "and channels change places": lambda fb: fb.mean(3).reshape(
                len(fb), fb.shape[2], fb.shape[1]
            ),
            "you averaged over the height (dim 2), so that these are columns from left "
            "to right; average over the width (dim 3) and keep the height": lambda fb: (
                fb.mean(2).transpose(1, 2)
            ),
            "this is the largest value of each row; the paper takes the mean": (
                lambda fb: fb.amax(3).transpose(1, 2)
            ),
            "this is the sum over the columns; divide it by their number": (
                lambda fb: fb.sum(3).transpose(1, 2)
            ),
            "your sequence runs from foot to head; S_1 is the top row": (
                lambda fb: rows(fb).flip(1)
            ),
            "you averaged over the channels (dim 1); a row keeps all of its channels": (
                lambda fb: fb.mean(1)
            ),
            "this is fm, the mean over rows and columns; keep the rows": (
                lambda fb: fb.mean((2, 3))
            ),
        },
    )


# -------------------------------------------------------------- 2.2, theoretical fields

_RESNET50 = [
    (7, 2, 3), (3, 2, 1),
    *[(1, 1, 0), (3, 1, 1), (1, 1, 0)] * 3,
    (1, 1, 0), (3, 2, 1), (1, 1, 0), *[(1, 1, 0), (3, 1, 1), (1, 1, 0)] * 3,
    (1, 1, 0), (3, 2, 1), (1, 1, 0), *[(1, 1, 0), (3, 1, 1), (1, 1, 0)] * 5,
    (1, 1, 0), (3, 2, 1), (1, 1, 0), *[(1, 1, 0), (3, 1, 1), (1, 1, 0)] * 2,
]  # fmt: skip
_LAYERS: dict[str, tuple[Layers]] = {
    "[(3, 2, 1), (3, 1, 1)]": ([(3, 2, 1), (3, 1, 1)],),
    "no layers at all, where a pixel sees itself,": ([],),
    "[(3, 2, 0), (3, 2, 1), (5, 1, 2)]": ([(3, 2, 0), (3, 2, 1), (5, 1, 2)],),
    "[(2, 3, 1), (4, 2, 0), (3, 1, 2)]": ([(2, 3, 1), (4, 2, 0), (3, 1, 2)],),
    "the layers of a ResNet-50": (_RESNET50,),
}


def _walk(
    layers: Layers,
    *,
    start: tuple[int, int, int] = (0, 1, 1),
    grow: Callable[[int, int, int], int] = lambda k, s, jump: (k - 1) * jump,
    leap: Callable[[int, int], int] = lambda s, jump: jump * s,
    lift: Callable[[int, int, int], int] = lambda p, s, jump: p * jump,
) -> tuple[int, int, int]:
    """The recursion: what one output sees, with each of its parts replaceable."""
    top, size, jump = start
    for k, s, p in layers:
        size += grow(k, s, jump)
        top -= lift(p, s, jump)
        jump = leap(s, jump)
    return top, size, jump


@exercise("2.2", praise="It was also tried on the layers of a ResNet-50.")
def _field(answer: Callable[[Layers], Any]) -> str | None:
    return blame(
        answer,
        right=_walk,
        cases=_LAYERS,
        mistakes={
            "the numbers are right but for their order, which is (top, size, jump)": (
                lambda layers: (_walk(layers)[1], _walk(layers)[0], _walk(layers)[2])
            ),
            "you return (size, jump, top); the order is (top, size, jump)": (
                lambda layers: (*_walk(layers)[1:], _walk(layers)[0])
            ),
            "the size and the top are right, but the jump is not multiplied by the "
            "stride of the layer": lambda layers: (*_walk(layers)[:2], 1),
            "you multiplied the jump too early: a layer's own stride spreads its "
            "outputs, so that it counts for the layers after it": lambda layers: _walk(
                layers,
                grow=lambda k, s, jump: (k - 1) * jump * s,
                lift=lambda p, s, jump: p * jump * s,
            ),
            "your size uses the jump after this layer, your top the one before it; "
            "both need the jump before": lambda layers: _walk(
                layers, grow=lambda k, s, jump: (k - 1) * jump * s
            ),
            "your top uses the jump after this layer, your size the one before it; "
            "both need the jump before": lambda layers: _walk(
                layers, lift=lambda p, s, jump: p * jump * s
            ),
            "you left the strides out: after a stride of 2, neighbours lie 2 pixels "
            "apart, and each further one adds 2 pixels": lambda layers: _walk(
                layers, leap=lambda s, jump: 1
            ),
            "you replaced the jump by the layer's stride; strides multiply, so that "
            "after two strides of 2 neighbours lie 4 pixels apart": (
                lambda layers: _walk(layers, leap=lambda s, jump: s)
            ),
            "you multiplied by the layer's own stride; its inputs lie one jump apart, "
            "which is the product of the strides before it": lambda layers: _walk(
                layers,
                grow=lambda k, s, jump: (k - 1) * s,
                lift=lambda p, s, jump: p * s,
            ),
            "your top is right, but the size grows by (k - 1) times the layer's own "
            "stride; multiply k - 1 by the jump": lambda layers: _walk(
                layers, grow=lambda k, s, jump: (k - 1) * s
            ),
            "you added the strides up; the jump is their product": (
                lambda layers: _walk(layers, leap=lambda s, jump: jump + s)
            ),
            "a kernel of k joins k neighbours, and from the first to the last of them "
            "it is k - 1 jumps, not k": lambda layers: _walk(
                layers, grow=lambda k, s, jump: k * jump
            ),
            "k - 1 neighbours are added, but each lies one jump further, not one "
            "pixel: multiply by the jump": lambda layers: _walk(
                layers, grow=lambda k, s, jump: k - 1
            ),
            "the size must begin at 1: before any layer, a pixel sees itself": (
                lambda layers: _walk(layers, start=(0, 0, 1))
            ),
            "padding moves the top up, towards smaller pixel rows: subtract it": (
                lambda layers: _walk(layers, lift=lambda p, s, jump: -p * jump)
            ),
            "padding of p adds p places of the layer's input, which lie one jump "
            "apart: multiply p by the jump": lambda layers: _walk(
                layers, lift=lambda p, s, jump: p
            ),
            "three numbers were asked for; the top is missing": (
                lambda layers: _walk(layers)[1:]
            ),
            "your top stays at 0: with padding, the first output sees places above "
            "the image": lambda layers: (0, *_walk(layers)[1:]),
        },
    )


# -------------------------------------------------------------------- 2.3, the gradient


def _small_net(channels: int, seed: int) -> nn.Module:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, channels, 1),
    )
    generator = torch.Generator().manual_seed(seed)
    for p in net.parameters():
        p.data = torch.randn(p.shape, generator=generator)
    return net


def _gradient(
    net: nn.Module, image: Tensor, number: Callable[[Tensor], Tensor]
) -> Tensor:
    x = image[None].detach().clone().requires_grad_()
    return torch.autograd.grad(number(net(x)), x)[0][0]


@exercise("2.3", praise="It is zero far from the row, where no path leads.")
def _row_gradient(answer: Callable[..., Any]) -> str | None:
    net, image = _small_net(5, 0), _random(1, 3, 8, 8)
    given, ran = image.clone(), list[bool]()
    hook = net.register_forward_hook(lambda *_: ran.append(True))
    try:
        with warnings.catch_warnings():  # the check says it in words
            warnings.filterwarnings("ignore", r"The \.grad attribute")
            answer(net, given, 1)
    except Exception as e:
        if ran and (words := _no_gradient(str(e), given)):
            return words
        raise
    finally:
        hook.remove()

    def of(number: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
        return lambda net, image, row: _gradient(net, image, lambda fb: number(fb, row))

    right = of(lambda fb, row: fb.mean(3)[0, :, row].sum())
    cases = {
        "row 1 of a map of 4 × 4 places": (net, image, 1),
        "row 3 of a map of 4 × 4 places": (net, image, 3),
        "row 0 of a map of 3 × 4 places": (_small_net(2, 2), _random(3, 3, 6, 8), 0),
    }
    mistakes: dict[str, Callable[..., Any]] = {
        "you added the row's columns up; 1 × W pooling takes their mean": of(
            lambda fb, row: fb[0, :, row].sum()
        ),
        "this is the gradient of a column: average fb over its width (dim 3), then "
        "choose the row": of(lambda fb, row: fb.mean(2)[0, :, row].sum()),
        "this is the gradient of all rows together; choose the row before you sum": of(
            lambda fb, row: fb.mean(3).sum()
        ),
        "this is the gradient of the mean over the channels; the sum was asked for": of(
            lambda fb, row: fb.mean(3)[0, :, row].mean()
        ),
        "this is the row above the one asked for; rows count from 0 here": of(
            lambda fb, row: fb.mean(3)[0, :, row - 1].sum()
        ),
        "you chose a channel instead of a row: after the mean over dim 3 the order is "
        "[N, C, H]": of(lambda fb, row: fb.mean(3)[0, row % fb.shape[1]].sum()),
        "give the gradient itself, with its sign; absolute values lose it": (
            lambda *case: right(*case).abs()
        ),
        "give the gradient itself, with its sign; the squares come later": (
            lambda *case: right(*case).square()
        ),
        "the gradient still has the batch dimension; an image is [3, h, w]": (
            lambda *case: right(*case)[None]
        ),
    }
    if words := blame(answer, right, cases, mistakes):
        return words
    net.zero_grad()
    first = torch.as_tensor(answer(net, image, 1)).detach().clone()
    if not torch.allclose(torch.as_tensor(answer(net, image, 1)).detach(), first):
        return (
            "called again with the same image, it gives something else: gradients add "
            "up in .grad; use a fresh x, or torch.autograd.grad"
        )
    return None


def _no_gradient(error: str, image: Tensor) -> str | None:
    """Why there is no gradient, from the text of an error; None for other errors."""
    if "not have been used" in error:
        return (
            "the number does not depend on the tensor whose gradient you ask for: let "
            "the very x that has requires_grad_() go through the net"
        )
    if "grad_fn" in error:
        return "nothing here carries a gradient: leave detach() and no_grad() away"
    if "NoneType" in error and image.requires_grad:
        return (
            "the gradient is None: .grad is kept for the tensor that you called "
            "requires_grad_() on, not for copies or views made from it: ask that one"
        )
    # A None that is given back, x.grad as a rule, counts as no answer at all
    if re.search("NoneType|not require grad|gives back nothing", error):
        return (
            "the gradient is None: did you ask for it, "
            "x = image[None].clone().requires_grad_(), before x goes through the net, "
            "and return it?"
        )
    return None


# ------------------------------------------------------------ 2.4, rows that correspond


def _overlap(a: Tensor, b: Tensor, k: int) -> tuple[Tensor, Tensor]:
    rows = a.shape[1]
    return a[:, max(0, -k) : rows - max(0, k)], b[:, max(0, k) : rows - max(0, -k)]


@exercise("2.4", praise="Each row stands beside the row that shows the same part.")
def _corresponding(answer: Callable[[Tensor, Tensor, int], Any]) -> str | None:
    # row t of the first person holds t, of the second 10 + t
    a = torch.arange(1.0, 6.0).reshape(1, 5, 1)
    wide = _random(0, 3, 8, 2), _random(1, 3, 8, 2)
    return blame(
        answer,
        right=_overlap,
        cases={
            "rows that hold 1 to 5 and 11 to 15, moved down by 2 rows,": (a, a + 10, 2),
            "rows that hold 1 to 5 and 11 to 15, moved up by 1 row (k = -1),": (
                a,
                a + 10,
                -1,
            ),
            "rows that hold 1 to 5 and 11 to 15, not moved (k = 0),": (a, a + 10, 0),
            "three people of 8 rows, moved down by 3 rows,": (*wide, 3),
            "three people of 8 rows, moved up by 2 rows,": (*wide, -2),
        },
        mistakes={
            "the direction is the opposite: when the person in b has moved down by k "
            "rows, the part in row t of a is in row t + k of b": (
                lambda a, b, k: _overlap(a, b, -k)
            ),
            "you cut the same rows off both; then row t still stands beside row t": (
                lambda a, b, k: (_overlap(a, b, k)[0], _overlap(b, a, k)[0])
            ),
            "you turned the rows round in a circle (roll): the rows that leave at one "
            "end come back at the other, where they show another part": (
                lambda a, b, k: (a, b.roll(-k, 1))
            ),
            "the pairs are right, but in the order (b, a); (a, b) was asked for": (
                lambda a, b, k: _overlap(a, b, k)[::-1]
            ),
            "rows are axis 1; you cut the people (axis 0)": (
                lambda a, b, k: (
                    a[max(0, -k) : len(a) - max(0, k)],
                    b[max(0, k) : len(b) - max(0, -k)],
                )
            ),
            "a negative k moves the other way, up; you took its absolute value": (
                lambda a, b, k: _overlap(a, b, abs(k))
            ),
            "you cut k rows off both ends of a and of b; each of them loses rows at "
            "one end only": (
                lambda a, b, k: (
                    a[:, abs(k) : a.shape[1] - abs(k)],
                    b[:, abs(k) : b.shape[1] - abs(k)],
                )
            ),
            "it is right for a move down, but with a negative k (a move up) it takes "
            "other rows: treat the two signs separately": (
                lambda a, b, k: (a[:, : a.shape[1] - k], b[:, k:])
            ),
            "with k = 0 nothing is left: a[:, :-0] is empty. Write the end as H - k": (
                lambda a, b, k: (
                    (a[:, :-k], b[:, k:]) if k >= 0 else (a[:, -k:], b[:, :k])
                )
            ),
        },
    )


choice(
    "2.5",
    {
        "a": "if too little were left of the people, comparing row t with row t + k "
        "could not find them either, but the third curve stays far above the second",
        "b": None,
        "c": "wrong features could not be repaired by comparing other rows, but the "
        "third curve stays far above the second",
        "d": "1 × W pooling averages over the width and keeps the height; that is why "
        "a shift to the side changes the rows little",
    },
    praise="The parts are still there, at another height.",
)
