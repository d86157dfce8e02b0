"""What the rows of fb see: receptive fields and feature maps (§3.2, figure 3).

Each row of fb "describes a rectangle region in raw image given by the corresponding
receptive field". Three answers to which region that is, all in pixel rows of the image
as it enters the net:

- the **ideal stripe** of figure 3: the image cut into H equal parts (``ideal_stripe``);
- the **theoretical field**: all pixels that can reach the row, from kernels, strides
  and padding of the real modules (``receptive_field``);
- the **effective field**: how strongly each pixel moves the row, by gradients
  (``effective_field``; W. Luo et al., NIPS 2016).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock, Bottleneck

from dplib import DplibError, seeds

# ------------------------------------------------------------- stripes of pixel rows


class Stripe(NamedTuple):
    """Pixel rows ``top`` to ``bottom``, both counted from 0 and both inside.

    A theoretical field may begin above the image (top < 0) and end below it: there it
    sees padding.
    """

    top: int
    bottom: int

    @property
    def height(self) -> int:
        """Pixel rows in the stripe."""
        return self.bottom - self.top + 1

    def within(self, height: int) -> Stripe:
        """The part of the stripe that lies in an image of ``height`` pixel rows."""
        return Stripe(max(self.top, 0), min(self.bottom, height - 1))


def ideal_stripe(row: int, rows: int, height: int) -> Stripe:
    """Figure 3: the row-th of ``rows`` equal parts of ``height`` pixel rows.

    row counts from 0. Parts are rounded to whole pixels where they do not divide.
    Raises DplibError for a row that does not exist.
    """
    _check_row(row, rows)
    return Stripe(row * height // rows, (row + 1) * height // rows - 1)


# ----------------------------------------------------------------- theoretical field


class Field(NamedTuple):
    """The pixel rows that reach an output row: row i sees ``first`` + i · stride.

    stride: pixels between neighbouring output rows. first: what row 0 sees; it begins
    above the image where a layer pads.
    """

    stride: int
    first: Stripe

    @property
    def size(self) -> int:
        """Pixel rows (and, kernels being square, columns) that one output sees."""
        return self.first.height

    def of_row(self, row: int) -> Stripe:
        """What output row ``row`` (from 0) sees; parts may lie outside the image."""
        shift = row * self.stride
        return Stripe(self.first.top + shift, self.first.bottom + shift)


ONE_PIXEL = Field(1, Stripe(0, 0))
_POINTWISE = (
    nn.BatchNorm2d,
    nn.ReLU,
    nn.ReLU6,
    nn.Identity,
    nn.Dropout,
)


def receptive_field(net: nn.Module, layer: str | None = None) -> Field:
    """The theoretical field of the net's output rows, or of the child ``layer``'s.

    net: a backbone of ``dplib.backbones``, or a Sequential of convolutions, pooling
    and what acts on single places. Its modules are walked; where two paths join (a
    residual block), the field is the hull of both.
    Raises DplibError for a layer that is not there, and for a kind of module that
    is not known.
    """
    return _walk(until(net, layer), ONE_PIXEL)


def _walk(m: nn.Module, field: Field) -> Field:
    """The field after module m, when ``field`` is the one before it."""
    if isinstance(m, nn.Sequential):
        for child in m:
            field = _walk(child, field)
        return field
    if isinstance(m, nn.Conv2d):
        dilation = _vertical(m.dilation)
        return _slide(field, m.kernel_size, m.stride, m.padding, dilation)
    if isinstance(m, nn.MaxPool2d):
        dilation = _vertical(m.dilation)
        return _slide(field, m.kernel_size, m.stride, m.padding, dilation)
    if isinstance(m, nn.AvgPool2d):
        return _slide(field, m.kernel_size, m.stride, m.padding, 1)
    if isinstance(m, (BasicBlock, Bottleneck)):
        main = [m.conv1, m.conv2]
        if isinstance(m, Bottleneck):
            main.append(m.conv3)
        shortcut = m.downsample or nn.Identity()
        return _join(_walk(nn.Sequential(*main), field), _walk(shortcut, field))
    if isinstance(m, InvertedResidual):
        after = _walk(m.conv, field)
        return _join(after, field) if m.use_res_connect else after
    if isinstance(m, _POINTWISE):
        return field
    raise DplibError(
        f"receptive_field does not know {type(m).__name__}; it knows convolutions, "
        "pooling, ResNet's and MobileNetV2's blocks, and what acts on single places"
    )


def _slide(field: Field, kernel: object, stride: object, pad: object, d: int) -> Field:
    """A kernel k of stride s slides over rows whose field is ``field``.

    Its row i covers the rows s·i - p … s·i - p + d (k - 1) below it, hence
    size' = size + (k - 1) d · stride, stride' = s · stride.
    """
    k, s, p = _vertical(kernel), _vertical(stride), _vertical(pad)
    top = field.first.top - p * field.stride
    bottom = field.first.bottom + (d * (k - 1) - p) * field.stride
    return Field(s * field.stride, Stripe(top, bottom))


def _join(a: Field, b: Field) -> Field:
    """Two paths that are added: the hull of what they see."""
    first = Stripe(min(a.first.top, b.first.top), max(a.first.bottom, b.first.bottom))
    return Field(a.stride, first)


def _vertical(value: object) -> int:
    """The vertical part of a kernel's size, given as a number or a pair."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[0]
    if not isinstance(value, int):
        raise DplibError(f"padding {value!r}: expected a number of pixels")
    return value


