"""Figures of lesson 2: rows of fb, what they see, and what a shift does to them.

An ideal stripe is always sky blue, a theoretical field is black and dashed, and energy
is drawn in matplotlib's "inferno". Rows of fb are green, as is the branch BpI, which
reads them; fm is black.
"""

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

from dplib import DplibError
from dplib.plots import PALETTE
from dplib.seeing import fields as activations
from dplib.seeing.fields import RowFields, Stripe


def feature_rows(images: Tensor, fb: Tensor) -> Figure:
    """Each image cut into H stripes, and beside it its map fb, place by place.

    images: uint8 [N, 3, h, w]; fb: [N, C, H, W]. A place's brightness is the root
    mean square of its C numbers.
    """
    if len(images) != len(fb):
        raise DplibError(f"{len(images)} images, but {len(fb)} maps: one map an image")
    strength = activations.strength(fb.detach())
    n, rows, columns = strength.shape
    h, w = images.shape[2:]
    fig = Figure((1.75 * n + 0.6, 2.1), layout="constrained")
    axes = fig.subplots(1, 2 * n, squeeze=False)[0]
    top = float(strength.max())
    for i in range(n):
        left, right = axes[2 * i], axes[2 * i + 1]
        _pixels(left, images[i])
        for row in range(1, rows):
            left.axhline(row * h / rows - 0.5, color="white", lw=0.8, ls=(0, (3, 2)))
        drawn = right.imshow(strength[i].numpy(), vmin=0, vmax=top, cmap="cividis")
        right.set_aspect(columns * h / (rows * w))
        right.set(xticks=range(columns), yticks=range(rows))
        right.set_xticklabels(range(1, columns + 1), fontsize=7)
        right.set_yticklabels([f"$S_{t}$" for t in range(1, rows + 1)], fontsize=8)
        right.tick_params(length=0)
    fig.colorbar(drawn, ax=axes.tolist(), label="strength of fb (RMS)")
    fig.suptitle(f"{rows} stripes and the {rows} × {columns} places of fb", fontsize=11)
    return fig


def identified(
    query: Tensor, class_images: Tensor, titles: Sequence[str], *, title: str = ""
) -> Figure:
    """Pictures above, the training person that each was taken for below.

    query, class_images: uint8 [N, 3, h, w]; titles: N texts for the lower row.
    """
    fig = Figure((1.15 * len(query) + 0.2, 4.3), layout="constrained")
    grid = fig.subplots(2, len(query), squeeze=False)
    for i, text in enumerate(titles):
        _pixels(grid[0, i], query[i])
        _pixels(grid[1, i], class_images[i])
        grid[1, i].set_title(text, fontsize=8, pad=3)
        grid[0, i].set_title("a stranger", fontsize=8, pad=3)
    fig.suptitle(title, fontsize=11)
    return fig


# -------------------------------------------------------------------------- fields


def three_fields(image: Tensor, found: RowFields, *, title: str = "") -> Figure:
    """Ideal stripe, theoretical and effective field of one row, on the same image.

    image: uint8 [3, h, w]; found: of ``fields.fields_of_row``.
    """
    h = image.shape[1]
    fig = Figure((6.2, 3.6), layout="constrained")
    axes = fig.subplots(1, 4, width_ratios=[1, 1, 1, 1.1])
    held = activations.band(found.effective)
    share = activations.share_within(found.effective, found.ideal)
    _stripe(axes[0], image, found.ideal, "sky", "-", "ideal stripe")
    axes[0].set_xlabel(f"{found.ideal.height} px", fontsize=8)
    _stripe(axes[1], image, found.theory.within(h), "black", "--", "theoretical")
    axes[1].set_xlabel(f"{found.theory.height} px", fontsize=8)
    _effective(axes[2], image, found.effective)
    axes[2].set_xlabel(f"90 % in {held.height} px", fontsize=8)
    _profile(axes[3], found, held, share)
    name = f"Row {found.row + 1} of {found.rows}: which pixels it depends on"
    fig.suptitle(f"{name}, {title}" if title else name, fontsize=11)
    return fig


