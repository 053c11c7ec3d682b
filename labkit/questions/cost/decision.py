"""What notebook 40 and `labkit cost --record` hand on: the estimate and its alternatives."""

from __future__ import annotations

from pathlib import Path

from labkit.core.records.decision import NOTEBOOKS, Decision, record_decision
from labkit.cost.config import CostConfig
from labkit.cost.estimate import compare_gpus, estimate_cost

NOTEBOOK = NOTEBOOKS["40"]


def record_cost(config: CostConfig) -> Path:
    """Write the decision and its `result.json`; returns the folder."""
    estimate = estimate_cost(config)
    alternatives = [
        f"{name}: {other.gpu_hours:,.0f} GPU hours, {other.shown_usd}"
        for name, other in compare_gpus(config).items()
        if name != config.gpu
    ]
    decision = Decision(
        notebook=NOTEBOOK,
        question="What would this training run cost on these GPUs, and does it fit?",
        choice=(
            f"{config.model.preset} on {config.num_gpus} x {config.gpu}: "
            f"{estimate.gpu_hours:,.0f} GPU hours, {estimate.shown_usd}, "
            f"{'fits' if estimate.fits else 'does not fit'}"
        ),
        alternatives=alternatives,
        evidence={
            "gpu_hours": [estimate.gpu_hours_low, estimate.gpu_hours, estimate.gpu_hours_high],
            "memory_bytes_total": estimate.memory_bytes_total,
            "price_source": estimate.price_source,
        },
        scope=(
            "closed forms and dated prices; the band is the middle 80% of published model "
            "families, each predicted from the others"
        ),
    )
    result = {"config": config.model_dump(mode="json"), "estimate": estimate.model_dump()}
    return record_decision(decision, config, result)
