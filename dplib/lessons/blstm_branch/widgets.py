"""Interactive views of lesson 3, on the drawings of ``figures``."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets
from torch import Tensor, nn

from dplib import DplibError
from dplib.lessons import view
from dplib.lessons.blstm_branch import figures
from dplib.seeing import gates
from dplib.seeing.gates import Trace


def gate_inspector(images: Tensor, trace: Trace, *, unit: int = 0) -> ipywidgets.Widget:
    """Choose a person, a layer, a direction and a unit; see i, f, o, c along the rows.

    images: uint8 [N, 3, h, w]; trace: ``gates.trace`` of the same N images; unit:
    the one to begin with. The text has the numbers of ``trace`` for the chosen
    direction, from row 1 to row H.
    Raises DplibError when the two differ in N.
    """
    layers, directions, n, _, units = trace.h.shape
    if n != len(images):
        raise DplibError(f"{len(images)} images, and the gates of {n}: give the same")
    person = view.slider("person", 0, n - 1)
    chosen_unit = view.slider("unit", 0, units - 1, unit)
    layer = ipywidgets.Dropdown(
        options=[(str(k + 1), k) for k in range(layers)], description="layer"
    )
    direction = ipywidgets.Dropdown(
        options=[(figures.DIRECTIONS[d], d) for d in range(directions)],
        description="direction",
    )
    page = view.View([person, chosen_unit, layer, direction])

    def draw() -> None:
        chosen = person.value, layer.value, direction.value, chosen_unit.value
        page.say(gate_words(trace, *chosen))
        page.show(figures.gate_view(images[person.value], trace, *chosen))

    return page.follow(draw)


def gate_words(trace: Trace, person: int, layer: int, direction: int, unit: int) -> str:
    """i, f, o and c of one unit, row 1 to row H: a line each, three decimals."""
    where = f"layer {layer + 1}, {figures.DIRECTIONS[direction]}, unit {unit}"
    lines = [f"person {person}, {where}; rows 1 to {trace.h.shape[3]}:"]
    for name, title in figures.PANELS:
        values = getattr(trace, name)[layer, direction, person, :, unit].tolist()
        lines.append(f"{title}: " + "  ".join(f"{v:.3f}" for v in values))
    return "\n".join(lines)


def row_cover(
    images: Tensor, sequence: Tensor, contexts: Mapping[str, nn.Module]
) -> ipywidgets.Widget:
    """Cover a row of fb; see which outputs move, for each of the contexts.

    images: uint8 [N, 3, h, w]; sequence: their S [N, H, C]; contexts: a name → what
    turns S into O. The text has the numbers of ``gates.moved``.
    Raises DplibError for no contexts, and images and sequence that differ in N.
    """
    if not contexts or len(images) != len(sequence):
        raise DplibError(
            f"{len(images)} images, {len(sequence)} sequences, {len(contexts)} "
            "contexts: give a sequence per image and at least one context"
        )
    person = view.slider("person", 0, len(images) - 1)
    row = view.slider("row", 1, sequence.shape[1])
    page = view.View([row, person])

    def draw() -> None:
        k, i = row.value - 1, person.value
        found = {m: gates.moved(c, sequence, k)[i] for m, c in contexts.items()}
        lines = [f"person {i}, row {k + 1} covered; outputs 1 to {sequence.shape[1]}:"]
        lines += [
            f"{m}: " + "  ".join(f"{v:.3f}" for v in values.tolist())
            for m, values in found.items()
        ]
        page.say("\n".join(lines))
        page.show(figures.cover_view(images[i], k, found))

    return page.follow(draw)
