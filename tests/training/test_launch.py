"""Whole runs in the background: launched, asked, killed, waited for."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

from labkit.core.errors import LabError
from labkit.training import launch as launching
from labkit.training.checkpoints.kept import all_checkpoints
from labkit.training.launch import attach, launch, prepare
from labkit.training.run import run
from tests.training.fresh_process import wait_until
from tests.training.tiny import tiny_plan


def test_launch_pause_resume_evaluate_stop_and_attach(data, lab_home):
    plan = tiny_plan(data, 20_000)
    launched = launch(plan)
    with pytest.raises(LabError, match="runs already"):
        run(plan, launched.record.folder, say=lambda _: None)
    wait_until(lambda: launched.record.rows("step"))
    launched.pause()
    assert launched.wait().state == "paused"
    assert launch(plan).status().state == "paused"  # what a person paused stays so
    followed = attach(launched.run_id).resume()
    followed.evaluate()
    wait_until(lambda: followed.record.rows("evaluation"))
    followed.stop()
    assert followed.wait().state == "stopped"
    steps = [row["step"] for row in followed.record.rows("step")]
    assert steps == list(range(1, len(steps) + 1))
    assert all_checkpoints(followed.record.checkpoints)[0].name == f"step-{len(steps):08d}"
    with pytest.raises(LabError, match=r"is not running \(stopped\)"):
        followed.pause()
    with pytest.raises(LabError, match=f"no run 'other'; known: {launched.run_id}"):
        attach("other")


def test_a_killed_run_is_seen_as_died_and_goes_on_when_launched_again(data, lab_home):
    plan = tiny_plan(data, 1500).with_overrides({"checkpoints.num_checkpoints": 30})
    launched = launch(plan)
    wait_until(lambda: all_checkpoints(launched.record.checkpoints))
    owner = json.loads(launched.record.lock_file.read_text())
    os.kill(owner["pid"], signal.SIGKILL)
    with pytest.raises(
        LabError, match=r"(?s)died: its process is gone\n.*1,500 steps of 64 tokens"
    ):
        launched.wait()
    assert attach(launched.run_id).status().state == "died"
    again = launch(plan)
    assert again.run_id == launched.run_id
    assert again.wait().state == "finished"
    record = again.record
    assert [row["step"] for row in record.rows("step")] == list(range(1, 1501))
    assert record.read("timing")["starts"] == 2
    before = [(path, path.stat().st_mtime_ns) for path in sorted(record.folder.rglob("*"))]
    assert launch(plan).wait().state == "finished"
    says: list[str] = []
    assert run(plan, say=says.append).state == "finished"
    assert says[1:] == [f"{record.run_id} is finished; nothing to do"]
    assert before == [(path, path.stat().st_mtime_ns) for path in sorted(record.folder.rglob("*"))]
    with pytest.raises(LabError, match=r"holds the run of another plan, different in seed; give"):
        run(plan.with_overrides({"seed": 1}), record.folder, say=says.append)


def test_a_run_that_fails_on_its_way_ends_the_wait_with_its_last_words(data, lab_home):
    waiting = prepare(tiny_plan(data, 400))
    waiting.record.checkpoints.write_text("in the way")
    with pytest.raises(
        LabError, match=r"(?s)failed: cannot write .*step-00000100.*\n.*400 steps of"
    ):
        waiting.begin().wait()


def test_a_run_that_fails_says_why_to_whoever_waits(data, lab_home):
    (lab_home / "shards/tiny/train/tokens-00000.bin").write_bytes(b"damaged")
    with pytest.raises(LabError, match=r"(?s)did not start:.*tokens-00000.bin.*manifest"):
        launch(tiny_plan(data))


def test_a_start_that_hangs_is_told_with_what_it_said(data, lab_home, monkeypatch):
    stuck = "import time; print('importing', flush=True); time.sleep(60)"
    monkeypatch.setattr(launching, "SECONDS_TO_START", 2.0)
    monkeypatch.setattr(launching, "trainer_arguments", lambda _: ["-c", stuck])
    with pytest.raises(LabError, match=r"(?s)has not begun after 2 s.*importing") as told:
        launch(tiny_plan(data))
    os.kill(int(re.search(r"its process (\d+)", str(told.value))[1]), signal.SIGKILL)
