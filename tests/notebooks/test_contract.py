"""The notebook contract of CONTRIBUTING.md, held for every notebook without running one."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from labkit.core.config import Config
from labkit.core.schema import headline_faces

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_HEADLINES, MAX_CELL_LINES = 12, 25
IN_A_CELL_ONLY_THE_LIBRARY = r"^\s*[!%]|widgets\.Output|interact(ive_output)?\(|input\(|\.login\("


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads(request.param.read_text())


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def parameters_cell(notebook: dict[str, Any]) -> str:
    [found] = [c for c in code_cells(notebook) if "parameters" in c["metadata"].get("tags", [])]
    return source(found)


def test_every_notebook_has_a_number_of_its_own():
    numbers = [re.fullmatch(r"(\d\d)_[a-z_]+", path.stem) for path in NOTEBOOKS]
    assert NOTEBOOKS
    assert all(numbers)
    assert len({match[1] for match in numbers if match}) == len(NOTEBOOKS)


def test_parameters_are_the_headline_of_one_schema(notebook):
    module, name = notebook["metadata"]["labkit"]["config"].split(":")
    config_type = getattr(importlib.import_module(module), name)
    assert issubclass(config_type, Config)
    given: dict[str, Any] = {}
    for line in parameters_cell(notebook).splitlines():
        assert re.fullmatch(r"\w+: \w+ = .+  # \S.*", line), (
            f"not 'name: type = value  # help': {line}"
        )
        [statement] = ast.parse(line).body
        assert isinstance(statement, ast.AnnAssign)
        assert isinstance(statement.target, ast.Name)
        assert statement.value is not None
        given[statement.target.id] = ast.literal_eval(statement.value)
    assert given.pop("overrides") == {}
    assert list(given) == [face.name for face in headline_faces(config_type)]
    assert len(given) <= MAX_HEADLINES
    assert config_type.from_parameters(given) == config_type()


def test_cells_call_the_library_and_stay_short(notebook):
    for cell in code_cells(notebook):
        text = source(cell)
        assert len(text.splitlines()) <= MAX_CELL_LINES
        assert not re.search(IN_A_CELL_ONLY_THE_LIBRARY, text, re.MULTILINE)
        for node in ast.walk(ast.parse(text)):
            assert not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)


def test_nothing_is_stored_and_no_path_is_absolute(notebook):
    for cell in code_cells(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        assert not re.search(r"""["'](/|~|[A-Z]:\\)""", source(cell))


def test_the_first_cell_asks_and_says_what_it_takes(notebook):
    title = source(notebook["cells"][0])
    assert re.match(r"# \d\d · .+\?", title)
    for part in ("**You will see**", "**Takes**", "raw text →", "Previous", "next"):
        assert part in title


def test_it_explores_decides_and_gives_references(notebook):
    headings = [
        line
        for cell in notebook["cells"]
        if cell["cell_type"] == "markdown"
        for line in source(cell).splitlines()
        if line.startswith("## ")
    ]
    assert [h for h in headings if h in ("## Explore", "## Decision")] == [
        "## Explore",
        "## Decision",
    ]
    assert "references" in headings[-1].lower()
