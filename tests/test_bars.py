"""Bars for those who watch; for a file a few whole lines."""

import io
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tqdm
from ipykernel.iostream import OutStream

from dplib import bars
from dplib.presets import Preset
from dplib.samples import ReIDData


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Kernel(io.StringIO):
    __module__ = OutStream.__module__


class Clock:
    """A clock for tqdm that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], str]:
    """What stderr, which is no terminal here, was given since it was last asked."""
    monkeypatch.delenv(bars.LINES, raising=False)
    return lambda: capsys.readouterr().err


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(tqdm.std, "time", made)
    return made


def test_a_line_every_half_minute_and_one_at_the_end(
    log: Callable[[], str], clock: Clock
) -> None:
    with bars.bar(total=1000, initial=100, desc="training") as bar:
        for second in range(1, 901):
            clock.now = second
            bar.set_postfix_str(f"BtR {second}", refresh=False)
            bar.update()
    lines = log().splitlines(keepends=True)
    assert len(lines) == 30 + 1
    assert lines[0] == "training: 130/1000, 00:30 so far, 14:30 left, BtR 30\n"
    assert lines[28] == "training: 970/1000, 14:30 so far, 00:30 left, BtR 870\n"
    assert lines[-1] == "training: 1000/1000 in 15:00, BtR 900\n"


def test_an_iterable(log: Callable[[], str], clock: Clock) -> None:
    for _ in bars.bar(range(4), "decoding"):
        clock.now += 20
    assert log() == (
        "decoding: 2/4, 00:40 so far, 00:40 left\n"
        "decoding: 4/4, 01:20 so far, 00:00 left\n"
        "decoding: 4/4 in 01:20\n"
    )


def test_bytes_whose_number_comes_later(log: Callable[[], str], clock: Clock) -> None:
    with bars.bar(desc="a.zip", total=0, unit="B", unit_scale=True) as bar:
        bar.reset(total=4_000_000)
        bar.update(1_000_000)
        clock.now = 40
        bar.update(1_000_000)
    first, last = log().splitlines()
    assert first == "a.zip: 2.00M/4.00M, 00:40 so far, 00:40 left"
    assert last == "a.zip: 2.00M/4.00M in 00:40"  # as when it is interrupted


def test_nothing_when_it_is_disabled(log: Callable[[], str]) -> None:
    assert list(bars.bar(range(3), "decoding", disable=True)) == [0, 1, 2]
    assert log() == ""


def test_a_message_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with bars.bar(total=2, desc="training") as bar:
        bars.say("stopping")
        bar.update()
    assert capsys.readouterr() == ("stopping\n", "training: 1/2 in 00:00\n")


@pytest.mark.parametrize("stream", [Terminal, Kernel])
def test_terminals_and_notebooks_have_bars(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    monkeypatch.delenv(bars.LINES, raising=False)
    monkeypatch.setattr(sys, "stderr", stream())
    with bars.bar(total=2, desc="training") as bar:
        assert type(bar) is tqdm.tqdm
        assert "training:   0%|" in sys.stderr.getvalue()
    monkeypatch.setenv(bars.LINES, "lines")  # as copies.run_cells asks a kernel to
    assert not bars.watched()


def test_a_run_whose_output_goes_to_a_file(
    market: ReIDData, tiny: Preset, tmp_path: Path
) -> None:
    """A whole training: a line for each part and the first step; every line whole."""
    program = (
        "import pickle, sys\nfrom dplib import training\n"
        "preset, data, out = pickle.load(open(sys.argv[1], 'rb'))\n"
        "training.train(preset, data, out, device='cpu')\n"
    )
    job = tmp_path / "job.pkl"
    job.write_bytes(pickle.dumps((tiny, market, tmp_path / "run")))
    with (tmp_path / "log").open("w") as file:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, str(job)],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=True,
        )
    log = (tmp_path / "log").read_text()
    ours = [x for x in log.splitlines(keepends=True) if "/" in x]
    patterns = (
        r"decoding: 48/48 in \d\d:\d\d\n",
        r"training: 1/8, \d\d:\d\d so far, \d\d:\d\d left, BtR .*\n",  # it has begun
        r"training: 8/8 in \d\d:\d\d, BtR \S+ BpI \S+ BgI \S+ \| chance 2\.08\n",
    )
    assert len(ours) == 3 and "\r" not in log
    for line, pattern in zip(ours, patterns, strict=True):
        assert re.fullmatch(pattern, line)
