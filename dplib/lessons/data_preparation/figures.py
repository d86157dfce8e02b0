"""Figures of lesson 1: the paper's augmentation (§4.1), PK batches, crop statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor

from dplib import DplibError, transforms
from dplib.plots import PALETTE, contact_sheet
from dplib.samples import JUNK, Sample

PAPER_SCALE, PAPER_RATIO = (0.64, 1.0), (2.0, 3.0)  # §4.1: area share, height / width


class Crop(NamedTuple):
    """One choice of the random crop, and what comes of it."""

    box: tuple[int, int, int, int]  # top, left, height, width in pixels
    fits: bool  # False: such a box leaves the image, so it is drawn again
    share: float  # of the image's area

    def words(self) -> str:
        """The box in pixels and its share of the area; or that it does not fit."""
        top, left, height, width = self.box
        if not self.fits:
            return f"{height} × {width} pixels do not fit: drawn again"
        return (
            f"box {height} × {width} pixels, top {top}, left {left}: "
            f"{self.share:.1%} of the area"
        )


def crop(
    image_size: tuple[int, int], scale: float, ratio: float, y: float, x: float
) -> Crop:
    """The box of an area share and a height/width; y, x in [0, 1] place it.

    The same box as ``transforms.draw_crops`` gives when it draws these numbers. A box
    that does not fit keeps the size that was asked for, in the middle of the image.
    Raises DplibError for numbers that describe no box.
    """
    h, w = image_size
    if not 0 < scale <= 1 or ratio <= 0 or not (0 <= y <= 1 and 0 <= x <= 1):
        raise DplibError(
            f"no crop has scale={scale}, ratio={ratio}, y={y}, x={x}: expected a scale "
            "in (0, 1], a ratio above 0, and y and x in [0, 1]"
        )
    ch = round(float(np.sqrt(h * w * scale * ratio)))
    cw = round(float(np.sqrt(h * w * scale / ratio)))
    if ch > h or cw > w:
        box = round((h - ch) / 2), round((w - cw) / 2), ch, cw
        return Crop(box, False, ch * cw / (h * w))
    top = min(int(y * (h - ch + 1)), h - ch)
    left = min(int(x * (w - cw + 1)), w - cw)
    return Crop((top, left, ch, cw), True, ch * cw / (h * w))


def cropped(image: Tensor, box: Sequence[int], mirror: bool) -> Tensor:
    """``transforms.crop_resize_flip`` of one image: uint8 [3, h, w] → uint8."""
    boxes, flips = np.array([box]), np.array([mirror])
    out = transforms.crop_resize_flip(image[None].float(), boxes, flips)
    return out[0].round().clamp(0, 255).to(torch.uint8)


# ------------------------------------------------------------------------ pictures


def crop_view(image: Tensor, chosen: Crop, mirror: bool = False) -> Figure:
    """`image` (uint8 [3, h, w]) with the box drawn on it, and the resized result."""
    fig = Figure((4.4, 4.0), layout="constrained")
    before, after = fig.subplots(1, 2)
    _pixels(before, image, "the image and the box")
    _box(before, image, chosen)
    if chosen.fits:
        _pixels(after, cropped(image, chosen.box, mirror), "cut out, resized back")
    else:
        _pixels(after, torch.full_like(image, 235), "no such box: drawn again")
    return fig


def crop_grid(
    image: Tensor, scales: Sequence[float], ratios: Sequence[float]
) -> Figure:
    """What `image` becomes for each area share (columns) and height/width (rows).

    The boxes lie in the middle; those that do not fit are left grey, with their size.
    """
    h, w = image.shape[1:]
    size = (0.75 * len(scales) + 0.7, (0.72 * h / w + 0.14) * len(ratios) + 0.6)
    fig = Figure(size, layout="constrained")
    grid = fig.subplots(len(ratios), len(scales), squeeze=False)
    for ratio, axes in zip(ratios, grid, strict=True):
        for scale, ax in zip(scales, axes, strict=True):
            chosen = crop((h, w), scale, ratio, 0.5, 0.5)
            height, width = chosen.box[2:]
            if chosen.fits:
                _pixels(ax, cropped(image, chosen.box, False))
                ax.set_xlabel(f"{height} × {width}", fontsize=8, labelpad=2)
            else:
                _pixels(ax, torch.full_like(image, 235))
                text = f"{height} × {width}\ndoes not\nfit"
                ax.text(w / 2, h / 2, text, ha="center", va="center", fontsize=8)
        axes[0].set_ylabel(f"height / width\n{ratio:g}", fontsize=9)
    for scale, ax in zip(scales, grid[0], strict=True):
        ax.set_title(f"area {scale:.0%}", fontsize=9, pad=3)
    fig.suptitle(f"The crop by area and shape ({h} × {w} pixels)", fontsize=11)
    return fig


def augmentation_steps(image: Tensor, box: Sequence[int], mirror: bool) -> Figure:
    """The steps of §4.1 on `image` (uint8 [3, h, w]): box, cut, resize, mirror, values.

    The last panel shows the histogram of the normalised values, per channel.
    """
    top, left, ch, cw = (int(v) for v in box)
    h, w = image.shape[1:]
    chosen = Crop((top, left, ch, cw), True, ch * cw / (h * w))
    fig = Figure((9.5, 3.3), layout="constrained")
    axes = fig.subplots(1, 5, width_ratios=[1, 1, 1, 1, 1.7])
    _pixels(axes[0], image, f"1 resized: {h} × {w}")
    _box(axes[0], image, chosen)
    piece = image[:, top : top + ch, left : left + cw]
    _pixels(axes[1], piece, f"2 cut out: {ch} × {cw}")
    axes[1].set(xlim=(-0.5, w - 0.5), ylim=(h - 0.5, -0.5))
    resized = cropped(image, chosen.box, False)
    _pixels(axes[2], resized, f"3 resized: {h} × {w}")
    final = cropped(image, chosen.box, mirror)
    _pixels(axes[3], final, "4 mirrored" if mirror else "4 not mirrored")
    values = transforms.normalise(final[None])[0]
    styles = (("red", "black", "-"), ("green", "sky", "--"), ("blue", "grey", ":"))
    for channel, (name, color, style) in zip(values, styles, strict=True):
        numbers = channel.flatten().numpy()
        look = {"color": PALETTE[color], "ls": style, "lw": 1.5}
        axes[4].hist(numbers, 40, histtype="step", label=name, **look)
    axes[4].set_title("5 normalised", fontsize=9, pad=3)
    axes[4].set(xlabel="value (0: ImageNet's mean)", ylabel="pixels")
    axes[4].legend(fontsize=8, title="channel", title_fontsize=8)
    fig.suptitle("The paper's augmentation, step by step", fontsize=11)
    return fig


def _pixels(ax: Axes, image: Tensor, title: str = "") -> None:
    ax.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(title, fontsize=9, pad=3)


def _box(ax: Axes, image: Tensor, chosen: Crop) -> None:
    """The box on the image, which is dimmed outside it; dashed when it is too big."""
    h, w = image.shape[1:]
    top, left, ch, cw = chosen.box
    color = PALETTE["yellow" if chosen.fits else "black"]
    style = "solid" if chosen.fits else "dashed"
    if chosen.fits:
        shade: NDArray[np.float64] = np.zeros((h, w, 4))
        shade[..., 3] = 0.55
        shade[top : top + ch, left : left + cw, 3] = 0
        ax.imshow(shade)
    corner = left - 0.5, top - 0.5
    ax.add_patch(Rectangle(corner, cw, ch, fill=False, ec=color, ls=style, lw=2))
    margin = max(2, -left + 2, -top + 2)
    ax.set(xlim=(-margin, w + margin - 1), ylim=(h + margin - 1, -margin))
    for spine in ax.spines.values():
        spine.set_visible(False)


def gallery_roles(query: Sample, gallery: Sequence[Sample]) -> Figure:
    """A query and gallery images, each with what it counts for (§4.2)."""
    titles, borders = ["query\n" + _who(query)], ["black"]
    for s in gallery:
        own = s.pid == query.pid and s.camid == query.camid
        if s.pid == JUNK or own:
            role, border = "junk: own cam." if own else "junk: bad box", "grey"
        elif s.pid == query.pid:
            role, border = "✓ right", "blue"
        else:
            role, border = "✗ wrong", "vermilion"
        titles.append(f"{role}\n{_who(s)}")
        borders.append(border)
    paths = [query.path, *(s.path for s in gallery)]
    return contact_sheet(
        paths,
        len(paths),
        titles=titles,
        borders=borders,
        title="What counts for this query: ✓ right, ✗ wrong; junk does not count",
        width=0.95 * len(paths),
    )


def _who(s: Sample) -> str:
    return f"pid {s.pid}, c{s.camid}"


def pk_grid(batch: Sequence[Sample], p: int, k: int) -> Figure:
    """A PK batch, person after person, as p columns of k images each."""
    if len(batch) != p * k:
        raise DplibError(f"{len(batch)} images are no batch of P={p} times K={k}")
    rows = [batch[person * k + i] for i in range(k) for person in range(p)]
    return contact_sheet(
        [s.path for s in rows],
        p,
        titles=[_who(s) for s in rows],
        title=f"A batch of P = {p} people (columns) with K = {k} images each",
        width=0.95 * p,
    )


# ---------------------------------------------------------------------- statistics


def crop_areas(boxes: NDArray[Any], image_size: tuple[int, int]) -> Figure:
    """Where drawn boxes [n, 4] lie: area share against height/width, and the areas."""
    h, w = image_size
    share = boxes[:, 2] * boxes[:, 3] / (h * w)
    ratio = boxes[:, 2] / boxes[:, 3]
    fig = Figure((9.0, 3.4), layout="constrained")
    cloud, areas = fig.subplots(1, 2)
    cloud.scatter(
        ratio, 100 * share, s=3, alpha=0.3, color=PALETTE["sky"], label="a drawn box"
    )
    r = np.linspace(*PAPER_RATIO, 50)
    limit = 100 * np.minimum(h / w / r, 1)
    cloud.plot(r, limit, color="black", ls="--", lw=1.5, label="as high as the image")
    cloud.fill_between(
        r, limit, 100, color=PALETTE["grey"], alpha=0.35, label="does not fit"
    )
    cloud.set(xlabel="height / width of the box", ylabel="share of the area (%)")
    cloud.set_title("Which boxes fit into the image", fontsize=10)
    cloud.set(xlim=(1.95, 3.05), ylim=(62, 102))
    cloud.legend(fontsize=8, loc="lower left", framealpha=1)
    bins = np.linspace(62, 102, 41).tolist()
    areas.hist(100 * share, bins, color=PALETTE["sky"], label="drawn boxes")
    middle, mean = 50 * sum(PAPER_SCALE), float(100 * share.mean())
    areas.axvline(
        middle, color="black", ls="--", lw=1.5, label=f"middle of 64…100: {middle:.0f}"
    )
    areas.axvline(mean, color="black", lw=1.5, label=f"their mean: {mean:.1f}")
    areas.set(xlabel="share of the area (%)", ylabel="boxes")
    areas.set_title(f"Areas of {len(boxes):,} boxes", fontsize=10)
    areas.legend(fontsize=8)
    return fig


MEASURES = ("brightness", "contrast", "saturation", "red - blue", "sharpness")
SETS = {
    "toymarket": ("ToyMarket", "sky", "//"),
    "market1501": ("Market-1501", "grey", ""),
}


def crop_statistics(record: Mapping[str, Any]) -> Figure:
    """The record of ``tools/compare_crops.py``: five measures of both sets' images.

    The upper row shows the spread of each measure (5 to 95 %, 25 to 75 %, median), the
    lower row the share of its variance that the camera explains.

    Raises:
        DplibError: The record lacks a measure.
    """
    _check(record)
    fig = Figure((9.5, 4.6), layout="constrained")
    upper, lower = np.asarray(fig.subfigures(2, 1, height_ratios=[1.25, 1]))
    panels = upper.subplots(1, len(MEASURES), squeeze=False)[0]
    for measure, ax in zip(MEASURES, panels, strict=True):
        for i, (name, (label, color, hatch)) in enumerate(SETS.items()):
            v = record[name][measure]
            ends = v["5 %"], v["95 %"]
            ax.plot([i, i], ends, color=PALETTE[color], lw=1.5)
            height = v["75 %"] - v["25 %"]
            ax.bar(
                [i],
                [height],
                0.55,
                [v["25 %"]],
                color=PALETTE[color],
                hatch=hatch,
                label=label,
                edgecolor="white",
            )
            ax.plot([i - 0.3, i + 0.3], [v["median"]] * 2, color="black", lw=2)
        ax.set_title(measure, fontsize=10)
        ax.set_xticks([0, 1], ["Toy", "Market"], fontsize=8)
        ax.set_xlim(-0.6, 1.6)
        ax.tick_params("y", labelsize=8)
    panels[0].set_ylabel("pixel values, black 0, white 1", fontsize=8)
    upper.suptitle(
        "Training images: 5 to 95 % (line), 25 to 75 % (box), median (bar)", fontsize=10
    )
    ax = lower.subplots()
    at = np.arange(len(MEASURES))
    for i, (name, (label, color, hatch)) in enumerate(SETS.items()):
        shares = [100 * record[name][m]["explained by camera"] for m in MEASURES]
        bars = ax.bar(
            at + 0.4 * i - 0.2,
            shares,
            0.36,
            color=PALETTE[color],
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
        ax.bar_label(bars, [f"{s:.0f}" for s in shares], fontsize=8)
    ax.set_xticks(at, MEASURES)
    ax.set(ylabel="share of variance (%)", ylim=(0, 65))
    ax.set_title("Variance explained by the camera", fontsize=10)
    ax.legend(fontsize=8)
    return fig


def statistics_in_words(record: Mapping[str, Any]) -> str:
    """The alternative text of ``crop_statistics``.

    Raises:
        DplibError: The record lacks a measure.
    """
    _check(record)
    sets = {label: record[name] for name, (label, _, _) in SETS.items()}
    words = ["Two rows of bars, for five measures of the images of both sets."]
    medians, shares = (
        [
            f"{m} "
            + " against ".join(f"{r[m][key]:{form}} in {s}" for s, r in sets.items())
            for m in MEASURES
        ]
        for key, form in (("median", ".3g"), ("explained by camera", ".0%"))
    )
    words.append(f"Upper row, the medians: {'; '.join(medians)}.")
    words.append(f"Lower row, explained by the camera: {'; '.join(shares)}.")
    return " ".join(words)


def _check(record: Mapping[str, Any]) -> None:
    """DplibError if the record lacks a measure of one of the sets."""
    for name in SETS:
        if missing := [m for m in MEASURES if m not in record.get(name, {})]:
            raise DplibError(
                f"The record of crops has no {', '.join(missing)} for {name}; make it "
                "anew: python tools/compare_crops.py"
            )
