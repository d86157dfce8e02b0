"""The wheel alone, in an environment and a folder of its own, runs lesson 0."""

import json
import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_a_wheel_runs_lesson_0_in_an_empty_folder(tmp_path: Path) -> None:
    """Its environment sees the installed libraries, but neither checkout nor dplib."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("dplib-*.whl")
    env = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", env], check=True)
    python = next(
        p for p in (env / "bin/python", env / "Scripts/python.exe") if p.exists()
    )
    own = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[-1])"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    # a line of a .pth file adds the folder, not that folder's own (editable) .pth files
    (Path(own) / "libraries.pth").write_text("\n".join(site.getsitepackages()))
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q"]
    install += ["--no-deps", "--force-reinstall", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    ours = ("DPLIB", "PYTHON")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    # nbconvert's templates are libraries' files too, but lie beside site-packages
    clean["JUPYTER_PATH"] = str(Path(sys.prefix) / "share/jupyter")
    where = [python, "-c", "import dplib; print(dplib.__file__)"]
    found = subprocess.run(where, cwd=empty, env=clean, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(env), found.stderr
    # the main job among few people; its whole length is nbval's
    few = ["data", "toymarket", "--train-pids", "10", "--test-pids", "4"]
    for words in (few, ["quickstart"]):
        command = [python, "-m", "dplib", *words]
        run = subprocess.run(
            command, cwd=empty, env=clean, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr[-3000:]
    metrics = json.loads((empty / "runs/quickstart/metrics.json").read_text("utf-8"))
    assert metrics["rank1"] > 0 and len(metrics["baselines"]) == 3
    assert "Deep-Person  " in run.stdout
    page = (empty / "runs/quickstart/00_quickstart.html").read_text("utf-8")
    assert page.count("data:image/png;base64") >= 5
    assert {p.name for p in empty.iterdir()} == {"data", "runs"}
