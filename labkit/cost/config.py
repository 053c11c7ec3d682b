"""The question a cost estimate answers: this model, so many tokens, on these GPUs."""

from __future__ import annotations

from typing import Self

from pydantic import ValidationInfo, field_validator, model_validator

from labkit.core.config import Config, field
from labkit.cost.flops import FlopsConvention
from labkit.cost.hardware import find_gpu, gpu_names
from labkit.cost.memory_config import MemoryConfig
from labkit.model.config import ModelConfig

LONGEST_DEFAULT_SEQUENCE = 8192
"""Models with longer contexts are stretched to them after most of their training."""


class CostConfig(Config):
    """All that an estimate depends on, besides the dated facts in `facts/`."""

    model: ModelConfig = field(
        ModelConfig.from_preset("llama-2-7b"), "published model to start from"
    )
    num_tokens: int = field(
        2_000_000_000_000, "training tokens", unit="tokens", ge=1, le=10**15, scale="log"
    )
    gpu: str = field("A100-80GB SXM", "GPU to train on", choices=gpu_names)
    num_gpus: int = field(1024, "GPUs at work at once", unit="GPUs", ge=1, le=131072, scale="log")
    mfu: float = field(
        0.40, "model FLOPs utilisation of a step, of the dense peak", ge=0.01, le=0.95, step=0.01
    )
    flops_convention: FlopsConvention = field(
        "6N+12LHQT", "how FLOPs are counted; published MFU uses 6N+12LHQT"
    )
    goodput: float = field(
        0.9,
        "share of billed time spent in training steps (the rest: restarts, saving, idling)",
        ge=0.1,
        le=1.0,
        step=0.01,
    )
    price_usd_per_gpu_hour: float | None = field(
        None,
        "rent; empty: the table's typical price, where it has one",
        unit="USD per GPU hour",
        gt=0,
        le=1000,
    )
    sequence_length: int | None = field(
        None,
        "tokens per training sequence; empty: the model's context_length, at most 8192",
        unit="tokens",
        ge=8,
        le=1 << 21,
        scale="log",
    )
    memory: MemoryConfig = field(MemoryConfig(), "what decides memory beside the model")

    @field_validator("gpu")
    @classmethod
    def _is_known_gpu(cls, name: str) -> str:
        return find_gpu(name).name

    @field_validator("sequence_length")
    @classmethod
    def _fits_learned_positions(cls, length: int | None, info: ValidationInfo) -> int | None:
        model: ModelConfig | None = info.data.get("model")
        if length and model and model.positions == "learned" and length > model.context_length:
            raise ValueError(f"learned positions end at context_length={model.context_length}")
        return length

    @field_validator("memory")
    @classmethod
    def _has_a_peak(cls, memory: MemoryConfig) -> MemoryConfig:
        if memory.precision == "fp32":
            raise ValueError(
                "GPUs' peaks are known for 16 bits only, so hours in fp32 can't be estimated; "
                "use precision 16-mixed"
            )
        return memory

    @model_validator(mode="after")
    def _can_be_cut(self) -> Self:
        """Keys and values of a single head are computed by every GPU of a group."""
        parts, model = self.memory.tensor_parallel, self.model
        cut = {"num_gpus": self.num_gpus, "model.num_heads": model.num_heads}
        cut["model.d_ff"] = model.d_ff
        if model.num_kv_heads > 1:
            cut["model.num_kv_heads"] = model.num_kv_heads
        for name, size in cut.items():
            if size % parts:
                raise ValueError(f"memory.tensor_parallel={parts} must divide {name}={size}")
        return self

    @property
    def training_sequence_length(self) -> int:
        return self.sequence_length or min(self.model.context_length, LONGEST_DEFAULT_SEQUENCE)
