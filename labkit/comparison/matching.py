"""Arms that are equal in what they spend: the feed-forward's width is solved until they are.

Both FLOPs and parameters are linear in `d_ff`, so that the width is a closed form. It is rounded
to a multiple of 8, or to a whole number where 8 is too coarse; one that is equal as it is keeps
its width, so that nothing but the arm's own change is compared. An arm that is off by more than
1% is refused, and what it is off by stands in every table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from labkit.core.errors import LabError
from labkit.cost.spending import spending
from labkit.plan.plan import TrainingPlan

Axis = Literal["flops", "parameters", "tokens"]
TOLERANCE = 0.01


def matched(plan: TrainingPlan, changes: Mapping[str, Any], equal: Axis) -> TrainingPlan:
    """The plan with the changes, as wide as makes it equal to the plan on the axis.

    A width that is among the changes is left as it is.

    Raises:
        LabError: no width makes it equal within 1%.
    """
    arm = plan.with_overrides(changes)
    target = getattr(spending(plan), equal)
    if equal != "tokens" and "model.d_ff" not in changes:
        width = _solve(arm, lambda one: getattr(spending(one), equal), target)
        arm = _with_width(arm, width)
    ratio = getattr(spending(arm), equal) / target
    if abs(ratio - 1) > TOLERANCE:
        raise LabError(
            f"{_listed(changes)} takes {ratio:.3f} times the baseline's {equal} at d_ff="
            f"{arm.model.d_ff}; change less, or make the arms equal in another way"
        )
    return arm


def _solve(arm: TrainingPlan, of: Callable[[TrainingPlan], float], target: float) -> int:
    narrow, wide = 8, 16
    low, high = of(_with_width(arm, narrow)), of(_with_width(arm, wide))
    exact = narrow + (target - low) * (wide - narrow) / (high - low)
    if abs(exact - arm.model.d_ff) < 0.5:
        return arm.model.d_ff
    rounded = max(8 * round(exact / 8), 8)
    if abs(of(_with_width(arm, rounded)) / target - 1) <= TOLERANCE:
        return rounded
    return max(round(exact), 1)


def _with_width(arm: TrainingPlan, d_ff: int) -> TrainingPlan:
    return arm.with_overrides({"model.d_ff": d_ff})


def _listed(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in changes.items())
