from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from labkit.core.records.run import RunRecord, runs_folder
from tests.training.tiny import tiny_plan
from tests.widgets.monitored_run import NO_DATA, TOKENS_PER_STEP

if TYPE_CHECKING:
    from labkit.widgets.run_monitor import RunMonitor


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
    from labkit.training.launch import Run
    from labkit.widgets import run_monitor
    from labkit.widgets.run_monitor import RunMonitor

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
