"""Short runs that watch the part branch: does BpI learn, or does it sleep?

A branch sleeps while its loss stays at ln Nc, the loss of guessing. Lesson 3 makes
runs of a few dozen iterations; ``tools/record_heads.py`` makes longer ones and several
seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dplib import DplibError
from dplib.losses import LossParts
from dplib.model import DeepPerson, Outputs
from dplib.presets import Preset
from dplib.sampling import PKSampler
from dplib.training import feed, step

Row = dict[str, float]
COLUMNS = ("part", "global", "ranking", "spread", "reach", "reach_global")


def spread(outputs: Tensor) -> float:
    """How far outputs [N, H, U] differ between the N images: standard deviation over
    the images, then the mean over the H·U values."""
    return float(outputs.detach().flatten(1).std(0).mean())


def run(
    preset: Preset,
    images: Tensor,
    labels: Sequence[int],
    iterations: int,
    *,
    seed: int = 0,
    change: Callable[[DeepPerson], object] | None = None,
    until: Callable[[Sequence[Row]], bool] | None = None,
) -> tuple[DeepPerson, list[Row]]:
    """Train all three branches for a few iterations, at the preset's constant lr.

    images: uint8 [N, 3, h, w]; labels: N classes in [0, Nc). Weights, batches and
    augmentation follow from the seed, as in ``training``; the same seed gives every
    head the same backbone and the same batches. change(model) may alter the model, in
    train mode, before the first iteration. until(rows so far) ends the run early.
    A row per iteration: the losses ``part``, ``global`` and ``ranking``, the
    ``spread`` of the O_t over the batch, and the norms of the gradients that L_cls_p
    (``reach``) and L_cls_g (``reach_global``) send to fb.
    Raises DplibError for labels that do not run from 0 to Nc - 1, a model without the
    three branches, or fewer than one iteration.
    """
    classes = len(set(labels))
    if sorted(set(labels)) != list(range(classes)):
        raise DplibError(
            f"labels: {classes} classes, expected the numbers 0 to {classes - 1}; "
            "number the pids anew"
        )
    if len(preset.branches) != 3 or iterations < 1:
        raise DplibError(
            f"a run of {iterations} iterations with {preset.branches}: expected at "
            "least one iteration, and the branches part, global and ranking"
        )
    model = preset.build_model(classes, seed=seed).train()
    if change is not None:
        change(model)
    optimiser = torch.optim.Adam(
        model.parameters(), lr=preset.lr, weight_decay=preset.weight_decay
    )
    sampler = PKSampler(labels, preset.p, preset.k, seed)
    target = torch.tensor(labels)
    caught: list[Tensor] = []
    hook = model.backbone.register_forward_hook(lambda m, x, fb: caught.append(fb))
    history: list[Row] = []

    def look(out: Outputs, loss: LossParts) -> None:
        fb = caught.pop()
        assert loss.part is not None and loss.global_ is not None
        assert loss.ranking is not None and out.part_outputs is not None
        history.append(
            {
                "part": loss.part.item(),
                "global": loss.global_.item(),
                "ranking": loss.ranking.item(),
                "spread": spread(out.part_outputs),
                "reach": _reach(loss.part, fb),
                "reach_global": _reach(loss.global_, fb),
            }
        )

    cpu, lambdas = torch.device("cpu"), preset.loss_weights
    for i in range(iterations):
        epoch, b = divmod(i, len(sampler))
        if b == 0:
            sampler.set_epoch(epoch)
            batches = iter(sampler)
        x, y = feed(images, target, next(batches), preset, (seed, epoch, b), cpu)
        step(model, optimiser, x, y, preset, preset.lr, lambdas, look=look)
        if until is not None and until(history):
            break
    hook.remove()
    return model, history


def _reach(loss: Tensor, fb: Tensor) -> float:
    (slope,) = torch.autograd.grad(loss, fb, retain_graph=True)
    return float(slope.norm())


def means(history: Sequence[Row], size: int) -> dict[str, list[float]]:
    """Each column of the history, averaged over blocks of ``size`` iterations."""
    blocks = [history[i : i + size] for i in range(0, len(history), size)]
    return {key: [sum(r[key] for r in b) / len(b) for b in blocks] for key in COLUMNS}


def woke(losses: Sequence[float], num_ids: int, block: int, fall: float = 0.5) -> float:
    """The iteration at which a branch is awake, or infinity.

    losses: means over blocks of ``block`` iterations. Awake means that the loss has
    fallen by ``fall`` nats below ln ``num_ids``, the loss of guessing, for the first
    time; the iteration is the end of that block.
    """
    below = (i for i, x in enumerate(losses, 1) if x < math.log(num_ids) - fall)
    return block * next(below, math.inf)
