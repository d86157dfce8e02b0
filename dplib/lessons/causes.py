"""Name the mistake in an answer, and only the one that was made.

The functions of a checker that most checkers need (see ``checks.py``)::

    @exercise("0.1", praise="Only the best rank of each query counts.")
    def _rank_one(answer):
        return blame(
            answer,
            right=lambda ranks: sum(min(r) == 1 for r in ranks) / len(ranks),
            cases=[([[2, 4], [1], [7, 1]],), ([[3], [1, 2]],)],
            mistakes={
                "that is the number of queries; rank-1 is their share": (
                    lambda ranks: sum(min(r) == 1 for r in ranks)
                ),
            },
        )

A cause is named only if a function that makes exactly this mistake gives what the
reader's function gives, in every case. Whatever is compared may be a number, a list, an
array or a tensor of any type of number.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch

Function = Callable[..., Any]
Cases = Sequence[tuple[Any, ...]] | Mapping[str, tuple[Any, ...]]

_FEW = 12  # numbers that a message shows in full


class Cause(str):
    """A sentence that names a mistake; `wrong` is the function that makes it.

    `answer`, `right`, `cases` and `mistakes` are what :func:`blame` was given: tests
    try all of them against each other.
    """

    wrong: Function
    answer: Function
    right: Function
    cases: list[tuple[Any, ...]]
    mistakes: Mapping[str, Function]

    @classmethod
    def of(
        cls,
        words: str,
        answer: Function,
        right: Function,
        cases: Iterable[tuple[Any, ...]],
        mistakes: Mapping[str, Function],
    ) -> Self:
        cause = cls(words)
        cause.wrong, cause.answer, cause.right = mistakes[words], answer, right
        cause.cases, cause.mistakes = list(cases), mistakes
        return cause


def blame(
    answer: Function,
    right: Function,
    cases: Cases,
    mistakes: Mapping[str, Function] | None = None,
    *,
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> str | None:
    """Say what is wrong with `answer`; None if it does what `right` does.

    Args:
        answer: the reader's function.
        right: a function that is right.
        cases: the arguments of each call. As a mapping, its keys are the words for them
            ("gradients 13 long and a limit of 6.5"). Every call gets its own copy.
        mistakes: sentence → a function that differs from the right one in the mistake
            which the sentence names, and in nothing else. The cases must tell each
            mistake from the right answer and from the other mistakes.
        rtol: differences up to this share of a value do not count.
        atol: nor do differences up to this.

    Returns:
        None, or a :class:`Cause`: the sentence of the mistake whose function gives
        `answer`'s results in all cases, or, if there is none, a plain sentence with the
        first case in which `answer` differs, what it gives, and what it should give.
    """
    named = cases if isinstance(cases, Mapping) else {_words(c): c for c in cases}
    given = {words: answer(*copy.deepcopy(case)) for words, case in named.items()}
    differs = None
    for words, case in named.items():
        want = right(*copy.deepcopy(case))
        if not same(given[words], want, rtol=rtol, atol=atol):
            differs = f"for {words} {difference(given[words], want, rtol, atol)}"
            break
    if differs is None:
        return None

    def makes(wrong: Function) -> bool:
        for words, case in named.items():
            try:
                made = wrong(*copy.deepcopy(case))
            except Exception:  # the answer came through, hence is another
                return False
            if not same(given[words], made, rtol=rtol, atol=atol):
                return False
        return True

    for sentence, wrong in (mistakes or {}).items():
        if makes(wrong):
            return Cause.of(sentence, answer, right, named.values(), mistakes or {})
    return differs


def same(got: Any, want: Any, *, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Whether the two have one shape and the same numbers, of whatever type.

    Lists, tuples, arrays and tensors are alike; nan is equal to nan.
    """
    a, b = numbers(got), numbers(want)
    if isinstance(a, list) and isinstance(b, list):
        pairs = zip(a, b, strict=False)
        return len(a) == len(b) and all(
            same(x, y, rtol=rtol, atol=atol) for x, y in pairs
        )
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return False
    return a.shape == b.shape and bool(
        np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True).all()
    )


def numbers(value: Any) -> np.ndarray | list[Any] | None:
    """`value` as an array of floats; None if it does not consist of numbers.

    A sequence whose members have different shapes becomes a list of arrays.
    """
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.double() if not value.is_complex() else value).numpy()
    if isinstance(value, bool | int | float | np.generic | np.ndarray):
        array = np.asarray(value)
        return array.astype(float) if array.dtype.kind in "biuf" else None
    if not isinstance(value, list | tuple | range):
        return None
    members = [numbers(x) for x in value]
    if any(m is None for m in members):
        return None
    arrays = [m for m in members if isinstance(m, np.ndarray)]
    if len(arrays) == len(members) and len({m.shape for m in arrays}) <= 1:
        return np.array(arrays, float)
    return members


def difference(got: Any, want: Any, rtol: float = 1e-4, atol: float = 1e-5) -> str:
    """What `got` should be in place of what it is: shape, all of it, or one place."""
    a, b = numbers(got), numbers(want)
    if isinstance(b, list) and isinstance(a, np.ndarray | list):
        b, a = list(b), list(a)
        if len(a) != len(b):
            return f"{len(b)} results are expected; yours: {len(a)}"
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            if not same(x, y, rtol=rtol, atol=atol):
                return f"result {i + 1} is wrong: {difference(x, y, rtol, atol)}"
    if a is not None and b is not None and isinstance(a, list) != isinstance(b, list):
        return f"it should be {shown(want)}; yours: {shown(got)}"
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        kind = type(got).__name__
        return f"your function gives back a {kind}; expected {shown(want)}"
    if a.shape != b.shape:
        return f"the shape should be {list(b.shape)}; yours: {list(a.shape)}"
    if b.size <= _FEW:
        return f"it should be {shown(want)}; yours: {shown(got)}"
    wrong = ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    at = ", ".join(map(str, place))
    return f"[{at}] should be {_number(b[place])}; yours: {_number(a[place])}"


def shown(value: Any) -> str:
    """`value` as it is written in a message: short, and without its type."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, str) or callable(value):
        return getattr(value, "__name__", None) or repr(value)
    if isinstance(value, torch.Tensor | np.ndarray):
        if math.prod(value.shape) > _FEW:
            return f"values of shape {list(value.shape)}"
        return shown(value.tolist())
    if isinstance(value, list | tuple | range):
        left, right = "()" if isinstance(value, tuple) else "[]"
        return left + ", ".join(shown(v) for v in value) + right
    return _number(value)


def _number(value: Any) -> str:
    if isinstance(value, float | np.floating):
        text = f"{value:.4g}"
        return text if float(text) == value else f"{value:.7g}"
    return str(value)


def _words(case: tuple[Any, ...]) -> str:
    return " and ".join(shown(argument) for argument in case)
