"""labkit's own records as views, under the names that Weights & Biases has them by."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.comparison.runs.view import RunView, mixture_whole
from labkit.core.config import flatten
from labkit.core.records.run import RunRecord
from labkit.core.records.thinned import ThinnedRows


def read_local(record: RunRecord) -> RunView:
    """A run in any state; what it hasn't written yet is empty. Of a very long run every 2^k-th step
    is in the history, and every evaluation.
    """
    plan, result = record.read("plan") or {}, record.read("result")
    windows, timing = record.read("windows"), record.read("timing")
    evaluations, steps = [], ThinnedRows()
    for row in record.each_row():
        if row["kind"] == "step":
            steps.append(row)
        elif row["kind"] == "evaluation":
            evaluations.append(row)
    last = evaluations[-1] if evaluations else {}
    summary = result or {"validation": {k: v for k, v in last.items() if k != "kind"}}
    return RunView(
        run_id=record.run_id,
        source="local",
        name=plan.get("name", record.run_id),
        state=record.status().state,
        config=mixture_whole(flatten(plan)),
        history=_history([*steps.rows, *evaluations]),
        summary=flatten({k: v for k, v in summary.items() if k != "state"}),
        samples=last.get("samples", []),
        window_nats=np.array(windows["nats_per_token"]) if windows else None,
        timing=timing,
    )


def _history(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        group = {"step": "train", "evaluation": "validation"}.get(row["kind"])
        if group:
            values = {
                f"{group}/{key}": value
                for key, value in row.items()
                if key not in ("kind", "step", "samples")
            }
            found.setdefault(row["step"], {"step": row["step"]}).update(values)
    return [found[step] for step in sorted(found)]
