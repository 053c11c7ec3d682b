"""Whole runs: requests and signals."""

from __future__ import annotations

import os
import signal
import time

import pytest

from labkit.core.records.run import RunRecord
from labkit.training.checkpoints.kept import all_checkpoints
from labkit.training.module import TrainingModule
from labkit.training.run import run
from tests.training.fresh_process import finished, in_fresh_process, wait_until
from tests.training.tiny import tiny_plan


def test_a_run_ended_from_outside_goes_on_to_the_same_result(data, lab_home):
    plan = tiny_plan(data, 400).with_overrides({"checkpoints.num_checkpoints": 10})
    expected = finished(plan, lab_home, lab_home / "whole").folder / "result.json"
    for number, status, state, moment in (
        (signal.SIGTERM, 143, "interrupted", 61),
        (signal.SIGHUP, 129, "interrupted", 203),
        (signal.SIGKILL, -9, "died", 127),
    ):
        record = RunRecord(lab_home / f"ended-{moment}")
        process = in_fresh_process(plan, lab_home, record.folder)
        wait_until(lambda record=record, moment=moment: len(record.rows("step")) > moment)
        os.kill(process.pid, number)
        process.join(30)
        assert process.exitcode == status
        assert record.status().state == state
        assert all_checkpoints(record.checkpoints)
        if state == "interrupted":
            last = record.rows("step")[-1]["step"]
            assert moment < last < 400
            assert all_checkpoints(record.checkpoints)[0].name == f"step-{last:08d}"
        finished(plan, lab_home, record.folder)
        assert (record.folder / "result.json").read_bytes() == expected.read_bytes()
        assert [row["step"] for row in record.rows("step")] == list(range(1, 401))


def test_a_request_to_a_process_that_died_is_not_taken_up_by_the_next(data, lab_home):
    plan = tiny_plan(data, 400)
    record = RunRecord(lab_home / "run")
    record.ask("pause")
    assert finished(plan, lab_home, record.folder).status().state == "finished"


def test_a_run_that_ends_while_it_is_looked_at_has_not_died(tmp_path, monkeypatch):
    record = RunRecord(tmp_path)
    record.set_status("running", 3)
    assert record.status().state == "died"

    def ends_meanwhile(_):
        record.set_status("finished", 4)
        return False

    monkeypatch.setattr("labkit.core.records.run.lock.is_held", ends_meanwhile)
    assert record.status().state == "finished"


def test_ctrl_c_reaches_the_caller_and_the_run_goes_on_later(data, lab_home, monkeypatch):
    record, plan = RunRecord(lab_home / "run"), tiny_plan(data, 4)

    healthy = TrainingModule.training_step

    def pressed(module, batch, number):
        if number == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return healthy(module, batch, number)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingModule, "training_step", pressed)
        with pytest.raises(KeyboardInterrupt):
            run(plan, record.folder, step_seconds=[1.0], say=lambda _: None)
    status = record.status()
    assert (status.state, status.step, status.reason) == ("interrupted", 3, "signal SIGINT")
    assert all_checkpoints(record.checkpoints)[0].name == "step-00000003"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert run(plan, record.folder, say=lambda _: None).state == "finished"


def test_a_signal_before_the_first_step_is_an_interruption_too(data, lab_home):
    plan = tiny_plan(data, 100_000)
    seen = set()
    for delay in (0.0, 0.05, 0.1, 0.2, 0.4):
        folder = lab_home / f"early-{delay}"
        process = in_fresh_process(plan, lab_home, folder)
        wait_until(lambda folder=folder: (folder / "running.lock").is_file())
        time.sleep(delay)
        os.kill(process.pid, signal.SIGTERM)
        process.join(30)
        assert process.exitcode in (143, -signal.SIGTERM)
        seen.add(RunRecord(folder).status().state)
    assert seen <= {"interrupted", "died"}
