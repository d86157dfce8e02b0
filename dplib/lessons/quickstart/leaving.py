"""When an identification loss falls below that of a classifier that guesses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

SHARE, WINDOW = 0.9, 50


def iteration(losses: Sequence[float], num_ids: int) -> int | None:
    """The first iteration whose running mean is below 90 % of the loss of guessing.

    Args:
        losses: Of each iteration, from iteration 0 on.
        num_ids: Nc, the number of classes: guessing has a loss of ln Nc.

    Returns:
        The number of iterations done, of which the last ``WINDOW`` are averaged; None
        when the mean never falls so low.
    """
    sums = np.cumsum([0.0, *losses])
    means = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    low = np.flatnonzero(means < SHARE * math.log(num_ids))
    return int(low[0]) + WINDOW if len(low) else None
