"""Who the people are: groups, near-twins, and sets without vertical order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dplib import toymarket
from dplib.toymarket.people import PALETTE


def _worn(p: toymarket.Identity) -> tuple[str, str]:
    def name(rgb: tuple[int, int, int]) -> str:
        gaps = [np.abs(np.subtract(c, rgb)).sum() for _, c, _ in PALETTE]
        return PALETTE[int(np.argmin(gaps))][0]

    return name(p.upper_colour), name(p.lower_colour)


def test_layout_permutes_shared_colours() -> None:
    """Red above blue and blue above red are two people of one group."""
    size = toymarket.DIFFICULTY.group
    swapped = 0
    for first in range(1, 40 * size, size):
        worn = [_worn(toymarket.identity(first + i)) for i in range(size)]
        swapped += any(a[::-1] == b and a[0] != a[1] for a in worn for b in worn)
    assert swapped >= 10


def test_all_people_differ() -> None:
    for cues in toymarket.CUES:
        people = {replace(toymarket.identity(p, 0, cues), pid=0) for p in range(1, 401)}
        assert len(people) == 400


def test_global_cues_have_no_vertical_order() -> None:
    for pid in range(1, 30):
        p = toymarket.identity(pid, 0, "global")
        assert p.upper_colour == p.lower_colour == p.shoes
        assert p.upper_pattern == p.lower_pattern
        assert (p.hat, p.bag, p.lower, p.sleeve) == ("none", "none", "trousers", 1.0)
    assert (
        len({toymarket.identity(p, 0, "global").upper_colour for p in range(1, 30)})
        > 25
    )


def test_identity_depends_on_seed_and_cues_only() -> None:
    assert toymarket.identity(7) == toymarket.identity(7, 0, "layout")
    assert toymarket.identity(7) != toymarket.identity(7, seed=1)
    assert toymarket.identity(7) != toymarket.identity(7, cues="global")
