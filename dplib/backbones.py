"""Backbones: an image in, the feature map fb out (§3.1, "shared low-level feature").

A backbone is a torchvision network without its global pooling and its classifier. It
maps images [N, 3, h, w] to fb [N, C, H, W]. A last stride of 1 in place of 2 doubles H
and W, so that an image of 128 x 64 pixels gives the paper's 8 x 4.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, NamedTuple

from torch import nn
from torchvision import models
from torchvision.models.resnet import BasicBlock, Bottleneck

from dplib import DplibError
from dplib.incoming.weights import load_weights as load_weights


class Backbone(NamedTuple):
    """A network that ends in fb."""

    net: nn.Module  # [N, 3, h, w] → [N, C, H, W]
    channels: int  # C
    stride: int  # pixels of the image per row of fb


def _resnet(
    block: type[BasicBlock] | type[Bottleneck],
    depths: tuple[int, int, int, int],
    width: float,
    last_stride: int,
) -> Backbone:
    """torchvision's ResNet to layer4, under the same names, at any width."""
    planes = [max(8, round(width * c)) for c in (64, 128, 256, 512)]
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, planes[0], 7, stride=2, padding=3, bias=False),
        bn1=nn.BatchNorm2d(planes[0]),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1),
    )
    channels = planes[0]
    for i, (out, depth) in enumerate(zip(planes, depths, strict=True), start=1):
        # a stage halves H and W in its first block, but for the first stage
        first = {1: 1, 4: last_stride}.get(i, 2)
        blocks: list[nn.Module] = []
        for j in range(depth):
            stride = first if j == 0 else 1
            shortcut = None  # the identity, where the shape does not change
            if stride != 1 or channels != out * block.expansion:
                shortcut = nn.Sequential(
                    nn.Conv2d(channels, out * block.expansion, 1, stride, bias=False),
                    nn.BatchNorm2d(out * block.expansion),
                )
            blocks.append(block(channels, out, stride, shortcut))
            channels = out * block.expansion
        layers[f"layer{i}"] = nn.Sequential(*blocks)
    net = nn.Sequential(layers)
    for m in net.modules():  # initialised as torchvision's own
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    return Backbone(net, channels, 16 * last_stride)


def _mobilenet_v2(width: float, last_stride: int) -> Backbone:
    net: Any = models.mobilenet_v2(weights=None, width_mult=width).features
    depthwise = net[14].conv[1][0]  # where the map goes from 1/16 to 1/32
    depthwise.stride = (last_stride, last_stride)
    return Backbone(net, net[-1][0].out_channels, 16 * last_stride)


NAMES = ("resnet50", "resnet18", "mobilenet_v2")


def build(name: str, *, width: float = 1.0, last_stride: int = 2) -> Backbone:
    """The backbone of that name, with random weights.

    Args:
        name: One of ``NAMES``.
        width: Factor on the channels of every layer; 1 is torchvision's own network.
        last_stride: Stride of the last stage: 2 (the paper) or 1.

    Raises:
        DplibError: There is no such name, width or stride.

    Example:
        >>> import torch
        >>> net, channels, stride = build("resnet18", width=0.25, last_stride=1)
        >>> net(torch.zeros(1, 3, 128, 64)).shape, channels, stride
        (torch.Size([1, 128, 8, 4]), 128, 16)
    """
    if last_stride not in (1, 2):
        raise DplibError(f"last_stride={last_stride!r}: expected 2 (the paper) or 1")
    if not 0 < width <= 4:
        raise DplibError(f"backbone width {width!r}: expected a factor in (0, 4]")
    if name == "resnet50":
        return _resnet(Bottleneck, (3, 4, 6, 3), width, last_stride)
    if name == "resnet18":
        return _resnet(BasicBlock, (2, 2, 2, 2), width, last_stride)
    if name == "mobilenet_v2":
        return _mobilenet_v2(width, last_stride)
    raise DplibError(f"unknown backbone {name!r}: choose one of {', '.join(NAMES)}")


def rows(height: int, stride: int) -> int:
    """H, the rows of fb, for an image of ``height`` pixels; every halving rounds up."""
    for _ in range(int(math.log2(stride))):
        height = (height + 1) // 2
    return height
