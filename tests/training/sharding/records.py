"""Records of runs on two and four processes, and of the same run on one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import checkpoint_folder
from labkit.training.run import run
from tests.training.sharding.cases import STEPS, WORKER_NAME, on_one_process


def record_of(home: Path, name: str) -> RunRecord:
    return RunRecord(home / "sharded" / name)


def half_of(home: Path, start: str) -> Path:
    folder = home / ("alone" if start == "whole" else "sharded") / start
    return checkpoint_folder(folder / "checkpoints", 10)


def losses(record: RunRecord) -> list[float]:
    return [row["loss"] for row in record.rows("step")]


def samples_of(record: RunRecord) -> str:
    """Names all samples of the run, in their order."""
    return end_of(record)["progress"]["samples"]


def alone(home: Path, plan: TrainingPlan, until: int | None = None) -> RunRecord:
    """The same slices on one process; once for plans that differ in nothing but their layout."""
    one = on_one_process(plan)
    folder = home / f"alone-{WORKER_NAME}" / f"{one.hash}-{until}"
    if not folder.exists():
        run(one, folder, until=until, step_seconds=[0.01], say=lambda _: None)
    return RunRecord(folder)


def plan_in(record: RunRecord) -> TrainingPlan:
    return TrainingPlan.model_validate(record.read("plan"))


def end_of(record: RunRecord, step: int = STEPS) -> Any:
    return load_checkpoint(checkpoint_folder(record.checkpoints, step))


def farthest(one: RunRecord, other: RunRecord) -> float:
    found = [losses(record) for record in (one, other)]
    assert [len(each) for each in found] == [STEPS, STEPS]
    return float(np.abs(np.array(found[0]) - np.array(found[1])).max())
