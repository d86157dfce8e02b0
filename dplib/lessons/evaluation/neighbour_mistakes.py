"""What is right in exercise 6.6, reciprocal neighbours, and what mistakes give."""

from collections.abc import Callable

import torch
from torch import Tensor

from dplib.lessons.evaluation.mistakes import Mistakes


def orders() -> dict[str, tuple[Tensor, int, int]]:
    """The worked example for each image, and images scattered in a plane."""
    line = torch.tensor([[0.0], [10.0], [21.0], [26.0], [29.0]])
    plane = torch.rand(12, 2, generator=torch.Generator().manual_seed(3))
    found: dict[str, tuple[Tensor, int, int]] = {}
    for name, points, ks in (
        ("the worked example", line, (2,)),
        ("12 images in a plane", plane, (1, 2, 3, 5)),
    ):
        order = torch.cdist(points, points).argsort(dim=1, stable=True)
        for k in ks:
            words = name if points is line else f"{name}, k = {k}"
            found |= {
                f"{words} and image {i}": (order, i, k) for i in range(len(order))
            }
    return found


ORDERS = orders()


def mutual(mine: int, theirs: int, extra: int = 0) -> Callable[..., list[int]]:
    """Neighbours among the first k + `mine` that have i in their first k + `theirs`.

    `extra` is 1 if the images themselves are not left out of their lists.
    """

    def compute(order: Tensor, i: int, k: int) -> list[int]:
        near = order[i, 1 - extra : k + 1 + mine].tolist()
        last = k + 1 + theirs
        return sorted(j for j in near if i in order[j, 1 - extra : last].tolist())

    return compute


def one_sided(order: Tensor, i: int, k: int) -> list[int]:
    return [j for j in range(len(order)) if j != i and i in order[j, 1 : k + 1]]


def places(first: int) -> Callable[..., list[int]]:
    """Where the right images stand in the list of i, counted from `first`."""

    def compute(order: Tensor, i: int, k: int) -> list[int]:
        near = order[i, 1 : k + 1].tolist()
        right = [i in order[j, 1 : k + 1].tolist() for j in near]
        return [place for place, keep in enumerate(right, start=first) if keep]

    return compute


OF_NEIGHBOURS: Mistakes = {
    "those are all k nearest; keep those alone that have i among their own k nearest": (
        lambda order, i, k: sorted(order[i, 1 : k + 1].tolist())
    ),
    "those are all images that have i among their k nearest; they must also be among "
    "the k nearest of i": one_sided,
    "i is in your list: leave it out, since every image is its own nearest": (
        mutual(0, 0, extra=1)
    ),
    "you took `order[i, :k]` and `order[j, :k]`, in which each image counts as its own "
    "neighbour: leave the first out, and take k after it": mutual(-1, -1, extra=1),
    "both lists are one too short: row i begins with i itself, so that its k nearest "
    "are `order[i, 1 : k + 1]`": mutual(-1, -1),
    "the list of i is one too short: row i begins with i itself, so that its k nearest "
    "are `order[i, 1 : k + 1]`": mutual(-1, 0),
    "the lists of the neighbours are one too short: row j begins with j itself, so "
    "that its k nearest are `order[j, 1 : k + 1]`": mutual(0, -1),
    "both lists are one too long: the k nearest of i are `order[i, 1 : k + 1]`": (
        mutual(1, 1)
    ),
    "you returned places in the list of i; return the indices of the images": (
        places(1)
    ),
    "you returned places in the list of i, counted from 0; return the indices of the "
    "images": places(0),
}
