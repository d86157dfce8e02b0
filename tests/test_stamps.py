"""Stamps change with statements, and with nothing else."""

import pytest

from dplib import stamps

BASE = '''
"""A module."""
from dplib.losses import batch_hard_triplet
from dplib import model

LIMIT = 3


def loss(x: int, y: float = 0.5) -> float:
    """What it is."""
    # why
    return batch_hard_triplet(x, LIMIT) + model.load("toy") * y


class Net:
    """A net."""

    width: int = 4
'''


def changed(*pairs: tuple[str, str]) -> str:
    text = BASE
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return stamps.digest([text])


@pytest.mark.parametrize(
    "pairs",
    [
        [("# why", "# because of this")],
        [('"""What it is."""', '"""Something else."""')],
        [('    """A net."""\n\n', "")],
        [("x: int, y: float", "x, y: 'float | int'")],
        [("from dplib.losses import", "from dplib.room.losses import")],
        [("from dplib import model", "from dplib import losses, model"),
         ("from dplib.losses import batch_hard_triplet\n", ""),
         ("return batch_hard", "return losses.batch_hard")],
        [("from dplib import model", "from dplib.model import load"),
         ("model.load", "load")],
        [("batch_hard_triplet\n", "batch_hard_triplet as bht\n"),
         ("batch_hard_triplet(", "bht(")],
        [("LIMIT = 3", "LIMIT  =  (\n    3\n)")],
        [("LIMIT = 3", "__all__ = ['LIMIT']\nLIMIT = 3")],
    ],
)  # fmt: skip
def test_what_does_nothing_changes_nothing(pairs: list[tuple[str, str]]) -> None:
    assert changed(*pairs) == stamps.digest([BASE])


@pytest.mark.parametrize(
    "pair",
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        (" + model", " - model"),
        ("y: float = 0.5", "y: float = 0.25"),
        ("(x, LIMIT)", "(LIMIT, x)"),
        ("width: int = 4", "width: int = 5"),
        ("width: int = 4", "width: int"),
        ("batch_hard_triplet", "batch_all_triplet"),
        ("model.load", "model.save"),
        ('"toy"', '"toy-full"'),
        ("def loss(x", "@cache\ndef loss(x"),
        ("def loss(x", "def loss(*x"),
    ],
)
def test_a_changed_statement_changes_the_stamp(pair: tuple[str, str]) -> None:
    assert changed(pair) != stamps.digest([BASE])


def test_the_file_and_the_order_of_definitions_do_not_count() -> None:
    head, tail = BASE.split("class Net")
    assert stamps.digest(["class Net" + tail, head]) == stamps.digest([BASE])


def test_modules_are_found_by_name_and_a_wrong_name_is_refused() -> None:
    assert [p.name for p in stamps.sources("losses", "sampling")] == [
        "losses.py",
        "sampling.py",
    ]
    assert stamps.of_modules("losses") != stamps.of_modules("sampling")
    with pytest.raises(FileNotFoundError, match="no module nothing in dplib"):
        stamps.sources("nothing")
