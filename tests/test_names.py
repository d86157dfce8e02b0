"""Files and modules that a text names in backticks exist."""

import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXTS = [
    *("README.md", "CONTRIBUTING.md", "data/README.md", "notebooks/README.md"),
    *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md")),
    *(str(p.relative_to(ROOT)) for p in ROOT.glob("notebooks/src/*.py")),
]
FILE = re.compile(r"`((?:dplib|tests|tools|benchmarks)/[^`\s]*)`")
MODULE = re.compile(r"`(dplib(?:\.\w+)+)`")


def files(name: str) -> list[Path]:
    """What is called so, where NN and ``name`` stand for those of any lesson."""
    pattern = name.replace("NN", "[0-9][0-9]").replace("/name/", "/*/")
    return list(ROOT.glob(pattern))


def exists(name: str) -> bool:
    """Whether there is a module, or a name in one, that is called so."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("text", TEXTS)
def test_each_exists(text: str) -> None:
    said = (ROOT / text).read_text("utf-8")
    assert not [p for p in FILE.findall(said) if not files(p)]
    assert not [m for m in MODULE.findall(said) if not exists(m)]


def test_every_lesson_names_its_files_and_modules() -> None:
    for source in (ROOT / "notebooks/src").glob("*.py"):
        said = source.read_text("utf-8")
        assert FILE.search(said) and MODULE.search(said), source.name


def test_what_does_not_exist_is_found() -> None:
    assert exists("dplib.lessons.checks") and exists("dplib.training.train")
    assert not exists("dplib.plots_ranking") and not exists("dplib.training.tarin")
    assert FILE.findall("in `dplib/checks_02.py`") == ["dplib/checks_02.py"]
    assert not files("dplib/checks_02.py") and not files("tests/NN.py")
    assert files("dplib/lessons/") and files("tests/wrong_answers/NN.py")
    assert files("tests/lessons/name/test_browser.py") and not files("dplib/name/x.py")
