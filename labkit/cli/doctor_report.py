"""One line of the doctor's report: what was found, and a command to copy where something lacks."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal

MARKS = {"ok": "✓", "warn": "!", "lack": "✗"}


@dataclass(frozen=True)
class Check:
    """`fix` is a command to copy; only what is `ok` may go without."""

    name: str
    state: Literal["ok", "warn", "lack"]
    found: str
    fix: str = ""


def render(check: Check) -> str:
    line = f"{MARKS[check.state]} {check.name:<14} {check.found}"
    return f"{line}\n{'':<17}{check.fix}" if check.fix else line


def pip_install(interpreter: str, what: str = "-e '.[all,dev]'") -> str:
    """The command that installs into that Python, at the tested versions, from labkit's folder.

    >>> pip_install("/env/bin/python", "wandb")
    '/env/bin/python -m pip install -c constraints.txt wandb'
    """
    return f"{shlex.quote(interpreter)} -m pip install -c constraints.txt {what}"
