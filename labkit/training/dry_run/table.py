"""A dry run part by part beside the closed form, as rows and as text."""

from __future__ import annotations

from typing import Any

from labkit.cost.memory import PARTS, training_memory
from labkit.cost.plan_cost import memory_config
from labkit.plan.plan import TrainingPlan
from labkit.training.dry_run.measure import DryRun


def dry_run_table(plan: TrainingPlan, found: DryRun) -> list[dict[str, Any]]:
    memory = memory_config(plan)
    closed = training_memory(plan.model, memory, plan.sequence_length, plan.layout.num_processes)
    rows = [(part, closed[part], found.parts[part]) for part in PARTS]
    rows.append(("all", sum(closed.values()), found.peak_bytes))
    return [
        {
            "part": part,
            "closed form, GB": round(ours / 1e9, 3),
            "dry run, GB": round(theirs / 1e9, 3),
            "difference, GB": round((theirs - ours) / 1e9, 3),
        }
        for part, ours, theirs in rows
    ]


def as_text(plan: TrainingPlan, found: DryRun) -> str:
    lines = [f"one of {plan.layout.num_processes} processes at its peak, GB"]
    for row in dry_run_table(plan, found):
        part, closed, dry, _ = row.values()
        lines.append(f"  {part:<18}{dry:>10.3f}   closed form {closed:>10.3f}")
    held = [size / 1e9 for size in (found.reserved_bytes, found.reserved_expandable_bytes)]
    lines.append(
        f"held by torch's allocator: {held[0]:.3f}, with expandable_segments {held[1]:.3f}"
    )
    lines += [f"ignored: {name}" for name in found.ignored]
    return "\n".join(lines)
