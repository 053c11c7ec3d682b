from __future__ import annotations

import ast
import random
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest

from labkit.data.duplicates import code_tokens
from labkit.data.duplicates.code import CodeDuplicates, edit_similarity
from labkit.data.duplicates.code_tokens import _PYTHON_WORDS, normal_tokens, python_tokens
from labkit.data.duplicates.near import NearDuplicates
from tests.data.duplicates.planted import settle

STDLIB = Path(sysconfig.get_path("stdlib"))
MODULES = (
    "bisect heapq colorsys textwrap fnmatch glob shlex stat queue sched secrets string".split()
)

MIRRORED = {("insort_left", "insort_right"), ("_siftup_max", "_siftup"), ("fill", "wrap")}
"""Functions of these modules that differ in a few tokens."""


class Renaming(ast.NodeTransformer):
    """Every variable, argument, function and class, one to one; attributes stay."""

    def __init__(self, seed: int):
        self.rng, self.names = random.Random(seed), dict[str, str]()

    def new(self, name: str) -> str:
        if name in _PYTHON_WORDS:
            return name
        return self.names.setdefault(name, f"v{self.rng.randrange(10**9)}")

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "arg", "name", "asname"):
            if isinstance(value := getattr(node, field, None), str) and "." not in value:
                setattr(node, field, self.new(value))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self.new(name) for name in node.names]
        if isinstance(node, ast.ImportFrom) and node.module and "." not in node.module:
            node.module = self.new(node.module)
        return super().generic_visit(node)


def plain(path: Path) -> str:
    return ast.unparse(ast.parse(path.read_text("utf-8")))


def renamed(text: str, seed: int) -> str:
    return ast.unparse(Renaming(seed).visit(ast.parse(text)))


def test_names_become_distances_by_hand():
    numbers = normal_tokens("a = b.a + b\n")
    tokens = [token for token, _ in python_tokens("a = b.a + b\n") or []]
    assert tokens == ["a", "=", "b", ".", "a", "+", "b", "\n"]
    assert [int(numbers[at]) for at in (0, 2, 6)] == [0, 0, 1]
    assert (numbers[[1, 3, 4, 5, 7]] > 2**32).all()


def test_other_languages_are_cut_by_a_regular_expression():
    one = "int sum(int n) { /* all */ for (int i = 0; i < n; i++) s += f('}'); }"
    other = "int add(int k) { for (int j = 0; j < k; j++) t += g('}'); } // all"
    assert normal_tokens(one).tolist() == normal_tokens(other).tolist()
    assert normal_tokens(one).tolist() != normal_tokens(one.replace("i < n", "n < i")).tolist()


def test_renamed_clones_are_found_where_minhash_on_words_misses_them():
    texts = [plain(STDLIB / f"{name}.py") for name in MODULES]
    texts += [renamed(text, seed) for seed, text in enumerate(texts)]
    clones = {row + len(MODULES): row for row in range(len(MODULES))}
    step = settle(CodeDuplicates(), texts)
    assert dict(zip(step.rows.tolist(), step.kept_rows.tolist(), strict=True)) == clones
    assert len(settle(NearDuplicates(), texts).rows) < len(MODULES) / 2


def test_different_functions_are_not_joined():
    """Of one shape and many common names, from different modules."""
    functions = [
        ast.unparse(node)
        for name in MODULES
        for node in ast.walk(ast.parse((STDLIB / f"{name}.py").read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and len(ast.unparse(node)) > 400
    ]
    step = settle(CodeDuplicates(min_tokens=20), functions)
    names = [text.split("(")[0].removeprefix("def ") for text in functions]
    joined = {(names[a], names[b]) for a, b in zip(step.rows, step.kept_rows, strict=True)}
    assert joined <= MIRRORED
    assert len(functions) > 50


def test_no_text_is_too_strange():
    texts = ["(" * 10**5, "-" * 10**5 + "1", "\0", "a\x0cb", '"""', "if x:\n\ty\n        z", "é²"]
    for text in texts:
        assert normal_tokens(text).dtype == np.uint64


def test_cutting_is_that_of_one_regular_expression(monkeypatch):
    """Oracle: finditer, whose time grows with the square of unclosed comments and strings."""
    rng = random.Random(0)
    pieces = ['"', "'", "\\", "\n", " ", "/*", "*/", "//", "#", "a", "b1", "1.2", "(", '\\"', "é"]
    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=rng.randrange(1, 25)))
        whole = code_tokens._pattern(True, "\"'").finditer(text)
        expected = [(match.lastgroup, match.span()) for match in whole]
        assert [(m.lastgroup, m.span()) for m in code_tokens._cut(text)] == expected


@pytest.mark.parametrize("piece", ["/* ", 'x \\"', "\\'", "\\\"\\' /* ", '\\"\n'])
def test_time_grows_with_the_text(piece):
    """87 s for 240 kB of the first, before."""
    started = time.process_time()
    normal_tokens(piece * 100_000 + " ?? $")
    assert time.process_time() - started < 10


def test_similarity_is_that_of_the_textbook_table():
    """Wagner and Fischer 1974."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        one, other = rng.integers(0, 4, rng.integers(1, 30)), rng.integers(0, 4, 20)
        before = list(range(len(other) + 1))
        for at, token in enumerate(one.tolist(), start=1):
            row = [at]
            for place, against in enumerate(other.tolist(), start=1):
                change = before[place - 1] + (token != against)
                row.append(min(row[-1] + 1, before[place] + 1, change))
            before = row
        expected = 1 - before[-1] / max(len(one), len(other))
        assert edit_similarity(one, other) == pytest.approx(expected)
