"""Sliders for the weights λ of the three losses, drawn by ``figures``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import ipywidgets
from torch import Tensor

from dplib import DplibError
from dplib.lessons import view
from dplib.lessons.blstm_branch import shortruns
from dplib.lessons.training import figures
from dplib.lessons.training.branchgrads import NAMES
from dplib.lessons.training.figures import BRANCHES
from dplib.presets import Preset

Weights = tuple[float, float, float]
Columns = dict[str, list[float]]
ONES: Weights = (1.0, 1.0, 1.0)
BLOCK = 5


def short_run(
    preset: Preset,
    images: Tensor,
    labels: Sequence[int],
    weights: Weights,
    iterations: int = 30,
) -> Columns:
    """``shortruns.run`` with these λ; columns are means over ``BLOCK`` iterations."""
    changed = replace(preset, loss_weights=weights)
    _, rows = shortruns.run(changed, images, labels, iterations)
    return shortruns.means(rows, BLOCK)


def lambda_sliders(
    preset: Preset,
    images: Tensor,
    labels: Sequence[int],
    *,
    iterations: int = 30,
    known: Mapping[Weights, Columns] | None = None,
) -> ipywidgets.Widget:
    """Set λ1, λ2, λ3; when a slider is released, a net is trained from scratch.

    images: uint8 [N, 3, h, w]; labels: N classes in [0, Nc). The run is drawn beside
    the one with all λ = 1. known: runs that exist already, weights → ``short_run``;
    each setting is trained once.
    """
    made: dict[Weights, Columns] = dict(known or {})
    names = ("λ1 BtR", "λ2 BpI", "λ3 BgI")
    sliders = [view.slider(name, 0, 5, 1, step=0.25) for name in names]
    page = view.View(sliders)

    def columns(weights: Weights) -> Columns:
        if weights not in made:
            made[weights] = short_run(preset, images, labels, weights, iterations)
        return made[weights]

    def draw() -> None:
        weights = (sliders[0].value, sliders[1].value, sliders[2].value)
        if not any(weights):
            raise DplibError(
                "All three weights are 0: there is nothing to train. Raise one."
            )
        if weights not in made:
            page.say(f"{_lambdas(weights)}: training …")
        runs = {"all λ = 1": columns(ONES), "the sliders'": columns(weights)}
        page.say(describe(weights, runs["the sliders'"]))
        page.show(figures.loss_curves(runs, len(set(labels)), BLOCK))

    return page.follow(draw)


def describe(weights: Weights, columns: Mapping[str, Sequence[float]]) -> str:
    """λ, and each loss, unweighted, over the last block of iterations."""
    ends = [f"{BRANCHES[n][0].split(',')[0]} {columns[n][-1]:.3f}" for n in NAMES]
    return f"{_lambdas(weights)}: at the end {', '.join(ends)}"


def _lambdas(weights: Weights) -> str:
    return "λ = " + ", ".join(f"{w:g}" for w in weights)
