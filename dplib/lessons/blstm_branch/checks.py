"""Checks of lesson 3; those of the cell and its two directions stand in cell_checks."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dplib.lessons.blstm_branch.cell_checks import random as _random
from dplib.lessons.causes import blame
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
    }


@exercise("3.3", praise="From the hidden states of the second layer to one row of Nc.")
def _part_head(answer: Callable[[int, int, int], Any]) -> str | None:
    try:
        return blame(
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


# ------------------------------------------------------------- 3.5, who depends on whom


def _sum_so_far(s: Tensor) -> Tensor:
    """O_t is the sum of the rows 1 to t."""
    return s.cumsum(1)


def _from_below(s: Tensor) -> Tensor:
    """O_t is row t and the row below it."""
    return s + torch.cat([s[:, 1:], 0 * s[:, :1]], 1)


def _alone(s: Tensor) -> Tensor:
    """Every row by itself."""
    return 2 * s


def _faint(s: Tensor) -> Tensor:
    """Two units: the row itself, and next to nothing of the rows so far."""
    return torch.cat([s, 1 + 1e-6 * s.cumsum(1)], 2)


def _tiny(s: Tensor) -> Tensor:
    """The sum of the rows so far, so small that any usual tolerance hides it.

    A power of two keeps it exact.
    """
    return 2.0**-40 * s.cumsum(1)


def _cover(
    context: Callable[[Tensor], Tensor],
    s: Tensor,
    *,
    differ: Callable[[Tensor, Tensor], Tensor] = torch.ne,
    units: str = "any",
    images: str = "any",
    value: float = 0.0,
    copy: bool = True,
) -> Tensor:
    """[H, H]: which outputs change when a row is covered; parts are replaceable."""
    whole, covered, columns = context(s), s, []
    for k in range(s.shape[1]):
        covered = s.clone() if copy else covered
        covered[:, k] = value
        changed = differ(context(covered), whole)  # [N, H, U]
        changed = getattr(changed, units)(2)
        columns.append(changed[0] if images == "one" else getattr(changed, images)(0))
    return torch.stack(columns, 1)


@exercise("3.5", praise="A test that needs nothing but forward passes.")
def _depends(answer: Callable[..., Any]) -> str | None:
    # three rows differ from 0 in one image only: who leaves it out misses the row
    rows = [[0, 0, -1], [0, 3, 0], [2, 0, 0], [-1, -1, -1], [1, 1, 1]]
    s = torch.tensor(rows).float().T[..., None]  # [3, 5, 1]
    wide = torch.tensor([[[1.0, 2.0], [3.0, 1.0]], [[-2.0, 0.0], [1.0, 1.0]]])
    return blame(
        answer,
        right=_cover,
        cases={
            "a context that adds up the rows read so far": (_sum_so_far, s),
            "a context in which a row meets the row below it": (_from_below, s + 2),
            "rows that are judged alone": (_alone, s + 2),
            "two rows of two channels, judged alone,": (_alone, wide),
            "a context in which one of two units changes by a millionth": (
                _faint,
                s + 2,
            ),
            "a context whose outputs change by less than a millionth": (_tiny, s + 2),
        },
        mistakes={
            "outputs and rows have changed places: [t, k] is output t and row k": (
                lambda context, s: _cover(context, s).T
            ),
            "rows that were covered stay covered when the next one is: work on a copy, "
            "s.clone()": partial(_cover, copy=False),
            "you ask whether all images change; any of them counts": partial(
                _cover, images="all"
            ),
            "you look at the first image alone; any of them counts": partial(
                _cover, images="one"
            ),
            "you ask whether all units change; any of them counts": partial(
                _cover, units="all"
            ),
            "any change counts, however small: compare with !=, without a tolerance": (
                partial(_cover, differ=lambda a, b: ~torch.isclose(a, b))
            ),
            "a change below 1e-6 counts too: compare with !=, without a tolerance": (
                partial(_cover, differ=lambda a, b: (a - b).abs() > 1e-6)
            ),
            "decreases count as well as increases: compare with !=": partial(
                _cover, differ=torch.gt
            ),
            "your matrix says what stays the same; True means that it changes": (
                lambda context, s: ~_cover(context, s)
            ),
            "you set the covered row to 1; it was to be set to 0": partial(
                _cover, value=1.0
            ),
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
