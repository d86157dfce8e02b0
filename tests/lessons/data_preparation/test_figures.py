"""Figures of lesson 1: what they say equals what dplib does."""

import json
from copy import deepcopy
from pathlib import Path

import compare_crops
import numpy as np
import pytest
import torch
from drawn import texts
from matplotlib.figure import Figure
from PIL import Image

import dplib
from dplib import DplibError, datasets, transforms
from dplib.lessons.data_preparation import figures
from dplib.samples import ReIDData, Sample

RECORD = Path(dplib.__file__).parent / "assets/records/crops.json"
SIZE = (128, 64)


def image(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, *SIZE), generator=generator, dtype=torch.uint8)


def shown(fig: Figure, panel: int) -> np.ndarray:
    return np.asarray(fig.axes[panel].get_images()[0].get_array())


@pytest.mark.parametrize("size", [(128, 64), (256, 128), (90, 41)])
def test_a_crop_is_the_box_that_draw_crops_gives(size: tuple[int, int]) -> None:
    for scale in np.arange(0.3, 1.001, 0.07):
        for ratio in np.arange(1.0, 4.01, 0.25):
            chosen = figures.crop(size, scale, ratio, 0.0, 0.0)
            rng = np.random.default_rng(0)
            drawn = transforms.draw_crops(
                1, size, rng, scale=(scale, scale), ratio=(ratio, ratio)
            )[0]
            if chosen.fits:
                assert chosen.box[2:] == tuple(drawn[2:])
            else:
                assert tuple(drawn) == (0, 0, *size)
                assert chosen.box[2] > size[0] or chosen.box[3] > size[1]
            area = chosen.box[2] * chosen.box[3]
            assert chosen.share == pytest.approx(area / (size[0] * size[1]))


def test_a_crop_is_placed_from_edge_to_edge() -> None:
    tops = {figures.crop(SIZE, 0.64, 2.0, y, 0.0).box[0] for y in (0.0, 0.5, 1.0)}
    left = {figures.crop(SIZE, 0.64, 2.0, 0.0, x).box[1] for x in (0.0, 0.5, 1.0)}
    assert tops == {0, 13, 128 - 102} and left == {0, 7, 64 - 51}


def test_a_crop_in_words() -> None:
    chosen = figures.crop(SIZE, 0.64, 2.0, 1.0, 1.0)
    assert chosen.words() == "box 102 × 51 pixels, top 26, left 13: 63.5% of the area"
    too_big = figures.crop(SIZE, 0.9, 3.0, 0.5, 0.5)
    assert not too_big.fits and "149 × 50 pixels do not fit" in too_big.words()


@pytest.mark.parametrize(
    "numbers", [(0, 2, 0, 0), (1.1, 2, 0, 0), (0.8, 0, 0, 0), (0.8, 2, 1.2, 0)]
)
def test_numbers_that_describe_no_box(numbers: tuple[float, ...]) -> None:
    with pytest.raises(DplibError, match=f"no crop has scale={numbers[0]}, ratio="):
        figures.crop(SIZE, *numbers)


def test_crop_view_shows_what_the_transform_gives() -> None:
    chosen = figures.crop(SIZE, 0.7, 2.2, 0.3, 0.8)
    fig = figures.crop_view(image(), chosen, mirror=True)
    result = transforms.crop_resize_flip(
        image()[None].float(), np.array([chosen.box]), np.array([True])
    )
    assert np.array_equal(shown(fig, 0), image().permute(1, 2, 0).numpy())
    assert np.array_equal(shown(fig, 1), result[0].round().permute(1, 2, 0).numpy())
    assert fig.axes[0].patches[0].get_linestyle() == "solid"


def test_crop_view_says_when_nothing_fits() -> None:
    fig = figures.crop_view(image(), figures.crop(SIZE, 1.0, 3.0, 0.5, 0.5))
    assert "no such box: drawn again" in texts(fig)
    assert fig.axes[0].patches[0].get_linestyle() == "dashed"
    low, high = sorted(fig.axes[0].get_ylim())
    assert low < -14 and high > 142, "the whole box is to be seen: 157 pixels high"


def test_crop_grid_greys_what_does_not_fit() -> None:
    fig = figures.crop_grid(image(), (0.64, 1.0), (2, 3))
    assert [len(np.unique(shown(fig, i))) > 1 for i in range(4)] == [1, 1, 1, 0]
    assert {"102 × 51", "128 × 64", "157 × 52", "does not", "area 64%"} <= set(
        texts(fig).split("\n")
    )


def test_augmentation_steps_are_those_of_the_transforms() -> None:
    box = (4, 9, 113, 48)
    fig = figures.augmentation_steps(image(), box, True)
    assert "2 cut out: 113 × 48" in texts(fig) and "4 mirrored" in texts(fig)
    assert shown(fig, 1).shape == (113, 48, 3)
    assert np.array_equal(shown(fig, 2)[:, ::-1], shown(fig, 3))
    final = torch.from_numpy(shown(fig, 3).copy()).permute(2, 0, 1)
    values = transforms.normalise(final[None])
    low, high = fig.axes[4].get_xlim()
    assert low <= float(values.min()) and float(values.max()) <= high
    assert "4 not mirrored" in texts(figures.augmentation_steps(image(), box, False))


