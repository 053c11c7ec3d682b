"""Small notebooks for tests of the batch room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PARAMETERS = (
    "steps: int = 3  # steps, steps\n"
    'name: str = "a"  # a name\n'
    "rate: float = None  # learning rate\n"
    "overrides: dict = {}  # dotted field -> value"
)
RESULT = (
    "import json, pathlib\n"
    "pathlib.Path({out!r}).write_text(json.dumps([steps, name, rate, overrides]))\n"
    "steps * 2"
)


def write_notebook(
    path: Path, *cells: str, parameters: str = PARAMETERS, config: str | None = None
) -> Path:
    sources = [(parameters, ["parameters"]), *((cell, []) for cell in cells)]
    notebook: dict[str, Any] = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{number}",
                "metadata": {"tags": tags},
                "source": source,
                "execution_count": None,
                "outputs": [],
            }
            for number, (source, tags) in enumerate(sources)
        ],
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    if config:
        notebook["metadata"]["labkit"] = {"config": config}
    path.write_text(json.dumps(notebook))
    return path
