from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from labkit.core import lock
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord, runs_folder
from labkit.training.launch import Run, attach, launch
from labkit.training.recording.curves import FollowedRun
from labkit.widgets import run_monitor
from labkit.widgets.run_monitor import RunMonitor, latest_texts, read_outs
from tests.hostile import HOSTILE_TEXTS, active_elements
from tests.training.tiny import tiny_plan, write_tiny_corpus

NO_DATA = {
    "train": {"shards/none/train": 1.0},
    "validation": "shards/none/validation",
    "tokenizer": "tokenizers/none",
    "batch_size": 4,
}
SECONDS_PER_STEP, TOKENS_PER_STEP = 0.5, 64


def step_row(step: int, loss: float | None = 2.0) -> dict[str, Any]:
    return {
        "kind": "step",
        "step": step,
        "tokens": TOKENS_PER_STEP * step,
        "seconds": SECONDS_PER_STEP * step,
        "elapsed": SECONDS_PER_STEP * step,
        "loss": loss,
        "gradient_norm": 1.5,
        "learning_rate": 3e-4,
    }


def evaluation_row(step: int, samples: tuple[str, ...] = ("a text",)) -> dict[str, Any]:
    place = {"step": step, "tokens": TOKENS_PER_STEP * step, "seconds": SECONDS_PER_STEP * step}
    found = {"loss": 2.5, "low": 2.25, "high": 3.0, "samples": list(samples)}
    return {"kind": "evaluation", **place, **found}


def event_row(step: int, text: str) -> dict[str, Any]:
    return {"kind": "event", "step": step, "text": text}


def rows_between(first: int, last: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    rows = []
    for step in range(first, last + 1):
        rows.append(step_row(step, rng.choice([None, rng.gauss(3, 1), rng.gauss(3, 1)])))
        rows += [evaluation_row(step)] if step % 7 == 0 else []
        rows += [event_row(step, "loss spike to 9")] if step % 5 == 0 else []
    return rows


@pytest.fixture
def record() -> RunRecord:
    """A paused run of 100 steps at 36 USD per hour, without a row."""
    made = RunRecord(runs_folder() / "hand-made")
    budget = {"num_tokens": 100 * TOKENS_PER_STEP, "usd_per_hour": 36}
    made.write("plan", tiny_plan(NO_DATA, budget=budget).model_dump(mode="json"))
    made.set_status("paused", 0)
    return made


@pytest.fixture
def monitored(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RunMonitor]]:
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    made: list[RunMonitor] = []

    def monitor(*records: RunRecord, looks: bool = False) -> RunMonitor:
        """By default its thread has ended, so that nothing but `refresh` looks."""
        monkeypatch.setattr(run_monitor, "SECONDS_BETWEEN_LOOKS", 0.02 if looks else 0)
        monkeypatch.setattr(RunMonitor, "_follow", follow if looks else lambda self: None)
        made.append(RunMonitor([Run(one) for one in records]))
        return made[-1]

    follow = RunMonitor._follow
    yield monitor
    for one in made:
        one.close()


def followed(record: RunRecord) -> FollowedRun:
    found = FollowedRun(Run(record))
    found.follow()
    return found


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


def points(monitor: RunMonitor) -> list[tuple[list[float], list[float | None]]]:
    return [
        (list(trace.x), [None if y != y else y for y in trace.y]) for trace in monitor.figure.data
    ]


def test_read_outs_of_a_record_worked_by_hand(record):
    """128 tokens/s: 80 steps of 64 take 40 s; 1,000 FLOPs a token of 10^6/s are 12.8%."""
    record.append([step_row(step) for step in range(1, 21)])
    record.append([evaluation_row(20)])
    peak = {"peak_flops_per_s": 1e6, "flops": 1000 * 6400, "seconds_of_steps": 45.0}
    record.write("predictions", peak)
    record.set_status("running", 0)
    with lock.hold(record.lock_file, "run"):
        found = followed(record).read_outs()
    assert found == {
        "run": "hand-made",
        "state": "running",
        "step": "20 of 100",
        "training loss": "2.0000",
        "validation loss": "2.5000 (2.2500 to 3.0000)",
        "learning rate": "0.0003",
        "gradient norm": "1.5",
        "tokens/s": "128",
        "MFU": "12.8%",
        "seconds of steps": "10.0 of 45.0 predicted",
        "seconds left": "40",
        "USD so far": "0.10",
    }


