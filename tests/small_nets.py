"""Networks that the tools of ``dplib.seeing`` are tried on: small, or known by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dplib.model import DeepPerson
from dplib.seeing import nets

_SMALL: dict[str, Any] = {
    "backbone": "resnet18",
    "backbone_width": 0.125,
    "last_stride": 1,
    "image_size": (64, 32),
    "part_units": 8,
}
IMAGES = torch.randn(3, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def model(**settings: Any) -> DeepPerson:
    """A ``DeepPerson`` of five people for images of 64 x 32, with random weights."""
    return DeepPerson(5, **_SMALL, **settings)


class _Colours(nn.Module):
    """The mean of each colour: a map that is the image itself."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.same(images).mean((2, 3))


COLOURS = nets.adapt(_Colours(), ["same"])
FLAG = torch.zeros(3, 16, 8)  # red everywhere …
FLAG[0] = 1
FLAG[0, 4:8], FLAG[1, 4:8] = 0, 1  # … but for four green rows
