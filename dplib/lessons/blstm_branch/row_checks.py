"""Check of exercise 3.5: which output depends on which row."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dplib.lessons.causes import blame
from dplib.lessons.checks import exercise


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


def _opposed(s: Tensor) -> Tensor:
    """Two units: the sum of the rows so far, and minus that sum."""
    return torch.cat([s.cumsum(1), -s.cumsum(1)], 2)


def _zero_at_one(s: Tensor) -> Tensor:
    """The sum of S (S - 1) so far: a row of 0 counts like a row of 1."""
    return (s * (s - 1)).cumsum(1)


def _cover(
    context: Callable[[Tensor], Tensor],
    s: Tensor,
    *,
    differ: Callable[[Tensor, Tensor], Tensor] = torch.ne,
    units: str = "any",
    images: str = "any",
    value: float | Callable[[Tensor, int], Tensor] = 0.0,
    copy: bool = True,
) -> Tensor:
    """[H, H]: which outputs change when a row is covered; parts are replaceable."""
    whole, covered, columns = context(s), s, []
    for k in range(s.shape[1]):
        covered = s.clone() if copy else covered
        covered[:, k] = value(s, k) if callable(value) else value
        changed = differ(context(covered), whole)  # [N, H, U]
        changed = getattr(changed, units)(2)
        columns.append(changed[0] if images == "one" else getattr(changed, images)(0))
    return torch.stack(columns, 1)


def _in_total(*axes: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Whether outputs [N, H, U] differ once their changes are added up over axes."""
    return lambda a, b: (a - b).sum(axes, keepdim=True) != 0


def _wrongly_covered() -> dict[str, Callable[..., Any]]:
    """Tests that do not put 0 in the place of a row, or add the changes up."""
    cancel = "an increase and a decrease cancel: compare each number with !="
    return {
        f"you added the changes up, over images and units, so that {cancel}": partial(
            _cover, differ=_in_total(0, 2)
        ),
        f"you added the changes of the units up, so that {cancel}": partial(
            _cover, differ=_in_total(2)
        ),
        f"you added the changes of the images up, so that {cancel}": partial(
            _cover, differ=_in_total(0)
        ),
        "you set the covered row to 1; it was to be set to 0": partial(
            _cover, value=1.0
        ),
        "you set the covered row to its own mean; it was to be set to 0": (
            partial(_cover, value=lambda s, k: s[:, k].mean(0))
        ),
        "you set the covered row to the mean of all rows; it was to be set to 0": (
            partial(_cover, value=lambda s, k: s.mean(1))
        ),
        "you set the covered row to other numbers than 0, such as random ones; it was "
        "to be set to 0": partial(_cover, value=0.371),
    }


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
            "a context with two units that change by as much, up and down,": (
                _opposed,
                s + 2,
            ),
            "rows that are judged alone, the first of them 1 and -1 in two images,": (
                _alone,
                torch.tensor([[[1.0], [2.0]], [[-1.0], [1.0]]]),
            ),
            "a context to which a row of 1 counts as much as one of 0": (
                _zero_at_one,
                torch.tensor([[[1.0], [2.0], [3.0]], [[1.0], [1.0], [1.0]]]),
            ),
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
            **_wrongly_covered(),
        },
    )
