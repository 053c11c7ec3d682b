"""What a plan takes, known before it runs, and how fast runs like it went here.

FLOPs are those of matrix products, forward and backward, over the whole run; embeddings do none.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from labkit.core.records.run import RunRecord, runs_folder
from labkit.cost.flops import forward_flops_by_component
from labkit.cost.parameters import count_by_component, count_parameters
from labkit.plan.plan import TrainingPlan

NEWEST = 100
"""So many finished runs are looked at for a speed."""


class Spending(NamedTuple):
    """Embeddings are those of tokens and of learned positions."""

    flops: float
    parameters: int
    embedding_parameters: int
    tokens: int


class Speed(NamedTuple):
    """FLOPs per second of a finished run's steps."""

    flops_per_s: float
    run_id: str
    device: str


def spending(plan: TrainingPlan) -> Spending:
    tokens = plan.num_steps * plan.tokens_per_step
    parts = count_by_component(plan.model)
    forward = sum(forward_flops_by_component(plan.model, plan.sequence_length).values())
    return Spending(
        flops=3.0 * forward * tokens,
        parameters=count_parameters(plan.model),
        embedding_parameters=parts["embedding"] + parts["positions"],
        tokens=tokens,
    )


def measured_speed(plan: TrainingPlan) -> Speed | None:
    """Of the finished run here whose steps are nearest in size to the plan's; None without runs.

    Speed depends on the size of the matrices: far from any run it is a rough guess.
    """
    wanted = math.log(_flops_of_a_step(plan))
    found: list[tuple[float, Speed]] = []
    for folder in _newest_finished():
        record = RunRecord(folder)
        run, timing = TrainingPlan.model_validate(record.read("plan")), record.read("timing")
        distance = abs(math.log(_flops_of_a_step(run)) - wanted)
        speed = Speed(
            spending(run).flops / timing["seconds_of_steps"], record.run_id, timing["device"]
        )
        found.append((distance, speed))
    return min(found)[1] if found else None


def _flops_of_a_step(plan: TrainingPlan) -> float:
    return spending(plan).flops / plan.num_steps


def _newest_finished() -> list[Path]:
    files = [path for path in runs_folder().glob("*/timing.json") if path.is_file()]
    files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent for path in files[:NEWEST]]
