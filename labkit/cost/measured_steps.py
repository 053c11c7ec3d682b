"""Step throughput and MFU that others measured, as a check on ours and a guide to a plausible MFU.

llm-foundry's table: MPT models of 125M to 70B parameters, 512 to 65,536 tokens of context, bf16
with FSDP on 8 to 128 GPUs.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources
from statistics import quantiles

from labkit.cost.flops import model_flops_utilization
from labkit.cost.hardware import find_gpu


@dataclass(frozen=True)
class MeasuredStep:
    model: str
    num_layers: int
    d_model: int
    num_parameters: int
    sequence_length: int
    gpu: str
    tokens_per_s_per_gpu: float
    reported_mfu: float

    @property
    def mfu(self) -> float:
        """MFU recomputed under 6N+12LHQT from the throughput and the dense peak, 0..1."""
        attention = 12 * self.num_layers * self.d_model * self.sequence_length
        return model_flops_utilization(
            self.tokens_per_s_per_gpu,
            6 * self.num_parameters + attention,
            find_gpu(self.gpu).peak_flops_per_s,
        )


@functools.cache
def measured_steps() -> tuple[MeasuredStep, ...]:
    text = resources.files("labkit.cost").joinpath("facts/step_throughput.csv").read_text("utf-8")
    return tuple(
        MeasuredStep(
            model=row["model"],
            num_layers=int(row["num_layers"]),
            d_model=int(row["d_model"]),
            num_parameters=int(row["num_params"]),
            sequence_length=int(row["context"]),
            gpu=row["gpu"],
            tokens_per_s_per_gpu=float(row["tokens_per_s_per_gpu"]),
            reported_mfu=float(row["reported_mfu_percent"]) / 100,
        )
        for row in csv.DictReader(text.splitlines())
    )


def mfu_quartiles(gpu: str) -> tuple[float, float, float] | None:
    """Quartiles of the step MFU measured on a GPU, or None where nobody's table has it."""
    found = [step.mfu for step in measured_steps() if find_gpu(step.gpu) == find_gpu(gpu)]
    if not found:
        return None
    low, middle, high = quantiles(found, n=4)
    return low, middle, high
