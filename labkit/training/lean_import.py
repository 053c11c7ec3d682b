"""Lightning without the packages that it imports for metrics which a run never asks for.

Lightning imports torchmetrics, whose metrics of sound import scipy.signal and whose metrics of
text, where it is installed, transformers: 1.3 to 1.9 of the 3.5 to 4.5 CPU seconds that a process
takes to start, and 80 MB in each. Stand-ins take their places while Lightning is imported. Only
for processes that do nothing but train: in others someone may want those metrics.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

UNUSED = ("scipy.signal", "transformers")


class _StandIn(ModuleType):
    """Has every public name, as a class: it can be imported and inherited from."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def import_lightning() -> None:
    """Once per process, before any import of Lightning; what is imported already stays."""
    if "torchmetrics" in sys.modules:
        return
    absent = [name for name in UNUSED if name not in sys.modules]
    for name in absent:
        sys.modules[name] = _StandIn(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    try:
        importlib.import_module("lightning")
    finally:
        for name in absent:
            del sys.modules[name]
