"""Figures say in words and signs what they show in colour."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import picture, texts
from matplotlib.figure import Figure
from PIL import Image

from dplib import DplibError, plots
from dplib.lessons.evaluation import figures
from dplib.lessons.training import figures as training_figures

ALT = "A long enough text that says what the figure shows and what follows from it."


def test_png_has_the_same_bytes_each_time() -> None:
    def draw() -> bytes:
        return plots.png(plots.contact_sheet([picture(0)], 1))

    assert draw() == draw()
    assert Image.open(io.BytesIO(draw())).format == "PNG"


def test_show_puts_the_alt_text_on_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, **kw: shown.append((data, kw))
    )
    plots.show(plots.contact_sheet([picture(0)], 1), alt=f"  {ALT}\n  <b> ")
    (image, options), (words, _) = shown
    assert image["image/png"].startswith(b"\x89PNG")
    assert options["metadata"]["image/png"]["alt"] == f"{ALT} <b>" and options["raw"]
    assert f"{ALT} &lt;b&gt;" in words.data and "<details>" in words.data


def test_show_refuses_a_short_alt_text() -> None:
    with pytest.raises(DplibError, match=r"'A curve\.' has 8 characters"):
        plots.show(Figure(), alt="A curve.")


def test_contact_sheet_takes_pictures_of_all_kinds(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture(1)).save(path)
    fig = plots.contact_sheet(
        [picture(0), Image.fromarray(picture(1)), path],
        2,
        titles=["one", "two", "three"],
        borders=["blue", None, "vermilion"],
        title="People",
    )
    assert len(fig.axes) == 4 and not fig.axes[3].axison
    assert {"one", "three", "People"} <= set(texts(fig).split("\n"))
    shown = [ax.get_images()[0].get_array() for ax in fig.axes[:3]]
    assert np.array_equal(shown[1], shown[2])


@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        ([], {}, "no images"),
        ([picture(0)], {"titles": []}, "0 titles for 1 images"),
        ([np.zeros((4, 4))], {}, r"H×W×3 of uint8; this is \(4, 4\)"),
        (["missing.jpg"], {}, "missing.jpg cannot be shown"),
    ],
)
def test_contact_sheet_refuses(images: Any, options: Any, words: str) -> None:
    with pytest.raises(DplibError, match=words):
        plots.contact_sheet(images, **options)


def test_ranked_galleries_marks_by_sign_and_colour() -> None:
    row = plots.Ranked(
        picture(0),
        [picture(i) for i in range(1, 5)],
        [True, False, False, True],
        [False, True, False, False],
        [0.1, 0.2, 0.3, 0.4],
    )
    fig = plots.ranked_galleries([row])
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == ["query", "1 ✓", "junk", "2 ✗", "3 ✓"]  # junk takes no rank
    assert [ax.get_xlabel() for ax in fig.axes[1:]] == ["0.10", "0.20", "0.30", "0.40"]
    edges = [ax.spines["left"].get_edgecolor() for ax in fig.axes[1:]]
    assert edges[0] == edges[3] and len(set(edges)) == 3
    junk = np.asarray(fig.axes[2].get_images()[0].get_array())
    assert np.array_equal(junk[..., 0], junk[..., 1])  # greyed
    assert "✓ right" in texts(fig) and "distance" in texts(fig)


def test_ranked_galleries_refuses_lists_of_other_lengths() -> None:
    with pytest.raises(DplibError, match=r"lengths are \[1, 2\]"):
        row = plots.Ranked(picture(0), [picture(1)], [True, False], [False])
        plots.ranked_galleries([row])
    with pytest.raises(DplibError, match="gallery list is empty"):
        plots.ranked_galleries([plots.Ranked(picture(0), [], [], [])])
    with pytest.raises(DplibError, match="no ranking to show"):
        plots.ranked_galleries([])


def history(n: int) -> list[dict[str, Any]]:
    return [
        {
            "iteration": i,
            "lr": 3e-4,
            "ranking": 0.7 / (i + 1),
            "part": None,
            "global": 4.0 - i / n,
            "active": 1 - i / n,
        }
        for i in range(n)
    ]


def test_training_curves_show_chance_and_leave_out_absent_branches() -> None:
    fig = training_figures.training_curves(history(120), 150)
    losses, active, _ = fig.axes
    labels = {str(line.get_label()) for line in losses.get_lines()}
    assert "guessing, ln 150" in labels and "BgI, whole image" in labels
    assert not any("BpI" in label for label in labels)
    (chance,) = (x for x in losses.get_lines() if "ln 150" in str(x.get_label()))
    assert chance.get_ydata()[0] == pytest.approx(math.log(150))
    assert max(active.get_lines()[0].get_ydata()) == pytest.approx(100)
    for ax in fig.axes:
        assert (
            ax.get_title() and ax.get_xlabel() and ax.get_ylabel() and ax.get_legend()
        )


def test_running_mean_is_over_the_last_fiftieth() -> None:
    y = np.arange(200.0)
    y[10] = np.nan
    smooth = training_figures._smooth(y)  # over 4 values
    assert smooth[0] == 0 and smooth[1] == 0.5
    assert smooth[100] == pytest.approx(np.mean([97, 98, 99, 100]))
    assert smooth[12] == pytest.approx(np.mean([9, 11, 12]))


def test_training_curves_need_an_iteration() -> None:
    with pytest.raises(DplibError, match="no iteration"):
        training_figures.training_curves([], 150)


def test_cmc_curve_names_its_curves() -> None:
    curves = {"ours": torch.tensor([0.5, 0.75, 1.0]), "chance": [0.1, 0.2, 0.3]}
    fig = figures.cmc_curve(curves, max_rank=2)
    assert "ours: rank-1 50.0 %" in texts(fig) and "chance: rank-1 10.0 %" in texts(fig)
    assert list(fig.axes[0].get_lines()[0].get_ydata()) == [50, 75]
    assert "model: rank-1 50.0 %" in texts(figures.cmc_curve(curves["ours"]))


def test_average_precision_is_the_area_of_the_blocks() -> None:
    fig = figures.average_precision_steps(torch.tensor([3, 1]))
    blocks = fig.axes[0].patches
    area = sum(b.get_width() * b.get_height() for b in blocks)  # type: ignore[attr-defined]
    assert area == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert "AP = 0.833" in texts(fig) and "83.3 %" in texts(fig)


@pytest.mark.parametrize("ranks", [[], [0, 2]])
def test_average_precision_refuses(ranks: list[int]) -> None:
    with pytest.raises(DplibError, match="from 1 up"):
        figures.average_precision_steps(ranks)