def test_read_outs_without_rows_predictions_or_process(record):
    record.set_status("running", 0)
    found = followed(record).read_outs()
    assert found["state"] == "died · its process is gone"
    assert found["step"] == "0 of 100"
    assert {found[name] for name in ("MFU", "tokens/s", "seconds left")} == {"-"}


@pytest.mark.parametrize("seed", range(5))
def test_row_by_row_gives_the_curve_of_all_at_once(record, monitored, seed):
    rng, rows = random.Random(seed), rows_between(1, 60, seed)
    monitor = monitored(record)
    figure = monitor.figure
    while rows:
        count = rng.randint(1, 9)
        record.append(rows[:count])
        del rows[:count]
        monitor.refresh()
    whole = monitored(record)
    assert monitor.figure is figure
    assert points(monitor) == points(whole)
    assert monitor.readout.value == whole.readout.value
    assert monitor.texts.value == whole.texts.value
    assert [len(xs) for xs, _ in points(whole)] == [60, 8]


@pytest.mark.parametrize("cut", [0, 3, 30, 59])
@pytest.mark.parametrize("grown", [0, 1, 45, 200])
@pytest.mark.parametrize("looks_between", [True, False])
def test_rows_cut_back_by_a_resumed_run_stay_once(record, monitored, cut, grown, looks_between):
    """Also where it has grown past the place that was read before anyone looked again."""
    record.append(rows_between(1, 60))
    monitor = monitored(record)
    record.cut_after(cut)
    if looks_between:
        monitor.refresh()
    record.append([event_row(cut, "start from a checkpoint"), *rows_between(cut + 1, cut + grown)])
    monitor.refresh()
    (steps, _), _ = points(monitor)
    assert steps == [TOKENS_PER_STEP * step for step in range(1, cut + grown + 1)]
    assert points(monitor) == points(monitored(record))


def test_a_row_that_is_being_written_is_taken_when_it_is_whole(record, monitored):
    record.append([step_row(1)])
    line = b'{"kind": "step", "step": 2, "tokens": 128, "seconds": 1, "elapsed": 1, "loss": 1.0,'
    monitor = monitored(record)
    for part in (line, b' "gradient_norm": 1.0, "learning_rate": 0.1}\n'):
        with record.metrics.open("ab") as file:
            file.write(part)
        monitor.refresh()
    assert points(monitor)[0] == ([64, 128], [2.0, 1.0])


def test_texts_of_samples_events_and_names_stay_inert(record, monitored):
    hostile = tiny_plan(NO_DATA, name=HOSTILE_TEXTS[0][:60])
    record.write("plan", hostile.model_dump(mode="json"))
    record.append([step_row(1), evaluation_row(1, tuple(HOSTILE_TEXTS))])
    record.append([event_row(1, text) for text in HOSTILE_TEXTS])
    record.set_status("failed", 1, HOSTILE_TEXTS[1])
    monitor = monitored(record)
    for shown in (monitor.readout.value, monitor.texts.value):
        assert active_elements(shown) == []
    assert monitor.texts.value == latest_texts(monitor.followed).markup
    assert monitor.texts.value.count("<pre") == len(HOSTILE_TEXTS)
    assert not any(active_elements(trace.name) for trace in monitor.figure.data)


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


def test_without_runs_it_says_so():
    with pytest.raises(LabError, match="no run to monitor"):
        RunMonitor([])


def test_in_batch_it_is_a_table_and_a_figure(record, monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "batch")
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    monitor = RunMonitor(Run(record))
    record.append(rows_between(1, 10))
    monitor._ipython_display_()
    assert monitor.widget is None
    assert not monitor.is_following
    assert shown[0].markup == read_outs(monitor.followed).markup
    assert type(shown[1]) is go.Figure
    assert list(shown[1].data[0].x) == [64 * step for step in range(1, 11)]


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
