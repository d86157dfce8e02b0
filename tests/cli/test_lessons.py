"""What the command progress prints for each state of an exercise."""

from __future__ import annotations

from pathlib import Path

import pytest

from dplib.cli.lessons import show_progress
from dplib.lessons.progress import Check, Lesson


def test_each_state_has_its_sign_and_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    states = {"0.1": "right", "0.2": "not yet", "0.3": "not tried", "0.4": "right"}
    checks = [Check(i, f"title {i}", state) for i, state in states.items()]
    first = Lesson(Path("00_quickstart.ipynb"), checks, 1, 2)
    second = Lesson(Path("01_data.ipynb"), [Check("1.1", "rank-1", "not yet")], 0, 3)
    show_progress([first, second])
    assert capsys.readouterr().out.splitlines() == [
        "00_quickstart: 2 of 4 exercises right, 1 of 2 predictions made",
        "  ✓ 0.1   title 0.1",
        "  ✗ 0.2   title 0.2",
        "  · 0.3   title 0.3",
        "  ✓ 0.4   title 0.4",
        "01_data: 0 of 1 exercises right, 0 of 3 predictions made",
        "  ✗ 1.1   rank-1",
        "2 of 5 exercises right, 2 not yet (✗), 1 not tried (·)",
    ]
