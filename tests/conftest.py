"""Every test writes below its own folder: LABKIT_HOME points into tmp_path.

Threads of OpenMP that wait sleep instead of spinning: several workers share the cores, and two
threads that spin for each other on busy ones took 8 to 15 times as long. What they compute is the
same.

Ctrl-C is heard, and by the processes that tests start: what a shell starts in the background
ignores it.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW = (
    "tests/comparison/test_study.py",
    "tests/batch/test_slurm_job.py",
    "tests/notebooks",
    "tests/training/test_ended_from_outside.py",
    "tests/training/test_equal_bytes.py",
    "tests/training/test_launch.py",
    "tests/training/test_run.py",
    "tests/training/recording/test_tracking.py",
    "tests/widgets/test_run_monitor_at_work.py",
    "tests/faces/test_four_faces.py",
    "tests/tokens/test_shards.py",
)
"""First, so that no core ends alone with one of them; groups of tests go before all others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW))


@pytest.fixture(autouse=True)
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "artifacts"
    monkeypatch.setenv("LABKIT_HOME", str(home))
    return home
