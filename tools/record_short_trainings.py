"""Lesson 5's short trainings, on five seeds each: what one seed alone cannot show.

    python tools/record_short_trainings.py [SEED ...]

Each training is the preset toy, compressed to ten epochs of ten batches, on the first
80 training people of ToyMarket; 30 other people are held out and ranked at the end.
For each seed the tool records

lambdas    the three losses, unweighted, and the result, for each setting of the λ;
pulls      what the losses ask of fb on the way: values, gradients' norms, cosines;
accident   the sum of the losses after one gradient that is 1000 times too long, with
           and without clipping, and the norms and losses at ten times the rate;
memory     how much higher the sum of the losses is, over 20 iterations, after a resume
           without some part of Adam's state;
flipped    distances to the hardest positive and negative under the flipped hinge of
           the break-it gallery, with and without the two identification losses.

Everything goes to dplib/assets/records/short_trainings.json as each seed ends; a seed
that is there is not run again.
"""

from __future__ import annotations

import copy
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from record_breaks import flipped

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import (
    checkpoints,
    datasets,
    descriptors,
    evaluation,
    files,
    losses,
    presets,
    toymarket,
    training,
    transforms,
    workspace,
)
from dplib.evidence import provenance
from dplib.lessons.training import branchgrads
from dplib.model import DeepPerson
from dplib.presets import Preset
from dplib.samples import ReIDData
from dplib.sampling import PKSampler

OUT = ROOT / "dplib/assets/records/short_trainings.json"
SEEDS = (0, 1, 2, 3, 4)
PEOPLE, HELD_OUT, EPOCHS, BLOCK = 80, 30, 10, 10
LOSSES = ("ranking", "part", "global")
LAMBDAS: dict[str, tuple[float, float, float]] = {
    "all λ = 1": (1.0, 1.0, 1.0),
    "λ1 = 0": (0.0, 1.0, 1.0),
    "λ2 = 0": (1.0, 0.0, 1.0),
    "λ3 = 0": (1.0, 1.0, 0.0),
    "λ1 = 5": (5.0, 1.0, 1.0),
}
FORGOTTEN: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "m": ("exp_avg",),
    "v": ("exp_avg_sq",),
    "the step count": ("step",),
    "all of it": ("exp_avg", "exp_avg_sq", "step"),
}


