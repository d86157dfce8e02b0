"""Seeds, and other numbers: the one check of whatever is given as one."""

from __future__ import annotations

import operator
from numbers import Integral, Real
from typing import Any

from dplib import DplibError

MOST = 2**32 - 1  # what every generator takes


def is_whole(value: Any) -> bool:
    """Whether it is a whole number of Python or of NumPy; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """Whether it is a real number of Python or of NumPy, perhaps not a finite one."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check(seed: Any) -> int:
    """The seed as a whole number; every function that takes a seed asks here.

    Args:
        seed: A whole number from 0 to ``MOST``, of Python or of NumPy.

    Raises:
        DplibError: It is anything else; the message names it.
    """
    try:
        number = -1 if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number <= MOST:
        raise DplibError(
            f"seed={seed!r}: expected a whole number from 0 to {MOST:,}; any will do, "
            "and the same one gives the same result again"
        )
    return number
