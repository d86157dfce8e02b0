"""Training (§3.5, §4.1): the three losses together, Adam, clipping, TriNet's decay.

An epoch is ⌊Nc / P⌋ batches. Initialisation, batches and augmentation each draw from
generators keyed by (seed, epoch, batch): a run that was stopped at any moment and
resumed ends with the same weights, to the bit, as one that was not.
"""

from __future__ import annotations

import csv
import json
import math
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dplib import DplibError, files, transforms
from dplib.checkpoints import CheckpointError, load_state
from dplib.descriptors import pick_device
from dplib.losses import LossParts, deep_person_loss
from dplib.model import DeepPerson
from dplib.presets import Preset, as_record, with_defaults
from dplib.samples import ReIDData
from dplib.sampling import PKSampler

History = list[dict[str, float]]
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


@dataclass
class TrainResult:
    """history: one row per iteration, keys ``COLUMNS`` (NaN where a branch is absent).

    ``clipped_share`` is the share of iterations whose gradient was clipped.
    """

    model: DeepPerson
    history: History
    checkpoint: Path
    interrupted: bool

    @property
    def seconds(self) -> float:
        """What the iterations took together, in all sittings."""
        return float(sum(h["seconds"] for h in self.history))

    @property
    def clipped_share(self) -> float:
        """Share of iterations in which the gradient's norm was above the limit."""
        return float(np.mean([h["clipped"] for h in self.history]))


def learning_rate(preset: Preset, epoch: float) -> float:
    """lr until ``decay_start`` s, then lr · 0.001^((e - s) / (epochs - s)), as TriNet.

    epoch: epochs done, fractional within one.
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


def augment(images: Tensor, preset: Preset, key: tuple[int, ...]) -> Tensor:
    """Random crop, resize and mirror, then normalise: uint8 [N, 3, h, w] → float32.

    key: what seeds the draw, (seed, epoch, batch).
    """
    rng = np.random.default_rng([*key, 0x415547])
    boxes = transforms.draw_crops(
        len(images),
        (images.shape[2], images.shape[3]),
        rng,
        scale=preset.crop_scale,
        ratio=preset.crop_ratio,
        log_ratio=preset.log_ratio,
    )
    flips = rng.random(len(images)) < preset.flip
    return transforms.normalise(
        transforms.crop_resize_flip(images.float(), boxes, flips)
    )


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

    epochs: in place of the preset's, see ``with_epochs``. weights: in place of the
    preset's initial weights. resume: go on from the folder's checkpoint if it is of
    this very run. callback(history) is called after each epoch.
    Interrupt (Ctrl-C, the notebook's stop button) ends the batch under way, saves, and
    returns with ``interrupted=True``.
    Raises DplibError for a pid with one image, P larger than the number of pids, a
    folder that holds another run, and a loss that is not finite.
    """
    preset = preset if epochs is None else with_epochs(preset, epochs)
    run = _Run(preset, data, Path(out), seed, pick_device(device), weights)
    if resume and run.path.exists():
        run.restore()
    if run.iteration < run.total:
        images = transforms.decode(data.train, preset.image_size, progress=progress)
        interrupted = run.loop(images, progress, callback)
    else:
        interrupted = False
    run.model.eval()
    return TrainResult(run.model, run.history, run.path, interrupted)


