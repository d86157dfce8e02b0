"""Evidence that several test files read."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_records import PIDS, made
from tiny_runs import job, places, planned

from dplib import toymarket
from dplib.evidence import findings
from dplib.evidence.findings import Evidence
from dplib.evidence.queue import run_all
from dplib.evidence.records import Record
from dplib.evidence.runs import Places


@pytest.fixture
def few() -> Evidence:
    """Three variants of three seeds."""
    levels = {"bgi": 40, "bgi_bpi_fc": 60, "bgi_bpi": 55}
    runs = [made(v, s, x) for v, x in levels.items() for s in range(3)]
    return Evidence("toymarket", runs, {"layout": PIDS}, [])


@pytest.fixture(scope="session")
def shipped() -> Evidence:
    """The records that come with dplib."""
    return findings.load()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ToyMarket of 8 + 4 people; do not write into it."""
    where = tmp_path_factory.mktemp("toy")
    toymarket.generate(where, train_pids=8, test_pids=4, workers=1, progress=False)
    return where


@pytest.fixture(scope="session")
def done(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Places, Record]:
    """One finished run and where it is."""
    where = places(root, tmp_path_factory.mktemp("done"))
    (record,) = run_all(planned(where, job("stripes")), progress=False)
    assert isinstance(record, dict), record
    return where, record
