"""A process that trains loads Lightning without the packages of metrics that it never asks for."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from labkit.training.lean_import import UNUSED, import_lightning

import_lightning()
import labkit.training.run
assert "lightning" in sys.modules
assert not set(UNUSED) & set(sys.modules), sys.modules.keys()
import scipy.signal
assert list(scipy.signal.convolve([1, 2], [1, 1])) == [1, 3, 2]
import_lightning()
assert sys.modules["scipy.signal"] is scipy.signal
"""


def test_stand_ins_leave_nothing_behind_and_touch_nothing_that_is_there():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
