"""Importing is cheap and has no side effects: heavy packages stay in their rooms."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "lightning", "wandb", "pandas", "plotly", "ipywidgets", "pyarrow", "papermill")


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


@pytest.mark.parametrize(
    "code",
    ["import labkit", "from labkit import lab", "import labkit.cli", "import labkit.cli.cost"],
)
def test_nothing_heavy_is_imported(code):
    assert loaded_after(code) == set()


def test_a_cost_estimate_on_the_command_line_loads_nothing_heavy():
    code = "from labkit.cli import main\nmain(['cost', 'llama-2-7b', '--gpu', 'H100 SXM'])"
    assert loaded_after(code) == set()
