from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from labkit.data.duplicates.near import NearDuplicates
from labkit.data.pipeline.identity import describe
from labkit.data.rules.presets import english
from tests.data.pipeline.small_steps import MinLength

STEPS = "[english(), NearDuplicates(), frozenset({'b', 'a'}), {'b': 1.5, 'a': b'x'}]"


def test_equal_steps_are_described_equally_in_another_process():
    code = (
        "import json\nfrom labkit.data.pipeline.identity import describe\n"
        "from labkit.data.duplicates.near import NearDuplicates\n"
        f"from labkit.data.rules.presets import english\nprint(json.dumps(describe({STEPS})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == describe(eval(STEPS))  # the same words in both


@dataclass(frozen=True)
class Holds:
    what: object


class Plain:
    def __init__(self, limit: int = 0):
        self.limit = limit

    def refuses(self, text: str) -> bool:
        return len(text) > self.limit


def above(limit: int):
    return lambda text: len(text) > limit


def at_least(limit: int):
    return lambda text, limit=limit: len(text) >= limit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MinLength(12), MinLength(13)),
        (english(), english().with_thresholds({"line_punct_ratio": 0.5})),
        (NearDuplicates(), NearDuplicates(threshold=0.7)),
        (Holds(np.arange(3)), Holds(np.arange(3.0))),
        (Holds(np.arange(4)), Holds(np.arange(4).reshape(2, 2))),
        (Holds(1), MinLength(1)),
        (Holds(above(1)), Holds(above(2))),
        (Holds(at_least(1)), Holds(at_least(2))),
        (Holds(Plain(1).refuses), Holds(Plain(2).refuses)),
        (Plain(1), Plain(2)),
    ],
)
def test_whatever_differs_is_described_differently(one, other):
    assert describe(one) == describe(one)
    assert describe(one) != describe(other)


def test_another_source_of_a_step_of_any_class_is_another_step(monkeypatch):
    before = describe(Plain())
    monkeypatch.setattr(inspect, "getsource", lambda _: "class Plain: ...")
    assert describe(Plain()) != before
