"""What several test files share: a tiny drawn Market-1501 and a tiny preset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from dplib import datasets, presets
from dplib.presets import Preset
from dplib.samples import ReIDData

# The tensors are tiny, and equal bits ask for an equal number of threads.
torch.set_num_threads(1)
settings.register_profile("dplib", deadline=None, derandomize=True, database=None)
settings.load_profile("dplib")

SIZE = (64, 32)  # height, width


def person(pid: int, rng: np.random.Generator) -> Image.Image:
    """Noise tinted by pid, above and below the waist: easy to tell apart."""
    colours = np.random.default_rng(pid + 2).integers(40, 216, (2, 3))
    pixels = np.repeat(colours, SIZE[0] // 2, axis=0)[:, None]  # [h, 1, 3]
    pixels = pixels + rng.integers(-30, 31, (*SIZE, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write_market(home: Path, train_pids: int = 8, images: int = 3) -> Path:
    """A data set in Market-1501's layout, with the oddities of the published one."""
    rng = np.random.default_rng(0)

    def put(folder: str, pid: int, cam: int, box: int, suffix: str = ".jpg") -> None:
        (home / folder).mkdir(parents=True, exist_ok=True)
        name = f"{pid:04d}" if pid >= 0 else "-1"
        file = home / folder / f"{name}_c{cam}s1_000451_{box:02d}{suffix}"
        person(pid, rng).save(file, "JPEG")

    for pid in range(2, 2 + train_pids):
        for cam in (1, 2):
            for box in range(images):
                put("bounding_box_train", pid, cam, box)
    for pid in (101, 102, 103):
        for cam in (1, 2, 3):
            put("query", pid, cam, 0)
            put("gt_bbox", pid, cam, 9)
            for box in (1, 2):
                odd = (pid, cam, box) == (101, 1, 1)
                put("bounding_box_test", pid, cam, box, ".jpg.jpg" if odd else ".jpg")
    for box in range(4):
        put("bounding_box_test", -1, 1, box)
        put("bounding_box_test", 0, 2, box)
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        (home / folder / "Thumbs.db").write_bytes(b"not an image")
    return home


@pytest.fixture(scope="session")
def market_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set's own folder; do not write into it."""
    root = tmp_path_factory.mktemp("data")
    return write_market(root / "Market-1501-v15.09.15")


@pytest.fixture(scope="session")
def market(market_home: Path) -> ReIDData:
    """8 training pids with 6 images each, 3 test pids, junk and distractors."""
    return datasets.load("market1501", market_home.parent)


@pytest.fixture(scope="session")
def tiny() -> Preset:
    """The toy preset at a size that trains an epoch (2 batches) in a blink."""
    return replace(
        presets.get("toy"),
        backbone_width=0.125,
        image_size=SIZE,
        part_units=8,
        p=4,
        k=2,
        lr=2e-3,
        warmup=0,
        epochs=4,
        decay_start=2,
    )
