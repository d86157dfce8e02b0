"""What each number of a recipe is for, and why the toy preset has another one.

The numbers themselves are in ``presets``; the tables here are made from them.
"""

from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

from dplib import DplibError, presets
from dplib.presets import Preset


class Word(NamedTuple):
    """What a field of a Preset is for; why toy differs from paper, if it does."""

    purpose: str
    toy: str = ""


_SMALL = "minutes on two cores"
WORDS: dict[str, Word] = {
    "backbone": Word("the net that gives fb", _SMALL),
    "backbone_width": Word("its channels, as a share of the original's", _SMALL),
    "last_stride": Word(
        "stride of its last stage", "1 keeps fb at 8 x 4 with half the height and width"
    ),
    "image_size": Word("height x width in pixels", "drawn people have little detail"),
    "branches": Word("which of the three losses there are"),
    "part_context": Word("what reads the rows (lesson 3)"),
    "head": Word(
        "before both classifiers: bn is ours, the paper has linear (lesson 3)"
    ),
    "part_units": Word("U, the width of an LSTM's state", "C is 128, not 2048"),
    "global_units": Word("width of BgI's FC; None: C"),
    "weights": Word("where the backbone starts", "nothing to download"),
    "p": Word("people in a batch", "600 people: more updates in an epoch"),
    "k": Word("pictures of each", "ToyMarket has about ten of each person"),
    "crop_scale": Word(
        "a crop's share of the area, because detected boxes are often cut badly"
    ),
    "crop_ratio": Word("a crop's height / width, which is that of a standing person"),
    "log_ratio": Word("how that ratio is drawn"),
    "flip": Word("share of mirrored images, because people walk both ways"),
    "loss_weights": Word("λ1 of BtR, λ2 of BpI, λ3 of BgI"),
    "margin": Word("m of equation 1, a distance"),
    "ranking_only_epochs": Word("epochs at the start with BtR alone"),
    "lr": Word("Adam's step length", "random weights and small batches"),
    "weight_decay": Word("shrinks weights that no loss asks for"),
    "clip_norm": Word("length above which the gradient is clipped"),
    "epochs": Word("length of the run, in ⌊Nc / P⌋ batches", _SMALL),
    "decay_start": Word(
        "epochs at full lr", "later, because there is little time to learn"
    ),
    "warmup": Word("iterations in which lr rises"),
    "autocast": Word("bfloat16 in the forward pass"),
}


def rows(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Field → its value in each of the presets, in words."""
    chosen = [presets.get(n) for n in names]
    return {
        f.name: tuple(_say(getattr(p, f.name)) for p in chosen)
        for f in fields(Preset)
        if f.name != "name"
    }


def table(names: tuple[str, ...] = ("paper", "authors", "toy")) -> str:
    """A Markdown table: each number, its value in the presets, what it is for.

    Values that differ from the first preset's are bold; where toy's does, the reason
    stands behind the purpose.
    """
    if not names:
        raise DplibError("table got no presets: name at least one")
    head = ["number", *names, "what it is for"]
    if "toy" in names:
        head.append("why toy differs")
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for field, values in rows(names).items():
        shown = [v if v == values[0] else f"**{v}**" for v in values]
        cells = [f"`{field}`", *shown, WORDS[field].purpose]
        if "toy" in names:
            toy = values[names.index("toy")]
            cells.append("" if toy == values[0] else WORDS[field].toy)
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def _say(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_say(v) for v in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
