"""A run that goes on under a plan that differs: which differences there are, and their record.

`amendments.json` in the run's folder lists each change with its time and the step it came after;
`plan.json` is the plan as it is now.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from labkit.core.config import differences, leaves, validate
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.plan.amendments import must_agree
from labkit.plan.plan import TrainingPlan


def amend(record: RunRecord, plan: TrainingPlan, allowed: tuple[str, ...] = ()) -> list[str]:
    """Write the plan into a record that has one, and what changed; returns a line for each change.

    Raises:
        LabError: a field differs that can change the result and isn't allowed to.
    """
    there = record.read("plan")
    if there is None:
        return []
    before = validate(TrainingPlan, there)
    changed = differences(before, plan)
    if refused := list(must_agree(changed, allowed)):
        raise LabError(
            f"{record.folder} holds the run of another plan, different in {', '.join(refused)}; "
            f"give another folder, or --allow-change {refused[0]} to go on regardless"
        )
    was = leaves(before)
    if changed:
        note(record, {name: (was.get(name), value) for name, value in changed.items()})
        record.write("plan", plan.model_dump(mode="json"))
    return [f"{name}: {was.get(name)!r} -> {value!r}" for name, value in changed.items()]


def note(record: RunRecord, changes: dict[str, tuple[Any, Any]]) -> None:
    """Add changes, field -> (before, after), to the record's list."""
    at = {
        "step": record.status().step,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    rows = [
        {"field": name, "from": before, "to": after, **at}
        for name, (before, after) in changes.items()
    ]
    record.write("amendments", [*(record.read("amendments") or []), *rows])
