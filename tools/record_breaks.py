"""Ten trainings with one planted bug each, and three without: the break-it gallery.

    python tools/record_breaks.py [NAME ...]

Each run is the preset toy for 10 epochs on ToyMarket, 100 training pids held out and
ranked at the end. The bug is planted from outside, by replacing one function or one
setting; dplib itself has no switch for it. Curves (means over ten iterations) and
results go to dplib/assets/records/breaks.json as each run ends; a run that is there is
not made again. Lesson 5 shows the curves without the names.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import (
    datasets,
    descriptors,
    evaluation,
    files,
    losses,
    presets,
    sampling,
    training,
)
from dplib.evidence import provenance
from dplib.model import DeepPerson
from dplib.presets import Preset
from dplib.samples import ReIDData

OUT = ROOT / "dplib/assets/records/breaks.json"
EPOCHS, VAL_PIDS, MEAN_OVER = 10, 100, 10
BATCH_HARD = losses.batch_hard_triplet  # as it is before anything is planted
COLUMNS = ("ranking", "part", "global", "active", "grad_norm")


@dataclass(frozen=True)
class Bug:
    """What is wrong, what in the curves gives it away, and how it is cured."""

    what: str
    clue: str
    cure: str
    settings: dict[str, Any] | None = None  # in place of the preset's
    data: Callable[[ReIDData], ReIDData] | None = None
    training: Callable[[], contextlib.AbstractContextManager[Any]] | None = None
    testing: Callable[[], contextlib.AbstractContextManager[Any]] | None = None
    seed: int = 0


def shuffled(data: ReIDData) -> ReIDData:
    """The training images with each other's pids."""
    order = np.random.default_rng(0).permutation(len(data.train))
    train = [
        s._replace(pid=data.train[j].pid)
        for s, j in zip(data.train, order, strict=True)
    ]
    return replace(data, train=train)


class OneImage(sampling.PKSampler):
    """Batches in which each pid's first image stands K times."""

    def __iter__(self) -> Iterator[list[int]]:
        for batch in super().__iter__():
            yield [batch[i - i % self.k] for i in range(len(batch))]


def squared(features: Tensor) -> Tensor:
    """Squared distances where distances were asked for."""
    return torch.cdist(features, features).square()


def flipped(fm: Tensor, labels: Tensor, margin: float = 0.5) -> losses.TripletResult:
    """The hinge with both distances' signs turned."""
    right = BATCH_HARD(fm, labels, margin)
    hinge = (margin - right.hardest_positive + right.hardest_negative).clamp(min=0)
    return right._replace(loss=hinge.mean(), active=(hinge > 0).float().mean())


def train_but_for_batchnorm(model: DeepPerson, mode: bool = True) -> DeepPerson:
    """model.train() that leaves BatchNorm in eval mode."""
    nn.Module.train(model, mode)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
            m.eval()
    return model


def keep_gradients(self: torch.optim.Optimizer, set_to_none: bool = True) -> None:
    """zero_grad that does nothing."""


def no_statistics(images: Tensor) -> Tensor:
    """Pixels in [0, 1] without ImageNet's mean and standard deviation."""
    return images.float() / 255