class Bench:
    """The people, the recipe and the batches that every short training shares."""

    def __init__(self, seed: int) -> None:
        data = datasets.load("toymarket", workspace.folders()[0], val_pids=HELD_OUT)
        last = sorted(data.labels)[PEOPLE - 1]
        train = [s for s in data.train if s.pid <= last]
        self.data: ReIDData = replace(data, train=train)
        self.preset = training.with_epochs(presets.get("toy"), EPOCHS)
        self.seed = seed
        size = self.preset.image_size
        self.images = transforms.decode(train, size, progress=False)
        self.labels = torch.tensor([self.data.labels[s.pid] for s in train])
        preset = self.preset
        self.sampler = PKSampler(self.labels.tolist(), preset.p, preset.k, seed)

    def net(self, preset: Preset) -> tuple[DeepPerson, torch.optim.Adam]:
        """The untrained net of this seed and its optimiser."""
        model = preset.build_model(len(self.data.labels), seed=self.seed).train()
        return model, training.adam(model, preset)

    def batch(self, i: int, preset: Preset) -> tuple[torch.Tensor, torch.Tensor]:
        """Images and labels of iteration ``i``, as ``training.train`` has them."""
        epoch, b = divmod(i, len(self.sampler))
        self.sampler.set_epoch(epoch)
        index, key = list(self.sampler)[b], (self.seed, epoch, b)
        cpu = torch.device("cpu")
        return training.feed(self.images, self.labels, index, preset, key, cpu)

    def steps(
        self,
        net: tuple[DeepPerson, torch.optim.Adam],
        preset: Preset,
        iterations: Sequence[int],
        jolted: int = -1,
        lambdas: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> list[dict[str, float]]:
        """Train for some iterations; a row for each, as the lesson has it."""
        rows = []
        for i in iterations:
            x, y = self.batch(i, preset)
            lr = training.learning_rate(preset, i / len(self.sampler))
            factor = 1000 if i == jolted else 1
            weights = (factor * lambdas[0], factor * lambdas[1], factor * lambdas[2])
            parts, norm = training.step(*net, x, y, preset, lr, weights)
            assert parts.ranking is not None and parts.triplet is not None
            assert parts.part is not None and parts.global_ is not None
            row = {"ranking": parts.ranking, "part": parts.part}
            row |= {"global": parts.global_, "norm": norm}
            row |= {"far": parts.triplet.hardest_positive.mean()}
            row |= {"near": parts.triplet.hardest_negative.mean()}
            rows.append({k: v.item() for k, v in row.items()})
        return rows


def total(rows: Sequence[dict[str, float]]) -> list[float]:
    """The sum of the three losses, unweighted, of each row."""
    return [sum(row[name] for name in LOSSES) for row in rows]


def blocks(values: Sequence[float]) -> list[float]:
    """Means over blocks of BLOCK values."""
    starts = range(0, len(values), BLOCK)
    return [short(statistics.fmean(values[i : i + BLOCK])) for i in starts]


def short(x: float) -> float:
    return float(f"{x:.4g}")


def lambdas(bench: Bench) -> tuple[dict[str, Any], dict[str, Any]]:
    """Whole trainings with each setting of the λ, and the pulls of the first."""
    results: dict[str, Any] = {}
    pulls: dict[str, Any] = {}
    x, y = bench.batch(0, bench.preset)
    for name, weights in LAMBDAS.items():
        preset = replace(bench.preset, loss_weights=weights)
        with tempfile.TemporaryDirectory() as folder:

            def watch(history: Any, folder: str = folder) -> None:
                done = len(history) // len(bench.sampler)
                if done % 2 == 0:
                    pulls[str(done)] = pull(checkpoints.load(folder).train(), x, y)

            if not results:
                pulls["0"] = pull(bench.net(preset)[0], x, y)
            run = training.train(
                preset,
                bench.data,
                folder,
                seed=bench.seed,
                device="cpu",
                progress=False,
                callback=None if results else watch,
            )
        halves = (bench.data.query, bench.data.gallery)
        seen = (descriptors.extract(run.model, h, progress=False) for h in halves)
        found = evaluation.evaluate(*seen)
        curves = {n: blocks([row[n] for row in run.history]) for n in LOSSES}
        clipped = sum(row["clipped"] for row in run.history)
        ends = {"rank1": short(found.rank1), "map": short(found.map)}
        results[name] = {**curves, **ends, "clipped": int(clipped)}
    return results, pulls


def pull(model: DeepPerson, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
    found = branchgrads.at_fb(model, x, y)
    pairs = [found.cosines[i, j].item() for i, j in ((0, 1), (0, 2), (1, 2))]
    return {
        "losses": [short(v) for v in found.losses.tolist()],
        "norms": [short(v) for v in found.norms.tolist()],
        "cosines": [short(v) for v in pairs],
    }


def accident(bench: Bench) -> dict[str, Any]:
    """One gradient 1000 times too long at iteration 15 of 40; ten times the rate."""
    found: dict[str, Any] = {}
    free = replace(bench.preset, clip_norm=None)
    for name, preset in (("with clipping", bench.preset), ("without", free)):
        rows = bench.steps(bench.net(preset), preset, range(40), jolted=15)
        found[name] = [short(v) for v in total(rows)]
    hot = replace(bench.preset, lr=10 * bench.preset.lr)
    for name, preset in (("lr", bench.preset), ("10 lr", hot)):
        rows = bench.steps(bench.net(preset), preset, range(15))
        found[f"norms at {name}"] = [short(row["norm"]) for row in rows]
        found[f"BpI at {name}"] = [short(row["part"]) for row in rows]
    return found


def memory(bench: Bench) -> dict[str, list[float]]:
    """The sum of the losses after iteration 40, without parts of Adam's state."""
    net, optimiser = bench.net(bench.preset)
    bench.steps((net, optimiser), bench.preset, range(40))
    kept = copy.deepcopy((net.state_dict(), optimiser.state_dict()))
    found = {}
    for name, keys in FORGOTTEN.items():
        weights, state = copy.deepcopy(kept)
        for moments in state["state"].values():
            for key in keys:
                moments[key].zero_()
        net, optimiser = bench.net(bench.preset)
        net.load_state_dict(weights)
        optimiser.load_state_dict(state)
        rows = bench.steps((net, optimiser), bench.preset, range(40, 60))
        found[name] = [short(v) for v in total(rows)]
    return found


def flip(bench: Bench) -> dict[str, Any]:
    """Distances under the hinge with its signs turned, alone and with the others."""
    found: dict[str, Any] = {}
    for name, weights in (("three losses", (1.0, 1.0, 1.0)), ("BtR", (1.0, 0, 0))):
        with patch.object(losses, "batch_hard_triplet", flipped):
            net = bench.net(bench.preset)
            rows = bench.steps(net, bench.preset, range(100), lambdas=weights)
        names = ("far", "near", *LOSSES)
        found[name] = {n: blocks([r[n] for r in rows]) for n in names}
        found[name]["first"] = {n: short(rows[0][n]) for n in names}
    return found


def run(seed: int) -> dict[str, Any]:
    bench = Bench(seed)
    settings, pulls = lambdas(bench)
    return {
        "lambdas": settings,
        "pulls": pulls,
        "accident": accident(bench),
        "memory": memory(bench),
        "flipped": flip(bench),
    }


def main(wanted: Sequence[int]) -> None:
    torch.set_num_threads(1)
    done = json.loads(OUT.read_text("utf-8")) if OUT.is_file() else {"seeds": {}}
    made = provenance.circumstances()  # before the record itself is a change
    for seed in wanted or SEEDS:
        if str(seed) in done["seeds"]:
            continue
        print(f"seed {seed}", flush=True)
        found = run(seed)
        done = {
            "command": "python tools/record_short_trainings.py",
            "machine": "two CPU cores, one torch thread",
            "generator": f"{toymarket.VERSION}:{toymarket.generator_hash()}",
            "people": PEOPLE,
            "held out": HELD_OUT,
            "block": BLOCK,
            **made,
            "seeds": done["seeds"] | {str(seed): found},
        }
        files.write(OUT, json.dumps(done, ensure_ascii=False) + "\n")
        print(json.dumps(found["lambdas"]["all λ = 1"]), flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
