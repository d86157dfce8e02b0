"""The columns of a training run's log: one row for each iteration."""

from __future__ import annotations

Row = dict[str, float]


History = list[Row]


COLUMNS = (
    "iteration",
    "epoch",
    "lr",
    "total",
    "ranking",
    "part",
    "global",
    "active",
    "grad_norm",
    "clipped",
    "seconds",
)