BUGS: dict[str, Bug] = {
    "healthy, seed 0": Bug(
        "nothing", "all three losses fall; the share of active triplets too", "none"
    ),
    "healthy, seed 1": Bug("nothing", "as seed 0", "none", seed=1),
    "healthy, seed 2": Bug("nothing", "as seed 0", "none", seed=2),
    "squared distances": Bug(
        "the triplet loss compares squared distances, with the same margin",
        "BtR's loss and the gradient's norm start four times too high; later hardly "
        "any sign of the bug is left",
        "take the root (clamped) before the margin is added",
        training=lambda: patch.object(losses, "pairwise_distances", squared),
    ),
    "one image a person": Bug(
        "each pid's K images in a batch are one image, K times",
        "the positives are crops of one picture, so that soon hardly any triplet is "
        "active; the other two losses fall more slowly, and the result on other "
        "pictures is poor",
        "draw K different images of each pid, from several cameras",
        training=lambda: patch.object(training, "PKSampler", OneImage),
    ),
    "shuffled labels": Bug(
        "images and pids were put together in the wrong order",
        "nothing can be learned except each picture by heart: both identification "
        "losses hardly leave the level of guessing, and every triplet stays active",
        "keep image and pid in one record, and look at a batch before training",
        data=shuffled,
    ),
    "statistics at training only": Bug(
        "test images are not normalised with ImageNet's mean and standard deviation",
        "the curves are those of the healthy run with the same seed, number for "
        "number, but the result is worse",
        "use one function for training and test, such as transforms.normalise",
        testing=lambda: patch.object(
            descriptors.transforms, "normalise", no_statistics
        ),
    ),
    "flipped sign": Bug(
        "the triplet loss pulls negatives near and pushes positives away",
        "BtR's loss is near 0 from the first step, because the hardest positive is "
        "farther away than the hardest negative in an untrained net, and the flipped "
        "loss asks for nothing else; it rises when the identification losses pull "
        "each person's pictures together, and these losses fall slowly",
        "margin + positive - negative",
        training=lambda: patch.object(losses, "batch_hard_triplet", flipped),
    ),
    "last stride 2": Bug(
        "the backbone's last stage halves the map: 4 rows by 2 columns, not 8 by 4",
        "BpI is behind every healthy run, while the other losses end as low and the "
        "result is as good; the shape of fb shows the bug",
        "last_stride=1 at 128 x 64 pixels; print fb.shape",
        settings={"last_stride": 2},
    ),
    "frozen BatchNorm": Bug(
        "BatchNorm stays in eval mode while the net trains from random weights",
        "nothing moves: BtR stays at the margin and both identification losses at "
        "guessing, with tiny gradients",
        "call model.train() after every evaluation",
        training=lambda: patch.object(DeepPerson, "train", train_but_for_batchnorm),
    ),
    "learning rate x 30": Bug(
        "a learning rate of 0.045 where 0.0015 was meant",
        "the identification losses jump above guessing at first, and BtR falls to the "
        "margin and stays there",
        "use the recipe's rate; a warm-up helps with large rates",
        settings={"lr": 0.045},
    ),
    "gradients never zeroed": Bug(
        "nobody calls optimiser.zero_grad(), so that each gradient is added to all "
        "earlier ones",
        "the gradient's norm is at the clipping limit, 50, from start to end, and BpI "
        "becomes worse than guessing",
        "call zero_grad before each backward",
        training=lambda: patch.object(torch.optim.Adam, "zero_grad", keep_gradients),
    ),
    "linear head": Bug(
        "the identification heads have no BatchNorm before the classifier",
        "both identification losses stay at guessing and BtR falls to the margin: no "
        "branch wakes the others",
        'head="bn"',
        settings={"head": "linear"},
    ),
}


def run(name: str, bug: Bug) -> dict[str, Any]:
    """Train with the bug, describe and rank the held-out people, and report."""
    preset: Preset = replace(presets.get("toy"), **(bug.settings or {}))
    data = datasets.load("toymarket", ROOT / "data", val_pids=VAL_PIDS)
    learned = bug.data(data) if bug.data else data
    nothing = contextlib.nullcontext
    with tempfile.TemporaryDirectory() as folder, (bug.training or nothing)():
        found = training.train(
            preset, learned, folder, epochs=EPOCHS, seed=bug.seed, device="cpu"
        )
    with (bug.testing or nothing)():
        query, gallery = (
            descriptors.extract(found.model, s, device="cpu", progress=False)
            for s in (data.query, data.gallery)
        )
    result = evaluation.evaluate(query, gallery)
    n = len(found.history) // MEAN_OVER * MEAN_OVER
    curves = {
        c: np.array([h[c] for h in found.history[:n]]).reshape(-1, MEAN_OVER).mean(1)
        for c in COLUMNS
    }
    return {
        "what": bug.what,
        "clue": bug.clue,
        "cure": bug.cure,
        "seed": bug.seed,
        "rank1": round(result.rank1, 4),
        "map": round(result.map, 4),
        "curves": {c: [float(f"{x:.4g}") for x in y] for c, y in curves.items()},
    }


def put(done: dict[str, Any]) -> None:
    done["runs"] = {k: done["runs"][k] for k in BUGS if k in done["runs"]}
    files.write(OUT, json.dumps(done) + "\n")


def main(names: list[str]) -> None:
    done = json.loads(OUT.read_text("utf-8")) if OUT.is_file() else {"runs": {}}
    for name, kept in done["runs"].items():  # words may be mended without a run
        kept |= {key: getattr(BUGS[name], key) for key in ("what", "clue", "cure")}
    for name in names or list(BUGS):
        if name in done["runs"]:
            continue
        print(name, flush=True)
        done["runs"][name] = run(name, BUGS[name])
        done |= {
            "command": "python tools/record_breaks.py",
            "num_ids": 600 - VAL_PIDS,
            "mean over": MEAN_OVER,
            "epochs": EPOCHS,
            **provenance.circumstances(),
        }
        put(done)
        print({k: done["runs"][name][k] for k in ("rank1", "map")}, flush=True)
    put(done)


if __name__ == "__main__":
    main(sys.argv[1:])
