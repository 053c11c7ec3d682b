"""The step as a formula: its gradient, its update, and who calls it."""

from __future__ import annotations

import lightning
import numpy as np
import pytest
import torch

from labkit.core.errors import LabError
from labkit.model.objective import next_token_nats
from labkit.plan.recipes import RECIPES, with_recipe
from labkit.training.batches import IGNORED, TokenBatch
from labkit.training.module import TrainingModule
from labkit.training.next_token import NextToken, next_token_loss
from labkit.training.objective import Loss, StepBatch, StepBatches
from labkit.training.state import TrainingState, make_state
from labkit.training.step import train_step
from tests.training.tiny import tiny_plan

NO_DATA = {"batch_size": 4}


def random_batches(*num_targets: int) -> list[TokenBatch]:
    """Two rows of 16 tokens each, of which so many count."""
    generator = torch.Generator().manual_seed(0)
    batches = []
    for count in num_targets:
        ids_BS = torch.randint(257, (2, 17), generator=generator)
        targets_BT = ids_BS[:, 1:].clone()
        targets_BT.flatten()[count:] = IGNORED
        batches.append(TokenBatch(ids_BS[:, :-1], targets_BT))
    return batches


def step_of(batches: list[TokenBatch]) -> StepBatch:
    units = sum(int((batch.targets_BT != IGNORED).sum()) for batch in batches)
    return StepBatch(batches, float(units), np.empty((0, 3)))


def mean_nats(state: TrainingState, batches: list[TokenBatch]) -> torch.Tensor:
    ids_BT = torch.cat([batch.ids_BT for batch in batches])
    targets_BT = torch.cat([batch.targets_BT for batch in batches])
    nats_BT = next_token_nats(state.model(ids_BT), targets_BT)
    return nats_BT.sum() / (targets_BT != IGNORED).sum()


@pytest.mark.parametrize("clip_norm", [0.1, 1000.0, None])
def test_the_whole_gradient_is_clipped_as_torch_does(clip_norm):
    state = make_state(tiny_plan(NO_DATA).with_overrides({"optimizer.clip_norm": clip_norm}))
    batches = random_batches(32)
    loss = mean_nats(state, batches)
    expected = torch.autograd.grad(loss, state.weights)
    norm = float(torch.nn.utils.get_total_norm(expected))
    facts = train_step(state, step_of(batches), next_token_loss)
    assert facts.gradient_norm == pytest.approx(norm)
    assert facts.loss == pytest.approx(loss.item())
    factor = min(1.0, clip_norm / norm) if clip_norm else 1.0
    for weight, gradient in zip(state.weights, expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient * factor, rtol=1e-5, atol=1e-9)


def test_micro_batches_weigh_by_what_counts_in_them():
    """The mean of their means would be another gradient: 1 target would weigh as much as 32."""
    plan = tiny_plan({"batch_size": 6, "micro_batch": 2})
    state = make_state(plan.with_overrides({"optimizer.clip_norm": None}))
    batches = random_batches(32, 1, 20)
    loss = mean_nats(state, batches)
    expected = torch.autograd.grad(loss, state.weights)
    facts = train_step(state, step_of(batches), next_token_loss)
    assert facts.loss == pytest.approx(loss.item(), rel=1e-6)
    for weight, gradient in zip(state.weights, expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-4, atol=1e-7)


def test_auxiliary_sums_are_recorded_as_means_over_all_units():
    def with_count(model, batch):
        units_BU, _ = next_token_loss(model, batch)
        return Loss(units_BU, {"targets": (batch.targets_BT != IGNORED).sum().float()})

    state = make_state(tiny_plan({"batch_size": 4, "micro_batch": 2}))
    facts = train_step(state, step_of(random_batches(5, 9)), with_count)
    assert facts.auxiliary == {"targets": 1.0}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_plain_trainer_and_a_plain_loop_end_bit_equal(recipe, data):
    plan = with_recipe(tiny_plan(data | {"micro_batch": 2}), recipe)
    objective = NextToken(plan)
    loop, fitted = make_state(plan), make_state(plan)
    for batch in StepBatches(objective, loop, 5):
        train_step(loop, batch, objective.loss)
    trainer = lightning.Trainer(max_steps=5, logger=False, enable_checkpointing=False)
    trainer.fit(TrainingModule(fitted, objective), StepBatches(objective, fitted, 24))
    assert trainer.global_step == fitted.step == 5
    for one, other in zip(loop.weights, fitted.weights, strict=True):
        assert torch.equal(one, other)


def test_a_trainer_with_a_precision_of_its_own_is_refused(data):
    plan = tiny_plan(data)
    state, objective = make_state(plan), NextToken(plan)
    trainer = lightning.Trainer(precision="bf16-mixed", logger=False, accelerator="cpu")
    with pytest.raises(LabError, match="the precision is the plan's; leave it out and give comp"):
        trainer.fit(TrainingModule(state, objective), StepBatches(objective, state, 2))
