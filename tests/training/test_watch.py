"""A process that stands still is named, and the run ends."""

from __future__ import annotations

import os
import signal
import time

import pytest

from labkit.core.records.run import RunRecord
from labkit.training.launch import launch
from labkit.training.watch import Watch, read_beats
from tests.training.fresh_process import wait_until
from tests.training.tiny import tiny_plan


def test_the_limit_follows_the_median_step(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("labkit.training.watch.time.monotonic", lambda: now[0])
    watch = Watch(tmp_path, 0, hang_seconds=1.0)
    assert watch.limit == 10.0  # until the steps are known, ten times what a step may take
    for step in range(8):
        watch.beat(step)
        now[0] += 0.5 if step else 50.0
    assert watch.limit == 20 * 0.5
    watch.doing("validating")
    assert watch.limit == 10.0


def test_a_process_alone_says_that_it_hangs_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.training.watch.BEAT_SECONDS", 0.02)
    record = RunRecord(tmp_path)
    watch = Watch(tmp_path, 0, hang_seconds=0.01)
    watch.start()
    wait_until(lambda: record.log_file.is_file())
    assert "It hangs: process 0" in record.log_file.read_text()
    [beat] = read_beats(tmp_path)
    assert (beat.pid, beat.is_stale) == (os.getpid(), False)
    watch.stop()
    assert read_beats(tmp_path) == []


@pytest.mark.xdist_group("sharded")
def test_a_stopped_process_of_two_is_named_and_the_run_ends(data, lab_home):
    layout = {"data_parallel": 2, "sharding": "none", "hang_seconds": 0.5}
    run = launch(tiny_plan(data, 100_000, layout=layout))
    wait_until(lambda: len(run.record.rows("step")) > 20, 120)
    wait_until(lambda: len(read_beats(run.record.folder)) == 2)
    second = read_beats(run.record.folder)[1]
    os.kill(second.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: run.status().state == "failed", 60)
    took = time.monotonic() - stopped
    assert f"It hangs: process 1 ({second.host}, pid {second.pid})" in run.status().reason
    assert took < 60
    wait_until(lambda: not os.path.exists(f"/proc/{second.pid}"), 30)
    assert (run.record.folder / "logs" / "stack-00000.txt").is_file()
