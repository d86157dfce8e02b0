"""Checks of lesson 2."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dplib.lessons.checks import choice, exercise

# As many channels, rows and columns: a wrong order has the right shape
_FB = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
_RESNET50 = [
    (7, 2), (3, 2),
    *[(1, 1), (3, 1), (1, 1)] * 3,
    (1, 1), (3, 2), (1, 1), *[(1, 1), (3, 1), (1, 1)] * 3,
    (1, 1), (3, 2), (1, 1), *[(1, 1), (3, 1), (1, 1)] * 5,
    (1, 1), (3, 2), (1, 1), *[(1, 1), (3, 1), (1, 1)] * 2,
]  # fmt: skip


@exercise("2.1", praise="Head to foot, each row the mean of its columns.")
def _part_sequence(answer: Callable[[Tensor], Any]) -> str | None:
    other = answer(torch.zeros(2, 5, 8, 3))
    got = answer(_FB.clone())
    rows = _FB.mean(3)
    if _same(got, rows):
        return (
            "those numbers are in the order [N, C, H]: rows and channels still have "
            "to change places, and reshape moves nothing; transpose does"
        )
    if _same(got, _FB.mean(2).transpose(1, 2)):
        return (
            "you averaged over the height (dim 2): those are columns, from left to "
            "right; average over the width (dim 3) and keep the height"
        )
    if _same(got, _FB.amax(3).transpose(1, 2)):
        return "that is the largest of each row; the paper takes the mean"
    if _same(got, _FB.sum(3).transpose(1, 2)):
        return "that is the sum over the columns; divide by how many there are"
    if _same(got, rows.transpose(1, 2).flip(1)):
        return "your sequence runs from foot to head; S_1 is the top row"
    if tuple(other.shape) != (2, 8, 5):
        return (
            "for fb of [2, 5, 8, 3] the sequence has shape [2, 8, 5]; yours has "
            f"{list(other.shape)}"
        )
    if not _same(got, rows.transpose(1, 2)):
        return "the shape is right, the values are not: S[n, t, c] = mean fb[n, c, t]"
    return None


@exercise("2.2", praise="427 for a ResNet-50, in an image of 256.")
def _field_size(answer: Callable[[list[tuple[int, int]]], Any]) -> str | None:
    got = answer([(7, 2), (3, 2)])
    told = f"for [(7, 2), (3, 2)] it should be 7 + 2·2 = 11, yours is {got}: "
    if got == 21:
        return told + (
            "you let a layer's stride count for the layer itself; it spreads the "
            "outputs, so it counts for the layers after it"
        )
    if got == 9:
        return told + (
            "you left out the strides: after a stride of 2, neighbours lie 2 pixels "
            "apart, and each further one adds 2"
        )
    if got == 14:
        return told + (
            "a kernel of k adds k - 1 jumps, not k: one of its inputs is there already"
        )
    if got == 10:
        return told + "begin with a size of 1: before any layer, a pixel sees itself"
    if got == 13:
        return told + "you added the strides up; jumps multiply: jump · s"
    if got != 11:
        return told + "size + (k - 1) · jump, then jump · s"
    if answer([]) != 1:
        return "without layers, a pixel sees itself alone: 1"
    twice = answer([(3, 2), (3, 2), (3, 1)])
    if twice == 11:
        return (
            "for [(3, 2), (3, 2), (3, 1)] it should be 15, yours is 11: you put a "
            "layer's stride in place of the jump; strides multiply, jump · s, so after "
            "two strides of 2 neighbours lie 4 pixels apart"
        )
    if (deep := answer(_RESNET50)) != 427:
        return f"for a ResNet-50 it should be 427, yours is {deep}"
    return None


def _small_net() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 5, 1)
    )
    for p in net.parameters():
        p.data = torch.randn(p.shape, generator=generator)
    return net


@exercise("2.3", praise="It is zero far from the row: no path leads there.")
def _row_gradient(answer: Callable[..., Any]) -> str | None:
    net = _small_net()
    image = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
    given, ran = image.clone(), list[bool]()
    net.register_forward_hook(lambda *_: ran.append(True))
    try:
        with warnings.catch_warnings():  # the check says it in words
            warnings.filterwarnings("ignore", r"The \.grad attribute")
            got = torch.as_tensor(answer(net, given, 1)).detach()
    except Exception as e:
        if ran and (words := _no_gradient(str(e), given)):
            return words
        raise
    if got.shape != image.shape:
        return f"expected a gradient like the image, [3, 8, 8]; got {list(got.shape)}"
    x = image[None].clone().requires_grad_()
    fb = net(x)  # [1, 5, 4, 4]
    right = _gradient(fb.mean(3)[0, :, 1].sum(), x)
    if _same(got, 4 * right):
        return "you added the row's columns up; 1 × W pooling takes their mean"
    if _same(got, _gradient(fb.mean(2)[0, :, 1].sum(), x)):
        return (
            "that is the gradient of a column: average fb over its width (dim 3), "
            "then choose the row"
        )
    whole = _gradient(fb.mean(3).sum(), x)
    if _same(got, whole):
        return "that is the gradient of all rows together; choose S[row] before summing"
    if _same(got, _gradient(fb.mean(3)[0, :, 0].sum(), x)):
        return "that is the row above: rows count from 0 here"
    if _same(got, _gradient(fb.mean(3)[0, 1].sum(), x)):
        return "that is channel 1 over all rows; S[row] is mean(dim=3)[0, :, row]"
    if _same(got, right.abs()) or _same(got, right.square()):
        return "give the gradient itself, with its sign; squares come later"
    if not _same(got, right):
        return "it should be the gradient of net(x).mean(dim=3)[0, :, row].sum()"
    if not _same(torch.as_tensor(answer(net, image.clone(), 1)).detach(), right):
        return (
            "called again, it gives something else: gradients add up in .grad; use "
            "a fresh x, or torch.autograd.grad"
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


def _gradient(number: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(number, x, retain_graph=True)[0][0]


choice(
    "2.4",
    {
        "a": "if too little were left of them, comparing with row t + shift could not "
        "find them either; the third curve stays high",
        "b": None,
        "c": "wrong features could not be repaired by comparing other rows; the third "
        "curve stays high",
        "d": "1 × W pooling averages the width and keeps the height; that is why a "
        "shift to the side does little",
    },
    praise="The parts are there, at another height.",
)


def _same(got: Any, want: Tensor) -> bool:
    return tuple(got.shape) == tuple(want.shape) and bool(
        torch.allclose(got.float(), want, atol=1e-5)
    )
