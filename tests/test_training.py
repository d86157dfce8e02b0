"""Training: it learns, it can be stopped at any moment, and it says what is wrong."""

from __future__ import annotations

import csv
import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dplib import DplibError, checkpoints, model, people, presets, training
from dplib.checkpoints import CheckpointError
from dplib.losses import LossParts
from dplib.model import DeepPerson
from dplib.presets import Preset
from dplib.samples import ReIDData
from dplib.sampling import PKSampler
from dplib.training import TrainResult, train


def quiet(preset: Preset, data: ReIDData, out: Path, **settings: Any) -> TrainResult:
    settings = {"progress": False, "device": "cpu", **settings}
    return train(preset, data, out, **settings)


def state_of(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def same_run(a: Path, b: Path) -> bool:
    """Weights, Adam's state and history agree to the bit (seconds do not count)."""
    x, y = state_of(a), state_of(b)
    pairs = [(v, y["model"][k]) for k, v in x["model"].items()]
    adam = [s["optimiser"]["state"] for s in (x, y)]
    assert adam[0].keys() == adam[1].keys()
    pairs += [(v, adam[1][i][k]) for i, s in adam[0].items() for k, v in s.items()]
    logs = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in json.loads(h)]
        for h in (x["history"], y["history"])
    ]
    equal = all(torch.equal(v, w) for v, w in pairs)
    return equal and x["iteration"] == y["iteration"] and str(logs[0]) == str(logs[1])


