"""The logged numbers of groups of runs as curves, one band of values for each group."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from labkit.comparison.run_comparison import RunComparison, plan_of


def curves(comparison: RunComparison, metric: str) -> list[dict[str, Any]]:
    """Name, tokens and values of each group whose plan is known, at the steps that all its runs
    with the metric have.
    """
    found = []
    for group in comparison.groups:
        logged = [
            {row["step"]: row[metric] for row in run.history if _is_number(row.get(metric))}
            for run in group.runs
        ]
        rows, plan = [one for one in logged if one], plan_of(group.runs[0])
        if not rows or plan is None:  # without a plan steps are of no known size
            continue
        steps = sorted(set.intersection(*map(set, rows)))
        values = np.array([[one[step] for step in steps] for one in rows])
        tokens = [step * plan.tokens_per_step for step in steps]
        if steps:
            found.append({"name": group.name, "tokens": tokens, "values": values})
    return found


def metrics(comparison: RunComparison) -> list[str]:
    """What the runs logged, as numbers; what validation says first."""
    names = {
        name
        for view in comparison.views
        for row in view.history
        for name, value in row.items()
        if isinstance(value, float)
    }
    return sorted(names, key=lambda name: (name.partition("/")[0] != "validation", name))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
