from __future__ import annotations

import itertools
import pickle
import random
from collections import Counter

import pyarrow as pa
import pytest

from labkit.core.config import ConfigError
from labkit.data.rules.licence import LicenceList, _names, is_allowed, normalise_licence


def rules(step: LicenceList, licences: list[str | None]) -> list[str | None]:
    batch = pa.RecordBatch.from_pydict({"row": range(len(licences)), "licence": licences})
    outcome = pickle.loads(pickle.dumps(step)).apply(batch)
    found = {row["row"]: row["rule"] for row in outcome.dropped.to_pylist()}
    assert outcome.kept.num_rows + len(found) == len(licences)
    return [found.get(row) for row in range(len(licences))]


def test_by_hand():
    step = LicenceList(allowed=("MIT", "Apache 2.0", "GPL-2.0-only WITH Classpath-exception-2.0"))
    assert step.allowed[1] == "Apache-2.0"
    decisions = {
        "mit": None,
        "Apache License, Version 2.0": None,
        "MIT OR GPL-3.0-only": None,
        "MIT AND GPL-3.0": "licence:MIT AND GPL-3.0-only",
        "(gpl-3.0+ or apache-2.0) and mit": None,
        "GPL-3.0-only OR MIT AND Apache-2.0": None,
        "gpl-2.0 WITH classpath-exception-2.0": None,
        "GPL-2.0-only": "licence:GPL-2.0-only",
        "Apache-2.0 WITH LLVM-exception": None,
        "proprietary": "licence:unknown",
        "MIT OR": "licence:unknown",
        "": "licence:unknown",
        None: "licence:unknown",
    }
    assert rules(step, list(decisions)) == list(decisions.values())


def test_without_the_column_all_are_unknown_and_counted():
    outcome = LicenceList().apply(pa.RecordBatch.from_pydict({"text": ["a", "b"]}))
    assert Counter(outcome.dropped.column("rule").to_pylist()) == {"licence:unknown": 2}
    found = outcome.dropped.to_pylist()[0]
    assert (found["value"], found["threshold"]) == (0.0, 1.0)


def test_expressions_are_those_of_python():
    """With every licence a truth value, OR and AND are Python's `or` and `and`."""
    rng = random.Random(0)
    names = ("MIT", "ISC", "Zlib", "Apache-2.0")
    for _ in range(200):
        expression = build(rng, names, depth=3)
        assert normalise_licence(expression.lower()) == expression
        for chosen in itertools.product((False, True), repeat=len(names)):
            truth = dict(zip(names, chosen, strict=True))
            as_python = expression.replace("OR", "or").replace("AND", "and")
            for name, value in truth.items():
                as_python = as_python.replace(name, str(value))
            allowed = frozenset(name for name, value in truth.items() if value)
            assert is_allowed(expression, allowed) is eval(as_python)


def test_every_name_is_of_a_known_licence():
    for name, spdx in _names().items():
        assert name == " ".join(name.lower().replace(",", " ").split())
        assert normalise_licence(name) == normalise_licence(spdx) == spdx


def test_refused_lists():
    with pytest.raises(ConfigError, match="'free' is no SPDX identifier"):
        LicenceList().with_overrides({"allowed": ("MIT", "free")})
    with pytest.raises(ConfigError, match="allows nothing"):
        LicenceList().with_overrides({"allowed": ()})


def build(rng: random.Random, names: tuple[str, ...], depth: int) -> str:
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(names)
    parts = [build(rng, names, depth - 1) for _ in range(rng.randrange(2, 4))]
    joined = parts[0] + "".join(f" {rng.choice(('OR', 'AND'))} {part}" for part in parts[1:])
    return f"({joined})" if rng.random() < 0.5 else joined
