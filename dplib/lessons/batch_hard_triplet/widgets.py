"""An embedding that trains while the reader watches, drawn by ``figures``."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from dplib import losses
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

    Margin, P, K, mining and distance can be changed at any step and apply from then on;
    the step slider goes back in time; Reset goes to the start. The text is that of
    ``describe``.
    """
    flat = FlatEmbedding(seed=seed)
    pids = len(flat.labels.unique())
    images = len(flat.labels) // pids
    reset = ipywidgets.Button(description="Reset", icon="refresh")
    mining = ipywidgets.Dropdown(options=list(MINING), description="mining")
    distance = ipywidgets.Dropdown(options=list(DISTANCES), description="distance")
    margin = view.slider("margin", 0.1, 2, 0.5, step=0.1)
    p = view.slider("P", 2, pids, 4)
    k = view.slider("K", 2, images, 4)
    page = view.View([], [mining, distance], [margin, p, k])
    clock = page.rows[0]

    def settings() -> Settings:
        squared = distance.value == DISTANCES[1]
        return Settings(mining.value, margin.value, p.value, k.value, squared)

    def draw(change: object = None) -> None:
        now, step = settings(), clock.children[1]
        flat.train(step.value, now)
        look = flat.look(step.value, now)
        page.say(describe(flat, step.value, now, look))
        page.show(figures.embedding(flat, step.value, now, look), dpi=80)

    def turn() -> None:
        flat.rewind(clock.children[1].value)  # what follows comes from the new settings
        draw()

    def start_over(button: object) -> None:
        old, clock.children = clock.children, (*_clock(draw), reset)
        for w in old[:2]:  # new ones: ticks that are under way reach nobody
            w.unobserve_all()
            for playing in ("playing", "_playing"):  # the latter in ipywidgets 7
                if w.has_trait(playing):
                    w.set_trait(playing, False)
        turn()

    clock.children = (*_clock(draw), reset)
    reset.on_click(start_over)
    return page.follow(turn, [mining, distance, margin, p, k])


def _clock(draw: Callable[[object], None]) -> tuple[ipywidgets.Widget, ...]:
    """Play and the step slider, linked in the browser; ``draw`` follows the slider."""
    play = ipywidgets.Play(min=0, max=STEPS, step=1, interval=500)
    step = view.slider("step", 0, STEPS)
    ipywidgets.jslink((play, "value"), (step, "value"))
    step.observe(draw, names="value")
    return play, step


def describe(flat: FlatEmbedding, step: int, settings: Settings, look: Look) -> str:
    """What the widget says: step, loss and active share of the batch's triplets, then
    equation 1 (``losses.batch_hard_triplet``) over all points."""
    every = losses.batch_hard_triplet(flat.trace[step], flat.labels, settings.margin)
    return (
        f"step {step} · {settings.mining}: loss {look.loss.item():.4f}, "
        f"{look.active:.1%} of {len(look.hinge)} triplets active\n"
        f"equation 1 over all {len(flat.labels)} points: loss {every.loss.item():.4f}, "
        f"{every.active.item():.1%} active"
    )
