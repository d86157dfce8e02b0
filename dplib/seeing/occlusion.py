"""What a patch over the image changes: the most direct of all maps, and the slowest.

A grey patch slides over an image; at each position the image is described again, and
the change of its distance to another image is noted (Zeiler and Fergus, ECCV 2014).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import DplibError
from dplib.seeing.nets import Net, check_images, in_eval

BATCH = 64  # covered images that are described at once


class Covered(NamedTuple):
    """What covering each part of an image does."""

    change: Tensor  # [Y, X]: distance with the patch, less the distance without
    tops: list[int]  # the first pixel row of each position, Y of them
    lefts: list[int]  # the first pixel column of each position, X of them
    patch: tuple[int, int]  # (height, width) in pixels

    def pixels(self, size: tuple[int, int]) -> Tensor:
        """The mean change over all patches that cover a pixel, [h, w]."""
        total, count = torch.zeros(size), torch.zeros(size)
        for i, top in enumerate(self.tops):
            for j, left in enumerate(self.lefts):
                here = (
                    slice(top, top + self.patch[0]),
                    slice(left, left + self.patch[1]),
                )
                total[here] += self.change[i, j]
                count[here] += 1
        return total / count.clamp(min=1)


@torch.no_grad()
def slide(
    net: Net,
    image: Tensor,
    other: Tensor,
    *,
    patch: tuple[int, int] = (16, 16),
    step: int = 8,
    fill: float = 0.0,
) -> Covered:
    """Cover an image part by part, and see how its distance to another one changes.

    Args:
        net: The network.
        image: Normalised [3, h, w].
        other: The descriptor [D] of the other image, for example of a true match.
        patch: (height, width) of the patch in pixels.
        step: Pixels between two positions. The last position touches the edge, so that
            every pixel is covered at least once if step is at most the patch.
        fill: Value of the patch; 0 is the mean colour of normalised images.

    Returns:
        The change of the Euclidean distance between the descriptors, both of length 1:
        above 0 where the covered part made the two alike.

    Raises:
        DplibError: The patch is larger than the image, or a size is below 1.
    """
    check_images(image[None])
    h, w = image.shape[1:]
    if not (0 < patch[0] <= h and 0 < patch[1] <= w) or step < 1:
        raise DplibError(
            f"a patch of {patch[0]} x {patch[1]} pixels every {step}: expected one "
            f"that fits into the image of {h} x {w}, and a step of at least 1"
        )
    tops, lefts = _positions(h, patch[0], step), _positions(w, patch[1], step)
    covered = image.repeat(len(tops) * len(lefts), 1, 1, 1)
    for n, (top, left) in enumerate((t, x) for t in tops for x in lefts):
        covered[n, :, top : top + patch[0], left : left + patch[1]] = fill
    reference = F.normalize(other.flatten(), dim=0)
    with in_eval(net.module):
        described = [net.describe(x) for x in (image[None], *covered.split(BATCH))]
    distances = (F.normalize(torch.cat(described)) - reference).norm(dim=1)
    change = (distances[1:] - distances[0]).reshape(len(tops), len(lefts))
    return Covered(change, tops, lefts, patch)


def _positions(length: int, size: int, step: int) -> list[int]:
    """Where a patch begins: every ``step`` pixels, and once at the very end."""
    found = list(range(0, length - size + 1, step))
    return found if found[-1] == length - size else [*found, length - size]
