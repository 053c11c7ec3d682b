"""Another objective than the next token's goes through the same run, record and resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.difference import first_difference
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import checkpoint_folder
from labkit.training.dry_run.measure import measure
from labkit.training.objective import StepBatches
from labkit.training.run import run
from labkit.training.state import make_state
from labkit.training.step import train_step
from tests.training.sampled_objective import (
    NUM_NEW,
    PROMPTS,
    Sampled,
    blank_rows,
    sampled_loss,
    sampled_plan,
)


def trained(plan: TrainingPlan, folder: Path, **keywords: Any) -> RunRecord:
    status = run(
        plan,
        folder,
        make_objective=Sampled,
        step_seconds=[0.01],
        say=lambda _: None,
        **keywords,
    )
    assert status.state == "finished"
    return RunRecord(folder)


def test_a_resume_between_two_updates_of_a_rollout_ends_bit_equal(data, lab_home):
    plan = sampled_plan(data)
    whole = trained(plan, lab_home / "whole", save_at=(3,))
    middle = checkpoint_folder(whole.checkpoints, 3)
    resumed = trained(plan, lab_home / "resumed", resume_from=middle)
    ends = [load_checkpoint(checkpoint_folder(one.checkpoints, 6)) for one in (whole, resumed)]
    assert first_difference(*ends) is None
    assert "ids_BT" in ends[0]["objective"]
    assert whole.read("result") == resumed.read("result")
    assert [row["step"] for row in whole.rows("step")] == [1, 2, 3, 4, 5, 6]
    assert all("kl" in row["auxiliary"] for row in whole.rows("step"))


def test_the_policy_moves_towards_what_the_frozen_model_finds_likely(data):
    plan = sampled_plan(data).with_overrides(
        {"budget.num_steps": 48, "optimizer.learning_rate": 0.03}
    )
    state, objective = make_state(plan), Sampled(plan)
    before = [one.clone() for one in objective.reference.parameters()]
    first = objective.validate(state).figures["loss"]
    for batch in StepBatches(objective, state, plan.num_steps):
        train_step(state, batch, objective.loss)
    assert objective.validate(state).figures["loss"] < first - 0.1
    for one, other in zip(before, objective.reference.parameters(), strict=True):
        assert torch.equal(one, other)


def test_its_loss_is_the_mean_over_all_sampled_tokens_by_hand(data):
    plan = sampled_plan(data)
    state, objective = make_state(plan), Sampled(plan)
    batch = objective.step_batch(0, state)
    assert batch.num_units == NUM_NEW * len(PROMPTS)
    with torch.no_grad():
        sums = [sampled_loss(state.model, one).units_BU.sum() for one in batch.micro_batches]
    facts = train_step(state, batch, objective.loss)
    assert facts.loss == pytest.approx(float(sum(sums)) / batch.num_units, rel=1e-5, abs=1e-7)


def test_its_memory_is_measured_by_the_same_dry_run(data):
    plan = sampled_plan(data).with_overrides({"layout.data_parallel": 2})
    found = measure(plan, sampled_loss, blank_rows).parts
    assert found["optimizer"] == pytest.approx(2 * found["weights"], rel=0.02)
    assert found["activations"] > 0


def test_a_checkpoint_of_another_objective_is_refused(data, lab_home):
    plan = sampled_plan(data)
    record = RunRecord(lab_home / "next")
    run(plan, record.folder, until=2, step_seconds=[0.01], say=lambda _: None)
    with pytest.raises(LabError, match="with the objective 'next token', this one has 'sampled'"):
        trained(plan, lab_home / "other", resume_from=checkpoint_folder(record.checkpoints, 2))
    with pytest.raises(LabError, match="needs a folder of its own"):
        run(plan, make_objective=Sampled)
