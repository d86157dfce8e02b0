"""Transforms: torchvision's rules, in whole batches."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as tv

from dplib import presets, transforms
from dplib.samples import DatasetError, ReIDData, Sample


def noise(n: int, h: int, w: int, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, h, w), generator=g, dtype=torch.uint8)


# --- crops --------------------------------------------------------------------------

SIZE = (128, 64)


@pytest.mark.parametrize("log_ratio", [True, False])
@pytest.mark.parametrize("size", [SIZE, (256, 128), (96, 64)])
def test_crops_keep_torchvisions_constraints(
    size: tuple[int, int], log_ratio: bool
) -> None:
    h, w = size
    rng = np.random.default_rng(0)
    boxes = transforms.draw_crops(2000, size, rng, log_ratio=log_ratio)
    top, left, ch, cw = boxes.T
    assert boxes.shape == (2000, 4) and boxes.dtype.kind == "i"
    assert (top >= 0).all() and (left >= 0).all()
    assert (ch >= 1).all() and (cw >= 1).all()
    assert (top + ch <= h).all() and (left + cw <= w).all()
    drawn = ~((ch == h) & (cw == w))  # the others are the whole image, the way out
    area, ratio = ch * cw / (h * w), ch / cw
    slack = 2 * (h + w) / (h * w)  # both sides are rounded to pixels
    assert (area[drawn] > 0.64 - slack).all() and (area[drawn] < 1 + slack).all()
    assert (ratio[drawn] > 2 * (1 - 2 / w)).all()
    assert (ratio[drawn] < 3 * (1 + 2 / w)).all()
    assert drawn.mean() > 0


def test_crops_are_distributed_as_torchvisions() -> None:
    """Means of height, width, top and left over many draws agree."""
    n = 6000
    rng = np.random.default_rng(0)
    ours = transforms.draw_crops(n, SIZE, rng)
    torch.manual_seed(0)
    image = torch.empty(3, *SIZE)
    theirs = np.array(
        [
            RandomResizedCrop.get_params(image, [0.64, 1.0], [1 / 3, 1 / 2])
            for _ in range(n)
        ]
    )
    error = np.sqrt((ours.var(0) + theirs.var(0)) / n)
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 4 * error).all()
    assert_close(
        np.quantile(ours[:, 2:], [0.1, 0.5, 0.9], axis=0),
        np.quantile(theirs[:, 2:], [0.1, 0.5, 0.9], axis=0),
        rtol=0,
        atol=1.5,
    )


def test_uniform_ratios_are_longer_than_log_uniform_ones() -> None:
    def mean(log_ratio: bool) -> float:
        rng = np.random.default_rng(0)
        boxes = transforms.draw_crops(
            20000, (600, 300), rng, scale=(0.1, 0.2), log_ratio=log_ratio
        )
        return float((boxes[:, 2] / boxes[:, 3]).mean())

    assert mean(True) == pytest.approx(1 / math.log(1.5), abs=0.01)
    assert mean(False) == pytest.approx(2.5, abs=0.01)


def test_crops_fall_back_to_the_whole_image() -> None:
    boxes = transforms.draw_crops(9, (20, 90), np.random.default_rng(0))
    assert (boxes == [0, 0, 20, 90]).all()


def test_crops_are_seeded() -> None:
    a, b, c = (
        transforms.draw_crops(9, SIZE, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert (a == b).all() and (a != c).any()


# --- cut, resize, mirror ------------------------------------------------------------


def test_crop_resize_flip_equals_torchvision_inside() -> None:
    """At the crop's edge torchvision repeats the edge, we look beyond it."""
    images = noise(16, *SIZE).float()
    rng = np.random.default_rng(0)
    boxes = transforms.draw_crops(16, SIZE, rng)
    flips = rng.random(16) < 0.5
    assert 0 < flips.sum() < 16
    ours = transforms.crop_resize_flip(images, boxes, flips)
    for image, box, flip, mine in zip(images, boxes.tolist(), flips, ours, strict=True):
        want = tv.resized_crop(image, *box, size=list(SIZE), antialias=False)
        want = tv.hflip(want) if flip else want
        assert_close(mine[:, 2:-2, 2:-2], want[:, 2:-2, 2:-2], rtol=0, atol=0.05)


def test_the_whole_image_stays_as_it_is() -> None:
    images = noise(2, 32, 16).float()
    boxes = np.tile([0, 0, 32, 16], (2, 1))
    same = transforms.crop_resize_flip(images, boxes, np.array([False, True]))
    assert_close(same[0], images[0], rtol=0, atol=1e-2)
    assert_close(same[1], images[1].flip(2), rtol=0, atol=1e-2)


