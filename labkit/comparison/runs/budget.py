"""What a run spent and on which text it was scored, as far as its record says.

A config describes a labkit plan only where it is whole: with defaults for what is missing, any
training script with an `optimizer.learning_rate` would be one, and its FLOPs and tokens invented.
labkit's own record is a plan whatever version wrote it. Of other code's runs the tokens and FLOPs
are those that it logged last, under the names labkit logs them by; the text isn't known.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from labkit.comparison.runs.view import RunView
from labkit.core.config import flatten, validate
from labkit.core.errors import LabError
from labkit.cost.spending import spending
from labkit.plan.plan import TrainingPlan

TOKENS, FLOPS = "train/tokens", "train/flops"
"""What other code's runs may log of their budget."""
BESIDES = ("run_id", "data.train")
"""Fields that are not read: the tracker's own, and the mixture, which stands there as text and
changes no budget."""


class Budget(NamedTuple):
    """None: not known."""

    flops: float | None = None
    tokens: float | None = None


def budget(view: RunView) -> Budget:
    """Of the plan, or as logged last by other code."""
    plan = plan_of(view)
    if plan is not None:
        spent = spending(plan)
        return Budget(spent.flops, spent.tokens)
    return Budget(_last(view, FLOPS), _last(view, TOKENS))


def plan_of(view: RunView) -> TrainingPlan | None:
    """The plan that the run's config describes; None where other code wrote it."""
    if not view.config or (view.source != "local" and missing_fields(view)):
        return None
    nested: dict[str, Any] = {}
    try:
        for dotted, value in view.config.items():
            if dotted in BESIDES:
                continue
            *groups, leaf = dotted.split(".")
            target = nested
            for group in groups:
                target = target.setdefault(group, {})
            target[leaf] = value
        return validate(TrainingPlan, nested)
    except (LabError, TypeError, AttributeError):
        return None


def missing_fields(view: RunView) -> list[str]:
    """Fields of a plan that don't stand in the run's config, in the plan's order."""
    return [name for name in _plan_fields() if name not in view.config]


def tokens_at(view: RunView) -> dict[int, float]:
    """Step -> tokens read until then, where that is known."""
    plan = plan_of(view)
    if plan is not None:
        return {row["step"]: row["step"] * plan.tokens_per_step for row in view.history}
    return {row["step"]: row[TOKENS] for row in view.history if is_number(row.get(TOKENS))}


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _last(view: RunView, name: str) -> float | None:
    logged = [row[name] for row in view.history if is_number(row.get(name))]
    return logged[-1] if logged and logged[-1] > 0 else None


@functools.cache
def _plan_fields() -> list[str]:
    """Those that each version writes; fields `added_later` stand only where they are used."""
    written = flatten(TrainingPlan().model_dump(mode="json"))
    return [name for name in written if name not in BESIDES]
