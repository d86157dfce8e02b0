"""Evidence that several test files read."""

from __future__ import annotations

import pytest
from made_records import PIDS, made

from dplib.evidence import findings
from dplib.evidence.findings import Evidence


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
