"""One JupyterLab for all browser tests of a process."""

from collections.abc import Iterator

import browser
import pytest


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Lab]:
    """A JupyterLab in which ``browser.notebook`` opens notebooks."""
    with browser.lab(tmp_path_factory.mktemp("lab")) as made:
        yield made
