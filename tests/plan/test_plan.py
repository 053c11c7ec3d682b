from __future__ import annotations

import doctest

import pytest

from labkit.core.config import ConfigError, flatten, validate
from labkit.core.errors import LabError
from labkit.cost.parameters import count_by_component
from labkit.plan import schedule
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import RECIPES, with_recipe
from labkit.plan.schedule import SchedulePlan, learning_rate_ratio
from tests.random_configs import random_configs


def test_parameters_give_the_plan_back():
    for plan in random_configs(TrainingPlan, 30, seed=1):
        assert TrainingPlan.from_parameters(plan.to_parameters()) == plan


def test_steps_by_hand():
    plan = TrainingPlan().with_overrides({"data.batch_size": 10, "budget.num_tokens": 6401})
    assert (plan.sequence_length, plan.tokens_per_step, plan.num_steps) == (64, 640, 11)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_keeps_size_data_and_budget(recipe):
    plan = TrainingPlan().with_overrides({"data.batch_size": 7, "model.num_layers": 3, "seed": 5})
    before, after = flatten(plan.model_dump()), flatten(with_recipe(plan, recipe).model_dump())
    chosen = {f"model.{name}" for name in RECIPES[recipe].model} | {"model.d_ff"}
    for name in before:
        if not name.startswith(("optimizer.", "schedule.")) and name not in chosen:
            assert after[name] == before[name]
    for name, value in RECIPES[recipe].model.items():
        assert after[f"model.{name}"] == value


def test_both_recipes_have_as_many_weights_in_their_blocks():
    sizes = [count_by_component(with_recipe(TrainingPlan(), recipe).model) for recipe in RECIPES]
    blocks = [size["attention"] + size["feed-forward"] for size in sizes]
    assert blocks[1] == pytest.approx(blocks[0], rel=0.01)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data.batch_size": 7, "data.micro_batch": 3}, "micro_batch=3 must divide batch_size=7"),
        ({"data.sequence_length": 65}, "sequence_length=65 exceeds model.context_length=64"),
        (
            {"data.train": {"shards/a": 1.0}, "data.validation": "shards/a"},
            "validation 'shards/a' is trained on; hold text out for it",
        ),
        ({"budget.max_usd": 3}, "max_usd needs usd_per_hour"),
        ({"data.train": {"shards/a": 0.0}}, "weight of 'shards/a' should be a number from 1e-6"),
        ({"optimizer.learning_rat": 1}, "unknown field.*did you mean optimizer.learning_rate"),
    ],
)
def test_refusals(overrides, message):
    with pytest.raises(ConfigError, match=message):
        TrainingPlan().with_overrides(overrides)


def test_a_plan_without_data_says_where_it_comes_from():
    with pytest.raises(LabError, match="name no folders; notebook 20 writes them"):
        TrainingPlan().inputs()


def test_the_schedules_worked_example():
    assert doctest.testmod(schedule).failed == 0


@pytest.mark.parametrize("warmup", [0, 10])
def test_schedules_equal_those_of_transformers(warmup):
    torch = pytest.importorskip("torch", reason="needs labkit[train]")
    theirs = pytest.importorskip("transformers.optimization", reason="needs labkit[dev]")
    steps = 100

    def rates(make, **keywords):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler = make(optimizer, num_warmup_steps=warmup, **keywords)
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return found

    cosine = SchedulePlan(warmup_share=warmup / steps, final_ratio=0.0)
    ours = [learning_rate_ratio(cosine, 7 * step, 7 * steps) for step in range(steps)]
    assert ours == pytest.approx(
        rates(theirs.get_cosine_schedule_with_warmup, num_training_steps=steps), abs=1e-12
    )
    final = 0.0 if warmup else 0.1  # theirs starts its warm-up there, ours at 0
    wsd = SchedulePlan(shape="wsd", warmup_share=warmup / steps, decay_share=0.3, final_ratio=final)
    ours = [learning_rate_ratio(wsd, 7 * step, 7 * steps) for step in range(steps)]
    expected = rates(
        theirs.get_wsd_schedule,
        num_decay_steps=30,
        num_training_steps=steps,
        decay_type="linear",
        min_lr_ratio=final,
    )
    assert ours == pytest.approx(expected, abs=1e-12)


def test_a_rate_is_a_share_at_every_token_of_every_schedule():
    for one in random_configs(SchedulePlan, 60, seed=2):
        found = [learning_rate_ratio(one, token, 1000) for token in range(1001)]
        assert all(0 <= ratio <= 1 for ratio in found)


def test_a_schedule_preset_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="unknown schedule 'linear'; known: cosine, wsd"):
        validate(TrainingPlan, {"schedule": "linear"})
