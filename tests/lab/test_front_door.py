"""`lab` gives every function of its modules, each under one name, and all that is written of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import labkit.lab
from labkit import lab

ROOT = Path(__file__).parents[2]
LENT = {"choose_corpus", "need_tokenizer", "open_corpus"}
"""What one module lends another and no notebook calls."""


def test_every_public_function_of_a_module_is_given_once():
    defined = [
        node.name
        for path in Path(labkit.lab.__file__).parent.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    assert len(defined) == len(set(defined))
    given = {name for name, value in vars(lab).items() if callable(value)}
    assert given == set(defined) - LENT


def test_what_notebooks_and_pages_call_is_there():
    pages = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    called = {name for page in pages for name in re.findall(r"\blab\.(\w+)\(", page.read_text())}
    assert len(called) > 80
    assert called - set(vars(lab)) == set()
