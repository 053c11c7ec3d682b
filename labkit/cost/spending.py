"""What a plan takes, known before it runs, and how fast runs like it went here.

FLOPs are those of matrix products, forward and backward, over the whole run; embeddings do none.
"""

from __future__ import annotations

import functools
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
    """FLOPs per second of a finished run's steps; `num_threads` of a CPU, None on a GPU."""

    flops_per_s: float
    run_id: str
    device: str
    num_threads: int | None


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
    wanted = _log_flops_of_a_step(plan)
    speeds = [_speed(path, path.stat().st_mtime_ns) for path in _newest_timings()]
    found = [one for one in speeds if one is not None]
    return min(found, key=lambda one: abs(one[0] - wanted))[1] if found else None


@functools.lru_cache(1000)
def _speed(timing_file: Path, _changed: int) -> tuple[float, Speed] | None:
    """(log FLOPs of a step, speed) of one run; panels ask at every move of a control.

    None for a run that another version of labkit recorded.
    """
    record = RunRecord(timing_file.parent)
    try:
        plan, timing = TrainingPlan.model_validate(record.read("plan")), record.read("timing")
        flops_per_s = spending(plan).flops / timing["seconds_of_steps"]
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        return None
    num_threads = plan.compute.num_threads if plan.compute.device == "cpu" else None
    speed = Speed(flops_per_s, record.run_id, timing["device"], num_threads)
    return _log_flops_of_a_step(plan), speed


def _log_flops_of_a_step(plan: TrainingPlan) -> float:
    return math.log(spending(plan).flops / plan.num_steps)


def _newest_timings() -> list[Path]:
    files = list(runs_folder().glob("*/timing.json"))
    return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)[:NEWEST]