class _Run:
    """The state of one training run, and how it is saved."""

    def __init__(
        self,
        preset: Preset,
        data: ReIDData,
        out: Path,
        seed: int,
        device: torch.device,
        weights: str | Path | None,
    ) -> None:
        pids = [s.pid for s in data.train]
        lone = sorted(pid for pid, n in Counter(pids).items() if n == 1)
        if lone:
            raise DplibError(
                f"{data.name}: {len(lone)} training pids have one image only, the "
                f"first is {lone[0]}; such an image is its own only positive. Train on "
                "data.drop_single_images()"
            )
        self.sampler = PKSampler(pids, preset.p, preset.k, seed)
        self.labels = torch.tensor([data.labels[pid] for pid in pids])
        self.num_ids = len(data.labels)
        self.preset, self.seed, self.device = preset, seed, device
        self.out, self.path = out, out / "checkpoint.pt"
        self.model = preset.build_model(self.num_ids, weights=weights, seed=seed)
        self.model.to(device)
        self.optimiser = torch.optim.Adam(
            self.model.parameters(),
            lr=preset.lr,
            betas=(0.9, 0.999),
            eps=1e-8,
            weight_decay=preset.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        self.iteration, self.history = 0, History()
        self.total = preset.epochs * len(self.sampler)
        self.identity = {  # what makes it this run and no other
            **as_record(preset),
            "data": data.name,
            "images": len(data.train),
            "seed": seed,
            "initial weights": str(preset.weights if weights == "preset" else weights),
        }
        self.pids = sorted(data.labels)
        self._warned: set[str] = set()

    # --- one iteration ------------------------------------------------------------

    def step(self, images: Tensor, batch: list[int], epoch: int, b: int) -> LossParts:
        """One batch: augment, forward, backward, clip, update; a row of history."""
        start = time.perf_counter()
        preset, model = self.preset, self.model
        index = torch.tensor(batch)
        picked = images.index_select(0, index).to(self.device)  # 8 x faster than [ ]
        x = augment(picked, preset, (self.seed, epoch, b))
        labels = self.labels[index].to(self.device)
        lr = learning_rate(preset, self.iteration / len(self.sampler))
        if self.iteration < preset.warmup:
            lr *= (self.iteration + 1) / preset.warmup
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        with torch.autocast(self.device.type, torch.bfloat16, enabled=preset.autocast):
            outputs = model(x)
        weights = preset.loss_weights
        if epoch < preset.ranking_only_epochs:
            weights = (weights[0], 0.0, 0.0)
        ranking = "ranking" in preset.branches
        loss = deep_person_loss(
            outputs, labels, weights, preset.margin, ranking=ranking
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        limit = math.inf if preset.clip_norm is None else preset.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit).item()
        total = loss.total.item()
        if not math.isfinite(norm + total):
            saved = f"; the last weights saved are in {self.path}"
            where = saved if self.path.exists() else ""
            raise DplibError(
                f"iteration {self.iteration}: loss {total}, gradient norm {norm}: the "
                f"run diverged{where}. Train with a lower "
                "lr or a smaller clip_norm"
            )
        self.optimiser.step()
        active = None if loss.triplet is None else loss.triplet.active
        row = [self.iteration, epoch, lr, total]
        row += [
            math.nan if x is None else x.item()
            for x in (loss.ranking, loss.part, loss.global_, active)
        ]
        row += [norm, norm > limit, time.perf_counter() - start]
        self.history.append(dict(zip(COLUMNS, map(float, row), strict=True)))
        self.iteration += 1
        return loss

    def loop(
        self,
        images: Tensor,
        progress: bool,
        callback: Callable[[History], None] | None,
    ) -> bool:
        """All iterations that are left; True when interrupted."""
        per_epoch = len(self.sampler)
        bar = tqdm(
            total=self.total,
            initial=self.iteration,
            desc="training",
            disable=not progress,
        )
        with bar, _interruptible() as stop, _tensorboard(self) as board:
            for epoch in range(self.iteration // per_epoch, self.preset.epochs):
                self.sampler.set_epoch(epoch)
                self.model.train()
                for b, batch in enumerate(self.sampler):
                    if epoch * per_epoch + b < self.iteration:
                        continue  # done before the interruption
                    self.step(images, batch, epoch, b)
                    board(self.history[-1])
                    bar.set_postfix_str(self.describe(), refresh=False)
                    bar.update()
                    if stop.is_set():
                        self.save()
                        return True
                self.save()
                self.warn_if_asleep(epoch)
                if callback is not None:
                    callback(self.history)
                if stop.is_set():
                    return True
        return False

    def describe(self) -> str:
        """The losses of the last iteration, beside what chance would give."""
        row = self.history[-1]
        names = {"ranking": "BtR", "part": "BpI", "global": "BgI"}
        text = [
            f"{short} {row[k]:.2f}"
            for k, short in names.items()
            if not math.isnan(row[k])
        ]
        return f"{' '.join(text)} | chance {math.log(self.num_ids):.2f}"

    def warn_if_asleep(self, epoch: int) -> None:
        """Warn once of a branch that two epochs of training left at ln Nc."""
        if epoch < self.preset.ranking_only_epochs + 2:
            return
        last = self.history[-len(self.sampler) :]
        for key, name in (("part", "BpI"), ("global", "BgI")):
            mean = float(np.mean([h[key] for h in last]))
            if mean >= math.log(self.num_ids) - 0.05 and key not in self._warned:
                self._warned.add(key)
                warnings.warn(
                    f"{name} is still at chance after epoch {epoch + 1}: loss "
                    f"{mean:.2f}, ln Nc = {math.log(self.num_ids):.2f}. It gives the "
                    'backbone nothing yet; head="bn" wakes it sooner',
                    stacklevel=2,
                )

    # --- on disk --------------------------------------------------------------------

    def save(self) -> None:
        """checkpoint.pt and log.csv, each written whole or not at all."""
        files.clear(self.out)
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "iteration": self.iteration,
            "config": json.dumps(self.model.config),
            "identity": json.dumps(self.identity),
            "history": json.dumps(self.history),
            "pids": self.pids,  # class i is pids[i]
            "torch": str(torch.__version__),  # its own class is no plain str
        }
        with files.replacing(self.path) as part:
            torch.save(state, part)
        with (
            files.replacing(self.out / "log.csv") as part,
            part.open("w", newline="", encoding="utf-8") as f,
        ):
            writer = csv.DictWriter(f, COLUMNS)
            writer.writeheader()
            writer.writerows(self.history)

    def restore(self) -> None:
        """Take up the checkpoint; CheckpointError if it is not of this run."""
        advice = "choose another folder, or resume=False to start over"
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            identity = with_defaults(json.loads(state["identity"]))
        except Exception as e:
            raise CheckpointError(
                f"checkpoint {self.path}: cannot be read ({type(e).__name__}); it "
                f"is truncated or was not written by dplib; {advice}"
            ) from e
        differ = [
            f"{k} was {identity.get(k)!r}, is {v!r}"
            for k, v in self.identity.items()
            if identity.get(k) != v
        ]
        if state.get("pids") != self.pids:
            differ.append("its training pids are others")
        if differ:
            raise CheckpointError(
                f"{self.path} holds another run: {'; '.join(differ)}; {advice}"
            )
        load_state(self.model, state["model"], self.path)
        self.optimiser.load_state_dict(state["optimiser"])
        self.iteration = int(state["iteration"])
        self.history = json.loads(state["history"])


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Within the block SIGINT sets the event; a second one raises as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals reach the main thread only
        return

    def ask(signum: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        tqdm.write("stopping after this batch; once more to stop at once")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _tensorboard(run: _Run) -> Iterator[Callable[[dict[str, float]], None]]:
    """A function that logs one row, where TensorBoard is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda row: None
        return
    writer = SummaryWriter(str(run.out / "tensorboard"), purge_step=run.iteration)

    def log(row: dict[str, float]) -> None:
        for key in COLUMNS[2:]:
            if not math.isnan(row[key]):
                writer.add_scalar(key, row[key], int(row["iteration"]))

    try:
        yield log
    finally:
        writer.close()
