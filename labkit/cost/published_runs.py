"""How far do whole training runs lie from a constant utilisation? A band from published hours.

For each run in `facts/published_runs.csv` the utilisation is FLOPs (6N+12LHQT) over billed GPU
hours x peak: step MFU and goodput together. A run is predicted with the median of the *other*
families (each family is its own median), since runs of one family share a software stack; the
ratio billed / predicted is what a planner's estimate will meet. `hours_band` is the range of the
middle 80% of the families, each by the median of its runs, with linear interpolation between them.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources
from statistics import median

import numpy as np


@dataclass(frozen=True)
class PublishedRun:
    model: str
    family: str
    num_parameters: int
    num_tokens: int
    hardware: str
    total_flops: float
    peak_flops_per_s: float
    gpu_hours: float
    source: str

    @property
    def utilization(self) -> float:
        """Model FLOPs over what the billed hours could have done at peak, 0..1."""
        return self.total_flops / (self.gpu_hours * 3600 * self.peak_flops_per_s)


@functools.cache
def published_runs() -> tuple[PublishedRun, ...]:
    text = resources.files("labkit.cost").joinpath("facts/published_runs.csv").read_text("utf-8")
    return tuple(_run(row) for row in csv.DictReader(text.splitlines()))


def predicted_hours(run: PublishedRun) -> float:
    """GPU hours from the utilisation of the other families alone."""
    others = [family for name, family in _by_family().items() if name != run.family]
    utilization = median(median(other.utilization for other in family) for family in others)
    return run.total_flops / (run.peak_flops_per_s * utilization * 3600)


@functools.cache
def hours_band(coverage: float = 0.8) -> tuple[float, float]:
    """(low, high) factors on predicted GPU hours that hold `coverage` of the families."""
    ratios = [
        median(run.gpu_hours / predicted_hours(run) for run in runs)
        for runs in _by_family().values()
    ]
    tail = (1 - coverage) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail]).tolist()
    return low, high


def num_families() -> int:
    return len(_by_family())


def _by_family() -> dict[str, list[PublishedRun]]:
    families: dict[str, list[PublishedRun]] = {}
    for run in published_runs():
        families.setdefault(run.family, []).append(run)
    return families


def _run(row: dict[str, str]) -> PublishedRun:
    num_parameters, num_tokens = int(row["num_parameters"]), int(row["num_tokens"])
    attention = 12 * int(row["num_layers"]) * int(row["d_model"]) * int(row["context_length"])
    return PublishedRun(
        model=row["model"],
        family=row["family"],
        num_parameters=num_parameters,
        num_tokens=num_tokens,
        hardware=row["hardware"],
        total_flops=float(6 * num_parameters + attention) * num_tokens,
        peak_flops_per_s=float(row["peak_tflops"]) * 1e12,
        gpu_hours=float(row["gpu_hours"]),
        source=row["source"],
    )
