"""The thread and the buttons of a run monitor."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.core import lock
from labkit.training.launch import attach, launch
from labkit.widgets import run_monitor
from labkit.widgets.run_monitor import RunMonitor
from tests.training.tiny import tiny_plan, write_tiny_corpus
from tests.widgets.monitored_run import points, step_row


def wait_until(happened: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"waited {seconds} s until {what}"
        time.sleep(0.02)


def click(monitor: RunMonitor, name: str) -> None:
    """Returns when it is answered."""
    assert monitor.widget
    buttons = {button.description: button for button in monitor.widget.children[0].children[1:]}
    buttons[name].click()
    wait_until(lambda: not buttons[name].disabled, f"{name} is answered")


def test_trouble_is_shown_and_goes_when_it_is_over(record, monitored):
    record.append([step_row(1)])
    monitor = monitored(record, looks=True)
    record.metrics.write_text("no row\n" * 100)
    wait_until(lambda: "is damaged" in monitor.trouble.value, "the trouble is shown")
    record.metrics.write_text("")
    record.append([step_row(1), step_row(2)])
    wait_until(lambda: points(monitor)[0][0] == [64, 128], "the curve is there")
    wait_until(lambda: monitor.trouble.value == "", "the trouble is gone")


@pytest.mark.parametrize("way", ["ended", "closed", "widget closed"])
def test_the_thread_ends_with_the_runs_or_the_monitor(record, monitored, way):
    monitor = monitored(record, looks=True)
    time.sleep(0.1)
    assert monitor.is_following
    if way == "ended":
        record.append([step_row(1)])
        record.set_status("stopped", 1)
    elif way == "closed":
        monitor.close()
    else:
        monitor.widget.close()
    wait_until(lambda: not monitor.is_following, "the thread has ended")
    assert len(points(monitor)[0][0]) == (way == "ended")


def test_a_run_resumed_while_the_thread_is_about_to_end_is_followed(record, monitored, monkeypatch):
    monitor, refresh = monitored(record, looks=True), RunMonitor.refresh

    def refresh_and_resume(self: RunMonitor) -> None:
        refresh(self)
        if self.followed[0].status.state == "stopped":
            record.set_status("paused", 1)

    monkeypatch.setattr(RunMonitor, "refresh", refresh_and_resume)
    record.set_status("stopped", 1)
    wait_until(lambda: record.status().state == "paused", "it has been seen as ended")
    time.sleep(0.2)
    record.append([step_row(1)])
    wait_until(lambda: len(points(monitor)[0][0]) == 1, "the row is drawn")
    assert monitor.is_following


@pytest.mark.parametrize("name", ["Pause", "Stop", "Evaluate now"])
def test_what_cannot_be_asked_is_refused_in_a_line(record, monitored, name):
    monitor = monitored(record)
    click(monitor, name)
    assert "hand-made is not running (paused)" in monitor.answer.value
    record.set_status("finished", 100)
    click(monitor, "Resume")
    assert "is finished; there is nothing to resume" in monitor.answer.value


def test_a_fault_of_the_machine_is_a_line_too(record, monitored, monkeypatch):
    monitor = monitored(record)
    monkeypatch.setattr(run_monitor, "_resume", lambda run: 1 // 0)
    click(monitor, "Resume")
    assert "ZeroDivisionError" in monitor.answer.value


def test_a_real_run_is_paused_resumed_and_followed_to_its_end(lab_home: Path, monitored):
    run = launch(tiny_plan(write_tiny_corpus(lab_home), 2000))
    monitor = monitored(run.record, looks=True)
    wait_until(lambda: len(points(monitor)[0][0]) > 20, "20 steps are drawn")
    click(monitor, "Evaluate now")
    click(monitor, "Resume")
    assert "is running" in monitor.answer.value
    wait_until(lambda: len(points(monitor)[1][0]) > 0, "an evaluation is drawn")
    click(monitor, "Pause")
    wait_until(lambda: "paused · asked to pause" in monitor.readout.value, "it is paused")
    wait_until(lambda: not lock.is_held(run.record.lock_file), "its process has ended")
    assert run.status().step < 2000
    click(monitor, "Resume")
    assert "asked for resume" in monitor.answer.value
    wait_until(lambda: not monitor.is_following, "it has ended")
    assert run.status().state == "finished"
    rows = run.record.rows("evaluation")
    assert points(monitor)[1] == ([row["tokens"] for row in rows], [row["loss"] for row in rows])
    assert [row["step"] for row in run.record.rows("step")] == list(range(1, 2001))
    assert "2,000 of 2,000" in monitor.readout.value
    assert points(monitored(attach(run.run_id).record)) == points(monitor)