# ------------------------------------------------------------------- effective field


def effective_field(
    net: nn.Module,
    images: Tensor,
    rows: Sequence[int] | None = None,
    *,
    layer: str | None = None,
    seed: int = 0,
) -> Tensor:
    """How strongly each pixel moves a row, over a batch: [R, h, w], each row sums to 1.

    images: normalised [N, 3, h, w]; rows: which rows of the net's map (from 0; all
    when None); layer: a child of the net to stop at. S_t is a vector: for each image
    we take the gradient of v · S_t, where v is a random direction (Gaussian, from
    ``seed`` and the row), square it, add it over the three colours, and take the mean
    over the images. Its expected value is the squared length of ∂S_t/∂pixel. The net
    is in eval mode meanwhile, else BatchNorm would mix the images.
    Raises DplibError for a layer or a row that does not exist, and when no pixel
    moves a row.
    """
    part = until(net, layer)
    was_training = [m for m in part.modules() if m.training]
    part.eval()
    try:
        with torch.enable_grad():
            x = images.detach().clone().requires_grad_()
            s = part(x).mean(dim=3)  # [N, C, H]: 1 x W pooling
            chosen = range(s.shape[2]) if rows is None else rows
            fields = []
            for row in chosen:
                _check_row(row, s.shape[2])
                v = _directions(s.shape[0], s.shape[1], seed, row)
                moved = (v * s[:, :, row]).sum()
                (gradient,) = torch.autograd.grad(moved, x, retain_graph=True)
                fields.append(gradient.double().square().sum(1).mean(0))  # [h, w]
    finally:
        for m in was_training:
            m.training = True
    energy = torch.stack(fields)
    total = energy.sum((1, 2), keepdim=True)
    if not bool((total > 0).all()) or not bool(total.isfinite().all()):
        raise DplibError(
            "no pixel moves this row (or the gradient is not finite): the net is dead "
            "or diverged; look at its feature map first"
        )
    return (energy / total).float()


def _directions(n: int, channels: int, seed: int, row: int) -> Tensor:
    """v [n, C] of a row, whichever other rows are asked for."""
    generator = torch.Generator().manual_seed(seeds.check(seed) * 100_003 + row)
    return torch.randn(n, channels, generator=generator)


def profile(field: Tensor) -> Tensor:
    """Energy per pixel row: [..., h, w] → [..., h]."""
    return field.sum(-1)


def share_within(field: Tensor, stripe: Stripe) -> float:
    """The share of a field [h, w] that lies in the stripe, in [0, 1]."""
    inside = stripe.within(field.shape[0])
    return float(field[inside.top : inside.bottom + 1].sum() / field.sum())


def band(field: Tensor, share: float = 0.9) -> Stripe:
    """The shortest run of pixel rows that holds ``share`` of a field [h, w].

    Of equally short ones, the one that holds most. Raises DplibError for a share
    outside (0, 1].
    """
    if not 0 < share <= 1:
        raise DplibError(f"share={share!r}: expected a part of the whole, in (0, 1]")
    energy = profile(field).double()
    edges = torch.cat([energy.new_zeros(1), energy.cumsum(0)]) / energy.sum()
    for height in range(1, len(energy) + 1):
        held = edges[height:] - edges[:-height]
        best = int(held.argmax())
        if float(held[best]) >= share - 1e-9:
            return Stripe(best, best + height - 1)
    raise DplibError("this field has no energy: expected values above 0")


