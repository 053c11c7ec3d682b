from __future__ import annotations

import doctest
import itertools

import pytest

from labkit.core.config import ConfigError, validate
from labkit.plan import schedule
from labkit.plan.plan import TrainingPlan
from labkit.plan.schedule import SchedulePlan, learning_rate_ratio
from tests.random_configs import random_configs


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


def test_a_rate_nowhere_jumps():
    """Twice as fine a grid halves the largest move, also where the pieces meet."""

    def largest_move(one: SchedulePlan, points: int) -> float:
        found = [learning_rate_ratio(one, point, points) for point in range(points + 1)]
        return max(abs(after - before) for before, after in itertools.pairwise(found))

    for one in random_configs(SchedulePlan, 40, seed=4):
        if one.warmup_share == 0:
            assert learning_rate_ratio(one, 0, 1000) == 1
        steepest = 1 / min(one.warmup_share or 1, one.decay_share)
        if one.shape == "cosine":
            steepest = max(steepest, 1.6 / (one.decay_share - one.warmup_share))
        if one.shape == "wsd":
            steepest = max(steepest, 1 / (1 - one.warmup_share))
        assert largest_move(one, 20_000) <= 1.001 * steepest / 20_000


@pytest.mark.parametrize("decay_share", [0.3, 0.5])
def test_a_cosine_that_ends_before_it_begins_is_refused(decay_share):
    with pytest.raises(ConfigError, match=f"end at decay_share={decay_share}, within the warm-up"):
        validate(SchedulePlan, {"warmup_share": 0.5, "decay_share": decay_share})


def test_another_batch_size_has_the_same_rate_at_the_same_tokens():
    base = TrainingPlan().with_overrides({"budget.num_tokens": 64 * 1200})
    plans = [base.with_overrides({"data.batch_size": size}) for size in (3, 12)]
    budgets = [plan.num_steps * plan.tokens_per_step for plan in plans]
    assert budgets == [64 * 1200] * 2
    few = [learning_rate_ratio(plans[1].schedule, 768 * n, budgets[1]) for n in range(100)]
    many = [learning_rate_ratio(plans[0].schedule, 192 * n, budgets[0]) for n in range(400)]
    assert few == many[::4]


def test_a_schedule_preset_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="unknown schedule 'linear'; known: cosine, wsd"):
        validate(TrainingPlan, {"schedule": "linear"})