def test_normalise_equals_torchvision() -> None:
    images = noise(4, 32, 16)
    want = tv.normalize(
        images.float() / 255, list(transforms.MEAN), list(transforms.STD)
    )
    assert_close(transforms.normalise(images), want, rtol=0, atol=1e-5)
    floats = images.float()
    assert_close(transforms.normalise(floats), want, rtol=0, atol=1e-5)
    assert torch.equal(floats, images.float())  # the argument is left alone


# --- files --------------------------------------------------------------------------


def test_normalise_into_part_of_a_batch() -> None:
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5, 3, 6, 7), generator=g, dtype=torch.uint8)
    want, out = transforms.normalise(images), transforms.empty_batch(images)
    for part in (slice(0, 2), slice(2, 5)):
        transforms.normalise(images[part], out=out[part])
    assert torch.equal(out, want)
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("portion", [1, 3, 16])
def test_portions_do_not_change_what_is_augmented(
    monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    """To the bit: crops and mirroring of the whole batch at once, then the scale."""
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (7, 3, 64, 32), generator=g, dtype=torch.uint8)
    preset = presets.get("toy")
    monkeypatch.setattr(transforms, "PORTION", portion)
    got = transforms.augment(images, preset, (0, 1, 2))

    rng = np.random.default_rng([0, 1, 2, 0x415547])
    boxes = transforms.draw_crops(7, (64, 32), rng)
    flips = rng.random(7) < 0.5
    assert 0 < flips.sum() < 7
    want = transforms.crop_resize_flip(images.float(), boxes, flips)
    assert torch.equal(got, transforms.normalise(want))


def test_decode_keeps_the_order_and_the_pixels(market: ReIDData) -> None:
    samples = market.train[::-5]
    images = transforms.decode(samples, (64, 32), progress=False)
    assert images.shape == (len(samples), 3, 64, 32) and images.dtype == torch.uint8
    for sample, image in zip(samples, images, strict=True):
        with Image.open(sample.path) as im:
            want = torch.from_numpy(np.array(im.convert("RGB"))).permute(2, 0, 1)
        assert torch.equal(image, want)


def test_decode_resizes_to_height_and_width(market: ReIDData) -> None:
    image = transforms.decode(market.train[:1], (48, 16), progress=False)[0]
    with Image.open(market.train[0].path) as im:
        want = np.array(im.resize((16, 48), Image.Resampling.BILINEAR))
    assert torch.equal(image, torch.from_numpy(want).permute(2, 0, 1))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.png" if mode != "CMYK" else "x.jpg")
    Image.new("RGB", (8, 16), (200, 200, 200)).convert(mode).save(path)
    pixels = transforms.read_image(path, (16, 8))
    assert pixels.shape == (16, 8, 3)
    assert abs(int(pixels.mean()) - 200) <= 2


@pytest.mark.parametrize("batch_size", [1, 7, 48, 100])
def test_stream_gives_what_decode_gives(market: ReIDData, batch_size: int) -> None:
    batches = list(transforms.stream(market.train, (64, 32), batch_size))
    assert [len(b) for b in batches[:-1]] == [batch_size] * (len(batches) - 1)
    want = transforms.decode(market.train, (64, 32), progress=False)
    assert torch.equal(torch.cat(batches), want)


def test_a_corrupt_image_is_named(market: ReIDData, tmp_path: Path) -> None:
    """A JPEG cut anywhere either still decodes or raises our error, never another."""
    whole = market.train[0].path.read_bytes()
    bad = tmp_path / "0002_c1s1_000451_00.jpg"
    refused = 0
    cuts = [0, 1, 3, len(whole) // 2, *random.Random(0).sample(range(len(whole)), 40)]
    for n in cuts:
        bad.write_bytes(whole[:n])
        try:
            transforms.read_image(bad, (64, 32))
        except DatasetError as e:
            assert str(bad) in str(e) and "remove the file" in str(e)
            refused += 1
    assert refused > 35
    bad.write_bytes(whole[: len(whole) // 2])
    samples = [*market.train[:20], Sample(bad, 2, 1), *market.train[20:]]
    with pytest.raises(DatasetError, match="is corrupt") as e:
        transforms.decode(samples, (64, 32), progress=False)
    assert str(bad) in str(e.value)
    with pytest.raises(DatasetError, match="is corrupt"):
        list(transforms.stream(samples, (64, 32), 8))


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.jpg: no such image"):
        transforms.read_image(tmp_path / "gone.jpg", (64, 32))


def test_a_text_file_named_jpg(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("I am no image")
    with pytest.raises(DatasetError, match=r"x\.jpg: cannot be decoded"):
        transforms.read_image(tmp_path / "x.jpg", (64, 32))
