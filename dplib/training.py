"""Training (§3.5, §4.1): the three losses together, Adam, clipping, TriNet's decay.

An epoch is ⌊Nc / P⌋ batches. Initialisation, batches and augmentation draw from
separate generators, keyed by (seed, epoch, batch): a run that is stopped at any moment
and resumed ends with the same weights, to the bit, as one that is not. What a run
keeps on disk and how it is watched and stopped stands in ``running``.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from dplib import DplibError, seeds, transforms
from dplib.descriptors import pick_device
from dplib.losses import LossParts, deep_person_loss
from dplib.model import DeepPerson, Outputs
from dplib.presets import Preset
from dplib.running.log import TrainingLog, TrainResult
from dplib.running.rows import COLUMNS as COLUMNS
from dplib.running.rows import History
from dplib.samples import ReIDData
from dplib.sampling import PKSampler
from dplib.transforms import augment


def learning_rate(preset: Preset, epoch: float) -> float:
    """lr until ``decay_start`` s, then lr · 0.001^((e - s) / (epochs - s)), as TriNet.

    Args:
        preset: The recipe.
        epoch: Epochs done, fractional within one: e.

    >>> from dplib import presets
    >>> [f"{learning_rate(presets.get('paper'), e):.3g}" for e in (0, 100, 125)]
    ['0.0003', '0.0003', '9.49e-06']
    """
    if epoch <= preset.decay_start:
        return preset.lr
    span = max(preset.epochs - preset.decay_start, 1)
    return float(preset.lr * 0.001 ** ((epoch - preset.decay_start) / span))


def with_epochs(preset: Preset, epochs: int) -> Preset:
    """The preset stretched or shortened: the decay starts at the same share of it."""
    if epochs < 1:
        raise DplibError(f"epochs={epochs}: expected at least 1")
    start = round(preset.decay_start * epochs / preset.epochs)
    return replace(preset, epochs=epochs, decay_start=start)


def adam(model: DeepPerson, preset: Preset) -> torch.optim.Adam:
    """The paper's optimiser (§4.1) for all parameters of the model."""
    device = next(model.parameters()).device
    return torch.optim.Adam(
        model.parameters(),
        lr=preset.lr,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=preset.weight_decay,
        fused=device.type in ("cpu", "cuda"),  # one kernel for all parameters
    )


def step(
    model: DeepPerson,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    preset: Preset,
    lr: float,
    lambdas: tuple[float, float, float],
    *,
    look: Callable[[Outputs, LossParts], None] | None = None,
) -> tuple[LossParts, Tensor]:
    """Update the weights once, from one batch (equation 3, §3.5).

    Args:
        model: In train mode.
        optimiser: Of the model's parameters.
        images: float32 [N, 3, h, w], augmented and normalised.
        labels: Classes in [0, Nc), [N].
        preset: The recipe: margin, clipping, precision.
        lr: Learning rate of this step.
        lambdas: (λ1, λ2, λ3), the weights of ranking, part and global loss.
        look: Called with outputs and losses before the backward pass.

    Returns:
        The losses, and the norm of the gradient before clipping.
    """
    for group in optimiser.param_groups:
        group["lr"] = lr

    with torch.autocast(images.device.type, torch.bfloat16, enabled=preset.autocast):
        outputs = model(images)
    loss = deep_person_loss(
        outputs, labels, lambdas, preset.margin, ranking="ranking" in preset.branches
    )
    if look is not None:
        look(outputs, loss)

    # None and not 0: Adam leaves a parameter without gradient as it is, while with a
    # gradient of 0 its weight decay would shrink the weights of an inactive branch
    optimiser.zero_grad(set_to_none=True)
    loss.total.backward()

    # the paper clips against the explosion of the LSTM's gradients
    limit = math.inf if preset.clip_norm is None else preset.clip_norm
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
    optimiser.step()
    return loss, norm


