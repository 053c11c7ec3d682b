"""The form without a browser: events are simulated by setting traits, as a page does."""

from __future__ import annotations

import ast

import ipywidgets
import nbformat
import pytest
from papermill.parameterize import parameterize_notebook

from labkit.core.config import Config, ConfigError
from labkit.core.display import fault
from labkit.core.parameter_file import load_parameters
from labkit.cost.config import CostConfig
from labkit.model.config import ModelConfig
from labkit.widgets.form import FAULT_CLASS, ConfigForm
from tests.random_configs import random_configs
from tests.widgets.toy_configs import HOSTILE, Net, Toy

TYPES = [Toy, Net, ModelConfig, CostConfig]


def move(form: ConfigForm, name: str, value: object) -> None:
    form.controls[name].main.value = value


def type_in(form: ConfigForm, config: Config, prefix: str = "") -> None:
    """Set every control, one after another, as a person would."""
    order = sorted(type(config).model_fields, key=lambda name: name != config.preset_field)
    for name in order:
        value = getattr(config, name)
        if isinstance(value, Config):
            type_in(form, value, f"{prefix}{name}.")
            continue
        control = form.controls[f"{prefix}{name}"]
        control._write(value)


def fault_lines(form: ConfigForm) -> dict[str, str]:
    return {name: line.value for name, line in form._fault_lines.items() if line.value}


def all_widgets(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    return [widget, *(w for child in getattr(widget, "children", ()) for w in all_widgets(child))]


@pytest.mark.parametrize("config_type", TYPES)
def test_controls_hold_any_valid_config_exactly(config_type):
    form = ConfigForm(config_type())
    for config in random_configs(config_type, 200, seed=1):
        type_in(form, config)
        assert form.faults == {}
        assert form.value.hash == config.hash


@pytest.mark.parametrize("config_type", TYPES)
def test_form_to_file_to_config(config_type, tmp_path):
    form = ConfigForm(config_type())
    for config in random_configs(config_type, 50, seed=2):
        form.value = config
        path = form.save(tmp_path / "params.yaml")
        assert config_type.from_parameters(load_parameters(path)).hash == config.hash


@pytest.mark.parametrize("config_type", TYPES)
def test_papermill_injects_the_same_config(config_type):
    cell = nbformat.v4.new_code_cell("", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[cell], metadata={"kernelspec": kernel, "papermill": {}}
    )
    for config in random_configs(config_type, 200, seed=3):
        injected = parameterize_notebook(notebook, config.to_parameters()).cells[1].source
        found = {
            node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(injected).body
        }
        assert config_type.from_parameters(found).hash == config.hash


def test_one_call_for_one_move_with_the_new_config():
    form, seen = ConfigForm(Toy()), []
    form.observe(seen.append)
    move(form, "num_tokens", "3e11")
    assert [config.num_tokens for config in seen] == [300_000_000_000]
    form.controls["num_tokens"].slider.value = 12.3
    assert [config.num_tokens for config in seen] == [300_000_000_000, 2 * 10**12]
    assert form.controls["num_tokens"].main.value == "2e12"
    move(form, "num_tokens", "2000000000000")
    assert len(seen) == 2


def test_a_moving_slider_is_not_set_back():
    form = ConfigForm(Toy())
    slider, sent = form.controls["rate"].slider, -2.9500000000000002
    slider.value = sent
    assert slider.value == sent
    assert form.value.rate == 0.0011


def test_first_display_is_no_move():
    toy = Toy(share=0.1, rate=0.00012345)
    form, seen = ConfigForm(toy), []
    form.observe(seen.append)
    form.controls["share"].slider.value = 0.09999999999999999
    form.controls["rate"].slider.value = round(form.controls["rate"].slider.value / 0.05) * 0.05
    for control in form.controls.values():
        if slider := getattr(control, "slider", None):
            slider.value += 1e-12
    assert seen == []
    assert form.value.hash == toy.hash


def test_refused_value_is_said_at_its_field_and_changes_nothing():
    form = ConfigForm(Toy())
    move(form, "share", "1.5")
    text = "share=1.5: should be less than or equal to 1"
    assert form.faults == {"share": text}
    assert fault_lines(form) == {"share": fault(text).markup}
    assert form.value == Toy()
    move(form, "share", "0.25")
    assert (form.faults, fault_lines(form), form.value.share) == ({}, {}, 0.25)


@pytest.mark.parametrize(
    ("name", "typed", "reason"),
    [
        ("num_tokens", "a lot", "should be a number such as 2e12"),
        ("num_tokens", "1,000", "thousands are set apart by _ or a space"),
        ("num_tokens", "2.5", "should be a whole number"),
        ("num_tokens", "1e999999999", "should be a finite number"),
        ("free", "nan", "should be a finite number"),
        ("weights", "{x: 1}", "should be JSON"),
        ("weights", "[1]", "should be a valid dictionary"),
        ("price", "0", "should be greater than 0"),
        ("rate", "", "should be a number"),
    ],
)
def test_mistyped(name, typed, reason):
    form = ConfigForm(Toy())
    move(form, name, typed)
    assert list(form.faults) == [name]
    assert reason in form.faults[name]
    assert form.value == Toy()


def test_rule_between_fields_is_said_in_their_group_and_refuses_saving(tmp_path):
    form = ConfigForm(Toy())
    move(form, "net.heads", "3")
    assert list(fault_lines(form)) == ["net"]
    with pytest.raises(ConfigError, match="heads=3 must divide width=8"):
        form.save(tmp_path / "params.yaml")
    assert not (tmp_path / "params.yaml").exists()


def test_preset_sets_its_group_in_one_change():
    form, seen = ConfigForm(Toy()), []
    form.observe(seen.append)
    move(form, "net.width", "16")
    move(form, "net.preset", "large")
    assert [config.net for config in seen] == [Net(width=16), Net.from_preset("large")]
    assert form.controls["net.width"].main.value == "512"


def test_empty_optional_is_none():
    form = ConfigForm(Toy(price=2.5))
    move(form, "price", " ")
    assert form.value.price is None


def test_hostile_text_reaches_no_markup():
    form = ConfigForm(Toy(name=HOSTILE))
    move(form, "num_tokens", HOSTILE)
    move(form, "weights", HOSTILE)
    html = [w for w in all_widgets(form.widget) if isinstance(w, ipywidgets.HTML)]
    assert {css for w in html for css in w._dom_classes} == {FAULT_CLASS}
    assert all("<img" not in w.value for w in html)
    assert "&lt;img" in fault_lines(form)["num_tokens"]
    assert not any(getattr(w, "description_allow_html", False) for w in all_widgets(form.widget))
