"""python -m dplib: commands end to end on small data, and their messages."""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import imitations
import numpy as np
import pytest
from commands import rows_of, run

from dplib import DplibError, checkpoints, datasets, toymarket
from dplib.presets import Preset

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "quickstart lessons lab data train evaluate describe doctor version".split()  # noqa: SIM905
)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ToyMarket: its data folder."""
    root = tmp_path_factory.mktemp("data")
    toymarket.generate(root, train_pids=20, test_pids=6, workers=1, progress=False)
    return root


@pytest.fixture(scope="module")
def checkpoint(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one epoch of the preset toy."""
    out = tmp_path_factory.mktemp("runs") / "toy"
    said = run("train", "toy", "--root", market, "--out", out, "--epochs", 1)
    assert f"Checkpoint: {out / 'checkpoint.pt'}" in said
    assert f"python -m dplib evaluate {out} --data toymarket" in said
    return out


def test_help_names_every_command_and_loads_no_torch() -> None:
    program = (
        "import sys; sys.argv = ['dplib', '--help']\n"
        "from dplib.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('TORCH' if 'torch' in sys.modules else 'light')"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert out.strip().endswith("light")
    for command in COMMANDS:
        assert f" {command} " in out


def test_an_error_is_one_message_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dplib", "data", "verify", "x", "--root", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: unknown data set 'x'")
    assert "Traceback" not in done.stderr


def test_data_commands(market: Path, tmp_path: Path) -> None:
    assert "listed" in run("data", "verify", "toymarket", "--root", market)
    listed = run("data", "list", "--root", market)
    assert "✓ toymarket" in listed and "of 20 people" in listed
    assert "· market1501" in listed and "data/README.md" in listed
    assert "not drawn yet" in run("data", "list", "--root", tmp_path)
    with pytest.raises(DplibError, match="python -m dplib data toymarket draws it"):
        run("data", "verify", "toymarket", "--root", tmp_path)
    assert not any(tmp_path.iterdir()), "asking draws nothing"
    small = ["--train-pids", 3, "--test-pids", 2, "--workers", 1, "--seed", 5]
    assert "ToyMarket is in" in run("data", "toymarket", "--root", tmp_path, *small)
    assert len(datasets.load("toymarket", tmp_path).labels) == 3


