"""Two processes from outside: one of them ended, both asked, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.training.checkpoints.resume_proof import prove_resume
from labkit.training.launch import attach, launch, on_processes
from labkit.training.run import run as train
from tests.training.tiny import tiny_plan, write_tiny_corpus

pytestmark = pytest.mark.xdist_group("sharded")
SECONDS = 60
STEPS = 160


@pytest.fixture
def plan(lab_home: Path) -> Any:
    plan = tiny_plan(write_tiny_corpus(lab_home), STEPS)
    return plan.with_overrides({"checkpoints.num_checkpoints": 10})


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def process_of(record: RunRecord, rank: int) -> psutil.Process:
    for process in psutil.process_iter():
        try:
            is_ours = str(record.folder) in process.cmdline()
            if is_ours and process.environ().get("RANK") == str(rank):
                return process
        except psutil.Error:
            continue
    raise AssertionError(f"no process {rank}")


def test_a_process_that_ends_ends_all_and_the_run_goes_on_to_the_same_end(plan):
    assert train(plan, step_seconds=[0.01], say=lambda _: None).state == "finished"
    whole = attach(plan.run_id).record.read("result")
    run = launch(plan.with_overrides({"name": "cut"}), processes=2)
    for number, states in ((signal.SIGTERM, {"interrupted"}), (signal.SIGKILL, {"failed", "died"})):
        start = len(run.record.rows("step"))
        wait_until(lambda start=start: len(run.record.rows("step")) > start + 20)
        other = process_of(run.record, 1)
        os.kill(other.pid, number)
        wait_until(lambda: not run.is_running)
        assert run.status().state in states
        other.wait(SECONDS)
        run.resume()
    assert run.wait().state == "finished"
    result = run.record.read("result")
    assert result["tokens"] == whole["tokens"]
    assert result["validation"]["loss"] == pytest.approx(whole["validation"]["loss"], abs=1e-5)
    assert [row["step"] for row in run.record.rows("step")] == list(range(1, STEPS + 1))
    assert run.record.log_file.read_text().count("start from") == 2


def test_a_pause_is_agreed_and_the_front_command_goes_on_until_sigterm(plan, tmp_path):
    run = launch(plan, processes=2)
    wait_until(lambda: len(run.record.rows("step")) > 20)
    run.pause()
    wait_until(lambda: not run.is_running)
    assert run.status().state == "paused"
    paused_at = run.status().step
    command = [sys.executable, "-m", "labkit", "train", str(run.record.folder / "plan.json")]
    front = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: len(run.record.rows("step")) > paused_at + 20)
    front.terminate()
    output, _ = front.communicate(timeout=SECONDS)
    assert front.returncode == 143
    assert f"from step-{paused_at:08d}" in output
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert run.status().state == "finished"


def test_refusals(plan, lab_home):
    with pytest.raises(LabError, match="data_parallel=3 must divide data.batch_size=4"):
        on_processes(plan, 3)
    cut = plan.with_overrides({"layout.tensor_parallel": 2})
    with pytest.raises(LabError, match="3 processes are no whole number of groups"):
        on_processes(cut, 3)
    path = lab_home / "plan.json"
    path.write_text(cut.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-m", "labkit.training", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "the plan is for 2 processes" in done.stderr
    assert "started were 1; `labkit train` starts as many" in done.stderr


def test_the_proof_of_a_resume_holds_on_two_processes(plan):
    proof = prove_resume(plan.with_overrides({"layout.data_parallel": 2}), steps=6)
    assert (proof.resumed_at, proof.steps, proof.first_difference) == (3, 6, None)
