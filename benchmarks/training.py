"""Training's own speed beside the same step on tensors already in memory.

    python benchmarks/training.py [--quick]

One run of the toy preset takes steps by turns: A from uint8 images with augmentation,
as ``training.train`` does, and B on float batches that were augmented before. What A
loses to B is what feeding the model costs. Then the speed of decoding JPEG files.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from record import write
from torch import Tensor

from dplib import presets, training, transforms
from dplib.samples import ReIDData, Sample
from dplib.sampling import PKSampler

BAR = 0.95  # A's speed as a share of B's


def jpegs(folder: Path, pids: int, each: int, size: tuple[int, int]) -> ReIDData:
    """Soft noise as JPEG files, as large as pictures of people are."""
    rng = np.random.default_rng(0)
    samples = []
    for pid, i in itertools.product(range(1, pids + 1), range(each)):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        path = folder / f"{pid:04d}_c1s1_000000_{i:02d}.jpg"
        Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2)).save(path)
        samples.append(Sample(path, pid, 1))
    return ReIDData("benchmark", folder, samples, [], [])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 steps; writes nothing")
    args = parser.parse_args()
    steps = 10 if args.quick else 100
    preset = presets.get("toy")
    with tempfile.TemporaryDirectory() as name:
        data = jpegs(Path(name), 150, 4 if args.quick else 14, preset.image_size)
        transforms.decode(data.train, preset.image_size, progress=False)  # warm files
        start = time.perf_counter()
        images = transforms.decode(data.train, preset.image_size, progress=False)
        assert images.shape[2:] == (128, 64)  # as printed below
        decoding = len(images) / (time.perf_counter() - start)
        cpu, classes = torch.device("cpu"), data.labels
        labels = torch.tensor([classes[s.pid] for s in data.train])
        sampler = PKSampler(labels.tolist(), preset.p, preset.k)
        model = preset.build_model(len(classes), weights=None).train()
        optimiser = training.adam(model, preset)

        def batches() -> Iterator[tuple[tuple[int, int, int], list[int]]]:
            for epoch in itertools.count():
                sampler.set_epoch(epoch)
                for b, batch in enumerate(sampler):
                    yield (0, epoch, b), batch

        def fed(batch: list[int], key: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
            return training.feed(images, labels, batch, preset, key, cpu)

        turns = list(itertools.islice(batches(), steps + 5))
        ready = [fed(batch, key) for key, batch in turns[:10]]
        seconds: dict[str, list[float]] = {"A": [], "B": []}
        for i, (key, batch) in enumerate(turns):
            for kind in "AB" if i % 2 else "BA":
                start = time.perf_counter()
                if kind == "A":  # x is kept until the next A, as in training.train
                    x, y = fed(batch, key)
                own = (x, y) if kind == "A" else ready[i % 10]
                loss, _ = training.step(
                    model, optimiser, *own, preset, preset.lr, preset.loss_weights
                )
                loss.total.item()
                taken = time.perf_counter() - start
                if i >= 5:  # the first turns warm up
                    seconds[kind].append(taken)

    n = preset.p * preset.k
    a, b_ = (n / statistics.median(seconds[k]) for k in "AB")
    pairs = zip(seconds["A"], seconds["B"], strict=True)
    ratio = statistics.median(y / x for x, y in pairs)
    print(f"toy preset, batches of {n}, {steps} steps of each by turns")
    print(f"A, from uint8 with augmentation  {a:8.1f} images/s")
    print(f"B, from tensors in memory        {b_:8.1f} images/s")
    print(f"A / B = {ratio:.3f} (at least {BAR})")
    print(
        f"decoding {preset.image_size[0]} x {preset.image_size[1]} JPEG files", end=""
    )
    print(f"  {decoding:,.0f} images/s")
    if not args.quick:
        result = {
            "steps": steps,
            "batch": n,
            "A images/s": round(a, 1),
            "B images/s": round(b_, 1),
            "ratio of medians": round(a / b_, 4),
            "median paired ratio": round(ratio, 4),
            "bar": BAR,
            "decoding images/s": round(decoding),
        }
        write("training", result)


if __name__ == "__main__":
    main()
