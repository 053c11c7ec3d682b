from __future__ import annotations

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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MinLength(12), MinLength(13)),
        (english(), english().with_thresholds({"line_punct_ratio": 0.5})),
        (NearDuplicates(), NearDuplicates(threshold=0.7)),
        (Holds(np.arange(3)), Holds(np.arange(3.0))),
        (Holds(np.arange(4)), Holds(np.arange(4).reshape(2, 2))),
        (Holds(1), MinLength(1)),
    ],
)
def test_whatever_differs_is_described_differently(one, other):
    assert describe(one) == describe(one)
    assert describe(one) != describe(other)
