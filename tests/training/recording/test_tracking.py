"""Plain offline W&B files of a run, read back with W&B's own reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.core.config import flatten
from labkit.core.records.run import RunRecord
from labkit.training.recording.recorder import finite
from labkit.training.recording.tracking import LOG_EVERY_STEPS, SENT, SENT_OF_EVALUATIONS, Tracker
from tests.training.tiny import tiny_plan, write_tiny_corpus

wandb = pytest.importorskip("wandb", reason="needs labkit[train]")


def inspect(path: Path) -> dict:
    from wandb.util import get_core_path

    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json"]
    done = subprocess.run(
        [*command, "--run-file", str(path)], capture_output=True, text=True, check=True
    )
    found: dict = {"config": {}, "summary": {}, "history": []}
    for line in map(json.loads, done.stdout.splitlines()):
        if line["type"] == "run":
            found["config"] |= line["run"]["config"]["update"]
        elif line["type"] == "summary":
            found["summary"] |= line["summary"]["update"]
        elif line["type"] == "history":
            found["history"].append(line["history"]["item"])
    del found["config"]["_wandb"]
    return found


def test_offline_files_read_back_exactly(lab_home, tmp_path):
    plan = tiny_plan(write_tiny_corpus(lab_home), 40, tracking="offline")
    path = tmp_path / "plan.json"
    path.write_text(plan.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-m", "labkit.training", str(path)],
        env={k: v for k, v in os.environ.items() if not k.startswith("WANDB")},
        capture_output=True,
        text=True,
        check=True,
    )
    record = RunRecord(next((lab_home / "runs").iterdir()))
    [file] = record.folder.glob("wandb/offline-run-*/*.wandb")
    assert f"wandb sync {file.parent}" in done.stdout
    found = inspect(file)
    assert found["config"] == flatten(plan.model_dump(mode="json")) | {"run_id": record.run_id}
    history = {row["_step"]: row for row in found["history"]}
    for row in record.rows("step"):
        if row["step"] % LOG_EVERY_STEPS == 0:
            sent = {f"train/{key}": row[key] for key in SENT}
            assert sent.items() <= history[row["step"]].items()
    for row in record.rows("evaluation"):
        sent = {f"validation/{key}": row[key] for key in SENT_OF_EVALUATIONS}
        assert sent.items() <= history[row["step"]].items()
    result = flatten(record.read("result"))
    assert {key: found["summary"][key] for key in result} == result


def test_a_tracker_that_breaks_ends_and_the_run_goes_on(lab_home):
    class Broken:
        def log(self, *_, **__):
            raise ConnectionError("no route\nto host")

    plan = tiny_plan(write_tiny_corpus(lab_home))
    record = RunRecord(lab_home)
    tracker = Tracker(plan, record)
    tracker.run = Broken()
    row = dict.fromkeys(SENT, 1.0) | {"step": LOG_EVERY_STEPS}
    tracker.log_step(row)
    tracker.log_step(row)
    assert tracker.finish({}, "finished") == ""
    assert record.log_file.read_text().count("W&B tracking ended: no route") == 1
    assert finite(float("nan")) is None


BROKEN = """
import json, sys
from pathlib import Path
import wandb
from labkit.plan.plan import TrainingPlan
from labkit.training.run import run

def log(self, *_, **__):
    raise ConnectionError("no route to host")

wandb.Run.log = log
plan = TrainingPlan.model_validate_json(Path(sys.argv[1]).read_text())
print(run(plan).state)
"""


def test_a_run_whose_tracking_breaks_finishes(lab_home, tmp_path):
    plan = tiny_plan(write_tiny_corpus(lab_home), tracking="offline")
    path = tmp_path / "plan.json"
    path.write_text(plan.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, str(path)], capture_output=True, text=True, check=True
    )
    record = RunRecord(next((lab_home / "runs").iterdir()))
    assert done.stdout.splitlines()[-1] == "finished"
    assert len(record.rows("step")) == plan.num_steps
    assert record.log_file.read_text().count("W&B tracking ended: no route to host") == 1