def _stripe(
    ax: Axes, image: Tensor, s: Stripe, color: str, line: str, title: str
) -> None:
    """The image, dimmed outside the stripe, with the stripe's border."""
    pixels = _array(image).astype(float)
    outside = np.ones(pixels.shape[0], bool)
    outside[max(s.top, 0) : s.bottom + 1] = False
    pixels[outside] = 0.35 * pixels[outside] + 0.65 * 235
    _pixels(ax, torch.from_numpy(pixels.astype(np.uint8)).permute(2, 0, 1))
    box = Rectangle(
        (-0.5, s.top - 0.5), pixels.shape[1], s.height, fill=False, lw=2.2,
        edgecolor=PALETTE[color], ls=line, clip_on=False,
    )  # fmt: skip
    ax.add_patch(box)
    ax.set_title(title, fontsize=9, pad=4)


def _effective(ax: Axes, image: Tensor, field: Tensor) -> None:
    """The image in grey, and on it the square root of the field's energy."""
    grey = _array(image).mean(axis=2)
    ax.imshow(grey, cmap="gray", vmin=-120, vmax=375, interpolation="nearest")
    amount = field.sqrt().numpy()
    top = float(np.quantile(amount, 0.999)) or 1.0
    ax.imshow(amount, cmap="inferno", alpha=np.clip(amount / top, 0, 1) ** 0.6,
              vmin=0, vmax=top)  # fmt: skip
    ax.set(xticks=[], yticks=[])
    ax.set_title("effective", fontsize=9, pad=4)


def _profile(ax: Axes, found: RowFields, held: Stripe, share: float) -> None:
    """Energy per pixel row, the ideal stripe and the band of 90 %."""
    energy = 100 * activations.profile(found.effective).numpy()
    ax.axhspan(*_edges(held), color=PALETTE["yellow"], alpha=0.5, label="90 %")
    ax.axhspan(
        *_edges(found.ideal), fill=False, edgecolor=PALETTE["sky"], lw=2,
        label=f"ideal: {share:.0%}",
    )  # fmt: skip
    ax.plot(energy, np.arange(len(energy)), color=PALETTE["black"], lw=1.2)
    ax.set(ylim=(len(energy) - 0.5, -0.5), xlim=(0, None))
    ax.tick_params(labelsize=7)
    ax.set_xlabel("energy per pixel row (%)", fontsize=8)
    ax.legend(fontsize=7, loc="lower right" if found.row < found.rows / 2 else 1)
    ax.set_title("by height (px)", fontsize=9, pad=4)


def _edges(s: Stripe) -> tuple[float, float]:
    return s.top - 0.5, s.bottom + 0.5


def centres(fields: Tensor) -> Tensor:
    """The mean pixel row of each effective field [..., h, w], weighted by its energy.

    The result [...] counts pixel rows from 0.
    """
    energy = activations.profile(fields).double()
    places = torch.arange(energy.shape[-1], dtype=torch.double)
    return (energy * places).sum(-1) / energy.sum(-1)


