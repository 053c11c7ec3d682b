from __future__ import annotations

import pytest

from labkit.core.config import ConfigError, differences, flatten, validate
from labkit.core.disk import write_json
from labkit.core.errors import LabError
from labkit.cost.parameters import count_by_component
from labkit.model.config import ModelConfig
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import RECIPES, with_recipe
from tests.random_configs import random_configs


def test_parameters_give_the_plan_back():
    for plan in random_configs(TrainingPlan, 30, seed=1):
        assert TrainingPlan.from_parameters(plan.to_parameters()) == plan


def test_a_file_gives_the_plan_back(tmp_path):
    read = pytest.importorskip("labkit.training.__main__", reason="needs labkit[train]").read_plan
    for plan in random_configs(TrainingPlan, 20, seed=3):
        whole = write_json(tmp_path / "plan.json", plan.model_dump(mode="json"))
        assert read(whole) == plan
        assert read(plan.save_parameters(tmp_path / "plan.yaml")) == plan


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
    for part in ("optimizer", "schedule"):
        assert after[f"{part}.preset"] == getattr(RECIPES[recipe], part)
    with pytest.raises(LabError, match="unknown recipe 'gpt5'; known: gpt2, modern, modern-open"):
        with_recipe(plan, "gpt5")


def test_all_recipes_have_as_many_weights_in_their_blocks():
    sizes = [count_by_component(with_recipe(TrainingPlan(), recipe).model) for recipe in RECIPES]
    blocks = [size["attention"] + size["feed-forward"] for size in sizes]
    assert blocks == pytest.approx([blocks[0]] * len(RECIPES), rel=0.01)


def test_modern_open_is_modern_without_its_token_shift():
    recipes = (with_recipe(TrainingPlan(), recipe) for recipe in ("modern", "modern-open"))
    assert differences(*recipes) == {"model.token_shift": False}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"data.batch_size": 7, "data.micro_batch": 3},
            "micro_batch=3 must divide batch_size=7; try micro_batch=1",
        ),
        ({"data.batch_size": 12, "data.micro_batch": 9}, "batch_size=12; try micro_batch=6"),
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


def test_a_folder_that_is_not_there_is_named(lab_home):
    data = {"train": {"shards/a": 1.0}, "validation": "shards/b", "tokenizer": "tokenizers/c"}
    with pytest.raises(LabError, match=r"shards/a: no such shards or tokenizer; run notebooks/20"):
        TrainingPlan.model_validate({"data": data}).inputs()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"positions": "alibi"}, "model.positions=alibi"),
        ({"positions": "t5"}, "model.positions=t5"),
        ({"positions": "shaw"}, "model.positions=shaw"),
        ({"positions": "transformer_xl"}, "model.positions=transformer_xl"),
        ({"qk_norm": True, "qk_norm_span": "width"}, "model.qk_norm_span=width"),
        ({"num_experts": 4, "feed_forward_bias": False}, "model.num_experts=4"),
        ({"dropout": 0.1}, "model.dropout=0.1"),
    ],
)
def test_what_cannot_be_cut_is_refused_by_name_and_trains_sharded(choice, message):
    model = ModelConfig.from_preset("nanogpt-cpu").model_dump() | choice
    with pytest.raises(ConfigError, match=f"{message}.*tensor_parallel=2.*give "):
        validate(TrainingPlan, {"model": model, "layout": {"tensor_parallel": 2}})
    plan = validate(TrainingPlan, {"model": model, "layout": {"data_parallel": 2}})
    assert plan.layout.num_processes == 2
