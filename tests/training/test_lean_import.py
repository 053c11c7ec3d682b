"""A process that trains loads Lightning without the packages of metrics that it never asks for."""

from __future__ import annotations

import subprocess
import sys

import pytest


def in_a_process(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_neither_is_loaded_and_both_are_there_afterwards():
    in_a_process("""
import sys
from lightning_utilities.core import imports
from lightning_utilities.core.imports import RequirementCache, package_available
from labkit.training.lean_import import import_lightning

import_lightning()
import labkit.training.run
assert "torchmetrics" in sys.modules
assert not {"scipy.signal", "transformers"} & set(sys.modules)

assert imports.package_available is package_available
assert package_available("scipy")
assert RequirementCache("scipy>=1.8.0")
import scipy.signal
assert list(scipy.signal.convolve([1, 2], [1, 1])) == [1, 3, 2]
from torchmetrics import MeanMetric
assert MeanMetric()([1.0, 3.0]) == 2.0
""")


def test_a_metric_that_needs_one_refuses_in_its_own_words():
    pytest.importorskip("transformers")
    in_a_process("""
from labkit.training.lean_import import import_lightning

import_lightning()
from torchmetrics.text.bert import BERTScore
from torchmetrics.utilities.imports import _TRANSFORMERS_GREATER_EQUAL_4_4
assert "a process that trains" in str(_TRANSFORMERS_GREATER_EQUAL_4_4)
try:
    BERTScore()
except ModuleNotFoundError as error:
    assert "requires `transformers` package" in str(error)
else:
    raise AssertionError
""")


def test_what_imports_one_meanwhile_gets_it():
    in_a_process("""
import sys, types
from labkit.training.lean_import import import_lightning

class Curious:
    '''Imports scipy.signal when Lightning is looked for, as an entry point of another might.'''
    def find_spec(self, name, path=None, target=None):
        if name == "lightning.pytorch":
            import scipy.signal
            self.found = scipy.signal

sys.meta_path.insert(0, curious := Curious())
import_lightning()
assert callable(curious.found.convolve)
assert sys.modules["scipy.signal"] is curious.found
""")
