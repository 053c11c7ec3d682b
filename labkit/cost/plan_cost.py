"""A training plan as a question of cost: what it would take on given GPUs."""

from __future__ import annotations

from labkit.core.config import validate
from labkit.cost.config import CostConfig
from labkit.cost.estimate import CostEstimate, estimate_cost
from labkit.cost.memory_config import MemoryConfig
from labkit.plan.plan import TrainingPlan


def memory_config(plan: TrainingPlan) -> MemoryConfig:
    """Of one GPU for each process of the plan's layout."""
    layout = plan.layout
    return MemoryConfig(
        micro_batch=plan.micro_batch,
        num_micro_batches=plan.num_micro_batches // layout.data_parallel,
        precision="fp32" if plan.compute.precision == "fp32" else "16-mixed",
        attention_kernel="materialized" if plan.compute.attention == "written_out" else "flash",
        recompute=layout.recompute,
        sharding=layout.sharding if layout.num_processes > 1 else "none",
        tensor_parallel=layout.tensor_parallel,
        reshard_after_forward=layout.reshard_after_forward,
        reduce_every_micro_batch=layout.reduce_every_micro_batch,
        use_dropout=plan.model.dropout > 0,
    )


def estimate_plan(plan: TrainingPlan, gpu: str) -> CostEstimate:
    """On one GPU for each process of the layout; hours at the MFU that large runs reach, and in
    16 bits: of GPUs, no other peak is known. Without a price of the plan's or the GPU's there is no
    money.
    """
    num_gpus = plan.layout.num_processes
    memory = memory_config(plan).model_copy(update={"precision": "16-mixed"})
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
