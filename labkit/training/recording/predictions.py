"""What a run will take, written down before its first step and scored after its last.

Parameters, FLOPs and memory come from closed forms; seconds from a probe of 20 steps on the same
machine, the median of them times the number of steps. Evaluations and checkpoints are not steps
and are timed apart.
"""

from __future__ import annotations

import resource
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import psutil
import torch

from labkit.cost.flops import model_flops_utilization, training_flops_per_token
from labkit.cost.hardware import find_gpu
from labkit.cost.memory import training_memory
from labkit.cost.parameters import count_parameters
from labkit.cost.plan_cost import memory_config
from labkit.plan.plan import TrainingPlan

CONVENTION = "6N+12LHQT"


def predict(
    plan: TrainingPlan, probe_seconds: Sequence[float], gpu_name: str = ""
) -> dict[str, Any]:
    """`probe_seconds`: of single steps, warm-up left out. Memory is that of one process."""
    seconds = statistics.median(probe_seconds) * plan.num_steps
    tokens = plan.num_steps * plan.tokens_per_step
    per_token = training_flops_per_token(plan.model, plan.sequence_length, CONVENTION)
    num = plan.layout.num_processes
    memory = training_memory(plan.model, memory_config(plan), plan.sequence_length, num)
    price = plan.budget.usd_per_hour
    return {
        "parameters": count_parameters(plan.model),
        "flops": per_token * tokens,
        "flops_convention": CONVENTION,
        "peak_flops_per_s": _peak_flops_per_s(gpu_name, plan.compute.precision),
        "seconds_of_steps": seconds,
        "memory_bytes": sum(memory.values()),
        "usd": seconds / 3600 * price if price else None,
    }


def score(predictions: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    """Quantity -> predicted, measured, and their ratio, for what has both."""
    return {
        name: {
            "predicted": predictions[name],
            "measured": measured[name],
            "measured_to_predicted": measured[name] / predictions[name],
        }
        for name in predictions
        if predictions[name] and measured.get(name)
    }


def utilization(predictions: dict[str, Any], num_tokens: int, tokens_per_s: float) -> float | None:
    """MFU of a run of `num_tokens` where the device's peak is known, else None."""
    peak = predictions["peak_flops_per_s"]
    if peak is None:
        return None
    return model_flops_utilization(tokens_per_s, predictions["flops"] / num_tokens, peak)


def peak_memory_bytes(device: str) -> int:
    """Of this process so far: on the GPU what torch allocated, else resident."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_before(device: str) -> int:
    """What the process holds without a model: not the run's."""
    return 0 if device == "cuda" else psutil.Process().memory_info().rss


def _peak_flops_per_s(gpu_name: str, precision: str) -> float | None:
    """The peaks in the table are those of 16 bits, by which an fp32 run can't be measured."""
    if precision == "fp32":
        return None
    try:
        return find_gpu(gpu_name).peak_flops_per_s if gpu_name else None
    except ValueError:
        return None
