"""A run with a larger budget goes on from the checkpoint of a shorter one, bit for bit."""

from __future__ import annotations

import pytest

from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.difference import first_difference
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import checkpoint_folder
from labkit.training.run import run
from tests.training.tiny import hard_plan

SCHEDULES = {
    "constant": {"schedule.shape": "constant", "schedule.warmup_share": 0.0},
    "wsd": {
        "schedule.shape": "wsd",
        "schedule.warmup_share": 0.0,
        "schedule.decay_share": 0.5,
    },
}


def plan_of(data, shape: str, num_steps: int) -> TrainingPlan:
    return hard_plan(data, "modern").with_overrides(
        {**SCHEDULES[shape], "budget.num_tokens": num_steps * 4 * 16}
    )


def trained(plan: TrainingPlan, folder, **keywords) -> RunRecord:
    run(plan, folder, step_seconds=[0.01], say=lambda _: None, **keywords)
    return RunRecord(folder)


def state_after(record: RunRecord, step: int):
    return load_checkpoint(checkpoint_folder(record.checkpoints, step))


@pytest.mark.parametrize(("shape", "fork"), [("constant", 12), ("wsd", 6)])
def test_it_is_the_run_that_was_planned_that_long(shape, fork, data, lab_home):
    short = trained(plan_of(data, shape, 12), lab_home / "short", save_at=(fork,))
    longer = plan_of(data, shape, 24)
    whole = trained(longer, lab_home / "whole", save_at=(fork,))
    start = checkpoint_folder(short.checkpoints, fork)
    forked = trained(longer, lab_home / "forked", resume_from=start)
    assert first_difference(state_after(short, fork), state_after(whole, fork)) is None
    assert first_difference(state_after(forked, 24), state_after(whole, 24)) is None
    results = [(one.folder / "result.json").read_bytes() for one in (forked, whole)]
    assert results[0] == results[1]


def test_past_the_fork_it_is_refused_with_the_step_where_the_rates_part(data, lab_home):
    short = trained(plan_of(data, "wsd", 12), lab_home / "short", save_at=(8,))
    with pytest.raises(
        LabError,
        match=r"after 8 steps, and the learning rates part at step 7: 0\.91.* of the peak there, 1 "
        r"in this plan\. Go on from a checkpoint of step 6 or before",
    ):
        trained(
            plan_of(data, "wsd", 24),
            lab_home / "long",
            resume_from=checkpoint_folder(short.checkpoints, 8),
        )


def test_a_warm_up_that_is_a_share_of_the_budget_parts_at_once_unless_it_is_as_long(data, lab_home):
    warm = {"schedule.warmup_share": 0.5}
    short = trained(
        plan_of(data, "constant", 8).with_overrides(warm), lab_home / "short", save_at=(4,)
    )
    start = checkpoint_folder(short.checkpoints, 4)
    longer = plan_of(data, "constant", 16)
    with pytest.raises(LabError, match="part at step 1"):
        trained(longer.with_overrides(warm), lab_home / "refused", resume_from=start)
    as_long = longer.with_overrides({"schedule.warmup_share": 0.25})
    forked = trained(as_long, lab_home / "forked", resume_from=start)
    assert [row["step"] for row in forked.rows("step")] == list(range(5, 17))


def test_a_shorter_plan_than_what_was_trained_is_refused(data, lab_home):
    long = trained(plan_of(data, "constant", 8), lab_home / "long")
    with pytest.raises(LabError, match="has 8 steps, the plan 4; give a larger budget"):
        trained(
            plan_of(data, "constant", 4),
            lab_home / "short",
            resume_from=checkpoint_folder(long.checkpoints, 8),
        )
