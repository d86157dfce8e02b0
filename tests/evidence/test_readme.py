"""The README's section of evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from dplib import DplibError
from dplib.evidence import readme
from dplib.evidence.findings import Evidence

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_is_what_the_records_say(shipped: Evidence) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert readme.put(text, shipped) == text
    with pytest.raises(DplibError, match=r"README\.md has no lines"):
        readme.put("# Other\n", shipped)