@pytest.fixture(scope="module")
def whole(
    tiny: Preset, market: ReIDData, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    quiet(tiny, market, out)
    return out


# --- the schedule -------------------------------------------------------------------


def test_learning_rate_of_the_paper() -> None:
    """§4.1: 3e-4 to epoch 100, then TriNet's decay by 0.001 to epoch 150."""
    paper = presets.get("paper")
    rates = {e: training.learning_rate(paper, e) for e in (0, 50, 100, 125, 150)}
    assert rates[0] == rates[50] == rates[100] == 3e-4
    assert rates[125] == pytest.approx(3e-4 * 0.001**0.5)
    assert rates[150] == pytest.approx(3e-7)
    assert training.learning_rate(paper, 100.5) == pytest.approx(3e-4 * 0.001**0.01)


def test_with_epochs_keeps_the_share_of_the_decay() -> None:
    paper = presets.get("paper")
    short = training.with_epochs(paper, 15)
    assert (short.epochs, short.decay_start) == (15, 10)
    assert replace(short, epochs=150, decay_start=100) == paper
    for e in (0, 9, 11, 13.5, 15):
        assert training.learning_rate(short, e) == pytest.approx(
            training.learning_rate(paper, 10 * e)
        )
    assert training.with_epochs(paper, 1).epochs == 1
    with pytest.raises(DplibError, match="epochs=0: expected at least 1"):
        training.with_epochs(paper, 0)


def test_the_log_holds_the_schedules_rates(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    r = quiet(replace(tiny, warmup=3, lr=0.01), market, tmp_path)
    rates = [h["lr"] for h in r.history]
    late = [0.01 * 0.001 ** ((e - 2) / 2) for e in (2.5, 3, 3.5)]
    want = [0.01 / 3, 0.02 / 3, 0.01, 0.01, 0.01, *late]
    assert rates == pytest.approx(want)


# --- it learns ----------------------------------------------------------------------


def test_every_branch_learns(tiny: Preset, market: ReIDData, tmp_path: Path) -> None:
    """BpI's loss falls well below ln Nc: the branch is awake; no warning is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        r = quiet(tiny, market, tmp_path, epochs=25)
    chance = math.log(8)
    for key in ("part", "global"):
        losses = [h[key] for h in r.history]
        assert np.mean(losses[:2]) > 0.8 * chance
        assert np.mean(losses[-6:]) < 0.4 * chance
    ranking = [h["ranking"] for h in r.history]
    assert np.mean(ranking[-6:]) < 0.5 * np.mean(ranking[:6])
    assert not r.model.training and not r.interrupted
    assert r.clipped_share == np.mean([h["clipped"] for h in r.history])


def test_a_sleeping_branch_is_warned_of(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning) as caught:
        quiet(replace(tiny, lr=0.0), market, tmp_path)
    texts = [str(w.message) for w in caught if "at chance" in str(w.message)]
    assert len(texts) == 2  # once each, though four epochs went by
    assert texts[0].startswith("BpI is still at chance after epoch 3: loss")
    assert texts[1].startswith("BgI") and "ln Nc = 2.08" in texts[1]


def test_clipping_is_counted(tiny: Preset, market: ReIDData, tmp_path: Path) -> None:
    always = quiet(replace(tiny, clip_norm=1e-6), market, tmp_path / "a", epochs=1)
    never = quiet(replace(tiny, clip_norm=None), market, tmp_path / "b", epochs=1)
    assert always.clipped_share == 1 and never.clipped_share == 0
    assert always.history[0]["grad_norm"] == never.history[0]["grad_norm"] > 1e-6


def test_ranking_alone_in_the_first_epochs(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    """The resting branches keep their initial weights; the backbone does not."""
    preset = replace(tiny, ranking_only_epochs=2)
    start = preset.build_model(8).state_dict()
    seen: list[dict[str, Tensor]] = []

    def look(history: training.History) -> None:
        saved = state_of(tmp_path)["model"]
        seen.append(
            {
                k: (v - start[k]).abs().max()
                for k, v in saved.items()
                if k.endswith(("weight", "bias"))
            }
        )

    r = quiet(preset, market, tmp_path, callback=look)
    resting = [k for k in start if k in seen[0] and not k.startswith("backbone.")]
    assert len(resting) > 10
    for change in seen[:2]:
        assert all(change[k] == 0 for k in resting)
        assert change["backbone.conv1.weight"] > 0
    assert all(seen[2][k] > 0 for k in resting if k.endswith("weight"))
    for h in r.history:
        parts = h["ranking"] + (h["epoch"] >= 2) * (h["part"] + h["global"])
        assert h["total"] == pytest.approx(parts, rel=1e-5)


def test_loss_weights_weigh(tiny: Preset, market: ReIDData, tmp_path: Path) -> None:
    r = quiet(replace(tiny, loss_weights=(2.0, 0.5, 3.0)), market, tmp_path, epochs=1)
    h = r.history[0]
    want = 2 * h["ranking"] + 0.5 * h["part"] + 3 * h["global"]
    assert h["total"] == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("branches", [("global",), ("ranking",), ("part", "ranking")])
def test_absent_branches_are_nan_in_the_log(
    tiny: Preset, market: ReIDData, tmp_path: Path, branches: tuple[str, ...]
) -> None:
    r = quiet(replace(tiny, branches=branches), market, tmp_path, epochs=1)
    for key in ("part", "global", "ranking"):
        assert math.isnan(r.history[0][key]) == (key not in branches)
    assert math.isnan(r.history[0]["active"]) == ("ranking" not in branches)


@pytest.mark.parametrize("part_context", ["stripes", "blstm_authors"])
@pytest.mark.parametrize("head", ["bn", "authors"])
def test_variants_train(
    tiny: Preset, market: ReIDData, tmp_path: Path, part_context: str, head: str
) -> None:
    preset = replace(tiny, part_context=part_context, head=head)
    r = quiet(preset, market, tmp_path, epochs=1)
    assert all(math.isfinite(h["total"]) for h in r.history)


def test_autocast(tiny: Preset, market: ReIDData, tmp_path: Path) -> None:
    r = quiet(replace(tiny, autocast=True), market, tmp_path / "a", epochs=2)
    plain = quiet(tiny, market, tmp_path / "b", epochs=2)
    a, b = (x.history[0]["total"] for x in (r, plain))
    assert a == pytest.approx(b, rel=0.02) and a != b
    assert all(p.dtype == torch.float32 for p in r.model.parameters())


# --- what a step is fed -------------------------------------------------------------


def test_augmentation_is_keyed(market: ReIDData, tiny: Preset) -> None:
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 3, 64, 32), generator=g, dtype=torch.uint8)
    a = training.augment(images, tiny, (0, 1, 2))
    assert a.dtype == torch.float32 and a.shape == images.shape
    assert torch.equal(a, training.augment(images, tiny, (0, 1, 2)))
    for key in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert not torch.equal(a, training.augment(images, tiny, key))
    assert abs(float(a.mean())) < 0.5 and 0.5 < float(a.std()) < 1.6


def feed(
    monkeypatch: pytest.MonkeyPatch, preset: Preset, data: ReIDData, out: Path
) -> tuple[list[Tensor], list[Tensor]]:
    """All that the model was given and the fm that it made of it."""
    inputs, fms = [], []
    forward = DeepPerson.forward

    def record(self: DeepPerson, x: Tensor) -> model.Outputs:
        outputs = forward(self, x)
        inputs.append(x.clone())
        fms.append(outputs.fm.detach().clone())
        return outputs

    with monkeypatch.context() as m:
        m.setattr(DeepPerson, "forward", record)
        quiet(preset, data, out, epochs=2)
    return inputs, fms


def test_adding_a_branch_leaves_batches_and_augmentation_unchanged(
    monkeypatch: pytest.MonkeyPatch, tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    variants = {
        "ranking": replace(tiny, branches=("ranking",)),
        "both": replace(tiny, branches=("part", "ranking")),
        "all": tiny,
        "fc": replace(tiny, part_context="fc", head="linear"),
    }
    fed = {
        name: feed(monkeypatch, preset, market, tmp_path / name)
        for name, preset in variants.items()
    }
    inputs, fms = fed.pop("ranking")
    assert len(inputs) == 4
    for other_inputs, other_fms in fed.values():
        for a, b in zip(inputs, other_inputs, strict=True):
            assert torch.equal(a, b)
        assert torch.equal(fms[0], other_fms[0])  # the same initial backbone
        assert not torch.equal(fms[1], other_fms[1])  # trained by other losses


def test_each_epoch_takes_the_samplers_batches(
    monkeypatch: pytest.MonkeyPatch, tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    own, fed = training.feed, []

    def record(
        images: Tensor,
        labels: Tensor,
        batch: list[int],
        preset: Preset,
        key: tuple[int, int, int],
        device: torch.device,
    ) -> tuple[Tensor, Tensor]:
        fed.append((*key, batch))
        return own(images, labels, batch, preset, key, device)

    with monkeypatch.context() as m:
        m.setattr(training, "feed", record)
        quiet(tiny, market, tmp_path, seed=7)
    sampler = PKSampler([s.pid for s in market.train], tiny.p, tiny.k, 7)
    want = []
    for epoch in range(4):
        sampler.set_epoch(epoch)
        want += [(7, epoch, b, batch) for b, batch in enumerate(sampler)]
    assert fed == want


def test_seeds_change_what_is_fed(
    monkeypatch: pytest.MonkeyPatch, tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    a = quiet(tiny, market, tmp_path / "a", seed=0, epochs=1).history
    b = quiet(tiny, market, tmp_path / "b", seed=1, epochs=1).history
    assert a[0]["total"] != b[0]["total"]


# --- what is on disk ----------------------------------------------------------------


def test_log_is_complete_and_consistent(
    whole: Path, tiny: Preset, market: ReIDData
) -> None:
    with (whole / "log.csv").open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert tuple(rows[0]) == training.COLUMNS
    assert [float(r["iteration"]) for r in rows] == list(range(8))
    assert [float(r["epoch"]) for r in rows] == [0, 0, 1, 1, 2, 2, 3, 3]
    history = json.loads(state_of(whole)["history"])
    assert [{k: float(v) for k, v in r.items()} for r in rows] == history
    for h in history:
        parts = h["ranking"] + h["part"] + h["global"]
        assert h["total"] == pytest.approx(parts, rel=1e-5)
        assert h["seconds"] > 0 and 0 <= h["active"] <= 1
        assert h["clipped"] == (h["grad_norm"] > 50)
    assert not list(whole.glob("*.tmp"))


def test_checkpoint_is_a_whole_model(
    whole: Path, tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    state = state_of(whole)
    assert state["pids"] == sorted(market.labels) and state["iteration"] == 8
    for source in (whole, whole / "checkpoint.pt"):
        m = checkpoints.load(source)
        assert not m.training and m.config["num_ids"] == 8
        assert all(torch.equal(v, state["model"][k]) for k, v in m.state_dict().items())


def test_callback_after_each_epoch(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    lengths: list[int] = []
    quiet(tiny, market, tmp_path, callback=lambda h: lengths.append(len(h)))
    assert lengths == [2, 4, 6, 8]


def test_same_seed_same_run(
    whole: Path, tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    quiet(tiny, market, tmp_path)
    assert same_run(whole, tmp_path)


def test_a_finished_run_is_not_run_again(
    whole: Path, tiny: Preset, market: ReIDData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training.transforms, "decode", None)  # would not work
    r = quiet(tiny, market, whole)
    assert len(r.history) == 8 and not r.interrupted
    state = state_of(whole)["model"]
    assert all(torch.equal(v, state[k]) for k, v in r.model.state_dict().items())


# --- interrupted --------------------------------------------------------------------


def interrupt_after(iteration: int, monkeypatch: pytest.MonkeyPatch) -> None:
    step, count = training.step, 0

    def stepped(*args: Any) -> tuple[LossParts, Tensor]:
        nonlocal count
        count += 1
        result = step(*args)
        if count == iteration:
            signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(training, "step", stepped)


@pytest.mark.parametrize("iteration", [1, 4, 5, 7])
def test_interrupted_and_resumed_is_bit_equal(
    whole: Path,
    tiny: Preset,
    market: ReIDData,
    tmp_path: Path,
    iteration: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as m:
        interrupt_after(iteration, m)
        r = quiet(tiny, market, tmp_path)
    assert r.interrupted and len(r.history) == iteration
    assert not r.model.training
    assert state_of(tmp_path)["iteration"] == iteration
    assert not same_run(whole, tmp_path)
    assert signal.getsignal(signal.SIGINT) is handler  # put back
    r = quiet(tiny, market, tmp_path)
    assert not r.interrupted and same_run(whole, tmp_path)


def test_interrupted_in_the_callback(
    whole: Path, tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    def stop(history: training.History) -> None:
        signal.raise_signal(signal.SIGINT)

    for iterations in (2, 4, 6):
        r = quiet(tiny, market, tmp_path, callback=stop)
        assert r.interrupted and len(r.history) == iterations
    assert not quiet(tiny, market, tmp_path).interrupted
    assert same_run(whole, tmp_path)


def test_a_second_interrupt_stops_at_once(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    def stop_twice(history: training.History) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        quiet(tiny, market, tmp_path, callback=stop_twice)
    assert signal.getsignal(signal.SIGINT) is handler  # put back
    assert state_of(tmp_path)["iteration"] == 2


def test_training_in_a_thread(
    whole: Path, tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    def work() -> None:
        torch.set_num_threads(1)
        quiet(tiny, market, tmp_path)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert same_run(whole, tmp_path)


KILLED = """
import os, pickle, random, signal, sys, threading
import torch
torch.set_num_threads(1)
sys.modules["torch.utils.tensorboard"] = None  # as if not installed: not the point
from dplib import training
preset, data, out, dying = pickle.load(open(sys.argv[1], "rb"))

def life(moment):
    '''Train in a child of ours; with a moment (step, seconds), die right after it.'''
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    step, count = training.step, 0
    def stepped(*args):
        nonlocal count
        count += 1
        if moment and count == moment[0]:
            kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
            threading.Timer(moment[1], kill).start()
        return step(*args)
    training.step = stepped
    training.train(preset, data, out, device="cpu", progress=False)
    os._exit(0)

print([life(moment) for moment in [*dying, None]])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_at_five_random_moments_and_resumed_is_bit_equal(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    preset = replace(tiny, epochs=15)
    quiet(preset, market, tmp_path / "whole")
    rng = np.random.default_rng()  # other moments each time; they are in the message
    moments = [(int(rng.integers(2, 6)), float(rng.uniform(0, 0.05))) for _ in range(5)]
    job = tmp_path / "job.pkl"
    job.write_bytes(pickle.dumps((preset, market, tmp_path / "killed", moments)))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(job)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    ends = json.loads(done.stdout.splitlines()[-1])
    assert ends == [signal.SIGKILL] * 5 + [0], (moments, done.stderr)
    assert same_run(tmp_path / "whole", tmp_path / "killed"), moments
    rows = (tmp_path / "killed" / "log.csv").read_text("utf-8").splitlines()
    assert len(rows) == 1 + 30


def test_killed_while_saving_keeps_the_last_checkpoint(
    whole: Path,
    tiny: Preset,
    market: ReIDData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a half checkpoint nor a full disk costs more than the epoch."""
    write, calls = Path.write_bytes, 0

    def full_disk(path: Path, content: bytes) -> int:
        nonlocal calls
        calls += path.name.startswith(".checkpoint.pt.")
        if calls < 3:
            return write(path, content)
        write(path, b"half a checkpoint")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(Path, "write_bytes", full_disk)
        with pytest.raises(DplibError, match=r"checkpoint\.pt: the disk is full"):
            quiet(tiny, market, tmp_path)
    assert state_of(tmp_path)["iteration"] == 4
    assert not list(tmp_path.glob("*.tmp"))
    (tmp_path / ".checkpoint.pt.1.tmp").write_bytes(b"what SIGKILL leaves behind")
    quiet(tiny, market, tmp_path)
    assert same_run(whole, tmp_path)
    assert not list(tmp_path.glob("*.tmp"))


# --- bad input ----------------------------------------------------------------------


def test_a_pid_with_one_image(tiny: Preset, market: ReIDData, tmp_path: Path) -> None:
    lone = replace(market, train=market.train[5:])
    with pytest.raises(
        DplibError,
        match=r"1 of 8 people .*one image only, the first is 2 .*drop_single_images",
    ):
        quiet(tiny, lone, tmp_path)
    assert not list(tmp_path.iterdir())
    quiet(tiny, lone.drop_single_images(), tmp_path, epochs=1)


def test_p_larger_than_the_pids(tiny: Preset, market: ReIDData, tmp_path: Path) -> None:
    with pytest.raises(DplibError, match=r"P=9: the training set has 8 people; take"):
        quiet(replace(tiny, p=9), market, tmp_path)
    assert not list(tmp_path.iterdir())


def test_unknown_device(tiny: Preset, market: ReIDData, tmp_path: Path) -> None:
    with pytest.raises(DplibError, match="device 'gpu' cannot be used"):
        quiet(tiny, market, tmp_path, device="gpu")


def test_a_corrupt_image_stops_before_anything_is_written(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    bad = tmp_path / "0002_c1s1_000451_00.jpg"
    bad.write_bytes(market.train[0].path.read_bytes()[:100])
    broken = replace(market, train=[market.train[0]._replace(path=bad), *market.train])
    with pytest.raises(DplibError, match=r"0002_c1s1_000451_00\.jpg: cannot be"):
        quiet(tiny, broken, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [bad]


def diverging(at: int) -> Callable[..., LossParts]:
    original, calls = training.deep_person_loss, 0

    def loss(*args: Any, **kwargs: Any) -> LossParts:
        nonlocal calls
        calls += 1
        parts = original(*args, **kwargs)
        return parts._replace(total=parts.total * math.nan) if calls > at else parts

    return loss


def test_a_loss_that_is_not_finite_keeps_the_last_checkpoint(
    whole: Path,
    tiny: Preset,
    market: ReIDData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as m:
        m.setattr(training, "deep_person_loss", diverging(at=5))
        with pytest.raises(DplibError, match=r"iteration 5: loss nan.*lower lr") as e:
            quiet(tiny, market, tmp_path)
    assert str(tmp_path / "checkpoint.pt") in str(e.value)
    state = state_of(tmp_path)
    assert state["iteration"] == 4
    assert all(v.isfinite().all() for v in state["model"].values())
    quiet(tiny, market, tmp_path)
    assert same_run(whole, tmp_path)


def test_diverging_before_anything_was_saved_does_not_name_a_checkpoint(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    with pytest.raises(DplibError, match=r"diverged\. Train with a lower"):
        quiet(replace(tiny, lr=1e30, clip_norm=None), market, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize("keep", [0.0, 0.4, 0.98])
def test_truncated_checkpoint(
    whole: Path, tiny: Preset, market: ReIDData, tmp_path: Path, keep: float
) -> None:
    data = (whole / "checkpoint.pt").read_bytes()
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(CheckpointError, match=r"cannot be read.*truncated.*resume=F"):
        quiet(tiny, market, tmp_path)
    with pytest.raises(CheckpointError, match="truncated"):
        checkpoints.load(tmp_path)
    quiet(tiny, market, tmp_path, resume=False)
    assert same_run(whole, tmp_path)


def test_a_checkpoint_that_dplib_did_not_write(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    torch.save({"state_dict": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="was not written by dplib"):
        quiet(tiny, market, tmp_path)


def test_a_folder_of_another_run_says_what_differs(
    whole: Path, tiny: Preset, market: ReIDData
) -> None:
    before = (whole / "checkpoint.pt").read_bytes()
    fewer = replace(market, train=market.train[6:])
    others: list[tuple[Preset, ReIDData, dict[str, Any], str]] = [
        (replace(tiny, lr=0.5), market, {}, r"lr was 0.002, is 0.5"),
        (replace(tiny, part_context="fc"), market, {}, r"'blstm', is 'fc'"),
        (tiny, market, {"seed": 3}, r"seed was 0, is 3"),
        (tiny, market, {"epochs": 9}, r"epochs was 4, is 9"),
        (tiny, fewer, {}, r"images was 48, is 42"),
        (tiny, replace(market, name="duke"), {}, r"data was 'market1501', is 'duke'"),
    ]
    for preset, data, settings, difference in others:
        with pytest.raises(CheckpointError, match=rf"another run: .*{difference}") as e:
            quiet(preset, data, whole, **settings)
        remedy = f"choose another folder, or remove {whole / 'checkpoint.pt'}"
        assert remedy in str(e.value)
        with pytest.raises(CheckpointError) as anew:  # nor is it overwritten
            quiet(preset, data, whole, **settings, resume=False)
        assert str(anew.value) == str(e.value)
    assert (whole / "checkpoint.pt").read_bytes() == before


def test_other_people_are_another_run(
    whole: Path, tiny: Preset, market: ReIDData
) -> None:
    """As many images of other pids: class i would mean someone else."""
    renamed = [s._replace(pid=s.pid + 1) for s in market.train]
    for resume in (True, False):
        with pytest.raises(CheckpointError, match="another run"):
            quiet(tiny, replace(market, train=renamed), whole, resume=resume)


def test_resume_false_starts_the_run_over_and_keeps_the_old_until_then(
    whole: Path, tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    for name in ("checkpoint.pt", "log.csv"):
        shutil.copy(whole / name, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    lengths: list[int] = []
    quiet(
        tiny, market, tmp_path, resume=False, callback=lambda h: lengths.append(len(h))
    )
    assert lengths == [2, 4, 6, 8]  # from the start
    assert same_run(whole, tmp_path)
    # a run that fails before its first epoch is saved leaves the old checkpoint
    (tmp_path / "checkpoint.pt").write_bytes(before)
    gone = market.train[0]._replace(path=Path("gone.jpg"))
    with pytest.raises(DplibError, match=r"gone\.jpg"):
        damaged = replace(market, train=[gone, *market.train[1:]])
        quiet(tiny, damaged, tmp_path, resume=False)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_resume_false_overwrites_no_file_of_other_software(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    torch.save({"state_dict": {}}, tmp_path / "checkpoint.pt")
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(CheckpointError, match=r"not written by dplib.*or remove"):
        quiet(tiny, market, tmp_path, resume=False)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


# --- one run a folder ---------------------------------------------------------------


def begun(preset: Preset, data: ReIDData, out: Path) -> training._Run:
    return training._Run(preset, data, out, 0, torch.device("cpu"), None)


def test_two_saves_at_once_both_end_whole(
    tiny: Preset, market: ReIDData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (begun(tiny, market, tmp_path / "same") for _ in range(2))
    write, met = Path.write_bytes, []

    def slow(path: Path, content: bytes) -> int:
        done = write(path, content)
        if not met:
            met.append(path)
            second.save()
        return done

    with monkeypatch.context() as m:
        m.setattr(Path, "write_bytes", slow)
        first.save()
    assert met and state_of(tmp_path / "same")["iteration"] == 0
    assert sorted(p.name for p in (tmp_path / "same").iterdir()) == [
        "checkpoint.pt",
        "log.csv",
    ]


def test_a_second_run_in_the_folder_is_refused_while_the_first_is_alive(
    whole: Path, tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    refused: list[str] = []

    def second(history: training.History) -> None:
        for seed, resume in ((0, True), (1, False)):
            with pytest.raises(DplibError) as e:
                quiet(tiny, market, tmp_path, seed=seed, resume=resume)
            refused.append(str(e.value))

    quiet(tiny, market, tmp_path, callback=second)
    assert len(refused) == 8 and len(set(refused)) == 1
    assert f"another training is at work in {tmp_path}; wait" in refused[0]
    assert "--out" in refused[0]
    assert same_run(whole, tmp_path)  # the first one has not suffered
    with pytest.raises(CheckpointError, match="seed was 0, is 1"):
        quiet(tiny, market, tmp_path, seed=1)  # nor is it overwritten when it is done
    assert same_run(whole, tmp_path)


def test_another_process_is_refused_and_its_death_frees_the_folder(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom dplib import files\n"
        "with files.locked(Path(sys.argv[1])):\n print('held', flush=True)\n"
        " sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "train.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    ) as other:
        assert other.stdout and other.stdout.readline() == b"held\n"
        with pytest.raises(DplibError, match="another training is at work"):
            quiet(tiny, market, tmp_path, epochs=1)
        other.kill()
    assert len(quiet(tiny, market, tmp_path, epochs=1).history) == 2


# --- who was trained on -------------------------------------------------------------


def test_the_checkpoint_notes_who_was_trained_on(whole: Path, market: ReIDData) -> None:
    noted = checkpoints.people(whole)
    assert noted == people.note(market)
    assert list(noted["trained"]) == [str(pid) for pid in sorted(market.labels)]


def test_resuming_compares_people_by_name(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    names = {pid: f"who {pid}" for pid in market.labels}
    data = replace(market, name="folder", pid_names=names)
    quiet(tiny, data, tmp_path, epochs=1)
    # a stranger came into the test half, and every pid moved up by one
    moved = [s._replace(pid=s.pid + 1) for s in market.train]
    shifted = replace(data, train=moved, pid_names={p + 1: n for p, n in names.items()})
    assert len(quiet(tiny, shifted, tmp_path, epochs=1).history) == 2
    # the same pids, another person
    other = replace(data, pid_names={**names, min(names): "somebody else"})
    with pytest.raises(
        CheckpointError, match=r"1 people left, such as 'who \d+'; 1 people came"
    ):
        quiet(tiny, other, tmp_path, epochs=1)


# --- where nothing can be written ---------------------------------------------------


def test_a_file_in_the_place_of_the_folder(
    tiny: Preset, market: ReIDData, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DplibError, match=r"file/run/train\.lock cannot be written"):
        quiet(tiny, market, tmp_path / "file" / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tensorboard").write_text("mine")
    with pytest.raises(DplibError, match=r"run/tensorboard cannot be written"):
        quiet(tiny, market, tmp_path / "run")
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["tensorboard"]


def test_tensorboards_files_on_a_full_disk_do_not_end_the_run(
    whole: Path,
    tiny: Preset,
    market: ReIDData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    board = pytest.importorskip("torch.utils.tensorboard")

    def full(*args: object, **settings: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(board.SummaryWriter, "add_scalar", full)
    quiet(tiny, market, tmp_path)
    assert same_run(whole, tmp_path)
    said = capsys.readouterr().out
    assert said.count("tensorboard: the disk is full") == 1 and "goes on" in said


@pytest.mark.skipif(os.name == "nt", reason="folders of Windows are not made read-only")
def test_a_finished_run_in_a_folder_that_cannot_be_written(
    whole: Path,
    tiny: Preset,
    market: ReIDData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = shutil.copytree(whole, tmp_path / "run")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may all
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    assert len(quiet(tiny, market, copy).history) == 8
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before
    assert not checkpoints.load(copy).training
