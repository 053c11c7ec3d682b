"""Runs in processes of their own, forked from a server that has trained nothing."""

from __future__ import annotations

import os
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training.run import run

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["labkit.training.run", "labkit.training.__main__"])


def _train(plan: dict[str, Any], home: str, folder: Path, keywords: dict[str, Any]) -> None:
    from labkit.training.__main__ import exit_status, quieten

    os.environ["LABKIT_HOME"] = home
    quieten()
    status = run(TrainingPlan.model_validate(plan), folder, say=lambda _: None, **keywords)
    sys.exit(exit_status(status))


def in_fresh_process(plan: TrainingPlan, home: Path, folder: Path, **keywords: Any) -> Any:
    """A process forked from a server that has imported torch and trained nothing."""
    arguments = (plan.model_dump(mode="json"), str(home), folder, keywords)
    process = PROCESSES.Process(target=_train, args=arguments)
    process.start()
    return process


def finished(plan: TrainingPlan, home: Path, folder: Path, **keywords: Any) -> RunRecord:
    process = in_fresh_process(plan, home, folder, **keywords)
    process.join(60)
    assert process.exitcode == 0
    return RunRecord(folder)


def wait_until(holds: Any, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
