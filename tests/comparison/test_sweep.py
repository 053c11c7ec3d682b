"""Sweeps: which arms, what they take, and what W&B's agents make of the definition."""

from __future__ import annotations

import argparse
import json
import shutil

import pytest
import yaml

from labkit.cli import train
from labkit.comparison.sweep import SweepConfig, save_wandb_sweep, sweep_cost, sweep_study
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord, runs_folder
from labkit.cost.spending import measured_speed, spending
from labkit.plan.plan import TrainingPlan
from labkit.statistics.power import detectable_with
from labkit.training.run import run
from tests.training.tiny import tiny_plan, write_tiny_corpus

GRID = {"model.positions": ["learned", "rope"], "model.num_layers": [4, 2, 1]}


def sweep(**changes) -> SweepConfig:
    return SweepConfig.from_parameters({"equal": "tokens", "grid": GRID, **changes})


def test_arms_are_what_the_plan_is_not_one_field_at_a_time():
    plan = TrainingPlan()
    names = [arm.name for arm in sweep_study(plan, sweep()).arms]
    assert names == ["positions=rope", "num_layers=2", "num_layers=1"]
    every = sweep_study(plan, sweep(combine="all combinations"))
    assert len(every.arms) == 2 * 3 - 1
    assert every.arms[-1].changes == {"model.positions": "rope", "model.num_layers": 1}


def test_cost_by_hand():
    """Four arms: 2 rates x 2 seeds to tune and 3 seeds each; layers scale the FLOPs."""
    plan = TrainingPlan().with_overrides({"budget.usd_per_hour": 3600.0})
    study = sweep_study(plan, sweep(num_seeds=3, rate_factors="1, 2"))
    cost = sweep_cost(study, noise=0.02)
    assert cost.num_runs == study.num_runs == 4 * (2 * 2 + 3)
    each = [spending(study.arm_plan(arm)).flops for arm in study.all_arms]
    assert cost.flops == 7 * sum(each)
    assert each[0] > each[2] > each[3]
    assert cost.smallest_detectable == detectable_with(3, 0.02, 0.05, 3)
    assert cost.seconds is None
    assert cost.usd is None


def test_hours_follow_from_the_run_nearest_in_size(lab_home):
    plan = tiny_plan(write_tiny_corpus(lab_home), 6)
    assert measured_speed(plan) is None
    run(plan, say=lambda _: None)
    wide = plan.with_overrides({"model.d_ff": 512, "name": "wide"})
    run(wide, say=lambda _: None)
    found = measured_speed(wide.with_overrides({"model.d_ff": 500}))
    assert found.run_id == wide.run_id
    priced = plan.with_overrides({"budget.usd_per_hour": 3600.0})
    cost = sweep_cost(sweep_study(priced, sweep(grid={"model.positions": ["rope"]})), 0.01)
    near = measured_speed(priced)
    assert near.run_id == plan.run_id
    assert cost.usd == pytest.approx(cost.seconds)  # a dollar a second, through hours
    assert cost.flops / cost.seconds >= near.flops_per_s


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {}}, "an arm beside the baseline"),
        ({"grid": {"model.postions": ["rope"]}}, "did you mean model.positions"),
        ({"grid": {"model.d_model": list(range(8, 216))}}, "more than 200 arms"),
        ({"rate_factors": "x"}, "should be numbers with commas"),
        ({"rate_factors": "nan, 1"}, "should be numbers above 0"),
        ({"grid": {"model.dropout": [float("nan")]}}, "should hold finite numbers"),
        ({"grid": {"seed": [1, 2]}}, "seed can't be swept: num_seeds says"),
        ({"grid": {"model.context_length": [32]}}, "evaluated on other windows"),
        ({"grid": {"model.positions": "rope"}}, "should be a valid list"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(LabError, match=message):
        sweep_cost(sweep_study(TrainingPlan(), sweep(**changes)), 0.01)


def test_wandbs_agent_runs_the_plan_that_was_meant(tmp_path):
    """Its own code makes the arguments; ours makes the plan of them."""
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    plan = TrainingPlan().with_overrides({"data.batch_size": 6})
    params = plan.save_parameters(tmp_path / "plan.yaml")
    file = save_wandb_sweep(tmp_path / "sweep.yaml", str(params), sweep(num_seeds=2), seed=7)
    definition = yaml.safe_load(file.read_text())
    assert definition["parameters"]["seed"] == {"values": [7, 8]}
    assert definition["parameters"]["tracking"] == {"value": "online"}  # or W&B hears nothing
    chosen = {"model.positions": "rope", "model.num_layers": 2, "seed": 8}
    made = utils.create_sweep_command_args({"args": {k: {"value": v} for k, v in chosen.items()}})
    command = [made["args_json"][0] if a == "${args_json}" else a for a in definition["command"]]
    assert command[:2] == ["labkit", "train"]
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    assert train._plan(parser.parse_args(command[2:])) == plan.with_overrides(chosen)
    assert json.loads(made["args_json"][0]) == chosen


def test_a_grid_of_any_size_is_refused_at_once():
    grid = {f"model.{name}": list(range(100)) for name in ("d_ff", "d_model", "num_layers")}
    grid |= {f"optimizer.{name}": list(range(100)) for name in ("weight_decay", "beta1", "beta2")}
    with pytest.raises(LabError, match="more than 200 arms"):
        sweep_study(TrainingPlan(), sweep(grid=grid, combine="all combinations"))


def test_a_run_that_another_version_recorded_has_no_speed(lab_home):
    plan = tiny_plan(write_tiny_corpus(lab_home), 6)
    run(plan, say=lambda _: None)
    folder = runs_folder() / plan.run_id
    speed = measured_speed(plan)
    for number, change in enumerate(({"plan": {"gone": 1}}, {"timing": {}})):
        other = RunRecord(shutil.copytree(folder, folder.with_name(f"other-{number}")))
        for name, value in change.items():
            other.write(name, value)
    assert measured_speed(plan) == speed
