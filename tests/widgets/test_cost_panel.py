from __future__ import annotations

import plotly.graph_objects as go
import pytest

from labkit.core.display import STALE_CLASS
from labkit.core.machine import GIB
from labkit.core.parameter_file import load_parameters
from labkit.cost.config import CostConfig
from labkit.cost.estimate import estimate_cost
from labkit.widgets.cost_panel import CostPanel, read_outs
from labkit.widgets.form import STALE


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> CostPanel:
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    return CostPanel(CostConfig())


def move(panel: CostPanel, name: str, value: object) -> None:
    assert panel.form
    panel.form.controls[name].main.value = value


def test_moving_a_control_moves_numbers_and_the_one_figure(panel):
    figure, before = panel.figure, panel.figure.to_dict()["data"]
    move(panel, "num_gpus", "8")
    expected = CostConfig(num_gpus=8)
    assert panel.value == expected
    assert panel.readout.value == read_outs(expected, estimate_cost(expected)).markup
    assert "DOES NOT FIT" not in panel.readout.value
    assert panel.figure is figure
    weights = estimate_cost(expected).memory_bytes["weights"] / GIB
    assert (panel.figure.data[0].x[0], before[0]["x"][0]) != (weights, weights)
    assert panel.figure.data[0].x[0] == weights


def test_capacity_line_follows_the_gpu(panel):
    move(panel, "gpu", "A100-40GB SXM")
    assert panel.figure.layout.shapes[0].x0 == 40
    assert panel.figure.layout.annotations[0].text == "40.0 GiB"


def test_refused_value_leaves_the_answer(panel):
    before = panel.readout.value
    move(panel, "mfu", "7")
    assert panel.readout.value == before
    assert panel.value == CostConfig()


def greyed(panel: CostPanel) -> list[bool]:
    return [STALE_CLASS in one._dom_classes for one in (panel.readout, panel.figure)]


def test_under_a_fault_the_answer_is_greyed_and_says_so(panel):
    """A field's own fault, and one that two fields have together."""
    assert panel.form
    for name, wrong, right in (("mfu", "7", "0.4"), ("model.num_heads", "33", "32")):
        move(panel, name, wrong)
        assert greyed(panel) == [True, True]
        assert STALE in panel.form.widget.children[-1].value
        move(panel, name, right)
        assert greyed(panel) == [False, False]
        assert not panel.form.widget.children[-1].value


def test_without_a_price_all_but_money_is_the_chosen_gpus(panel):
    move(panel, "gpu", "RTX 4090")
    assert panel.form
    assert not panel.form.faults
    assert greyed(panel) == [False, False]
    assert "no sourced price for RTX 4090" in panel.readout.value
    assert "(given)" not in panel.readout.value
    assert panel.figure.layout.shapes[0].x0 < 30
    move(panel, "price_usd_per_gpu_hour", "0.5")
    assert "0.50 (given)" in panel.readout.value


def test_saved_parameters_give_the_panels_config(panel, tmp_path):
    move(panel, "model.num_layers", "40")
    parameters = load_parameters(panel.save(tmp_path / "params.yaml"))
    assert parameters["overrides"] == {"model.num_layers": 40}
    assert CostConfig.from_parameters(parameters) == panel.value


def test_in_batch_there_are_no_widgets(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_MODE", "batch")
    config, shown = CostConfig(mfu=0.3), []
    monkeypatch.setattr("IPython.display.display", shown.append)
    panel = CostPanel(config)
    panel._ipython_display_()
    assert panel.value is config
    assert panel.form is None
    assert type(shown[1]) is go.Figure
    assert CostConfig.from_parameters(load_parameters(panel.save(tmp_path / "p.yaml"))) == config
