"""The three losses of Deep-Person and their weighted sum (§3.4, §3.5).

L = λ1 L_trp + λ2 L_cls_p + λ3 L_cls_g (equation 3), all λ = 1 in the paper.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import DplibError
from dplib.model import Outputs


class TripletResult(NamedTuple):
    """Equation 1 for one batch of N = PK anchors."""

    loss: Tensor  # scalar
    hardest_positive: Tensor  # [N] max D(anchor, positives)
    hardest_negative: Tensor  # [N] min D(anchor, negatives)
    active: Tensor  # scalar, share of anchors whose hinge is above 0


def pairwise_distances(features: Tensor) -> Tensor:
    """Compute the Euclidean distances D between all images of a batch (equation 1).

    From |a - b|² = |a|² + |b|² - 2 a·b, which needs one matrix product.

    Args:
        features: [N, C].

    Returns:
        [N, N], at least 1e-6, so that the root has a finite gradient.
    """
    squares = features.square().sum(1)  # [N]
    # [N, N]: |a|² + |b|² in every cell, then the product subtracted twice
    d2 = torch.addmm(squares[:, None] + squares, features, features.T, alpha=-2)
    # Rounding can make a square negative, and the slope of the root is infinite at 0.
    return d2.clamp(min=1e-12).sqrt()


def batch_hard_triplet(
    fm: Tensor, labels: Tensor, margin: float = 0.5
) -> TripletResult:
    """Batch-hard triplet loss (equation 1): mean of [m + max D(a, p) - min D(a, n)]₊.

    Args:
        fm: Descriptors [N, C].
        labels: Identities [N], integers.
        margin: m, in units of D, the Euclidean distance (not squared).

    Raises:
        DplibError: An anchor has no positive or no negative in the batch, or the
            shapes do not fit.

    Example:
        >>> fm = torch.tensor([[0.0], [1.0], [4.0], [9.0]])
        >>> result = batch_hard_triplet(fm, torch.tensor([0, 0, 1, 1]))
        >>> result.loss  # 0.5 + 5 - 3 for the third anchor, 0 for the others
        tensor(0.6250)
    """
    if fm.ndim != 2 or labels.shape != fm.shape[:1]:
        raise DplibError(
            f"batch_hard_triplet: expected fm [N, C] and labels [N], got "
            f"{tuple(fm.shape)} and {tuple(labels.shape)}"
        )
    same = labels[:, None] == labels  # [N, N]
    positive = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    alone = ~positive.any(1)  # [N]
    if alone.any():
        raise DplibError(
            f"batch_hard_triplet: label {labels[alone][0].item()} has one image in the "
            "batch, so no positive; use a PK batch with K ≥ 2"
        )
    if same.all():
        raise DplibError(
            "batch_hard_triplet: all images have one label, so there is no negative; "
            "use a PK batch with P ≥ 2"
        )
    distances = pairwise_distances(fm.float())  # [N, N], in float32 under autocast too
    # for each anchor (a row), the farthest positive and the nearest negative: [N]
    hardest_positive = distances.masked_fill(~positive, -torch.inf).amax(1)
    hardest_negative = distances.masked_fill(same, torch.inf).amin(1)
    hinge = (margin + hardest_positive - hardest_negative).clamp(min=0)  # [N]
    return TripletResult(
        hinge.mean(), hardest_positive, hardest_negative, (hinge > 0).float().mean()
    )


def identification(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy (equation 2), mean over images.

    Args:
        logits: [N, Nc], or [N, H, Nc] for one classifier per row, averaged over rows.
        labels: Classes [N], integers in [0, Nc).

    Example:
        >>> identification(torch.zeros(1, 10), torch.tensor([3]))  # at chance: ln Nc
        tensor(2.3026)
    """
    if logits.ndim == 3:
        labels = labels[:, None].expand(logits.shape[:2]).flatten()  # [N] → [N·H]
        logits = logits.flatten(0, 1)  # [N, H, Nc] → [N·H, Nc]
    return F.cross_entropy(logits.float(), labels)


class LossParts(NamedTuple):
    """The weighted sum, and its parts unweighted; None where a branch is absent."""

    total: Tensor
    ranking: Tensor | None
    part: Tensor | None
    global_: Tensor | None
    triplet: TripletResult | None


def deep_person_loss(
    outputs: Outputs,
    labels: Tensor,
    weights: tuple[float, float, float] = (1, 1, 1),
    margin: float = 0.5,
    *,
    ranking: bool = True,
) -> LossParts:
    """The weighted sum of equation 3, over the branches that ``outputs`` holds.

    Args:
        outputs: What the model gave for a batch of N images.
        labels: Classes [N], integers in [0, Nc).
        weights: λ1 of BtR, λ2 of BpI, λ3 of BgI. The loss of a branch with weight 0 is
            reported, but the branch gets no gradient at all.
        margin: m of equation 1.
        ranking: False leaves BtR out, for a model without it (which has fm too).

    Raises:
        DplibError: No branch is left to train.
    """
    triplet = batch_hard_triplet(outputs.fm, labels, margin) if ranking else None
    part, global_ = (
        None if logits is None else identification(logits, labels)
        for logits in (outputs.part_logits, outputs.global_logits)
    )
    parts = (triplet.loss if triplet else None, part, global_)
    # A branch of weight 0 is left out of the sum, not multiplied by 0: even with a zero
    # gradient, Adam's weight decay would shrink its weights.
    terms = [w * x for w, x in zip(weights, parts, strict=True) if x is not None and w]
    if not terms:
        raise DplibError("deep_person_loss: the model has no branch to train")
    return LossParts(torch.stack(terms).sum(), *parts, triplet)
