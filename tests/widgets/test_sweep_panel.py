from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.comparison.__main__ import open_study
from labkit.comparison.sweep import sweep_cost
from labkit.core.errors import LabError
from labkit.plan.plan import TrainingPlan
from labkit.widgets.sweep_panel import SweepPanel
from tests.training.tiny import tiny_plan, write_tiny_corpus


@pytest.fixture
def plan(lab_home: Path) -> TrainingPlan:
    return tiny_plan(write_tiny_corpus(lab_home), 6)


@pytest.fixture
def panel(plan, monkeypatch: pytest.MonkeyPatch) -> SweepPanel:
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    return SweepPanel(plan)


def choose(panel: SweepPanel, field: str, values: str) -> None:
    panel.field.value, panel.values.value = field, values
    panel.add()


def test_choosing_fields_shows_runs_cost_and_power(panel):
    assert "an arm beside the baseline" in panel.readout.value
    choose(panel, "model.positions", "rope, none")
    choose(panel, "data.batch_size", "8")
    assert panel.value.grid == {"model.positions": ["rope", "none"], "data.batch_size": [8]}
    cost = sweep_cost(panel.study, panel.value.noise)
    assert f"{cost.num_runs:,}" in panel.readout.value
    assert f"{cost.smallest_detectable:.4f} bits per byte" in panel.readout.value
    before = panel.readout.value
    panel.form.controls["num_seeds"].main.value = "9"
    assert panel.readout.value != before
    choose(panel, "data.batch_size", "")
    assert panel.value.grid == {"model.positions": ["rope", "none"]}


def test_a_refused_value_is_said_and_not_launched(panel):
    choose(panel, "model.positions", "sideways")
    assert "sideways" in panel.readout.value
    panel.widget.children[-1].children[0].click()
    assert "sideways" in panel.line.value
    assert panel.record is None


def test_what_is_launched_is_what_was_saved(panel, tmp_path):
    choose(panel, "model.positions", "rope")
    for name, value in (("num_seeds", "2"), ("num_tuning_seeds", "0")):
        panel.form.controls[name].main.value = value
    file = panel.save_study(tmp_path / "study.json")
    saved = open_study(file)
    panel.widget.children[-1].children[0].click()
    assert panel.record.folder == saved.folder
    assert panel.record.folder.name in panel.line.value
    panel.record.wait()
    [_, arm] = panel.record.result()["arms"]
    assert arm["verdict"]["word"] != "not comparable"
    assert json.loads(file.read_text())["arms"][0]["changes"] == {"model.positions": "rope"}


def test_without_a_person_it_is_its_numbers(plan, monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "batch")
    panel = SweepPanel(plan)
    assert panel.form is None
    assert panel.value.grid == {}


def test_nothing_is_saved_or_launched_but_what_is_on_the_page(panel, tmp_path):
    choose(panel, "model.positions", "rope")
    panel.form.controls["grid"].main.value = '{"model.positions": ["rope", "none"'
    for save in (panel.save_study, panel.save_sweep, panel.save):
        with pytest.raises(LabError, match="should be JSON"):
            save(tmp_path / "file")
    panel.widget.children[-1].children[0].click()
    assert "should be JSON" in panel.line.value
    assert panel.record is None
    assert not list(tmp_path.glob("file"))
