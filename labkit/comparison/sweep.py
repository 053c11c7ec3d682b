"""A sweep: values of chosen fields of a plan, as a study that can be costed before it is launched.

Values are tried one field at a time, or in all combinations. What the plan itself holds is the
baseline.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import field_validator

from labkit.comparison.matching import Axis
from labkit.comparison.study import Arm, Study, read_study
from labkit.core.config import Config, field, leaves
from labkit.core.disk import save_file
from labkit.core.errors import LabError
from labkit.core.machine import num_cores
from labkit.cost.spending import measured_speed, spending
from labkit.plan.plan import TrainingPlan
from labkit.statistics.power import detectable_with
from labkit.statistics.verdict import ALPHA, MARGIN

MAX_ARMS = 200
WINDOWS = "arms would be evaluated on other windows"
NOT_SWEPT = {
    "name": "it changes nothing",
    "tracking": "it changes nothing",
    "seed": "num_seeds says how many each arm takes",
    "model.context_length": WINDOWS,
    "data.sequence_length": WINDOWS,
    "data.validation": WINDOWS,
    "data.tokenizer": WINDOWS,
    "data.mask_document_starts": "arms would be evaluated on other tokens",
    "evaluation.num_windows": WINDOWS,
}


class SweepConfig(Config):
    name: str = field("sweep", "what you call it")
    grid: dict[str, list[Any]] = field({}, "dotted field of the plan -> values to try")
    combine: Literal["one at a time", "all combinations"] = field(
        "one at a time", "one at a time: each arm changes one field"
    )
    equal: Axis = field("flops", "what d_ff is solved for; tokens: it is left as it is")
    num_seeds: int = field(5, "runs of each arm", ge=1, le=100)
    num_tuning_seeds: int = field(2, "runs of each arm and rate; 0: no tuning", ge=0, le=100)
    rate_factors: str = field("0.5, 1, 2", "learning rates to try, times the plan's")
    noise: float = field(
        0.01,
        "standard deviation between seeds that you expect",
        unit="bits per byte",
        gt=0,
        le=10,
        scale="log",
    )
    margin: float = field(
        MARGIN, "difference that doesn't matter", unit="bits per byte", gt=0, le=1
    )

    @field_validator("rate_factors")
    @classmethod
    def _are_numbers(cls, text: str) -> str:
        if not all(0 < one < math.inf for one in _factors(text)):
            raise ValueError("should be numbers above 0")
        return text

    @field_validator("grid")
    @classmethod
    def _is_finite(cls, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
        given = [value for values in grid.values() for value in values]
        if any(isinstance(one, float) and not math.isfinite(one) for one in given):
            raise ValueError("should hold finite numbers")
        return grid


class SweepCost(NamedTuple):
    """Seconds are None where no run has finished here; money where the plan has no price."""

    num_runs: int
    flops: float
    seconds: float | None
    speed_of: str
    usd: float | None
    smallest_detectable: float | None
    """By the expected noise, at Holm's strictest level; None for one seed."""


def sweep_study(plan: TrainingPlan, sweep: SweepConfig) -> Study:
    """
    Raises:
        LabError: nothing to compare, or not on the same windows; too many arms.
    """
    if refused := [name for name in sweep.grid if name in NOT_SWEPT]:
        raise LabError(f"{refused[0]} can't be swept: {NOT_SWEPT[refused[0]]}")
    arms = list(itertools.islice(_arms(plan, sweep), MAX_ARMS + 1))
    if len(arms) > MAX_ARMS:
        raise LabError(f"more than {MAX_ARMS} arms; give fewer values, or one field at a time")
    factors = _factors(sweep.rate_factors) if sweep.num_tuning_seeds else (1.0,)
    return read_study(
        {
            "name": sweep.name,
            "plan": plan,
            "arms": arms,
            "equal": sweep.equal,
            "rate_factors": factors,
            "tuning_seeds": tuple(range(100, 100 + sweep.num_tuning_seeds)),
            "seeds": tuple(range(1000, 1000 + sweep.num_seeds)),
            "margin": sweep.margin,
        }
    )


def sweep_cost(study: Study, noise: float) -> SweepCost:
    """What the study takes, without extensions of the grid.

    Raises:
        LabError: an arm that cannot be made equal.
    """
    flops = 0.0
    for arm in study.all_arms:
        runs = len(study.seeds_of(arm)) + (0 if arm.is_control else study.num_tuning_runs)
        flops += runs * spending(study.arm_plan(arm)).flops
    speed, price = measured_speed(study.plan), study.plan.budget.usd_per_hour
    of_machine = 1.0
    if speed and speed.num_threads:  # a study's runs share all cores
        of_machine = num_cores() / speed.num_threads
    seconds = flops / speed.flops_per_s / of_machine if speed else None
    detectable = None
    if len(study.seeds) > 1:
        num_comparisons = len(study.tuned) - 1
        detectable = detectable_with(len(study.seeds), noise, ALPHA, num_comparisons)
    return SweepCost(
        num_runs=study.num_runs,
        flops=flops,
        seconds=seconds,
        speed_of=f"{speed.run_id}, {speed.device}" if speed else "",
        usd=seconds / 3600 * price if seconds is not None and price else None,
        smallest_detectable=detectable,
    )


def save_wandb_sweep(path: str | Path, plan_file: str, sweep: SweepConfig, seed: int = 0) -> Path:
    """Write the definition that `wandb sweep` takes: its agents run `labkit train` on `plan_file`.

    A grid over the fields and seeds; W&B neither tunes the rate for each arm nor judges.
    """
    import yaml

    seeds = range(seed, seed + sweep.num_seeds)
    definition = {
        "method": "grid",
        "metric": {"name": "validation/bits_per_byte", "goal": "minimize"},
        "parameters": {
            **{name: {"values": list(values)} for name, values in sweep.grid.items()},
            "seed": {"values": list(seeds)},
            "tracking": {"value": "online"},
        },
        "command": [
            *("labkit", "train", "--params", plan_file),
            *("--overrides", "${args_json}"),
        ],
    }
    return save_file(path, yaml.safe_dump(definition, sort_keys=False).encode())


def _arms(plan: TrainingPlan, sweep: SweepConfig) -> Iterator[Arm]:
    own = leaves(plan)
    choices = [[(name, value) for value in values] for name, values in sweep.grid.items()]
    if sweep.combine == "all combinations":
        sets = itertools.product(*choices) if choices else ()
    else:
        sets = ((one,) for values in choices for one in values)
    for chosen in sets:
        changes = {name: value for name, value in chosen if own.get(name) != value}
        if changes:
            listed = [f"{name.rpartition('.')[2]}={value}" for name, value in changes.items()]
            yield Arm(name=", ".join(listed), changes=changes)


def _factors(text: str) -> tuple[float, ...]:
    """
    >>> _factors("0.5, 1")
    (0.5, 1.0)
    """
    try:
        return tuple(float(one) for one in text.split(",") if one.strip())
    except ValueError:
        raise ValueError("should be numbers with commas, such as 0.5, 1, 2") from None
