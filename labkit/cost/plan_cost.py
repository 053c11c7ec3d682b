"""A training plan as a question of cost: what it would take on given GPUs."""

from __future__ import annotations

from labkit.core.config import validate
from labkit.cost.config import CostConfig
from labkit.cost.estimate import CostEstimate, estimate_cost
from labkit.cost.memory import MemoryConfig
from labkit.plan.plan import TrainingPlan


def memory_config(plan: TrainingPlan, num_gpus: int = 1) -> MemoryConfig:
    """Of one GPU among `num_gpus` that share each step's samples."""
    per_gpu = max(plan.data.batch_size // num_gpus, 1)
    return MemoryConfig(
        micro_batch=min(plan.micro_batch, per_gpu),
        precision="fp32" if plan.compute.precision == "fp32" else "16-mixed",
        attention_kernel="materialized" if plan.compute.attention == "written_out" else "flash",
        sharding="full" if num_gpus > 1 else "none",
        use_dropout=plan.model.dropout > 0,
    )


def estimate_plan(plan: TrainingPlan, gpu: str, num_gpus: int) -> CostEstimate:
    """Hours at the MFU that large runs reach, and in 16 bits: of GPUs, no other peak is known.

    Raises:
        ConfigError: a GPU without a price where the plan has none.
    """
    memory = memory_config(plan, num_gpus).model_copy(update={"precision": "16-mixed"})
    price = plan.budget.usd_per_hour
    question = {
        "model": plan.model,
        "num_tokens": plan.num_steps * plan.tokens_per_step,
        "gpu": gpu,
        "num_gpus": num_gpus,
        "sequence_length": max(plan.sequence_length, 8),
        "price_usd_per_gpu_hour": price / num_gpus if price else None,
        "memory": memory,
    }
    return estimate_cost(validate(CostConfig, question))