# ------------------------------------------------------- the three answers, one row


class RowFields(NamedTuple):
    """The three answers for one row of a net's map."""

    row: int  # from 0
    rows: int  # of the map
    ideal: Stripe
    theory: Stripe  # parts may lie outside the image
    effective: Tensor  # [h, w], sums to 1

    def words(self) -> str:
        """Pixel rows of the three, counted from 0; S_t as in the paper, from 1."""
        held, share = band(self.effective), share_within(self.effective, self.ideal)
        return (
            f"row {self.row + 1} of {self.rows} · ideal {_span(self.ideal)} · "
            f"theoretical {_span(self.theory)} · effective: 90 % in {_span(held)}, "
            f"{share:.0%} in the ideal stripe"
        )


def fields_of_row(
    net: nn.Module,
    images: Tensor,
    row: int,
    *,
    layer: str | None = None,
    seed: int = 0,
) -> RowFields:
    """Ideal, theoretical and effective field of a row, for normalised [N, 3, h, w].

    Raises DplibError as ``effective_field`` does.
    """
    effective = effective_field(net, images, [row], layer=layer, seed=seed)[0]
    rows = map_rows(net, images.shape[2], layer)
    ideal = ideal_stripe(row, rows, images.shape[2])
    theory = receptive_field(net, layer).of_row(row)
    return RowFields(row, rows, ideal, theory, effective)


def map_rows(net: nn.Module, height: int, layer: str | None = None) -> int:
    """H of the map that an image of ``height`` pixel rows gives, up to ``layer``."""
    field = receptive_field(net, layer)
    return -(-height // field.stride)  # "same" padding: every halving rounds up


def row_change(before: Tensor, after: Tensor) -> Tensor:
    """‖S'_t - S_t‖ / ‖S_t‖ for sequences [..., H, C] → [..., H]."""
    return (after - before).norm(dim=-1) / before.norm(dim=-1)


def _span(s: Stripe) -> str:
    return f"{s.top}…{s.bottom} ({s.height} px)"


# ---------------------------------------------------------------------- feature maps


def stages(net: nn.Module) -> tuple[str, ...]:
    """The children of a backbone that hold convolutions of their own, in order.

    ResNet: layer1 to layer4; MobileNetV2: "0" to "18".
    """
    return tuple(
        name
        for name, child in net.named_children()
        if not isinstance(child, nn.Conv2d)
        and any(isinstance(m, nn.Conv2d) for m in child.modules())
    )


def until(net: nn.Module, layer: str | None) -> nn.Module:
    """The net up to and with its child ``layer``; all of it when None.

    The modules are the net's own, not copies. Raises DplibError for a layer that is
    not there.
    """
    if layer is None:
        return net
    names = [name for name, _ in net.named_children()]
    if layer not in names or not isinstance(net, nn.Sequential):
        raise DplibError(
            f"layer {layer!r} is unknown: choose one of {', '.join(names) or '(none)'}"
        )
    return net[: names.index(layer) + 1]


@torch.no_grad()
def feature_maps(
    net: nn.Module, images: Tensor, layers: Sequence[str] | None = None
) -> dict[str, Tensor]:
    """What the children ``layers`` (all ``stages`` when None) give: [N, C_l, H_l, W_l].

    images: normalised [N, 3, h, w]. The net keeps its mode.
    Raises DplibError for a layer that is not there.
    """
    wanted = stages(net) if layers is None else tuple(layers)
    for layer in wanted:
        until(net, layer)
    found = {}
    for name, x in _each(net, images):
        if name in wanted:
            found[name] = x.clone()  # the next layer may work in place
    return found


def _each(net: nn.Module, x: Tensor) -> Iterator[tuple[str, Tensor]]:
    for name, child in net.named_children():
        x = child(x)
        yield name, x


def strength(maps: Tensor) -> Tensor:
    """How strongly each place answers: root mean square over channels.

    maps [N, C, H, W] → [N, H, W].
    """
    return maps.square().mean(1).sqrt()


def _check_row(row: int, rows: int) -> None:
    if not 0 <= row < rows:
        raise DplibError(f"row={row!r}: there are {rows} rows, counted 0 to {rows - 1}")
