"""labkit's own records as views, under the names that Weights & Biases has them by."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from labkit.comparison.runs.view import RunView
from labkit.core.config import flatten
from labkit.core.records.run import RunRecord


def read_local(record: RunRecord) -> RunView:
    """A run in any state; what it hasn't written yet is empty."""
    plan, result = record.read("plan") or {}, record.read("result")
    windows, timing = record.read("windows"), record.read("timing")
    rows = record.rows()
    evaluations = [row for row in rows if row["kind"] == "evaluation"]
    last = evaluations[-1] if evaluations else {}
    summary = result or {"validation": {k: v for k, v in last.items() if k != "kind"}}
    return RunView(
        run_id=record.run_id,
        source="local",
        name=plan.get("name", record.run_id),
        state=record.status().state,
        config=_mappings_whole(plan),
        history=_history(rows),
        summary=flatten({k: v for k, v in summary.items() if k != "state"}),
        samples=last.get("samples", []),
        window_nats=np.array(windows["nats_per_token"]) if windows else None,
        timing=timing,
    )


def _mappings_whole(plan: dict[str, Any]) -> dict[str, Any]:
    """Dotted, the mixture as one value: its keys are folders."""
    train = plan.get("data", {}).get("train")
    flat = flatten(
        {**plan, "data": {k: v for k, v in plan.get("data", {}).items() if k != "train"}}
    )
    return flat | ({"data.train": json.dumps(train, sort_keys=True)} if train else {})


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
