"""The three losses of Deep-Person and their weighted sum (§3.4, §3.5).

L = λ1 L_trp + λ2 L_cls_p + λ3 L_cls_g (equation 3), all λ = 1 in the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import DplibError

if TYPE_CHECKING:
    from dplib.model import Outputs


class TripletResult(NamedTuple):
    """Equation 1 for one batch of N = PK anchors."""

    loss: Tensor  # scalar
    hardest_positive: Tensor  # [N] max D(anchor, positives)
    hardest_negative: Tensor  # [N] min D(anchor, negatives)
    active: Tensor  # scalar, share of anchors whose hinge is above 0


def pairwise_distances(features: Tensor) -> Tensor:
    """Euclidean distances [N, N] between the rows of ``features`` [N, C].

    |a - b|² = |a|² + |b|² - 2 a·b; rounding can take it below 0, and the root's slope
    at 0 is infinite: the square is clamped at 1e-12 before the root.
    """
    square = features.square().sum(1)
    d2 = torch.addmm(square[:, None] + square, features, features.T, alpha=-2)
    return d2.clamp(min=1e-12).sqrt()


def batch_hard_triplet(
    fm: Tensor, labels: Tensor, margin: float = 0.5
) -> TripletResult:
    """Batch-hard triplet loss (equation 1): mean of [m + max D(a, p) - min D(a, n)]₊.

    fm: descriptors [N, C]; labels: [N] integers; D is Euclidean, not squared.
    Raises DplibError when an anchor has no positive or no negative in the batch.
    """
    if fm.ndim != 2 or labels.shape != fm.shape[:1]:
        raise DplibError(
            f"batch_hard_triplet: expected fm [N, C] and labels [N], got "
            f"{tuple(fm.shape)} and {tuple(labels.shape)}"
        )
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    alone = ~positive.any(1)
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
    distances = pairwise_distances(fm.float())
    hardest_positive = distances.masked_fill(~positive, -torch.inf).amax(1)
    hardest_negative = distances.masked_fill(same, torch.inf).amin(1)
    hinge = (margin + hardest_positive - hardest_negative).clamp(min=0)
    return TripletResult(
        hinge.mean(), hardest_positive, hardest_negative, (hinge > 0).float().mean()
    )


def identification(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy (equation 2), mean over images; at chance it is ln Nc.

    logits: [N, Nc], or [N, H, Nc] for one classifier per row, averaged over rows.
    """
    if logits.ndim == 3:
        labels = labels[:, None].expand(logits.shape[:2]).flatten()
        logits = logits.flatten(0, 1)
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
    """Equation 3 over the branches that ``outputs`` holds.

    weights: (λ1, λ2, λ3) of BtR, BpI and BgI; a branch of weight 0 is reported and
    gets no gradient at all. ``ranking=False`` leaves BtR out, for a model without that
    branch (its fm is there all the same).
    Raises DplibError when no branch is left.
    """
    triplet = batch_hard_triplet(outputs.fm, labels, margin) if ranking else None
    parts = (
        triplet.loss if triplet else None,
        None
        if outputs.part_logits is None
        else identification(outputs.part_logits, labels),
        None
        if outputs.global_logits is None
        else identification(outputs.global_logits, labels),
    )
    # A gradient of 0 would still let Adam's weight decay wear a resting branch down
    terms = [w * x for w, x in zip(weights, parts, strict=True) if x is not None and w]
    if not terms:
        raise DplibError("deep_person_loss: the model has no branch to train")
    return LossParts(torch.stack(terms).sum(), *parts, triplet)
