"""Where two images agree: the similarity of two descriptors, place by place, exactly.

A descriptor that is the average of a map (fm is the average of fb, §3.4) makes the
cosine of two images a sum over pairs of places:

    cos(a, b) = Σ_p Σ_q  A_p · B_q / (HW H'W' |a| |b|)

with A_p and B_q the C numbers at a place of either map, a and b their averages. No
gradient and no approximation is needed. Summed over the places of one image, this gives
each place of the other its share of the similarity (Yang et al., CVPR 2019, rank by
such shares). Of a pair of ranks, the difference of two such sums says which places put
one image before another.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dplib import DplibError


def agreement(first: Tensor, second: Tensor) -> Tensor:
    """Each pair of places' share in the cosine of two images.

    Args:
        first: Map [C, H, W] of one image.
        second: Map [C, H', W'] of the other.

    Returns:
        [H, W, H', W'], whose sum is the cosine of the two averages.

    Raises:
        DplibError: The maps have other shapes, or one of the averages is 0.
    """
    a, b = _unit(first, "first"), _unit(second, "second")
    if len(a) != len(b):
        raise DplibError(
            f"maps of {len(a)} and {len(b)} channels: both must come from one network"
        )
    return torch.einsum("chw,cij->hwij", a, b)


def shares(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Each place's share in the cosine of two images, in either image.

    A negative share means that the place lowers the similarity.

    Args:
        first: Map [C, H, W] of one image.
        second: Map [C, H', W'] of the other.

    Returns:
        [H, W] and [H', W']; either sums to the cosine of the two averages.

    Raises:
        DplibError: As ``agreement``.

    Example:
        >>> person = torch.tensor([[[3.0, 1.0]], [[0.0, 0.0]]])  # [C = 2, H = 1, W = 2]
        >>> shares(person, person)[0]  # they sum to 1
        tensor([[0.7500, 0.2500]], dtype=torch.float64)
    """
    pairs = agreement(first, second)
    return pairs.sum((2, 3)), pairs.sum((0, 1))


def ahead(query: Tensor, nearer: Tensor, farther: Tensor) -> tuple[Tensor, Tensor]:
    """Which places put one gallery image before another.

    Args:
        query: Map [C, H, W] of the query.
        nearer: Map [C, H', W'] of a gallery image.
        farther: Map [C, H'', W''] of another one.

    Returns:
        Of the query [H, W]: each place's share in the difference of the two cosines,
        of which it is the sum. Of the nearer image [H', W']: each place's share in its
        own cosine, less what an average place of the farther one has; it has the same
        sum.

    Raises:
        DplibError: As ``agreement``.
    """
    with_nearer, there = shares(query, nearer)
    with_farther, _ = shares(query, farther)
    return with_nearer - with_farther, there - with_farther.sum() / there.numel()


def _unit(one: Tensor, which: str) -> Tensor:
    """A map [C, H, W] divided so that the sum over its places has length 1."""
    if one.ndim != 3:
        raise DplibError(
            f"the {which} map has the shape {tuple(one.shape)}: expected that of one "
            "image, [C, H, W]"
        )
    total = one.double().sum((1, 2))  # the average times HW: its length cancels
    length = total.norm()
    if not float(length) > 0 or not bool(length.isfinite()):
        raise DplibError(
            f"the {which} map averages to 0 or is not finite, so that it has no "
            "direction; the network is dead or diverged"
        )
    return one.double() / length
