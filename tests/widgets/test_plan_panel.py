from __future__ import annotations

import pytest

from labkit.plan.plan import TrainingPlan
from labkit.training.__main__ import read_plan
from labkit.widgets.plan_panel import PlanPanel, schedule_curve


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> PlanPanel:
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    return PlanPanel(TrainingPlan())


def test_moving_a_control_moves_numbers_and_curve(panel):
    panel.form.controls["schedule.warmup_share"].main.value = "0.5"
    assert panel.value.schedule.warmup_share == 0.5
    assert list(panel.figure.data[0].y) == list(schedule_curve(panel.value)[1])
    panel.form.controls["budget.num_tokens"].main.value = "768000"
    assert "1,000 of 768 tokens" in panel.readout.value


def test_what_it_saves_is_the_plan_that_a_shell_reads(panel, tmp_path):
    panel.form.controls["data.train"].main.value = '{"shards/a.b": 0.5}'
    assert read_plan(panel.save(tmp_path / "plan.yaml")) == panel.value
    assert panel.value.data.train == {"shards/a.b": 0.5}
