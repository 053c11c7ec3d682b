from __future__ import annotations

import subprocess
import sys

import nbformat
import papermill
import pytest

from labkit.core.errors import LabError
from labkit.widgets.mode import decide

SESSION = {"JPY_SESSION_NAME": "/home/ada/10.ipynb"}
ASK = "from labkit.widgets.mode import is_interactive; print(is_interactive())"


@pytest.mark.parametrize(
    ("environment", "namespace", "parent", "expected"),
    [
        ({}, None, {}, False),
        ({}, {}, {}, False),
        (SESSION, {}, {}, True),
        (SESSION, None, {}, False),
        (SESSION, {}, SESSION, False),
        ({}, {"__vsc_ipynb_file__": "/home/ada/10.ipynb"}, {}, True),
        ({"LABKIT_MODE": "interactive"}, None, {}, True),
        (SESSION | {"LABKIT_MODE": "batch"}, {}, {}, False),
    ],
)
def test_who_is_there(environment, namespace, parent, expected):
    assert decide(environment, namespace, lambda: parent) is expected


def test_a_mistyped_mode_is_refused():
    with pytest.raises(LabError, match="LABKIT_MODE='headless': should be batch or interactive"):
        decide({"LABKIT_MODE": "headless"}, None, dict)


@pytest.mark.parametrize("inherited", ["", "/home/ada/10.ipynb"])
def test_papermill_is_batch(tmp_path, monkeypatch, inherited):
    monkeypatch.delenv("LABKIT_MODE", raising=False)
    monkeypatch.setenv("JPY_SESSION_NAME", inherited)
    source, result = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    cells = [nbformat.v4.new_code_cell(ASK)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), source)
    program = f"import papermill; papermill.execute_notebook({str(source)!r}, {str(result)!r})"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=120)
    assert papermill.iorw.load_notebook_node(str(result)).cells[0].outputs[0].text == "False\n"


def test_a_script_is_batch(monkeypatch):
    monkeypatch.delenv("LABKIT_MODE", raising=False)
    run = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, timeout=60)
    assert run.stdout == "False\n"
