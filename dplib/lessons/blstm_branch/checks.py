"""Checks of lesson 3.

Those of the cell and its two directions stand in ``cell_checks``, that of the rows on
which an output depends in ``row_checks``; importing them registers them.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dplib.lessons.blstm_branch import row_checks as _row_checks  # noqa: F401
from dplib.lessons.blstm_branch.cell_checks import random as _random
from dplib.lessons.causes import Cause, blame
from dplib.lessons.checks import exercise

# ------------------------------------------------------------------- 3.3, the part head


def _head(rows: int, units: int, num_ids: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(2 * units, units),
        nn.Flatten(),
        nn.BatchNorm1d(rows * units),
        nn.Linear(rows * units, num_ids),
    )


class _Over(nn.Module):
    """Any function of tensors as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _logits(module: nn.Module, h: Tensor) -> tuple[Tensor, Tensor]:
    """What a module gives in training and then in eval mode, with weights of ours.

    A weight follows from its shape, so that the order of definition does not matter.
    """
    seen: dict[tuple[int, ...], int] = {}
    for p in module.parameters():
        shape = tuple(n for n in p.shape if n > 1)
        seen[shape] = seen.get(shape, 0) + 1
        values = _random(sum(shape) + 1000 * seen[shape], *shape)
        p.data = values.reshape(p.shape)
    with torch.no_grad():
        return module.train()(h), module.eval()(h)


class _StoppedError(Exception):
    """The reader's module stopped, or is none; the text says it."""


def _applied(build: Callable[[int, int, int], Any]) -> Callable[..., Any]:
    """From a function that builds a module to one that gives the module's logits."""

    def outcome(rows: int, units: int, num_ids: int, h: Tensor) -> Any:
        module = build(rows, units, num_ids)
        if not isinstance(module, nn.Module):
            raise _StoppedError(
                f"your function gives back something of type {type(module).__name__}; "
                "expected an nn.Module, an nn.Sequential for example"
            )
        try:
            return _logits(module, h)
        except (RuntimeError, ValueError, IndexError, TypeError) as e:
            first = (str(e).strip() or type(e).__name__).splitlines()[0]
            raise _StoppedError(
                f"your module stopped with {type(e).__name__}: {first}, for hidden "
                f"states of shape {list(h.shape)} (H = {rows}, U = {units})"
            ) from None

    return outcome


def _without(
    rows: int,
    units: int,
    num_ids: int,
    *,
    fc: bool = True,
    norm: bool = True,
    classifier: bool = True,
) -> nn.Module:
    """The head without the biases, or the γ and β, of some of its layers."""
    return nn.Sequential(
        nn.Linear(2 * units, units, bias=fc),
        nn.Flatten(),
        nn.BatchNorm1d(rows * units, affine=norm),
        nn.Linear(rows * units, num_ids, bias=classifier),
    )


def _too_few() -> dict[str, Callable[[int, int, int], nn.Module]]:
    """Builders of heads in which some parameters are missing."""
    found = {
        "the FC has no bias": partial(_without, fc=False),
        "the classifier has no bias": partial(_without, classifier=False),
        "neither of the linear layers has a bias": partial(
            _without, fc=False, classifier=False
        ),
        "the BatchNorm has no γ and β (affine=False)": partial(_without, norm=False),
        "neither the linear layers have a bias nor the BatchNorm γ and β": partial(
            _without, fc=False, norm=False, classifier=False
        ),
    }
    return {
        f"{words}: for the case by hand your head has {_size(build)} parameters, and "
        f"the text counts {_size(_head)}": build
        for words, build in found.items()
    }


def _size(build: Callable[[int, int, int], nn.Module]) -> int:
    """The parameters of a head for the case that is counted by hand."""
    return sum(p.numel() for p in build(2, 3, 5).parameters())


def _wrong_heads() -> dict[str, Callable[[int, int, int], nn.Module]]:
    """Builders that each make one mistake."""

    def linear(rows: int, units: int, num_ids: int) -> nn.Module:
        return nn.Linear(rows * units, num_ids)

    return {
        "the BatchNorm before the classifier is missing": (
            lambda h, u, n: nn.Sequential(
                nn.Linear(2 * u, u), nn.Flatten(), linear(h, u, n)
            )
        ),
        "the FC after the hidden states, 2 U → U at every row, is missing": (
            lambda h, u, n: nn.Sequential(
                nn.Flatten(), nn.BatchNorm1d(2 * h * u), linear(h, 2 * u, n)
            )
        ),
        "you averaged the outputs over the rows; they are laid end to end, so that the "
        "classifier knows which row is which": lambda h, u, n: nn.Sequential(
            nn.Linear(2 * u, u),
            _Over(lambda o: o.mean(1)),
            nn.BatchNorm1d(u),
            nn.Linear(u, n),
        ),
        "the FC sees all rows at once; it is applied to each row by itself, and the "
        "rows are joined after it": lambda h, u, n: nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * h * u, h * u),
            nn.BatchNorm1d(h * u),
            linear(h, u, n),
        ),
        "the BatchNorm stands before the FC; it belongs between the concatenation and "
        "the classifier": lambda h, u, n: nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(2 * h * u),
            nn.Unflatten(1, (h, 2 * u)),
            nn.Linear(2 * u, u),
            nn.Flatten(),
            linear(h, u, n),
        ),
        "there is a ReLU that the branch does not have": lambda h, u, n: nn.Sequential(
            nn.Linear(2 * u, u),
            nn.Flatten(),
            nn.BatchNorm1d(h * u),
            nn.ReLU(),
            linear(h, u, n),
        ),
        "the outputs are laid end to end channel by channel; lay them row by row, "
        "O_1 first": lambda h, u, n: nn.Sequential(
            nn.Linear(2 * u, u),
            _Over(lambda o: o.transpose(1, 2).flatten(1)),
            nn.BatchNorm1d(h * u),
            linear(h, u, n),
        ),
        "your module ends with a softmax; the cross-entropy takes logits": (
            lambda h, u, n: nn.Sequential(_head(h, u, n), nn.Softmax(1))
        ),
        **_too_few(),
    }


