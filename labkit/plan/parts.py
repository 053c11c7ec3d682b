"""The smaller parts of a plan: data, budget, evaluation, checkpoints, machine."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from labkit.core.config import Config, field


class DataPlan(Config):
    """Folders are relative to the artefacts' home, or absolute."""

    train: dict[str, float] = field({}, "folders of shards -> weight in the mixture")
    validation: str = field("", "folder of shards to evaluate on; never trained on")
    tokenizer: str = field("", "folder of the tokenizer that made the shards")
    sequence_length: int | None = field(
        None,
        "tokens of a sample; empty: the model's context_length",
        unit="tokens",
        ge=2,
        le=1 << 21,
    )
    batch_size: int = field(
        12, "samples of one step, over all processes", unit="samples", ge=1, le=1 << 20, scale="log"
    )
    micro_batch: int | None = field(
        None,
        "samples of one forward pass, added up to a step; empty: a process's whole share",
        unit="samples",
        ge=1,
        le=1 << 16,
    )
    mask_document_starts: bool = field(
        False, "no loss on the token after an end of text: nothing before it tells what it is"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.micro_batch and self.batch_size % self.micro_batch:
            below = max(k for k in range(1, self.micro_batch) if self.batch_size % k == 0)
            raise ValueError(
                f"micro_batch={self.micro_batch} must divide batch_size={self.batch_size}; "
                f"try micro_batch={below}"
            )
        if self.validation and self.validation in self.train:
            raise ValueError(f"validation {self.validation!r} is trained on; hold text out for it")
        if wrong := [name for name, weight in self.train.items() if not _is_weight(weight)]:
            raise ValueError(f"weight of {wrong[0]!r} should be a number from 1e-6 to 1e6")
        return self


class BudgetPlan(Config):
    """What ends a run. Tokens or steps are planned with; the others stop it with a checkpoint."""

    num_tokens: int = field(
        1_500_000, "tokens to train on", unit="tokens", ge=1, le=10**15, scale="log"
    )
    num_steps: int | None = field(
        None, "steps to train, in place of num_tokens", unit="steps", ge=1, le=10**9
    )
    max_minutes: float | None = field(None, "stop after", unit="minutes", gt=0, le=10**6)
    usd_per_hour: float | None = field(
        None, "price of the machine, for the money so far", unit="USD per hour", gt=0, le=10**6
    )
    max_usd: float | None = field(None, "stop when spent", unit="USD", gt=0, le=10**9)

    @model_validator(mode="after")
    def _has_a_price(self) -> Self:
        if self.max_usd and not self.usd_per_hour:
            raise ValueError("max_usd needs usd_per_hour to know what has been spent")
        return self


class EvaluationPlan(Config):
    """Every evaluation reads the same windows, spread over the whole validation text."""

    num_evaluations: int = field(10, "spread evenly over the run, one at its end", ge=1, le=10**4)
    num_windows: int = field(
        200, "validation windows, at most what is there", unit="windows", ge=2, le=10**6
    )
    num_samples: int = field(2, "texts drawn at each evaluation", ge=0, le=20)
    sample_tokens: int = field(64, "length of each", unit="tokens", ge=1, le=4096)
    temperature: float = field(0.8, "of the texts; 0 is greedy", ge=0, le=2, step=0.1)


class CheckpointPlan(Config):
    num_checkpoints: int = field(4, "spread evenly over the run, one at its end", ge=1, le=10**4)
    keep: int = field(2, "newest that stay on disk", ge=1, le=1000)
    format: Literal["sharded", "consolidated"] = field(
        "sharded", "of sharded runs: each process writes its share, or the first one all"
    )


class ComputePlan(Config):
    """`auto` and empty are settled by looking and measuring before a plan is hashed."""

    device: Literal["auto", "cpu", "cuda", "mps"] = field("auto", "auto: the GPU where one works")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = field(
        "auto", "of the matrix products; weights and optimizer stay fp32"
    )
    attention: Literal["auto", "fused", "written_out"] = field(
        "auto", "kernel; auto: the faster one, measured on this model"
    )
    num_threads: int | None = field(
        None, "CPU threads; empty: all cores; sums depend on it", unit="threads", ge=1, le=1024
    )
    deterministic: bool = field(True, "the same plan gives the same bytes, also on a GPU")


def _is_weight(weight: float) -> bool:
    return 1e-6 <= weight <= 1e6
