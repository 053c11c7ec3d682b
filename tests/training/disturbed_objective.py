"""Next tokens with one batch whose loss and gradients are ten times what they were."""

from __future__ import annotations

from typing import Any

from labkit.plan.plan import TrainingPlan
from labkit.training.next_token import NextToken
from labkit.training.objective import StepBatch
from labkit.training.state import TrainingState
from tests.training.tiny import tiny_plan

BATCH = 41


class Disturbed(NextToken):
    def step_batch(self, step: int, state: TrainingState) -> StepBatch:
        batch = super().step_batch(step, state)
        return batch._replace(num_units=batch.num_units / 10) if step == BATCH else batch


def disturbed_plan(data: dict[str, Any]) -> TrainingPlan:
    """A checkpoint after 32 of 48 steps to rewind to."""
    plan = tiny_plan(data, 48, guards={"on_spike": "rewind"})
    return plan.with_overrides({"checkpoints.num_checkpoints": 3, "evaluation.num_evaluations": 1})
