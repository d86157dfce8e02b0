"""Queries drawn again with one nuisance turned up, and the curves that follow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import job, places
from typer.testing import CliRunner

from dplib import (
    DplibError,
    datasets,
    descriptors,
    evaluation,
    plots,
    presets,
    transforms,
)
from dplib.cli.app import app
from dplib.evidence import charts, robustness, runs
from dplib.evidence.robustness import LEVELS
from dplib.samples import ReIDData
from dplib.toymarket.pictures import Conditions


@pytest.fixture(scope="module")
def toy(root: Path) -> ReIDData:
    return datasets.load("toymarket", root)


def test_only_the_nuisances_are_changed(toy: ReIDData) -> None:
    row = robustness.rows_of_queries(toy)[0]
    clean = robustness.conditions(row, "blur", 0)
    for axis in LEVELS:
        assert robustness.conditions(row, axis, 0) == clean
        turned = robustness.conditions(row, axis, 0.25)
        differs = [f for f in clean._fields if getattr(turned, f) != getattr(clean, f)]
        assert differs == ["shift_y" if axis == "shift" else axis]
    assert (clean.pose, clean.yaw) == (float(row["pose"]), float(row["viewpoint"]))
    with pytest.raises(DplibError, match=r"axis='rain': choose from occlusion, blur"):
        robustness.conditions(row, "rain", 0)


def test_with_its_own_conditions_a_query_is_drawn_as_it_is(
    toy: ReIDData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drawing here is the set's: only what ``conditions`` says differs."""

    def as_drawn(row: dict[str, str], axis: str, level: float) -> Conditions:
        number = {k: float(row[k]) for k in ("shift_x", "shift_y", "scale", "pose")}
        whole = {k: int(row[k]) for k in ("seed", "background", "light")}
        share = {k: float(row[k]) for k in ("occlusion", "blur", "clutter")}
        return Conditions(**whole, **number, **share, yaw=float(row["viewpoint"]))

    monkeypatch.setattr(robustness, "conditions", as_drawn)
    rows = robustness.rows_of_queries(toy)
    for row, sample in list(zip(rows, toy.query, strict=True))[:3]:
        there = transforms.read_image(sample.path, (128, 64))
        assert np.array_equal(robustness._draw(row, "blur", 0), there)


def test_rows_are_those_of_the_queries(toy: ReIDData, market: ReIDData) -> None:
    rows = robustness.rows_of_queries(toy)
    assert [r["file"] for r in rows] == [s.path.name for s in toy.query]
    assert [int(r["pid"]) for r in rows] == [s.pid for s in toy.query]
    with pytest.raises(DplibError, match=r"nuisance.csv is missing: only ToyMarket"):
        robustness.rows_of_queries(market)


def test_curves_are_evaluations_of_the_drawn_queries(toy: ReIDData) -> None:
    net = presets.get("toy").build_model(8).eval()
    levels = {"occlusion": (0.0, 0.5), "blur": (0.0, 3.0)}
    rows = robustness.rows_of_queries(toy)
    drawn = robustness.draw_queries(rows, levels=levels, workers=1, progress=False)
    assert drawn["blur", 0.0] is drawn["occlusion", 0.0]
    assert drawn["blur", 3.0].shape == (len(toy.query), 3, 128, 64)
    # a blurred picture has less detail, and only there
    detail = {k: v.float().diff(dim=3).abs().mean().item() for k, v in drawn.items()}
    assert detail["blur", 3.0] < 0.6 * detail["blur", 0.0] < detail["occlusion", 0.5]
    found = robustness.measure(net, toy, drawn, device="cpu")
    x = transforms.normalise(drawn["blur", 3.0])
    with torch.inference_mode():
        f = (net.descriptor(x) + net.descriptor(x.flip(3))) / 2
    gallery = descriptors.extract(net, toy.gallery, progress=False)
    query = descriptors.Descriptors(
        torch.nn.functional.normalize(f),
        torch.tensor([s.pid for s in toy.query]),
        torch.tensor([s.camid for s in toy.query]),
    )
    wanted = evaluation.evaluate(query, gallery).summary()
    assert found["rank1"]["blur"][1] == wanted["rank1"]
    assert found["map"]["blur"][1] == pytest.approx(wanted["map"], abs=1e-4)
    assert found["map"]["blur"][0] == found["map"]["occlusion"][0]


def test_the_figure_shows_means_and_ranges() -> None:
    made = [
        {
            "variant": v,
            "seed": s,
            "levels": {k: list(x) for k, x in LEVELS.items()},
            "rank1": {k: [0.9 - 0.1 * i - 0.02 * s for i in range(6)] for k in LEVELS},
        }
        for v in ("bgi", "full")
        for s in range(3)
    ]
    fig = charts.curves(made, {"bgi": "BgI", "full": "all", "none": "absent"})
    assert [ax.get_title() for ax in fig.axes] == list(LEVELS)
    line = fig.axes[0].get_lines()[0]
    assert line.get_ydata() == pytest.approx([88 - 10 * i for i in range(6)])
    assert line.get_xdata() == pytest.approx([100 * x for x in LEVELS["occlusion"]])
    assert len(fig.axes[0].get_lines()) == 2 and "3 seeds" in fig.get_suptitle()
    assert plots.png(fig)


def test_every_level_can_be_drawn(toy: ReIDData) -> None:
    row = robustness.rows_of_queries(toy)[0]
    for axis, levels in LEVELS.items():
        pictures = {robustness._draw(row, axis, x).tobytes() for x in levels}
        # clutter is drawn by chance: a higher level may bring nothing more
        assert len(pictures) == 6 or (axis == "clutter" and len(pictures) > 1)


def test_the_command_measures_each_finished_run_once(
    root: Path, tmp_path: Path
) -> None:
    runs.make(runs.plan(job("bgi"), places(root, tmp_path, epochs=1)))
    call = ["robustness", "--runs", str(tmp_path / "runs"), "--root", str(root)]
    call += ["--results", str(tmp_path / "results"), "--workers", "1"]
    first, again = (CliRunner().invoke(app, call) for _ in range(2))
    nowhere = str(tmp_path / "nosuch")
    wrong = CliRunner().invoke(app, [*call[:2], nowhere, *call[3:]])
    assert wrong.exit_code == 1 and isinstance(wrong.exception, DplibError)
    assert f"{tmp_path / 'nosuch/toymarket'} has no finished run" in str(
        wrong.exception
    )
    assert first.exit_code == again.exit_code == 0, first.output
    assert "1 finished runs, 1 to measure" in first.output
    assert "1 finished runs, 0 to measure" in again.output
    lines = (tmp_path / "results/toymarket-robustness.jsonl").read_text().splitlines()
    (record,) = map(json.loads, lines)
    assert (record["variant"], record["seed"]) == ("bgi", 0)
    assert {k: len(v) for k, v in record["map"].items()} == dict.fromkeys(LEVELS, 6)
