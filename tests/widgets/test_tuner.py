from __future__ import annotations

import pytest

from labkit.core.config import ConfigError, leaves
from labkit.cost.hardware import gpus
from labkit.cost.plan_cost import estimate_plan
from labkit.plan.plan import TrainingPlan
from labkit.training.__main__ import read_plan
from labkit.widgets.tuner import Tuner, schedule_curve


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> Tuner:
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    return Tuner(TrainingPlan())


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


def test_numbers_on_the_page_are_those_of_the_cost_room(panel):
    estimate = estimate_plan(panel.value, "H100 SXM")
    assert f"{estimate.num_parameters:,}" in panel.readout.value
    assert f"{estimate.usd:,.2f}" in panel.readout.value
    panel.form.controls["model.num_layers"].main.value = "8"
    deeper = estimate_plan(panel.value, "H100 SXM")
    assert f"{deeper.num_parameters:,}" in panel.readout.value
    panel.gpu.value = "A100-80GB SXM"
    panel.form.controls["layout.data_parallel"].main.value = "6"
    other = estimate_plan(panel.value, "A100-80GB SXM")
    assert f"{other.usd:,.2f}" in panel.readout.value
    assert "on 6 x A100-80GB SXM" in panel.readout.value
    assert other.memory_bytes["weights"] < deeper.memory_bytes["weights"] / 5


def test_a_gpu_without_a_price_asks_for_one(panel):
    unpriced = next(name for name, gpu in gpus().items() if gpu.usd_per_hour_typical is None)
    panel.gpu.value = unpriced
    assert f"no sourced price for {unpriced}" in panel.readout.value
    panel.form.controls["budget.usd_per_hour"].main.value = "2"
    assert "no sourced price" not in panel.readout.value


def test_the_whole_plan_and_a_sweep_are_written_by_buttons(panel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *buttons, line = panel.widget.children[-1].children
    for button in buttons:
        button.click()
    assert read_plan(tmp_path / "plan.json") == panel.value
    assert read_plan(tmp_path / "params.yaml") == panel.value
    assert "plan.yaml" in (tmp_path / "sweep.yaml").read_text()
    assert "wrote sweep.yaml" in line.value
    panel.form.controls["data.batch_size"].main.value = "0"
    buttons[1].click()
    assert "batch_size" in line.value


def test_what_is_turned_most_stands_above_the_folds(panel):
    shown = [row.children[0].children[0].description for row in panel.form.widget.children[:6]]
    assert shown[:2] == ["d_model", "num_layers"]
    assert len(panel.form.controls) == len(leaves(panel.value))


def test_a_plan_with_a_fault_on_the_page_is_not_saved(panel, tmp_path):
    panel.form.controls["model.num_layers"].main.value = "many"
    for save in (panel.save_plan, panel.save):
        with pytest.raises(ConfigError, match="num_layers"):
            save(tmp_path / "plan.json")
    assert not list(tmp_path.glob("plan.json"))