def test_evaluate_writes_its_metrics_with_a_record(
    market: Path, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "metrics.json"
    said = run("evaluate", checkpoint, "--root", market, "--metrics-json", path)
    record = json.loads(path.read_text())
    metrics = record["metrics"]
    row = rows_of(said)["single query"]
    assert row["rank-1"] == f"{100 * metrics['rank1']:.2f}"
    assert row["trapez."] == f"{100 * metrics['map_trapezoid']:.2f}"
    low, high = metrics["rank1_interval"]
    assert row["[95 %]"] == f"[{100 * low:.1f}, {100 * high:.1f}]"
    assert low < metrics["rank1"] < high
    assert 0 < metrics["map"] <= 1 and record["data"] == "toymarket"
    assert record["versions"]["torch"] and "toymarket" in record


def test_export_ships_the_model_with_its_metrics(
    market: Path, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "small.safetensors"
    run(
        *("train", "toy", "--root", market, "--out", checkpoint, "--epochs", 1),
        *("--export", path),
    )
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["seed"] == 0 and record["preset"] == "toy"
    assert set(record["metrics"]) >= {"rank1", "map", "minp"}
    assert str(tmp_path) not in json.dumps(record), "no path of this machine"
    assert "rank-1" in run("evaluate", path, "--root", market)


def test_describe(market: Path, checkpoint: Path, tmp_path: Path) -> None:
    folder = market / "ToyMarket" / "query"
    first = min(folder.glob("*.jpg"))
    path = tmp_path / "d.npz"
    said = run("describe", first, folder, "-o", path, "--checkpoint", checkpoint)
    found = np.load(path)
    n = 1 + len(list(folder.glob("*.jpg")))
    assert found["features"].shape[0] == n and f"{n} descriptors" in said
    np.testing.assert_allclose(np.linalg.norm(found["features"], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found["features"][0], found["features"][1], atol=1e-5)
    assert found["paths"][0] == str(first) and set(found["pids"]) == {-1}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["train", "tiny"], "unknown preset 'tiny'"),
        (["train", "toy", "--device", "cuda:99"], "device 'cuda:99' cannot be used"),
        (["train", "toy", "--weights", "w.pth"], "weights w.pth: no such file"),
        (["evaluate", "nothing.pt"], "checkpoint nothing.pt: no such file"),
        (["describe", "no.jpg", "-o", "d.npz"], "no.jpg does not exist"),
        (["describe", ".", "-o", "d.csv"], "d.csv: descriptors are written as .npz"),
        (["lessons", "x", "77"], "'77' is not a lesson"),
    ],
)
def test_bad_input(
    market: Path, tmp_path: Path, monkeypatch: Any, args: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPLIB_DATA", str(market))
    out = ["--out", str(tmp_path / "run")] if args[0] == "train" else []
    with pytest.raises(DplibError) as e:
        run(*args, *out)
    assert words in str(e.value)
    assert not (tmp_path / "d.npz").exists() and not (tmp_path / "x").exists()


def test_evaluate_beside_multiple_query_and_reranking_with_lists(
    market: Path, checkpoint: Path, tmp_path: Path
) -> None:
    path, folder = tmp_path / "m.json", tmp_path / "lists"
    said = run(
        *("evaluate", checkpoint, "--root", market, "--multi-query", "--rerank"),
        *("--k1", 5, "--k2", 2, "--metrics-json", path, "--lists", folder),
        *("--pictures", 3, "--top", 7),
    )
    record = json.loads(path.read_text())
    for name, key in (
        ("single query", "metrics"),
        ("multiple query", "multiple query"),
        ("re-ranked", "re-ranked"),
    ):
        row = rows_of(said)[name]
        assert row["mAP"] == f"{100 * record[key]['map']:.2f}"
        assert row["mINP"] == f"{100 * record[key]['minp']:.2f}"
    assert record["metrics"]["map"] != record["re-ranked"]["map"]
    assert "across data sets" not in said and "Lists of re-ranked" in said
    data = datasets.load("toymarket", market)
    with (folder / "lists.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 7 * len(data.query)
    assert len(list((folder / "pictures").glob("*.png"))) == 3
    with pytest.raises(DplibError, match="lists exists"):
        run("evaluate", checkpoint, "--root", market, "--lists", folder)


def test_held_out_people_are_those_of_the_training(
    market: Path, tmp_path: Path
) -> None:
    """The command that train prints tests on people held out; another seed is told."""
    said = run(
        *("train", "toy", "--root", market, "--out", tmp_path / "run", "--epochs", 1),
        *("--val-pids", 4, "--seed", 3),
    )
    line = next(x for x in said.splitlines() if x.startswith("Evaluate it: "))
    words = shlex.split(line)
    assert words[2:6] == ["python", "-m", "dplib", "evaluate"]
    assert words[-4:] == ["--val-pids", "4", "--seed", "3"]
    honest = run(*words[5:])
    assert "toymarket-val4" in honest
    assert "NO TEST" not in honest and "across data sets" not in honest
    known = run(*words[5:-1], 0)
    assert "NO TEST: " in known and " of these 4 people were trained on" in known
    assert "NO TEST" not in run(*words[5:-4])  # the test people


def test_evaluate_across_data_sets(
    market: Path, market_home: Path, checkpoint: Path
) -> None:
    said = run(*("evaluate", checkpoint, "--data", "market1501", "--root", market_home))
    assert "market1501: 9 queries of 3 people" in said
    assert "across data sets: trained on toymarket" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--split", "all"], "needs a checkpoint for each split: toy has no {split}"),
        (["--split", "first"], "--split first: expected a number"),
        (["--data", "market1501", "--multi-query"], "no images for it"),
    ],
)
def test_evaluate_options_that_do_not_fit(
    market_home: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    home = shutil.copytree(market_home, tmp_path / "market")
    shutil.rmtree(home / "gt_bbox")
    with pytest.raises(DplibError) as e:
        run("evaluate", "toy", "--root", home, *options)
    assert words in str(e.value)


def test_unpack_then_verify(market_home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "Market-1501-v15.09.15.zip"
    shutil.make_archive(
        str(archive.with_suffix("")), "zip", market_home.parent, market_home.name
    )
    said = run("data", "unpack", archive, "--root", tmp_path)
    assert f"Unpacked: {tmp_path / market_home.name}" in said
    with pytest.raises(DplibError, match="48 found, 12,936 published") as e:
        run("data", "verify", "market1501", "--root", tmp_path)
    assert re.search(r"\n.* 48 +12,936  ✗", str(e.value))  # the whole table, marked
    with pytest.raises(DplibError, match="is there already"):
        run("data", "unpack", archive, "--root", tmp_path)


def test_cuhk03_split_by_split_and_all(tmp_path: Path, tiny: Preset) -> None:
    """One checkpoint a split; "all" averages what the single commands give."""
    pytest.importorskip("h5py")
    imitations.write_cuhk03(tmp_path / "cuhk03" / "cuhk-03.mat")
    for i in range(20):
        net = tiny.build_model(8, weights=None, seed=i)
        checkpoints.save(
            net, tmp_path / f"net-{i}", {"data": f"cuhk03-labeled-split{i}"}
        )
    common = ("--data", "cuhk03", "--root", tmp_path, "--metrics-json")
    each = []
    for i in (0, 7):
        path = tmp_path / f"{i}.json"
        net = tmp_path / f"net-{i}.safetensors"
        said = run("evaluate", net, "--split", i, *common, path)
        assert f"cuhk03-labeled-split{i}: " in said and "across data" not in said
        each.append(json.loads(path.read_text())["metrics"])
    assert {"rank1", "rank5", "rank10", "rank1_sd"} <= set(each[0])
    path = tmp_path / "all.json"
    nets = tmp_path / "net-{split}.safetensors"
    said = run("evaluate", nets, "--split", "all", *common, path)
    assert said.count("single query") == 20 and "over 20 splits" in said
    record = json.loads(path.read_text())
    assert f"{100 * record['metrics']['rank1']:6.2f} ±" in said
    assert "s.d. over gallery draws" in said and "NO TEST" not in said
    assert record["standard deviation over splits"]["rank1"] > 0
    assert record["data"] == "cuhk03-labeled, all splits"
    with pytest.raises(DplibError, match="--lists shows one split"):
        run(
            "evaluate", nets, "--split", "all", *common, path, "--lists", tmp_path / "l"
        )
    with pytest.raises(DplibError, match="needs the whole gallery"):
        run("evaluate", nets, "--split", 0, *common, path, "--rerank")


def test_doctor_says_what_is_missing(market: Path, monkeypatch: Any) -> None:
    said = run("doctor", "--root", market)
    for what in ("Python", "PyTorch", "memory", "toymarket", "ImageNet", "disk"):
        assert what in said
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = run("doctor", "--root", market, code=1)
    assert "✗ [notebooks]    not there: jupyterlab" in said
    assert "pip install -e '.[notebooks]'" in said and "To mend: 1" in said