def field_profiles(
    fields: Mapping[str, Tensor], theory: Sequence[float] = (), *, title: str = ""
) -> Figure:
    """For each net, the energy of every row's field over the height of the image.

    fields: name → effective fields [H, h, w] of all rows. White boxes are the ideal
    stripes; if figure 3 were true, all energy would lie in them. Discs mark the
    ``centres`` of the fields; theory: the centres of the theoretical fields in pixel
    rows, marked by crosses.
    """
    fig = Figure((3.9 * len(fields) + 0.7, 3.6), layout="constrained")
    axes = fig.subplots(1, len(fields), squeeze=False)[0]
    energies = {k: 100 * activations.profile(f).numpy() for k, f in fields.items()}
    top = max(float(e.max()) for e in energies.values())
    for ax, (name, energy) in zip(axes, energies.items(), strict=True):
        rows, height = energy.shape
        drawn = ax.imshow(energy, aspect="auto", cmap="inferno", vmin=0, vmax=top)
        for row in range(rows):
            s = activations.ideal_stripe(row, rows, height)
            box = Rectangle(
                (s.top - 0.5, row - 0.5), s.height, 1, fill=False, edgecolor="white"
            )
            ax.add_patch(box)
        marks = {"s": 34, "edgecolors": "black", "linewidths": 0.8, "zorder": 3}
        found = centres(fields[name])
        ax.scatter(found, range(rows), c="white", label="centre, effective", **marks)
        marks |= {"s": 48, "marker": "X"}
        ax.scatter(
            theory,
            range(len(theory)),
            c=PALETTE["sky"],
            label="centre, theoretical",
            **marks,
        )
        ax.set(title=name, xlabel="pixel row of the image (head to foot)")
        ax.set(xlim=(-4, height - 0.5), ylim=(rows - 0.5, -0.5))
        ax.set_yticks(range(rows), [f"$S_{t}$" for t in range(1, rows + 1)])
    fig.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        fontsize=8,
        facecolor="#BBBBBB",
    )
    fig.colorbar(drawn, ax=axes.tolist(), label="energy per pixel row (%)")
    fig.suptitle(title, fontsize=11)
    return fig


# ---------------------------------------------------------------------- misalignment


class Shifted(NamedTuple):
    """A picture, how much each of its rows changed, and how much fm did."""

    title: str
    image: Tensor  # uint8 [3, h, w]
    rows: Tensor  # [H], ‖S'_t - S_t‖ / ‖S_t‖
    fm: float  # the same of fm

    def words(self) -> str:
        """The changes in percent, head to foot, then fm's."""
        rows = " ".join(f"{100 * float(x):.0f}" for x in self.rows)
        return f"change of S_1 … S_{len(self.rows)} in %: {rows} · of fm: {self.fm:.0%}"


def shifts(shown: Sequence[Shifted], *, title: str = "") -> Figure:
    """Pictures, each with bars for the change of every row beside it."""
    fig = Figure((2.35 * len(shown), 2.8), layout="constrained")
    grid = fig.subplots(1, 2 * len(shown), squeeze=False)[0]
    top = max(100.0, *(100 * float(s.rows.max()) for s in shown))
    for i, s in enumerate(shown):
        picture, bars = grid[2 * i], grid[2 * i + 1]
        rows, height = len(s.rows), s.image.shape[1]
        _pixels(picture, s.image)
        for t in range(1, rows):
            at = t * height / rows - 0.5
            picture.axhline(at, color="white", lw=0.7, ls=(0, (3, 2)))
        picture.set_title(s.title, fontsize=9, pad=4)
        bars.barh(range(rows), 100 * s.rows.numpy(), color=PALETTE["green"],
                  label="$S_t$")  # fmt: skip
        bars.axvline(100 * s.fm, color=PALETTE["black"], ls="--", label="$f_m$")
        bars.set(ylim=(rows - 0.5, -0.5), xlim=(0, top))
        bars.set_box_aspect(height / s.image.shape[2])  # each bar beside its stripe
        bars.set_yticks(range(rows), [f"$S_{t}$" for t in range(1, rows + 1)])
        bars.tick_params(labelsize=7, length=2)
        bars.set_xlabel("change (%)", fontsize=8)
        if i == 0:
            bars.legend(fontsize=7, loc="lower right")
    fig.suptitle(title, fontsize=11)
    return fig


