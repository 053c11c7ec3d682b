"""Does a person see this page? Decided once, from the environment, without asking the person."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import psutil

from labkit.core.errors import LabError

MODES = ("batch", "interactive")


def is_interactive() -> bool:
    """Whether controls and live figures make sense here.

    `LABKIT_MODE=batch` or `interactive` decides. Without it: an IPython kernel that a Jupyter
    server started (it gives the kernel `JPY_SESSION_NAME`, which papermill, nbclient and
    `nbconvert --execute` don't) or that VS Code drives (it puts `__vsc_ipynb_file__` into the
    namespace) is interactive; everything else is batch. A papermill run started from inside a
    notebook inherits `JPY_SESSION_NAME`: it counts only when the process that started the kernel
    doesn't have it too.

    Raises:
        LabError: LABKIT_MODE is neither of the two.
    """
    return decide(os.environ, _kernel_namespace(), _parent_environment)


def decide(
    environment: Mapping[str, str], namespace: Mapping[str, Any] | None, parent: Any
) -> bool:
    """The rule above on given facts; `namespace` is None outside an IPython kernel."""
    if mode := environment.get("LABKIT_MODE"):
        if mode not in MODES:
            raise LabError(f"LABKIT_MODE={mode!r}: should be batch or interactive")
        return mode == "interactive"
    if namespace is None:
        return False
    if "__vsc_ipynb_file__" in namespace:
        return True
    session = environment.get("JPY_SESSION_NAME")
    return session is not None and parent().get("JPY_SESSION_NAME") != session


def _kernel_namespace() -> Mapping[str, Any] | None:
    if "ipykernel" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell.user_ns if shell is not None and hasattr(shell, "kernel") else None


def _parent_environment() -> Mapping[str, str]:
    try:
        return psutil.Process(os.getppid()).environ()
    except (psutil.Error, OSError):
        return {}
