"""Without a browser the tests of widgets are skipped, but never in CI."""

import shutil
from types import SimpleNamespace

import browser
import pytest


def test_a_browser_that_is_installed_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: __file__)
    assert browser.find(SimpleNamespace(executable_path="nowhere")) == __file__
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert browser.find(SimpleNamespace(executable_path=__file__)) == __file__


@pytest.mark.parametrize(
    ("ci", "outcome"),
    [
        (None, pytest.skip.Exception),
        ("false", pytest.skip.Exception),
        ("true", pytest.fail.Exception),
        ("1", pytest.fail.Exception),
    ],
)
def test_none_at_all(
    ci: str | None, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    if ci is not None:
        monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"get_chromium\.sh"):
        browser.find(SimpleNamespace(executable_path="/nowhere/chrome"))
