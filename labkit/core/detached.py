"""A process that outlives the one that starts it, in a group of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def start_detached(
    arguments: Sequence[str], console: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`python` with these arguments; what it prints goes to the end of `console`.

    Args:
        environment: further variables.
    """
    with console.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | dict(environment or {}),
        )


def last_lines(console: Path, num_lines: int = 15) -> str:
    try:
        text = console.read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-num_lines:])
