"""The logged numbers of groups of runs as curves, one band of values for each group."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.comparison.run_comparison import RunComparison
from labkit.comparison.runs.budget import is_number, tokens_at


def curves(comparison: RunComparison, metric: str) -> list[dict[str, Any]]:
    """Name, tokens and values of each group, at the steps that all its runs with the metric have
    after equally many tokens, where these are known.
    """
    found = []
    for group in comparison.groups:
        rows, points = [], []
        for run in group.runs:
            logged = {row["step"]: row[metric] for row in run.history if is_number(row.get(metric))}
            if logged:
                rows.append(logged)
                points.append({one for one in tokens_at(run).items() if one[0] in logged})
        shared = sorted(set.intersection(*points)) if points else []
        if shared:
            values = np.array([[one[step] for step, _ in shared] for one in rows])
            tokens = [tokens for _, tokens in shared]
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
