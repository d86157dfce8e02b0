"""Ways to choose triplets from a batch, and a flat embedding on which to watch them.

``losses.batch_hard_triplet`` is the paper's choice (§3.4); its rivals are here, for
lesson 4. The embedding has no net: each picture has two coordinates of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dplib import DplibError
from dplib.losses import pairwise_distances
from dplib.sampling import PKSampler

MINING = ("hard", "all", "random")


class Triplets(NamedTuple):
    """Row numbers [T] of each triplet's three members in the batch."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


def mine(
    distances: Tensor, labels: Tensor, how: str = "hard", *, seed: int = 0
) -> Triplets:
    """The triplets of a batch, from its distances [N, N] and labels [N].

    how: ``"hard"``, the farthest positive and the nearest negative of each anchor
    (equation 1); ``"all"``, every valid triplet; ``"random"``, one positive and one
    negative for each anchor, drawn by ``seed``.
    Raises DplibError for another word, and for an anchor without positive or negative.
    """
    n = len(labels)
    same = labels[:, None] == labels
    positive = same & ~torch.eye(n, dtype=torch.bool)
    if not positive.any(1).all() or same.all():
        raise DplibError(
            f"mine: labels {labels.tolist()} leave an anchor without a positive or a "
            "negative; use a PK batch with P ≥ 2 and K ≥ 2"
        )
    if how == "all":
        return Triplets(*(positive[:, :, None] & ~same[:, None]).nonzero().unbind(1))
    if how == "hard":
        far = near = distances.detach()
    elif how == "random":
        generator = torch.Generator().manual_seed(seed)
        far, near = torch.rand(2, n, n, generator=generator)
    else:
        raise DplibError(f"mine: how={how!r} is none of {', '.join(MINING)}")
    return Triplets(
        torch.arange(n),
        far.masked_fill(~positive, -torch.inf).argmax(1),
        near.masked_fill(same, torch.inf).argmin(1),
    )


@dataclass(frozen=True)
class Settings:
    """How a step of the embedding trains."""

    mining: str = "hard"
    margin: float = 0.5
    p: int = 4
    k: int = 4
    squared: bool = False  # squared distances in the hinge


class Look(NamedTuple):
    """The state of a step before any point moves."""

    batch: Tensor  # [PK] numbers of the points drawn
    triplets: Triplets  # rows of the batch
    hinge: Tensor  # [T] one per triplet; it is active above 0
    loss: Tensor  # scalar, their mean
    active: float  # share of them


class FlatEmbedding:
    """``pids`` · ``images`` points in the plane, trained by triplets of PK batches.

    ``trace[t]`` [N, 2] are the points after t steps, ``losses[t]`` what step t saw;
    ``labels`` [N]. The start and all batches depend on the seed and the step alone. A
    step moves the points down the slope of the *sum* over the batch's anchors, ``rate``
    for each.
    """

    def __init__(self, pids: int = 6, images: int = 6, *, seed: int = 0) -> None:
        self.labels = torch.arange(pids).repeat_interleave(images)
        self.seed, self.rate = seed, 0.1
        generator = torch.Generator().manual_seed(seed)
        self.trace = [torch.randn(pids * images, 2, generator=generator)]
        self.losses: list[float] = []

    def batch(self, step: int, p: int, k: int) -> Tensor:
        """Numbers [PK] of the points that step number ``step`` draws."""
        sampler = PKSampler(self.labels.tolist(), p, k, self.seed)
        sampler.set_epoch(step)
        return torch.tensor(next(iter(sampler)))

    def look(self, step: int, settings: Settings, points: Tensor | None = None) -> Look:
        """Batch, triplets and loss at the points after ``step`` steps."""
        points = self.trace[step] if points is None else points
        batch = self.batch(step, settings.p, settings.k)
        distances = pairwise_distances(points[batch])
        labels = self.labels[batch]
        triplets = mine(distances, labels, settings.mining, seed=step)
        d = distances.square() if settings.squared else distances
        a, p, n = triplets
        hinge = (settings.margin + d[a, p] - d[a, n]).clamp(min=0)
        share = (hinge > 0).float().mean().item()
        return Look(batch, triplets, hinge, hinge.mean(), share)

    def train(self, until: int, settings: Settings) -> None:
        """Take steps up to number ``until``; earlier ones are not taken again."""
        while len(self.trace) <= until:
            points = self.trace[-1].clone().requires_grad_()
            look = self.look(len(self.trace) - 1, settings, points)
            (slope,) = torch.autograd.grad(look.loss, points)
            self.losses.append(look.loss.item())
            self.trace.append(self.trace[-1] - self.rate * len(look.batch) * slope)

    def rewind(self, step: int) -> None:
        """Forget what came after ``step`` steps."""
        del self.trace[step + 1 :], self.losses[step:]
