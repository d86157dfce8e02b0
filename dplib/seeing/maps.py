"""Feature maps as pictures: one number for each place, and how it becomes a colour.

Figures 1 and 5 of the paper show maps of fb and do not say how C numbers at a place
became one colour. There are several ways, and they do not tell the same story, so here
the way is always an argument, and so is what the colours are scaled by.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from numpy.typing import NDArray
from torch import Tensor

from dplib import DplibError

# how the C channels of a place become one number
METHODS = {
    "mean": "mean over the channels",
    "norm": "Euclidean norm over the channels",
    "max": "largest channel",
    "channel": "one channel",
}
SCALES = {
    "image": "each image from its own least to its own greatest value",
    "set": "all images from their common least to their common greatest value",
}


def heat(maps: Tensor, method: str = "norm", *, channel: int | None = None) -> Tensor:
    """One number for each place of a map.

    Args:
        maps: [N, C, H, W].
        method: A key of ``METHODS``.
        channel: Which one, from 0, for the method "channel" alone.

    Returns:
        [N, H, W].

    Raises:
        DplibError: The method or the channel does not exist.

    Example:
        >>> heat(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), "norm")
        tensor([[[5.]]])
    """
    _check_map(maps)
    if method not in METHODS:
        raise DplibError(f"method={method!r}: choose one of {', '.join(METHODS)}")
    if (method == "channel") != (channel is not None):
        raise DplibError('channel= goes with method="channel", and only with it')
    if channel is not None:
        if not 0 <= channel < maps.shape[1]:
            raise DplibError(
                f"channel={channel}: the map has {maps.shape[1]} channels, counted "
                f"0 to {maps.shape[1] - 1}"
            )
        return maps[:, channel]
    if method == "mean":
        return maps.mean(1)
    return maps.amax(1) if method == "max" else maps.norm(dim=1)


def scaled(values: Tensor, over: str = "image") -> Tensor:
    """Values brought to [0, 1], as colours need them.

    Args:
        values: [N, H, W].
        over: A key of ``SCALES``: "image" shows where each image is strongest, "set"
            also lets images be compared. Where all values are equal they become 0.

    Returns:
        [N, H, W] in [0, 1].

    Raises:
        DplibError: The scale does not exist, or a value is not finite.

    Example:
        >>> scaled(torch.tensor([[[1.0, 2.0]], [[1.0, 5.0]]]), "set")[:, 0]
        tensor([[0.0000, 0.2500],
                [0.0000, 1.0000]])
    """
    if over not in SCALES:
        raise DplibError(f"over={over!r}: choose one of {', '.join(SCALES)}")
    if values.ndim != 3:
        raise DplibError(f"values of shape {tuple(values.shape)}: expected [N, H, W]")
    if not bool(values.isfinite().all()):
        raise DplibError("a map holds NaN or infinity: the network diverged")
    flat = values.flatten() if over == "set" else values.flatten(1)
    low = flat.amin(-1, keepdim=over == "image")
    high = flat.amax(-1, keepdim=over == "image")
    if over == "image":
        low, high = low[..., None], high[..., None]  # [N, 1, 1]
    span = high - low
    return (values - low) / torch.where(span > 0, span, torch.ones_like(span))


def components(maps: Tensor) -> Tensor:
    """The first three principal components of all places, as red, green and blue.

    Places with similar features get similar colours, in all images alike. A component
    has no sign of its own: here its largest entry is positive, so that the same maps
    always get the same colours.

    Args:
        maps: [N, C, H, W] with C ≥ 3.

    Returns:
        [N, H, W, 3] in [0, 1]; a component without any spread is 0.

    Raises:
        DplibError: There are fewer than three channels, or a value is not finite.
    """
    _check_map(maps)
    n, c, h, w = maps.shape
    if c < 3:
        raise DplibError(f"a map of {c} channels: three components need at least 3")
    places = maps.permute(0, 2, 3, 1).reshape(-1, c).double()  # [N·H·W, C]
    if not bool(places.isfinite().all()):
        raise DplibError("a map holds NaN or infinity: the network diverged")
    centred = places - places.mean(0)
    # of the covariance [C, C], whose size does not grow with the images
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -3:].flip(1)  # [C, 3]
    largest = axes.abs().argmax(0)
    axes = axes * axes[largest, range(3)].sign()
    found = (centred @ axes).T.reshape(3, 1, -1)  # each component is scaled by itself
    return scaled(found).reshape(3, n, h, w).permute(1, 2, 3, 0).float()


def enlarged(values: Tensor, size: tuple[int, int], *, smooth: bool = False) -> Tensor:
    """Values of places as values of pixels.

    Args:
        values: [N, H, W].
        size: (h, w) in pixels.
        smooth: Whether to interpolate (bilinear). It looks finer than the map is, so
            the default shows each place as the rectangle that it stands for.

    Returns:
        [N, h, w].
    """
    if smooth:
        grown = F.interpolate(
            values[:, None], size, mode="bilinear", align_corners=False
        )
    else:
        grown = F.interpolate(values[:, None], size, mode="nearest-exact")
    return grown[:, 0]


def overlay(
    pixels: Tensor,
    values: Tensor,
    *,
    strength: float = 0.55,
    colours: str = "viridis",
    smooth: bool = False,
) -> NDArray[np.uint8]:
    """A map laid over its images.

    Args:
        pixels: uint8 [N, 3, h, w].
        values: [N, H, W] in [0, 1], as from ``scaled``.
        strength: Share of the colours, in [0, 1]; the picture has the rest.
        colours: Name of a colour map of Matplotlib. "viridis" gets brighter from its
            first to its last colour, so that it also reads in grey.
        smooth: See ``enlarged``.

    Returns:
        uint8 [N, h, w, 3].

    Raises:
        DplibError: There is no such colour map, strength or values are outside [0, 1],
            or there is not one map for each image.
    """
    if colours not in colormaps:
        raise DplibError(f"colours={colours!r} is no colour map of Matplotlib")
    if not 0 <= strength <= 1:
        raise DplibError(f"strength={strength}: expected a share in [0, 1]")
    if len(pixels) != len(values):
        raise DplibError(f"{len(pixels)} images, but {len(values)} maps: one each")
    if float(values.min()) < 0 or float(values.max()) > 1:
        raise DplibError("values are outside [0, 1]: bring them there with scaled")
    h, w = pixels.shape[2:]
    grown: Any = enlarged(values.float(), (h, w), smooth=smooth).numpy()
    painted = colormaps[colours](grown)[..., :3] * 255  # [N, h, w, 3]
    pictures = pixels.permute(0, 2, 3, 1).numpy()
    mixed = strength * painted + (1 - strength) * pictures
    return np.rint(mixed).astype(np.uint8)


def _check_map(maps: Tensor) -> None:
    if maps.ndim != 4:
        raise DplibError(f"a map of shape {tuple(maps.shape)}: expected [N, C, H, W]")
