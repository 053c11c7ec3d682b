from __future__ import annotations

import random
from typing import Any

import plotly.graph_objects as go
import pytest

from labkit.core import lock
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.training.launch import Run
from labkit.training.recording.curves import FollowedRun
from labkit.widgets.run_monitor import RunMonitor, latest_texts, read_outs
from tests.hostile import HOSTILE_TEXTS, active_elements
from tests.training.tiny import tiny_plan
from tests.widgets.monitored_run import (
    NO_DATA,
    TOKENS_PER_STEP,
    evaluation_row,
    event_row,
    points,
    rows_between,
    step_row,
)


def followed(record: RunRecord) -> FollowedRun:
    found = FollowedRun(Run(record))
    found.follow()
    return found


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
