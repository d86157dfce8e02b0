"""Lesson 2's figures: what they draw is what they were given."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dplib import DplibError, backbones, plots
from dplib.lessons.part_sequences import figures
from dplib.lessons.part_sequences.figures import Shifted
from dplib.seeing import fields as activations


def pictures(n: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, 64, 32), generator=generator).to(torch.uint8)


def texts(fig: Figure) -> str:
    """All titles, labels, ticks and legends."""
    found = [fig.get_suptitle()]
    for ax in fig.axes:
        found += [ax.get_title(), ax.get_xlabel(), ax.get_ylabel()]
        ticks = ax.get_yticklabels() + ax.get_xticklabels()
        found += [t.get_text() for t in ticks + ax.texts]
        if legend := ax.get_legend():
            found += [t.get_text() for t in legend.get_texts()]
    return "\n".join(found)


def test_feature_rows_draw_the_strength() -> None:
    fb = torch.randn(2, 5, 4, 2, generator=torch.Generator().manual_seed(1))
    fig = figures.feature_rows(pictures(), fb)
    drawn = torch.as_tensor(fig.axes[3].get_images()[0].get_array())
    torch.testing.assert_close(drawn, activations.strength(fb)[1])
    assert len(fig.axes[0].get_lines()) == 3, "4 stripes have 3 lines between them"
    assert "$S_4$" in texts(fig) and "4 × 2 places" in texts(fig)
    with pytest.raises(DplibError, match="2 images, but 1 maps"):
        figures.feature_rows(pictures(), fb[:1])


@pytest.fixture(scope="module")
def found() -> activations.RowFields:
    net = backbones.build("resnet18", width=0.125, last_stride=1).net
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    return activations.fields_of_row(net, images, 1)


def test_three_fields_state_their_heights(found: activations.RowFields) -> None:
    fig = figures.three_fields(pictures()[0], found, title="a net")
    held = activations.band(found.effective)
    share = activations.share_within(found.effective, found.ideal)
    said = texts(fig)
    assert "Row 2 of 4: which pixels it depends on, a net" in said
    for part in ("16 px", "339 px", f"90 % in {held.height} px", f"ideal: {share:.0%}"):
        assert part in said
    (line,) = fig.axes[3].get_lines()
    energy = torch.as_tensor(line.get_xdata())
    torch.testing.assert_close(energy, 100 * activations.profile(found.effective))
    box = fig.axes[0].patches[0]
    assert (box.get_y(), box.get_height()) == (15.5, 16)  # type: ignore[attr-defined]
    assert plots.png(fig) == plots.png(
        figures.three_fields(pictures()[0], found, title="a net")
    )


def test_field_profiles_box_the_ideal_stripes() -> None:
    fields = torch.rand(4, 64, 32, generator=torch.Generator().manual_seed(2))
    fig = figures.field_profiles({"one": fields, "two": 2 * fields}, [0, 16, 32, 48])
    found, theory = (c.get_offsets() for c in fig.axes[0].collections)
    np.testing.assert_allclose(found[:, 0], figures.centres(fields))  # type: ignore[index]
    np.testing.assert_allclose(theory, [[0, 0], [16, 1], [32, 2], [48, 3]])
    drawn = torch.as_tensor(fig.axes[1].get_images()[0].get_array())
    torch.testing.assert_close(drawn, 200 * fields.sum(2))
    assert [p.get_x() for p in fig.axes[0].patches] == [-0.5, 15.5, 31.5, 47.5]  # type: ignore[attr-defined]


def test_centres_are_weighted_by_energy() -> None:
    field = torch.zeros(1, 8, 2)
    field[0, 2, 0], field[0, 6, 1] = 3, 1
    torch.testing.assert_close(figures.centres(field), torch.tensor([3.0]).double())


def test_curves_of_several_nets_are_a_mean_and_a_band() -> None:
    fig = figures.rank1_by_shift([0, 1], {"fm": [[0.8, 0.4], [0.6, 0.2]]})
    np.testing.assert_allclose(fig.axes[0].lines[0].get_ydata(), [70, 30])
    (band,) = fig.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]  # type: ignore[index]
    assert (min(heights), max(heights)) == pytest.approx((20, 80))


def test_shifts_draw_the_changes_of_rows_and_fm() -> None:
    rows = torch.tensor([0.1, 0.2, 0.3, 1.4])
    shown = [Shifted("a", pictures()[0], rows * k, 0.05 * k) for k in (0, 1)]
    fig = figures.shifts(shown)
    bars = [p.get_width() for p in fig.axes[3].patches]  # type: ignore[attr-defined]
    assert bars == pytest.approx([10, 20, 30, 140])
    assert fig.axes[3].get_lines()[0].get_xdata()[0] == pytest.approx(5)  # type: ignore[index]
    assert shown[1].words() == "change of S_1 … S_4 in %: 10 20 30 140 · of fm: 5%"
    fig.draw_without_rendering()
    picture, beside = (ax.get_window_extent() for ax in fig.axes[:2])
    assert beside.y0 == pytest.approx(picture.y0)  # each bar beside its stripe
    assert beside.y1 == pytest.approx(picture.y1)


def test_curves_and_tables() -> None:
    fig = figures.rank1_by_shift([-1, 0, 1], {"fm": [0.5, 1, 0.25]})
    assert list(fig.axes[0].get_lines()[0].get_ydata()) == [50, 100, 25]
    fig = figures.row_scores([0.1, 0.4], {"fm": 0.8})
    assert [p.get_height() for p in fig.axes[0].patches] == [10, 40]  # type: ignore[attr-defined]
    assert "fm" in texts(fig) and "rank-1 (%)" in texts(fig)
    fig = figures.row_similarity({"x": torch.eye(3).roll(1, 1)})
    best = fig.axes[0].collections[0].get_offsets()
    assert torch.as_tensor(best).tolist() == [[1, 0], [2, 1], [0, 2]]


def test_identified_names_each() -> None:
    fig = figures.identified(pictures(), pictures(), ["pid 5", "pid 9"], title="t")
    assert "pid 5" in texts(fig) and "pid 9" in texts(fig)


def test_pictures_of_another_type_are_refused() -> None:
    with pytest.raises(DplibError, match=r"uint8 \[3, h, w\]; this is \(3, 8, 4\)"):
        figures.identified(torch.zeros(1, 3, 8, 4), pictures(1), ["a"])