@exercise("3.3", praise="From the hidden states of the second layer to one row of Nc.")
def _part_head(answer: Callable[[int, int, int], Any]) -> str | None:
    try:
        said = blame(
            _applied(answer),
            right=_applied(_head),
            cases={
                "H = 3, U = 4 and Nc = 5": (3, 4, 5, _random(0, 6, 3, 8)),
                "H = 4, U = 2 and Nc = 7": (4, 2, 7, _random(1, 5, 4, 4)),
            },
            mistakes={k: _applied(build) for k, build in _wrong_heads().items()},
        )
    except _StoppedError as e:
        return str(e)
    if said is None or isinstance(said, Cause) or _size(answer) == _size(_head):
        return said
    return (
        "for the case by hand (H = 2, U = 3 and Nc = 5) the number of parameters "
        f"should be {_size(_head)}; yours: {_size(answer)}"
    )


# ----------------------------------------------------------------- 3.4, the parameters


def _count(
    inputs: int,
    units: int,
    layers: int,
    *,
    biases: int = 2,
    directions: int = 2,
    gates: int = 4,
    second: int = 2,
) -> int:
    sizes = [inputs, *[second * units] * (layers - 1)]
    return sum(directions * gates * units * (n + units + biases) for n in sizes)


@exercise("3.4", praise="The second layer reads both directions of the first.")
def _lstm_parameters(answer: Callable[[int, int, int], Any]) -> str | None:
    return blame(
        answer,
        right=_count,
        cases={
            f"{n} inputs, {u} units and {k} layer{'s' * (k > 1)}": (n, u, k)
            for n, u, k in ((10, 3, 1), (10, 3, 2), (5, 2, 3), (7, 4, 4))
        },
        mistakes={
            "PyTorch keeps two biases for each gate, bias_ih and bias_hh; you counted "
            "one": partial(_count, biases=1),
            "the biases are missing": partial(_count, biases=0),
            "this is one direction; the other has weights of its own": partial(
                _count, directions=1
            ),
            "this is one of the four blocks, i, f, g and o": partial(_count, gates=1),
            "there are four blocks, not three: the candidate g has weights too": (
                partial(_count, gates=3)
            ),
            "you multiplied one layer by the number of layers; the second layer reads "
            "the 2 U channels of the first, not the rows of fb": (
                lambda n, u, k: k * _count(n, u, 1)
            ),
            "the second layer reads both directions of the first: it has 2 U inputs, "
            "not U": partial(_count, second=1),
            "this is the first layer alone": lambda n, u, k: _count(n, u, 1),
        },
    )


# ------------------------------------------------------------ 3.6, what wakes a branch

_STATEMENTS = {  # letter → what the record says if the answer has it wrong
    "a": "statement a is supported: `centred` does nothing but subtract the mean, and "
    "it wakes in all seeds; look at its row again",
    "b": "statement b is not supported: `scaled` does not centre, and it wakes; what "
    "is necessary cannot be left out",
    "c": "statement c is not supported: BgI has no LSTM, and under a linear head it "
    "sleeps as well; look at the second column",
    "d": "statement d is not supported: `frozen` has γ and β and sleeps as long as "
    "`linear`, while `both` has neither and wakes at once",
    "e": "statement e is supported: on 16 people, the heads and the number of images "
    "stay the same, and only the number of people in a batch changes",
}


@exercise("3.6", praise="Two remedies, each sufficient, neither necessary.")
def _what_wakes(answer: object) -> str | None:
    if not isinstance(answer, Iterable):
        return f'give the letters as a text, such as "ab", not {answer!r}'
    given = {x for part in answer for x in str(part).lower() if x.isalpha()}
    if unknown := given - set(_STATEMENTS):
        return f"there is no statement {min(unknown)!r}; give letters from a to e"
    wrong = given ^ {"a", "e"}
    return _STATEMENTS[min(wrong)] if wrong else None
