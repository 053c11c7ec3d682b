"""The tables of notebook 40 as rows of plain values; who shows them gives them a look."""

from __future__ import annotations

from typing import Any

from labkit.core.machine import GIB
from labkit.cost.config import CostConfig
from labkit.cost.estimate import CostEstimate, compare_gpus
from labkit.cost.flops import forward_flops_by_component, training_flops_per_token
from labkit.cost.hardware import find_gpu
from labkit.cost.measured_steps import mfu_quartiles

UNKNOWN = "no data"


def parameter_rows(estimate: CostEstimate) -> list[dict[str, Any]]:
    """Parameters and their share, 0..1, of each component that has some."""
    return [
        {"component": name, "parameters": n, "share": round(n / estimate.num_parameters, 4)}
        for name, n in estimate.parameters_by_component.items()
        if n
    ]


def flops_rows(config: CostConfig) -> list[dict[str, Any]]:
    """Training FLOPs per token: both conventions, and what the matrix products really take."""
    length = config.training_sequence_length
    products = 3 * sum(forward_flops_by_component(config.model, length).values())
    by_parameters = training_flops_per_token(config.model, length, "6N")
    flops = {
        "6N": by_parameters,
        "6N+12LHQT": training_flops_per_token(config.model, length, "6N+12LHQT"),
        "matrix products, counted": products,
    }
    return [
        {"counted as": name, "FLOPs per token": n, "of 6N": round(n / by_parameters, 3)}
        for name, n in flops.items()
    ]


def gpu_rows(config: CostConfig) -> list[dict[str, Any]]:
    """The same run on the chosen GPU and on each with a price, beside the MFU that others measured
    there.
    """
    rows = []
    for name, estimate in compare_gpus(config).items():
        gpu, quartiles = find_gpu(name), mfu_quartiles(name)
        is_given = estimate.price_source == "given"
        rows.append(
            {
                "GPU": name if gpu.is_peak_verified else f"{name} (peak unverified)",
                "GPU hours": round(estimate.gpu_hours),
                "days": round(estimate.days, 2),
                "USD": None if estimate.usd is None else round(estimate.usd),
                "USD per GPU hour": estimate.price_usd_per_gpu_hour,
                "price of": "given" if is_given else gpu.price_as_of or UNKNOWN,
                "rent seen": _range(gpu.usd_per_hour_low, gpu.usd_per_hour_high),
                "GiB needed": round(estimate.memory_bytes_total / GIB, 1),
                "fits": estimate.fits,
                "step MFU measured by others": _range(quartiles[0], quartiles[2])
                if quartiles
                else UNKNOWN,
            }
        )
    return rows


def _range(low: float | None, high: float | None) -> str:
    return UNKNOWN if low is None or high is None else f"{low:.2f} to {high:.2f}"