def feed(
    images: Tensor,
    labels: Tensor,
    batch: Sequence[int],
    preset: Preset,
    key: tuple[int, int, int],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """A batch as ``step`` takes it, from all images in memory.

    Args:
        images: uint8 [N, 3, h, w], the training set.
        labels: Classes in [0, Nc), [N].
        batch: Indices of P · K images.
        preset: The recipe of the augmentation.
        key: (seed, epoch, batch): what seeds it.
        device: Where the model is.

    Returns:
        Images float32 [P · K, 3, h, w] and labels [P · K] on the device.
    """
    index = torch.tensor(batch)
    picked = images.index_select(0, index).to(device)  # 8 times faster than [index]
    return augment(picked, preset, key), labels[index].to(device)


def train(
    preset: Preset,
    data: ReIDData,
    out: str | Path,
    *,
    seed: int = 0,
    resume: bool = True,
    device: str | torch.device = "auto",
    epochs: int | None = None,
    weights: str | Path | None = "preset",
    progress: bool = True,
    callback: Callable[[History], None] | None = None,
) -> TrainResult:
    """Train ``preset`` on ``data.train``; checkpoint and log.csv go to the folder out.

    Interrupt (Ctrl-C, the notebook's stop button) ends the batch under way, saves, and
    returns with ``interrupted=True``.

    Args:
        preset: The recipe.
        data: Every training pid needs two images.
        out: Folder of this run.
        seed: Of the initial weights, the batches and their augmentation.
        resume: Go on from the folder's checkpoint, which must be of this very run.
            False starts the run over. The checkpoint is then kept until the first
            epoch is saved, and that of another run is not overwritten.
        device: "auto" is CUDA where there is one, else the CPU.
        epochs: In place of the preset's, see ``with_epochs``.
        weights: In place of the preset's initial weights.
        progress: Whether to show how far it is.
        callback: Called with the history after each epoch.

    Raises:
        DplibError: A pid has one image only, P is larger than the number of pids, the
            folder holds another run, the seed is none, or a loss is not finite.
    """
    seed = seeds.check(seed)
    preset = preset if epochs is None else with_epochs(preset, epochs)
    where = pick_device(device)
    pids, classes = _pids(data), data.labels
    sampler = PKSampler(pids, preset.p, preset.k, seed)
    log = _Run(preset, data, Path(out), seed, where, weights)
    model, optimiser = log.model, log.optimiser
    total = preset.epochs * len(sampler)
    with ExitStack() as stack:
        stack.enter_context(log.alone())
        if resume:
            log.restore()
        else:
            log.check_own()
        if log.iterations == total:
            return log.result(interrupted=False)

        # all images stay in memory, so that a step costs its arithmetic alone
        images = transforms.decode(data.train, preset.image_size, progress=progress)
        labels = torch.tensor([classes[pid] for pid in pids])
        stop = stack.enter_context(log.watched(total, progress=progress))
        for epoch in range(log.iterations // len(sampler), preset.epochs):
            sampler.set_epoch(epoch)
            model.train()
            alone = epoch < preset.ranking_only_epochs  # BtR, as the authors begin
            lambdas = (preset.loss_weights[0], 0, 0) if alone else preset.loss_weights
            for b, batch in enumerate(sampler):
                iteration = epoch * len(sampler) + b
                if iteration < log.iterations:
                    continue  # done before the run was interrupted
                start = time.perf_counter()
                # x stays alive until the next one is there: freed earlier, its memory
                # would go back to the system and be fetched anew at every step
                x, y = feed(images, labels, batch, preset, (seed, epoch, b), where)
                lr = learning_rate(preset, iteration / len(sampler))
                if iteration < preset.warmup:
                    lr *= (iteration + 1) / preset.warmup
                loss, norm = step(model, optimiser, x, y, preset, lr, lambdas)
                log.add(epoch, lr, loss, norm, start)
                if stop.is_set():
                    log.save()
                    return log.result(interrupted=True)

            log.save()
            log.warn_if_asleep(len(sampler))
            if callback is not None:
                callback(log.history)
            if stop.is_set():
                return log.result(interrupted=True)
    return log.result(interrupted=False)


class _Run(TrainingLog):
    """A run that begins: its model and optimiser, built as asked, and its log."""

    def __init__(
        self,
        preset: Preset,
        data: ReIDData,
        out: Path,
        seed: int,
        device: torch.device,
        weights: str | Path | None,
    ) -> None:
        model = preset.build_model(len(data.labels), weights=weights, seed=seed)
        model = model.to(device)
        super().__init__(out, model, adam(model, preset), preset, data, seed, weights)


def _pids(data: ReIDData) -> list[int]:
    """Pids of the training images; DplibError if one of them has one image only."""
    pids = [s.pid for s in data.train]
    if not pids:
        raise DplibError(
            f"{data.name} at {data.root} has no training images; evaluate on it, or "
            "give a split with people to train on"
        )
    lone = sorted(pid for pid, n in Counter(pids).items() if n == 1)
    if lone:
        first = next(s.path for s in data.train if s.pid == lone[0])
        raise DplibError(
            f"{data.name}: {len(lone):,} of {len(set(pids)):,} people to train on have "
            f"one image only, the first is {data.pid_names.get(lone[0], lone[0])!r} "
            f"({first}); such an image is its own only positive. Leave them out with "
            "data.drop_single_images(), or add images of them"
        )
    return pids
