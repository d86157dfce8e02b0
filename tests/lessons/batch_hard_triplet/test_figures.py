"""The figures of triplets: what they draw, and what they refuse."""

import pytest
import torch
from matplotlib.collections import LineCollection

from dplib import DplibError, losses, plots
from dplib.lessons.batch_hard_triplet import figures
from dplib.lessons.batch_hard_triplet.mining import FlatEmbedding, Settings

POINTS = torch.tensor([[0.0, 0], [3, 0], [3, 4], [0, 4], [6, 0], [6, 4]])
LABELS = torch.tensor([7, 7, 3, 3, 5, 5])


def test_triplets_on_paper() -> None:
    fig = figures.triplets_on_paper(POINTS, LABELS, 4, 0.5)
    said = [t.get_text() for t in fig.legends[0].get_texts()]
    assert said[:3] == ["pid 7", "pid 3", "pid 5"]
    assert "hardest positive: D = 4.00" in said and "hardest negative: D = 3.00" in said
    circles = ["as far as the hardest positive", "farther by the margin, 0.5"]
    assert said[-2:] == circles
    radii = [round(float(c.get_radius()), 3) for c in fig.axes[0].patches]
    assert radii == [4.0, 4.5]
    with pytest.raises(DplibError, match=r"\(6, 1\)"):
        figures.triplets_on_paper(POINTS[:, :1], LABELS, 0, 0.5)


def test_distance_matrix_marks_the_hardest() -> None:
    d = losses.pairwise_distances(POINTS)
    ax = figures.distance_matrix(d, LABELS).axes[0]
    far, near = (c.get_offsets()[:, 0].astype(int) for c in ax.collections)
    rows, result = range(6), losses.batch_hard_triplet(POINTS, LABELS)
    assert d[rows, far].tolist() == result.hardest_positive.tolist()
    assert d[rows, near].tolist() == result.hardest_negative.tolist()
    assert len(ax.patches) == 3  # a frame for each pid
    with pytest.raises(DplibError, match=r"\[6, 6\]"):
        figures.distance_matrix(d[:5], LABELS)


def test_hinge_and_slope_and_runs() -> None:
    left, right = figures.hinge_and_slope(0.3).axes
    hinge = left.lines[0].get_ydata()  # from -2 to 2
    assert hinge[0] == 0 and float(hinge[100]) == pytest.approx(0.3, abs=1e-5)
    assert float(right.lines[1].get_ydata()[-1]) == 2
    history = {"loss": [4.0, 2.0, 0.0, 0.0], "active": [1.0, 0.5, 0.0, 0.0]}
    left, right = figures.runs({"batch-hard": [history]}, window=2).axes
    assert left.lines[0].get_xdata().tolist() == [2, 3, 4]
    assert left.lines[0].get_ydata().tolist() == [3, 1, 0]
    assert right.lines[0].get_ydata().tolist() == [75, 25, 0]
    assert left.lines[0].get_color() == plots.BRANCHES["BtR"].color
    other = {"loss": [2.0, 2.0, 2.0, 2.0], "active": [1.0, 1.0, 1.0, 1.0]}
    left, _ = figures.runs({"mine": [history, other]}, window=2).axes
    assert left.lines[0].get_ydata().tolist() == [2.5, 1.5, 1]  # the mean
    band = left.collections[0].get_paths()[0].get_extents()
    assert (band.ymin, band.ymax) == (0, 3)  # the range
    with pytest.raises(DplibError, match="nothing to draw"):
        figures.runs({})


def test_embedding_draws_the_active_triplets() -> None:
    flat, settings = FlatEmbedding(), Settings()
    flat.train(20, settings)
    pictures = set()
    for step in (0, 10, 20):
        look = flat.look(step, settings)
        fig = figures.embedding(flat, step, settings, look)
        lines = [c for c in fig.axes[0].collections if isinstance(c, LineCollection)]
        active = int((look.hinge > 0).sum())
        assert [len(c.get_segments()) for c in lines] == [active, active]
        curve = fig.axes[2].lines[0].get_ydata()
        assert len(curve) == step + 1 and curve[-1] == pytest.approx(look.loss.item())
        pictures.add(plots.png(fig))
    assert len(pictures) == 3


def test_embedding_steps_say_their_numbers() -> None:
    rows = {
        "hard": (FlatEmbedding(), Settings()),
        "K = 2": (FlatEmbedding(), Settings(k=2)),
    }
    fig = figures.embedding_steps(rows, (0, 5))
    assert len(fig.axes) == 4
    flat, settings = rows["K = 2"]
    look = flat.look(5, settings)
    every = losses.batch_hard_triplet(flat.trace[5], flat.labels)
    said = fig.axes[3].get_title()
    assert said.startswith(f"step 5: loss {look.loss:.2f}, active {look.active:.0%}")
    assert said.endswith(f"{every.active:.0%}")
