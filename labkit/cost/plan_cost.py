"""A training plan as a question of cost: what it would take on given GPUs."""

from __future__ import annotations

from labkit.core.config import validate
from labkit.cost.config import CostConfig
from labkit.cost.estimate import CostEstimate, estimate_cost
from labkit.cost.memory_config import MemoryConfig
from labkit.plan.layout import LayoutPlan
from labkit.plan.plan import TrainingPlan


def memory_config(plan: TrainingPlan, num_gpus: int | None = None) -> MemoryConfig:
    """Of one GPU, laid out as the plan says; or fully sharded over another number of GPUs."""
    layout = plan.layout
    if num_gpus is not None and num_gpus != layout.num_processes:
        layout = LayoutPlan(data_parallel=num_gpus)
    per_gpu = max(plan.data.batch_size // layout.data_parallel, 1)
    micro_batch = min(plan.micro_batch, per_gpu)
    return MemoryConfig(
        micro_batch=micro_batch,
        num_micro_batches=per_gpu // micro_batch,
        precision="fp32" if plan.compute.precision == "fp32" else "16-mixed",
        attention_kernel="materialized" if plan.compute.attention == "written_out" else "flash",
        recompute=layout.recompute,
        sharding=layout.sharding if layout.num_processes > 1 else "none",
        tensor_parallel=layout.tensor_parallel,
        reshard_after_forward=layout.reshard_after_forward,
        reduce_every_micro_batch=layout.reduce_every_micro_batch,
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
