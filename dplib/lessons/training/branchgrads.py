"""What each of the three losses asks of fb: gradients, their norms and cosines (§3.5).

A loss reaches the backbone only through its gradient at fb, and the sum of the losses
only through the sum of their gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dplib import DplibError
from dplib.losses import deep_person_loss
from dplib.model import DeepPerson

NAMES = ("ranking", "part", "global")  # BtR, BpI, BgI: the order of λ1, λ2, λ3


class Pull(NamedTuple):
    """One batch, seen from fb [N, C, H, W]; the losses in the order of ``NAMES``."""

    losses: Tensor  # [3], unweighted
    gradients: Tensor  # [3, N, C, H, W]
    norms: Tensor  # [3], over the whole batch
    cosines: Tensor  # [3, 3]


def cosines(gradients: Tensor) -> Tensor:
    """Cosines [B, B] between B gradients [B, ...], each taken as one long vector."""
    unit = torch.nn.functional.normalize(gradients.flatten(1), dim=1)
    return unit @ unit.T


def at_fb(model: DeepPerson, x: Tensor, labels: Tensor, margin: float = 0.5) -> Pull:
    """The gradients of the three losses at fb, for normalised images [N, 3, h, w].

    The model stays in its mode. In train mode, which is that of the training itself,
    the batch changes BatchNorm's running statistics: measure a copy of the model.
    Raises DplibError for a model without the three branches.
    """
    if len(model.branches) != 3:
        raise DplibError(
            f"at_fb: the model has the branches {', '.join(model.branches)}; three "
            "losses need part, global and ranking"
        )
    caught: list[Tensor] = []
    hook = model.backbone.register_forward_hook(lambda m, i, fb: caught.append(fb))
    with hook, torch.enable_grad():
        parts = deep_person_loss(model(x), labels, margin=margin)
    losses = [parts.ranking, parts.part, parts.global_]
    slopes = [
        torch.autograd.grad(loss, caught[0], retain_graph=True)[0]
        for loss in losses
        if loss is not None
    ]
    gradients = torch.stack(slopes)
    values = torch.stack([loss.detach() for loss in losses if loss is not None])
    norms = gradients.flatten(1).norm(dim=1)
    return Pull(values, gradients, norms, cosines(gradients))
