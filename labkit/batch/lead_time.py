"""How long before its time limit a job has to be told: what pausing can take, at worst.

    lead = 60 s + 60 s (several nodes) + 2 x (longest step + longest evaluation + longest save)

60 s because Slurm sends `--signal` that much early or late (sbatch(1)); 60 s more because a network
file system shows another node's new file that late (nfs(5), acdirmax); twice, because a checkpoint
may just have begun when the signal comes, and the one asked for comes after it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from labkit.core.disk import slug
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord, runs_folder
from labkit.cost.parameters import count_parameters
from labkit.plan.plan import TrainingPlan

SIGNAL_SECONDS = 60
NETWORK_DISK_SECONDS = 60
MARGIN = 2
ASSUMED_SECONDS = 30.0
"""Of a step, an evaluation and the save of a small model that nobody measured."""
STATE_BYTES_PER_PARAMETER = 12
"""fp32 weights and two moments."""
DISK_BYTES_PER_S = 1e9


@dataclass(frozen=True)
class LeadTime:
    seconds: int
    source: str
    """In words: each part, and whether it was measured."""


def recommend_lead_time(plan: TrainingPlan, num_nodes: int) -> LeadTime:
    """From the run's own record; else from the newest run here of the same size; else assumed."""
    run_id, measured = next(_measurements(plan), ("", {}))
    assumed = _assumed(plan)
    parts = {name: measured.get(name, seconds) for name, seconds in assumed.items()}
    waiting = SIGNAL_SECONDS + NETWORK_DISK_SECONDS * (num_nodes > 1)
    seconds = 10 * math.ceil((waiting + MARGIN * sum(parts.values())) / 10)
    listed = " + ".join(
        f"{name} {took:.3g} s{'' if name in measured else ' (assumed)'}"
        for name, took in parts.items()
    )
    origin = f"measured in run {run_id}" if measured else "nothing measured yet"
    return LeadTime(seconds, f"{waiting} s + {MARGIN} x ({listed}), {origin}")


def _measurements(plan: TrainingPlan) -> Iterator[tuple[str, dict[str, float]]]:
    """(run, longest seconds by part) of runs that took steps, the most telling first."""
    own = RunRecord(runs_folder() / plan.run_id)
    others = [RunRecord(path.parent) for path in runs_folder().glob("*/timing.json")]
    others.sort(key=lambda record: (record.folder / "timing.json").stat().st_mtime, reverse=True)
    size = _size(plan.model_dump(mode="json"))
    for record in [own, *others]:
        with contextlib.suppress(LabError):  # a damaged record says nothing
            if _size(record.read("plan") or {}) == size and (found := _longest(record)):
                yield slug(record.run_id), found


def _size(plan: dict[str, Any]) -> list[Any]:
    """What a step, an evaluation and a checkpoint take follows from it."""
    data = plan.get("data", {})
    batch = [data.get(name) for name in ("batch_size", "micro_batch", "sequence_length")]
    parts = ("model", "optimizer", "evaluation", "compute", "layout")
    return [batch, *(plan.get(part) for part in parts)]


def _longest(record: RunRecord) -> dict[str, float]:
    """Steps are told apart by the clock of steps, which stands still for the other two."""
    steps = [0.0, *(row["seconds"] for row in record.rows("step"))]
    found = {
        "step": [after - before for before, after in pairwise(steps)],
        "evaluation": [row["took"] for row in record.rows("evaluation") if "took" in row],
        "save": [row["seconds"] for row in record.rows("checkpoint")],
    }
    return {name: max(seconds) for name, seconds in found.items() if seconds}


def _assumed(plan: TrainingPlan) -> dict[str, float]:
    state_bytes = STATE_BYTES_PER_PARAMETER * count_parameters(plan.model)
    return {
        "step": ASSUMED_SECONDS,
        "evaluation": ASSUMED_SECONDS,
        "save": max(ASSUMED_SECONDS, state_bytes / DISK_BYTES_PER_S),
    }
