"""Figures say in words and signs what they show in colour."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import picture, texts
from matplotlib.figure import Figure
from PIL import Image

from dplib import DplibError, plots

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
        (["missing.jpg"], {}, "missing.jpg: no such image"),
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
