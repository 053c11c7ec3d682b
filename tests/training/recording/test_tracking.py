"""Plain offline W&B files of a run, read back with W&B's own reader."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labkit.core import lock
from labkit.core.config import flatten
from labkit.core.records.run import RunRecord
from labkit.training.recording import tracking
from labkit.training.recording.recorder import finite
from labkit.training.recording.tracking import LOG_EVERY_STEPS, SENT, SENT_OF_EVALUATIONS, Tracker
from labkit.training.run import run
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


@pytest.mark.parametrize("moment", ["start", "middle", "end"])
def test_a_tracker_whose_process_dies_ends_and_holds_nobody(moment, lab_home):
    plan = tiny_plan(write_tiny_corpus(lab_home), tracking="offline")
    record = RunRecord(lab_home / "run")
    record.folder.mkdir(parents=True)
    tracker = Tracker(plan, record)
    row = dict.fromkeys(SENT, 1.0)
    for step in range(LOG_EVERY_STEPS, 20 * LOG_EVERY_STEPS, LOG_EVERY_STEPS):
        if (moment, step) in (("start", LOG_EVERY_STEPS), ("middle", 10 * LOG_EVERY_STEPS)):
            tracker._process.kill()
        tracker.log_step(row | {"step": step})
    if moment == "end":
        tracker._process.kill()
    start = time.monotonic()
    assert "W&B tracking ended: the process of W&B has ended" in tracker.finish({}, "finished")
    assert time.monotonic() - start < 10
    assert record.log_file.read_text().count("W&B tracking ended") == 1


def test_a_service_that_never_answers_does_not_hold_a_finished_run(lab_home, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setattr(tracking, "SECONDS_TO_CLOSE", 1.0)
        plan = tiny_plan(write_tiny_corpus(lab_home), 4, tracking="online")
        record = RunRecord(lab_home / "run")
        said: list[str] = []
        status = run(plan, record.folder, say=said.append, step_seconds=[0.01])
    assert status.state == record.status().state == "finished"
    assert record.read("result")["steps"] == 4
    assert not lock.is_held(record.lock_file)
    assert "W&B did not close within 1 s" in said[-1]


def test_rows_that_wait_too_long_are_dropped_and_counted(lab_home, monkeypatch):
    monkeypatch.setattr(tracking, "MAX_WAITING", 3)
    record = RunRecord(lab_home / "run")
    record.folder.mkdir(parents=True)
    tracker = Tracker(tiny_plan(write_tiny_corpus(lab_home), tracking="offline"), record)
    os.kill(tracker._process.pid, signal.SIGSTOP)  # it takes nothing more
    large = {"loss": 1.0, "tokens": 1, "learning_rate": "x" * 100_000, "gradient_norm": 1.0}
    for step in range(10, 200, 10):
        tracker.log_step(large | {"step": step})
    assert tracker.num_dropped >= 10
    os.kill(tracker._process.pid, signal.SIGKILL)
    tracker.finish({}, "finished")
    assert "rows not sent" in record.log_file.read_text()


def test_what_is_not_finite_is_written_as_nothing():
    assert finite(float("nan")) is None
