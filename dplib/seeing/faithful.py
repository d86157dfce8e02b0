"""Is a map true? What it shows is taken away, and the similarity must fall.

Deletion and insertion (Petsiuk et al., BMVC 2018), for a pair of images: pixels are
covered, the brightest of the map first, and the cosine to the other image is followed;
or they are put into a blurred image in that order. A map says something about the
network only if it does better here than a map with as large parts in other places.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import DplibError, seeds
from dplib.seeing.maps import enlarged
from dplib.seeing.nets import Net, check_images, in_eval

WAYS = ("deletion", "insertion")


class Curve(NamedTuple):
    """The cosine to the other image while pixels are taken away or put in."""

    shares: Tensor  # [S + 1] of the pixels that are changed, from 0 to 1
    cosines: Tensor  # [N, S + 1]

    @property
    def area(self) -> Tensor:
        """The area below each curve [N]: low is good in deletion, high in insertion."""
        return torch.trapezoid(self.cosines, self.shares)


@torch.no_grad()
def curve(
    net: Net,
    images: Tensor,
    others: Tensor,
    values: Tensor,
    way: str = "deletion",
    *,
    steps: int = 16,
    seed: int = 0,
) -> Curve:
    """Take away, or put in, the pixels that a map shows, brightest first.

    Args:
        net: The network.
        images: Normalised [N, 3, h, w].
        others: The descriptors [N, D] of the other images, one for each.
        values: The maps [N, H, W] that are tested.
        way: "deletion" covers the pixels of the image with the mean colour; "insertion"
            puts them into a blurred image.
        steps: S, into how many equal parts the pixels are divided.
        seed: Decides the order of pixels with equal values, as those of one place are.

    Raises:
        DplibError: The way does not exist, or there is not one map and one descriptor
            for each image.
    """
    check_images(images)
    if way not in WAYS:
        raise DplibError(f"way={way!r}: choose one of {', '.join(WAYS)}")
    if not len(images) == len(others) == len(values):
        raise DplibError(
            f"{len(images)} images, {len(others)} descriptors and {len(values)} maps: "
            "expected as many of each"
        )
    if steps < 1:
        raise DplibError(f"steps={steps}: expected at least 1")
    h, w = images.shape[2:]
    ranks = _ranks(enlarged(values.float(), (h, w)), seed)  # [N, h, w], 0 is brightest
    start, end = (
        (images, torch.zeros_like(images))
        if way == "deletion"
        else (_blurred(images), images)
    )
    counts = [round(step * h * w / steps) for step in range(steps + 1)]
    reference = F.normalize(others)
    cosines = []
    with in_eval(net.module):
        for count in counts:
            changed = ranks < count
            mixed = torch.where(changed[:, None], end, start)
            cosines.append((F.normalize(net.describe(mixed)) * reference).sum(1))
    return Curve(torch.tensor(counts) / (h * w), torch.stack(cosines, 1))


def shuffled(values: Tensor, seed: int = 0) -> Tensor:
    """The same maps with their places in a random order: what a map must outdo.

    Args:
        values: [N, H, W].
        seed: Decides the order, another one for each map.

    Returns:
        [N, H, W] with the same values.
    """
    generator = torch.Generator().manual_seed(seeds.check(seed))
    n, h, w = values.shape
    order = torch.rand(n, h * w, generator=generator).argsort(1)
    return values.flatten(1).gather(1, order).reshape(n, h, w)


def _ranks(pixels: Tensor, seed: int) -> Tensor:
    """The place of each pixel in the order of falling values [N, h, w]."""
    generator = torch.Generator().manual_seed(seeds.check(seed))
    flat = pixels.flatten(1)
    # a random order first, so that the stable sort leaves equal pixels in it
    first = torch.rand(flat.shape, generator=generator).argsort(1)
    then = flat.gather(1, first).argsort(dim=1, descending=True, stable=True)
    return first.gather(1, then).argsort(1).reshape(pixels.shape)


def _blurred(images: Tensor) -> Tensor:
    """Images without any detail: averaged over a quarter of their width."""
    size = max(3, images.shape[3] // 4 | 1)  # odd, so that nothing is shifted
    pad = size // 2
    padded = F.pad(images, (pad, pad, pad, pad), mode="replicate")
    return F.avg_pool2d(padded, size, stride=1)
