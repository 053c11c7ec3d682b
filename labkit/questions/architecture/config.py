"""The parameters of notebook 30: which parts are exchanged, and with how much effort."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator

from labkit.comparison.tokenizers import names
from labkit.core.config import Config, field
from labkit.core.records.decision import references
from labkit.data.decided_corpora import check_choice, corpus_inputs
from labkit.statistics.verdict import MARGIN

QUESTIONS = ("positions", "norms", "feed-forward", "attention")
EFFORTS: dict[str, dict[str, Any]] = {
    "demo": {},
    "study": {
        "d_model": 128,
        "num_layers": 4,
        "num_tokens": 400_000,
        "num_seeds": 5,
        "num_tuning_seeds": 2,
    },
}


class Effort(Config):
    """How large and how often."""

    preset_field: ClassVar[str | None] = "preset"

    preset: Literal["demo", "study"] = field("demo", "demo: minutes; study: half an hour and more")
    d_model: int = field(64, "width", unit="features", ge=16, le=4096, scale="log")
    num_layers: int = field(2, "blocks", ge=1, le=128)
    num_heads: int = field(4, "of d_model / num_heads features", ge=1, le=128)
    context_length: int = field(
        64, "tokens of a sample", unit="tokens", ge=8, le=1 << 17, scale="log"
    )
    batch_size: int = field(
        16, "samples of one step", unit="samples", ge=1, le=1 << 20, scale="log"
    )
    num_tokens: int = field(
        100_000, "each run trains on", unit="tokens", ge=1, le=10**13, scale="log"
    )
    num_windows: int = field(1000, "validation windows", unit="windows", ge=2, le=10**6)
    num_seeds: int = field(3, "runs of each arm", ge=1, le=99)
    num_tuning_seeds: int = field(1, "runs of each arm and rate", ge=1, le=100)

    @classmethod
    def from_preset(cls, name: str) -> Self:
        if name not in EFFORTS:
            raise ValueError(f"unknown effort {name!r}; known: {', '.join(EFFORTS)}")
        return cls.model_validate({"preset": name, **EFFORTS[name]})


class ArchitectureConfig(Config):
    corpus: str = field(
        "decision:11", "decision:11, registered corpus or path: what notebook 20 has split"
    )
    questions: str = field("all", f"all, or some of {', '.join(QUESTIONS)}, comma-separated")
    recipe: Literal["gpt2", "modern"] = field("modern", "the baseline whose parts are exchanged")
    tokenizer: Literal["bytes", "decision:20"] = field(
        "bytes", "bytes: a small head, so that the blocks are most of the model"
    )
    effort: Effort = field(Effort(), "demo, or study")
    margin: float = field(
        MARGIN, "difference that doesn't matter", unit="bits per byte", gt=0, le=1
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = field("auto", "auto: the GPU where one works")
    tracking: Literal["off", "offline", "online"] = field(
        "off", "Weights & Biases beside the runs on the study's seeds"
    )

    @field_validator("corpus")
    @classmethod
    def _is_readable(cls, corpus: str) -> str:
        return check_choice(corpus)

    @field_validator("questions")
    @classmethod
    def _are_known(cls, questions: str) -> str:
        unknown = [one for one in listed(questions) if one not in QUESTIONS]
        if unknown or not listed(questions):
            raise ValueError(f"unknown question {unknown}; known: all, {', '.join(QUESTIONS)}")
        return questions

    def inputs(self) -> dict[str, str]:
        read = corpus_inputs(self.corpus)
        return read | (references(["20"], read[self.corpus]) if read else {})


def listed(questions: str) -> list[str]:
    return list(QUESTIONS) if questions == "all" else names(questions)