def test_crop_areas_names_the_mean() -> None:
    boxes = transforms.draw_crops(500, (256, 128), np.random.default_rng(1))
    mean = 100 * (boxes[:, 2] * boxes[:, 3]).mean() / (256 * 128)
    fig = figures.crop_areas(boxes, (256, 128))
    assert f"their mean: {mean:.1f}" in texts(fig)
    assert "middle of 64…100: 82" in texts(fig) and "Areas of 500 boxes" in texts(fig)
    counted = sum(p.get_height() for p in fig.axes[1].patches)
    assert counted == 500, "every box is in the histogram"


def test_gallery_roles_follow_the_protocol(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 16), "red").save(path)
    query = Sample(path, 7, 2)
    others = [(7, 2), (7, 5), (4, 2), (0, 2), (-1, 2)]
    fig = figures.gallery_roles(query, [Sample(path, *o) for o in others])
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == [
        "query\npid 7, c2",
        "junk: own cam.\npid 7, c2",
        "✓ right\npid 7, c5",
        "✗ wrong\npid 4, c2",
        "✗ wrong\npid 0, c2",
        "junk: bad box\npid -1, c2",
    ]


def test_pk_grid_has_a_person_a_column(market: ReIDData) -> None:
    by_pid = [[s for s in market.train if s.pid == p][:2] for p in (2, 3, 4)]
    fig = figures.pk_grid([s for two in by_pid for s in two], 3, 2)
    titles = [ax.get_title().split(",")[0] for ax in fig.axes]
    assert titles == ["pid 2", "pid 3", "pid 4"] * 2
    with pytest.raises(DplibError, match="2 images are no batch of P=3 times K=2"):
        figures.pk_grid(by_pid[0], 3, 2)


def test_crop_statistics_of_the_shipped_record() -> None:
    record = json.loads(RECORD.read_text("utf-8"))
    fig = figures.crop_statistics(record)
    words = texts(fig)
    for measure in figures.MEASURES:
        assert measure in words
    for name in figures.SETS:
        for measure in figures.MEASURES:
            share = 100 * record[name][measure]["explained by camera"]
            assert f"{share:.0f}" in words.split("\n")
    broken = deepcopy(record)
    del broken["toymarket"]["sharpness"]
    for use in (figures.crop_statistics, figures.statistics_in_words):
        with pytest.raises(DplibError, match="no sharpness for toymarket"):
            use(broken)


def test_crop_statistics_in_words_have_the_numbers_of_the_record() -> None:
    record = json.loads(RECORD.read_text("utf-8"))
    upper, lower = figures.statistics_in_words(record).split("Lower row")
    toy, market = record["toymarket"], record["market1501"]
    for m in figures.MEASURES:
        medians = (
            f"{toy[m]['median']:.3g} in ToyMarket against {market[m]['median']:.3g}"
        )
        assert f"{m} {medians} in Market-1501" in upper
        shares = [r[m]["explained by camera"] for r in (toy, market)]
        assert f"{m} {shares[0]:.0%} in ToyMarket against {shares[1]:.0%} in" in lower


def test_the_record_is_of_the_published_set() -> None:
    """Its counts are those of Market-1501, its quantiles are in order."""
    record = json.loads(RECORD.read_text("utf-8"))
    people = record["market1501"]["images per pid"]["pids"]
    assert people == datasets.PUBLISHED["market1501"]["train pids"]
    for name in figures.SETS:
        for measure in figures.MEASURES:
            v = record[name][measure]
            quantiles = [v[q] for q in ("5 %", "25 %", "median", "75 %", "95 %")]
            assert quantiles == sorted(quantiles)
            assert 0 <= v["explained by camera"] <= 1


def test_the_tool_measures_what_the_lesson_says() -> None:
    grey = compare_crops.measures(np.full((8, 4, 3), 51, np.uint8))
    assert grey == pytest.approx(
        {
            "brightness": 0.2,
            "contrast": 0.0,
            "saturation": 0.0,
            "red - blue": 0.0,
            "sharpness": 0.0,
        }
    )
    red = compare_crops.measures(np.full((8, 4, 3), (255, 0, 51), np.uint8))
    assert red["saturation"] == 1.0 and red["red - blue"] == pytest.approx(0.8)
    value, camera = np.array([1.0, 3, 2, 4, 2, 3]), np.array([1, 1, 1, 2, 2, 2])
    spread = compare_crops.spread(value, camera)
    assert spread["explained by camera"] == 0.273 and spread["median"] == 2.5
    few = compare_crops.images_per_pid([5] * 9 + [6] * 2 + [7] * 8)
    assert few == {
        "least": 2,
        "median": 8,
        "most": 9,
        "pids": 3,
        "pids with fewer than 8": 1,
    }
