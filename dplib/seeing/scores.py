"""Does a map lie on the person? Numbers for it, where the person's pixels are known.

ToyMarket is drawn, so that the mask of each person is exact. The paper's figures 1 and
5 say that the full model "focuses on the whole body": here that is a share.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dplib import DplibError
from dplib.seeing.maps import enlarged


def foreground(values: Tensor, masks: Tensor) -> Tensor:
    """The share of a map's mass that lies on the person.

    A map without any preference has the person's share of the picture, so compare the
    result with ``area``. Negative values are no mass and count as 0.

    Args:
        values: Maps [N, H, W]; each place counts for all pixels that it stands for.
        masks: [N, h, w], True (or 1) on the person.

    Returns:
        [N] float64 in [0, 1]; NaN for a map that is 0 everywhere.

    Raises:
        DplibError: Maps and masks do not belong together, or a mask is empty.

    Example:
        >>> left = torch.tensor([[[True, False]]])
        >>> foreground(torch.tensor([[[3.0, 1.0]]]), left)
        tensor([0.7500], dtype=torch.float64)
    """
    mass, on = _pixels(values.clamp(min=0), masks)
    total = mass.sum((1, 2))
    return torch.where(total > 0, (mass * on).sum((1, 2)) / total, torch.nan)


def area(masks: Tensor) -> Tensor:
    """The person's share of the picture [N], which a map without preference has."""
    return _as_masks(masks).double().mean((1, 2))


def coverage(values: Tensor, masks: Tensor, *, share: float = 0.5) -> Tensor:
    """How much of the person is bright: whether a map sees the whole body.

    A map that lies on a shoe alone has a ``foreground`` of 1, and a small coverage.

    Args:
        values: Maps [N, H, W].
        masks: [N, h, w], True (or 1) on the person.
        share: Bright is what has at least this share of the map's largest value.

    Returns:
        [N] float64 in [0, 1], the bright share of the person's pixels.

    Raises:
        DplibError: As ``foreground``, or the share is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise DplibError(f"share={share}: expected a part of the whole, in (0, 1]")
    mass, on = _pixels(values.clamp(min=0), masks)
    bright = (mass >= share * mass.amax((1, 2), keepdim=True)) & (mass > 0)
    return (bright & on).sum((1, 2)).double() / on.sum((1, 2))


def pointing(values: Tensor, masks: Tensor) -> Tensor:
    """The pointing game (J. Zhang et al., ECCV 2016): does the maximum hit the person?

    Args:
        values: Maps [N, H, W].
        masks: [N, h, w], True (or 1) on the person.

    Returns:
        [N] float64: the share of the pixels with the largest value that are the
        person's, since a place stands for many pixels.

    Raises:
        DplibError: As ``foreground``.
    """
    mass, on = _pixels(values, masks)
    top = mass == mass.amax((1, 2), keepdim=True)
    return (top & on).sum((1, 2)).double() / top.sum((1, 2))


def _as_masks(masks: Tensor) -> Tensor:
    if masks.ndim != 3:
        raise DplibError(f"masks of shape {tuple(masks.shape)}: expected [N, h, w]")
    on = masks > 0
    if empty := [i for i, mask in enumerate(on) if not bool(mask.any())]:
        raise DplibError(f"mask {empty[0]} is empty: nobody is to be seen in the image")
    return on


def _pixels(values: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """The maps' value of each pixel, and whether it is the person's, [N, h, w]."""
    on = _as_masks(masks)
    if values.ndim != 3 or len(values) != len(masks):
        raise DplibError(
            f"maps {tuple(values.shape)} and masks {tuple(masks.shape)}: expected one "
            "map [H, W] for each mask"
        )
    h, w = masks.shape[1:]
    return enlarged(values.double(), (h, w)), on
