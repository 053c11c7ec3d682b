"""The parameters of notebook 50: the size that two recipes share, and what both are given."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from labkit.core.config import Config, field
from labkit.core.records.decision import references
from labkit.data.decided_corpora import check_choice, corpus_inputs
from labkit.plan.parts import ComputePlan, EvaluationPlan


class TwoRecipesConfig(Config):
    """The size that both recipes share, and what both are given."""

    corpus: str = field(
        "decision:11", "decision:11, registered corpus or path: what notebook 20 has split"
    )
    architecture: Literal["decision:30", "recipe"] = field(
        "decision:30", "decision:30: with the changes that notebook 30 found better, if any"
    )
    d_model: int = field(128, "width of both models", unit="features", ge=16, le=4096, scale="log")
    num_layers: int = field(4, "blocks of both models", ge=1, le=128)
    context_length: int = field(
        64, "tokens of a sample", unit="tokens", ge=8, le=1 << 17, scale="log"
    )
    batch_size: int = field(
        24, "samples of one step", unit="samples", ge=1, le=1 << 20, scale="log"
    )
    num_tokens: int = field(
        400_000, "each recipe trains on", unit="tokens", ge=1, le=10**13, scale="log"
    )
    gpt2_learning_rate: float = field(
        4e-3, "AdamW's peak rate in the recipe gpt2", gt=0, le=1, scale="log"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = field("auto", "auto: the GPU where one works")
    tracking: Literal["off", "offline", "online"] = field("offline", "Weights & Biases beside it")
    usd_per_hour: float = field(
        0.0, "price of this machine, for the money so far", unit="USD per hour", ge=0, le=10**6
    )
    seed: int = field(0, "of weights and data order", ge=0, le=2**31 - 1)
    evaluation: EvaluationPlan = field(EvaluationPlan(), "what is measured on the way")
    compute: ComputePlan = field(ComputePlan(), "how exactly; its device is the one above")

    @field_validator("corpus")
    @classmethod
    def _is_readable(cls, corpus: str) -> str:
        return check_choice(corpus)

    def inputs(self) -> dict[str, str]:
        read = corpus_inputs(self.corpus)
        numbers = ["20", *(["30"] if self.architecture == "decision:30" else [])]
        return read | (references(numbers, read[self.corpus]) if read else {})
