"""May a run of another length go on from a checkpoint? Where both learning rates agree up to it.

Data order, dropout and starting weights do not depend on how long a run is; the learning rate
does. So a run that goes on from a checkpoint whose steps all had the rates of its own plan is, bit
for bit, the run of that plan from its start: under a constant rate from any checkpoint, under WSD
from those before its decay, without a warm-up that is a share of the budget.
"""

from __future__ import annotations

from pathlib import Path

from labkit.core.errors import LabError
from labkit.plan.plan import TrainingPlan

OF_THE_LENGTH = ("budget.", "schedule.", "evaluation.")
"""Fields that may differ where the rates agree."""


def refuse_other_rates(folder: Path, source: TrainingPlan, plan: TrainingPlan, step: int) -> None:
    """Compare the rates of the first `step` steps.

    Raises:
        LabError: one differs, or the plan is shorter than what was trained.
    """
    if step > plan.num_steps:
        raise LabError(
            f"{folder} has {step:,} steps, the plan {plan.num_steps:,}; give a larger budget"
        )
    for number in range(step):
        there, here = (one.learning_rate_ratio(number) for one in (source, plan))
        if there != here:
            raise LabError(
                f"{folder} comes after {step:,} steps, and the learning rates part at step "
                f"{number + 1:,}: {there:g} of the peak there, {here:g} in this plan. Go on from "
                f"a checkpoint of step {number:,} or before, or give start_from to begin anew "
                "with its weights"
            )
