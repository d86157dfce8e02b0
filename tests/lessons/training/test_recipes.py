"""The table of recipes: made from the presets, a reason wherever toy differs."""

from __future__ import annotations

from dataclasses import fields

import pytest

from dplib import DplibError, presets
from dplib.lessons.training import recipes


def test_each_number_has_its_purpose() -> None:
    names = [f.name for f in fields(presets.Preset) if f.name != "name"]
    assert list(recipes.WORDS) == names
    assert all(word.purpose for word in recipes.WORDS.values())


def test_a_reason_where_toy_differs_and_only_there() -> None:
    for field, (paper, toy) in recipes.rows(("paper", "toy")).items():
        assert (paper != toy) == bool(recipes.WORDS[field].toy), field


def test_table_has_the_presets_values() -> None:
    lines = recipes.table(("paper", "authors", "toy")).splitlines()
    assert len(lines) == 2 + len(recipes.WORDS)
    row = next(line for line in lines if "`lr`" in line)
    paper, toy = presets.get("paper").lr, presets.get("toy").lr
    assert f"| {paper:g} | {paper:g} | **{toy:g}** |" in row
    clip = next(line for line in lines if "`clip_norm`" in line)
    assert "**none**" in clip, "the authors do not clip"
    assert "why toy" not in recipes.table(("paper", "authors"))


def test_refuses_what_is_not_there() -> None:
    with pytest.raises(DplibError, match="at least one"):
        recipes.table(())
    with pytest.raises(DplibError, match="nosuch"):
        recipes.table(("nosuch",))
