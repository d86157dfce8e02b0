"""An embedding that trains while one watches, on the drawings of ``figures``."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from dplib import losses, plots
from dplib.lessons import view
from dplib.lessons.batch_hard_triplet import figures
from dplib.lessons.batch_hard_triplet.mining import (
    MINING,
    FlatEmbedding,
    Look,
    Settings,
)

STEPS = 150
DISTANCES = ("Euclidean", "squared")


def flat_embedding(*, seed: int = 0) -> ipywidgets.Widget:
    """Press play: one tick is one step of a :class:`mining.FlatEmbedding`.

    Margin, P, K, mining and distance can be turned at any step and hold from there on;
    the step slider goes back in time; Reset goes to the start. The text is
    ``describe``.
    """
    flat = FlatEmbedding(seed=seed)
    pids = len(flat.labels.unique())
    images = len(flat.labels) // pids
    reset = ipywidgets.Button(description="Reset", icon="refresh")
    mining = ipywidgets.Dropdown(options=list(MINING), description="mining")
    distance = ipywidgets.Dropdown(options=list(DISTANCES), description="distance")
    margin = ipywidgets.FloatSlider(
        value=0.5, min=0.1, max=2, step=0.1, description="margin"
    )
    p = ipywidgets.IntSlider(value=4, min=2, max=pids, description="P")
    k = ipywidgets.IntSlider(value=4, min=2, max=images, description="K")
    for slider in (margin, p, k):
        slider.continuous_update = False
    wrap = {"flex_flow": "row wrap"}
    clock = ipywidgets.HBox(layout=wrap)
    rows = [[mining, distance], [margin, p, k]]
    text = ipywidgets.HTML()
    picture = view.picture()

    def settings() -> Settings:
        squared = distance.value == DISTANCES[1]
        return Settings(mining.value, margin.value, p.value, k.value, squared)

    def draw(change: object = None) -> None:
        now, step = settings(), clock.children[1]
        flat.train(step.value, now)
        look = flat.look(step.value, now)
        text.value = describe(flat, step.value, now, look)
        picture.value = plots.png(
            figures.embedding(flat, step.value, now, look), dpi=80
        )

    def turn(change: object = None) -> None:
        flat.rewind(clock.children[1].value)  # what follows comes from the new settings
        draw()

    def start_over(button: object = None) -> None:
        old, clock.children = clock.children, (*_clock(draw), reset)
        for w in old[:2]:  # new ones: ticks that are under way reach nobody
            w.unobserve_all()
            for playing in ("playing", "_playing"):  # the latter in ipywidgets 7
                if w.has_trait(playing):
                    w.set_trait(playing, False)
        turn()

    for control in (mining, distance, margin, p, k):
        control.observe(turn, names="value")
    reset.on_click(start_over)
    start_over()
    boxes = [ipywidgets.HBox(row, layout=wrap) for row in rows]
    return ipywidgets.VBox([clock, *boxes, text, picture])


def _clock(draw: Callable[[object], None]) -> tuple[ipywidgets.Widget, ...]:
    """Play and the step slider, linked in the browser; ``draw`` follows the slider."""
    play = ipywidgets.Play(min=0, max=STEPS, step=1, interval=500)
    step = ipywidgets.IntSlider(
        min=0, max=STEPS, description="step", continuous_update=False
    )
    ipywidgets.jslink((play, "value"), (step, "value"))
    step.observe(draw, names="value")
    return play, step


def describe(flat: FlatEmbedding, step: int, settings: Settings, look: Look) -> str:
    """What the widget says: step, loss and active share of the batch's triplets, then
    equation 1 (``losses.batch_hard_triplet``) over all points."""
    every = losses.batch_hard_triplet(flat.trace[step], flat.labels, settings.margin)
    return (
        f"step {step} · {settings.mining}: loss {look.loss.item():.4f}, "
        f"{look.active:.1%} of {len(look.hinge)} triplets active<br>"
        f"equation 1 over all {len(flat.labels)} points: loss {every.loss.item():.4f}, "
        f"{every.active.item():.1%} active"
    )
