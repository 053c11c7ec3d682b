"""One JupyterLab for all browser tests; without a browser they are skipped, in CI they fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.cli.doctor import find_browser
from tests.browser.lab import Lab, running_lab

NO_BROWSER = "no Chromium: apt-get install chromium, or set LABKIT_CHROMIUM to its path"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    browser_path = find_browser()
    if browser_path is None:
        if os.environ.get("CI"):
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    with running_lab(tmp_path_factory.mktemp("lab"), browser_path) as running:
        yield running


@pytest.fixture
def write_notebook(tmp_path: Path):
    """Write a notebook of the given code cells; returns its path."""
    import nbformat

    def write(name: str, *cells: str) -> Path:
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": kernel},
        )
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    return write
