"""What of a plan may change while its run goes on, since it cannot change a bit of the result.

Limits only say when to pause, tracking and evaluations only look, checkpoints only keep. A run is
known without these fields (`TrainingPlan.run_id`), so that a larger limit finds the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FREE_TO_CHANGE = (
    "budget.max_minutes",
    "budget.max_usd",
    "budget.usd_per_hour",
    "checkpoints.",
    "evaluation.num_evaluations",
    "evaluation.num_samples",
    "evaluation.sample_tokens",
    "evaluation.temperature",
    "layout.hang_seconds",
    "tracking",
)
"""Dotted fields, or beginnings of them."""
SOURCE = "source"
"""How `--allow-change` names labkit's own code."""


def must_agree(fields: Mapping[str, Any], allowed: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields that a resume may not change; `allowed` names further ones that it may.

    >>> must_agree({"seed": 0, "tracking": "off", "data.batch_size": 8}, ("data.",))
    {'seed': 0}
    """
    free = (*FREE_TO_CHANGE, *allowed)
    return {name: value for name, value in fields.items() if not name.startswith(free)}