def row_similarity(matrices: Mapping[str, Tensor], *, title: str = "") -> Figure:
    """Cosine of row t of one picture and row u of another: [H, H] for each name."""
    fig = Figure((2.9 * len(matrices) + 0.9, 3.3), layout="constrained")
    axes = fig.subplots(1, len(matrices), squeeze=False)[0]
    for ax, (name, m) in zip(axes, matrices.items(), strict=True):
        drawn = ax.imshow(m.numpy(), vmin=-1, vmax=1, cmap="RdBu")  # blue: positive
        best = m.argmax(1).tolist()
        ax.scatter(best, range(len(best)), marker="x", color="black", s=18)
        labels = [f"$S_{t}$" for t in range(1, len(best) + 1)]
        ax.set_xticks(range(len(best)), labels, fontsize=7)
        ax.set_yticks(range(len(best)), labels, fontsize=7)
        ax.set_title(name, fontsize=9)
        ax.set_xlabel("row of the second picture  (×: largest)", fontsize=8)
    axes[0].set_ylabel("row of the first picture", fontsize=8)
    fig.colorbar(drawn, ax=axes.tolist(), label="mean cosine similarity", shrink=0.85)
    fig.suptitle(title, fontsize=11)
    return fig


def rank1_by_shift(
    steps: Sequence[float],
    curves: Mapping[str, Any],
    *,
    moved: str = "shift of the person, down",
    title: str = "Rank-1 when boxes are misaligned",
) -> Figure:
    """Rank-1 against a shift in rows of fb; ``moved`` says what is shifted.

    curves: name → a curve, or the curves of several nets [nets, steps]: then the line
    is their mean, and a band reaches from the lowest to the highest.
    """
    fig = Figure((5.6, 3.5), layout="constrained")
    ax = fig.subplots()
    styles = (("black", "-", "o"), ("green", "--", "s"), ("sky", ":", "D"))
    for (name, curve), (color, line, mark) in zip(curves.items(), styles, strict=False):
        y = 100 * np.atleast_2d(np.asarray(curve, float))
        if len(y) > 1:
            ax.fill_between(
                steps, y.min(0), y.max(0), color=PALETTE[color], alpha=0.2, lw=0
            )
        ax.plot(
            steps, y.mean(0), color=PALETTE[color], ls=line, marker=mark, ms=5,
            label=name,
        )  # fmt: skip
    ax.set(
        title=title,
        xlabel=f"{moved} (rows of fb)",
        ylabel="rank-1 (%)",
        ylim=(-3, 103),
        xticks=list(steps),
    )
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return fig


def row_scores(scores: Sequence[float], others: Mapping[str, float]) -> Figure:
    """Rank-1 of each row alone as bars, and of whole descriptors as lines."""
    fig = Figure((5.6, 3.3), layout="constrained")
    ax = fig.subplots()
    names = [f"$S_{t}$" for t in range(1, len(scores) + 1)]
    bars = ax.bar(names, [100 * s for s in scores], color=PALETTE["green"],
                  alpha=0.6, label="one row alone")  # fmt: skip
    ax.bar_label(bars, fmt="%.0f", fontsize=8)
    styles = (("green", "--"), ("black", "-"))
    for (name, value), (color, line) in zip(others.items(), styles, strict=False):
        ax.axhline(100 * value, color=PALETTE[color], ls=line, label=name)
    ax.set(title="Rank-1 of each row alone", ylabel="rank-1 (%)", ylim=(0, 110))
    ax.set_xlabel("row of fb, head to foot")
    ax.legend(fontsize=8, ncols=3, loc="upper center")
    return fig


def _array(image: Tensor) -> NDArray[Any]:
    """uint8 [3, h, w] → [h, w, 3]."""
    if image.ndim != 3 or image.shape[0] != 3 or image.dtype != torch.uint8:
        raise DplibError(
            f"an image must be uint8 [3, h, w]; this is {tuple(image.shape)} of "
            f"{image.dtype}"
        )
    return image.permute(1, 2, 0).numpy()


def _pixels(ax: Axes, image: Tensor) -> None:
    ax.imshow(_array(image), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
