"""Peaks of memory that others measured, beside what a plan of theirs is predicted to take.

A row can be predicted where a plan says the same: one full step in bf16 or fp32, FSDP2 or DDP or
one GPU, kernels of torch, the loss of whole logits. Float8 matrix products keep masters, gathered
weights and activations as bf16 does: rows that differ in nothing else are within 0.9%.

The measured figure is mostly what torch's allocator held (`max_reserved`), with blocks that no
tensor needed at the peak: `predicted` are tensors, `idle_pool_bytes` a part of the rest.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

from labkit.core.config import validate
from labkit.core.machine import GIB
from labkit.cost.memory import idle_pool_bytes, training_memory
from labkit.cost.memory_config import MemoryConfig
from labkit.cost.plan_cost import memory_config
from labkit.model.config import ModelConfig
from labkit.plan.plan import TrainingPlan

PRESETS = {"Llama-3-8B": "llama-3-8b", "Llama-3.1-8B": "llama-3-8b"}


@dataclass(frozen=True)
class PublishedMemory:
    group: str
    model: str
    sequence_length: int
    micro_batch: int
    data_parallel: int
    tensor_parallel: int
    pipeline_parallel: int
    context_parallel: int
    sharding: str
    precision: str
    recompute: str
    is_compiled: bool
    is_hand_written: bool
    loss: str
    peak_bytes: float
    kind: str
    source: str
    note: str

    @property
    def obstacle(self) -> str:
        """Why no plan says the same, or empty."""
        faults = {
            "context parallel": self.context_parallel > 1,
            "pipeline stages": self.pipeline_parallel > 1,
            "sequence parallel": "sequence parallel" in self.note,
            "ZeRO-1": self.sharding == "ZeRO-1",
            f"precision: {self.precision}": self.precision not in ("bf16", "fp32", "float8"),
            "kernels written by hand": self.is_hand_written,
            f"{self.loss} loss": self.loss != "eager",
            f"recomputes {self.recompute}": self.recompute not in ("none", "selective", "full"),
        }
        return ", ".join(fault for fault, holds in faults.items() if holds)

    @property
    def is_disputed(self) -> bool:
        return "not reproduced" in self.note

    @property
    def label(self) -> str:
        compiled = ", compiled" if self.is_compiled else ""
        return (
            f"{self.model}, {self.data_parallel * self.tensor_parallel} GPUs, "
            f"{self.micro_batch} x {self.sequence_length:,}, {self.precision}, "
            f"recompute {self.recompute}{compiled}"
        )


@functools.cache
def published_memory() -> tuple[PublishedMemory, ...]:
    text = resources.files("labkit.cost").joinpath("facts/published_memory.csv").read_text("utf-8")
    return tuple(_row(row) for row in csv.DictReader(text.splitlines()))


def expressible() -> list[PublishedMemory]:
    return [row for row in published_memory() if not row.obstacle]


def plan_of(row: PublishedMemory) -> TrainingPlan:
    """The plan that says what the row does; its gradients are gone before the forward pass."""
    assert not row.obstacle, f"{row.label}: {row.obstacle}"
    model = ModelConfig.from_preset(PRESETS[row.model])
    context_length = max(model.context_length, row.sequence_length)
    return validate(
        TrainingPlan,
        {
            "model": model.model_copy(update={"context_length": context_length}),
            "data": {
                "batch_size": row.micro_batch * row.data_parallel,
                "micro_batch": row.micro_batch,
                "sequence_length": row.sequence_length,
            },
            "layout": {
                "data_parallel": row.data_parallel,
                "tensor_parallel": row.tensor_parallel,
                "sharding": row.sharding,
                "recompute": row.recompute,
                "compile_blocks": row.is_compiled,
            },
            "compute": {
                "precision": "fp32" if row.precision == "fp32" else "bf16",
                "attention": "fused",
            },
        },
    )


def predicted(row: PublishedMemory) -> dict[str, int]:
    """Part -> bytes of tensors at the peak."""
    plan, memory = _question(row)
    num_gpus = plan.layout.num_processes
    return training_memory(plan.model, memory, row.sequence_length, num_gpus)


def predicted_idle_bytes(row: PublishedMemory) -> int:
    """Held by the allocator on top."""
    plan, memory = _question(row)
    return idle_pool_bytes(plan.model, memory, plan.layout.num_processes, predicted(row))


def _question(row: PublishedMemory) -> tuple[TrainingPlan, MemoryConfig]:
    plan = plan_of(row)
    return plan, memory_config(plan)


def _row(row: dict[str, str]) -> PublishedMemory:
    return PublishedMemory(
        group=row["group"],
        model=row["model"],
        sequence_length=int(row["sequence_length"]),
        micro_batch=int(row["micro_batch"]),
        data_parallel=int(row["data_parallel"]),
        tensor_parallel=int(row["tensor_parallel"]),
        pipeline_parallel=int(row["pipeline_parallel"]),
        context_parallel=int(row["context_parallel"]),
        sharding=row["sharding"],
        precision=row["precision"],
        recompute=row["recompute"],
        is_compiled=row["is_compiled"] == "yes",
        is_hand_written=row["is_hand_written"] == "yes",
        loss=row["loss"],
        peak_bytes=float(row["peak_gib"]) * GIB,
        kind=row["kind"],
        source=row["source"],
        note=row["note"],
    )
