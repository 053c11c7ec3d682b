from __future__ import annotations

import plotly.graph_objects as go
import pytest

from labkit.core.parameter_file import load_parameters
from labkit.cost.config import CostConfig
from labkit.cost.estimate import estimate_cost
from labkit.widgets.cost_panel import CostPanel, read_outs


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
    weights = estimate_cost(expected).memory_bytes["weights"] / 1e9
    assert (panel.figure.data[0].x[0], before[0]["x"][0]) != (weights, weights)
    assert panel.figure.data[0].x[0] == weights


def test_capacity_line_follows_the_gpu(panel):
    move(panel, "gpu", "A100-40GB SXM")
    assert panel.figure.layout.shapes[0].x0 == 40
    assert panel.figure.layout.annotations[0].text == "40 GB"


def test_refused_value_leaves_the_answer(panel):
    before = panel.readout.value
    move(panel, "mfu", "7")
    assert panel.readout.value == before
    assert panel.value == CostConfig()


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
