"""The learning rate as a share of its peak, a closed form of the tokens seen.

Indexed by tokens, so that another batch size, accumulation or number of processes leaves it as it
is. After a linear warm-up from 0:

cosine    half a cosine down to `final_ratio`, reached at `decay_share` of the budget and kept
wsd       1, then straight down to `final_ratio` over the last `decay_share` of the budget
          (warm-up, stable, decay: Hu et al. 2024)
constant  1
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from labkit.core.config import Config, field

PRESETS: dict[str, dict[str, object]] = {
    "cosine": {},
    "wsd": {"shape": "wsd", "warmup_share": 0.0, "decay_share": 0.7, "final_ratio": 0.0},
    "constant": {"shape": "constant"},
}


class SchedulePlan(Config):
    preset_field: ClassVar[str | None] = "preset"

    preset: str = field("cosine", "set of values to start from", choices=lambda: tuple(PRESETS))
    shape: Literal["cosine", "wsd", "constant"] = field("cosine", "what follows the warm-up")
    warmup_share: float = field(0.05, "of the budget, for the warm-up", ge=0, le=0.9, step=0.01)
    decay_share: float = field(
        1.0, "cosine: where it ends; wsd: how long its decay is; of the budget", gt=0, le=1
    )
    final_ratio: float = field(0.1, "where the decay ends, of the peak", ge=0, le=1, step=0.01)

    @model_validator(mode="after")
    def _falls_after_it_rose(self) -> Self:
        if self.shape == "cosine" and self.decay_share <= self.warmup_share:
            raise ValueError(
                f"the cosine would end at decay_share={self.decay_share:g}, within the warm-up; "
                f"give more than warmup_share={self.warmup_share:g}"
            )
        return self

    @classmethod
    def from_preset(cls, name: str) -> Self:
        if name not in PRESETS:
            raise ValueError(f"unknown schedule {name!r}; known: {', '.join(PRESETS)}")
        return cls.model_validate({"preset": name, **PRESETS[name]})


def learning_rate_ratio(schedule: SchedulePlan, num_tokens: float, budget: float) -> float:
    """Share of the peak rate after `num_tokens` of `budget` tokens, 0..1.

    >>> gpt3 = SchedulePlan(warmup_share=375e6 / 300e9, decay_share=260 / 300)
    >>> learning_rate_ratio(gpt3, 187.5e6, 300e9), learning_rate_ratio(gpt3, 280e9, 300e9)
    (0.5, 0.1)
    """
    warmup = schedule.warmup_share * budget
    if num_tokens < warmup:
        return num_tokens / warmup
    return _SHAPES[schedule.shape](schedule, num_tokens, budget, warmup)


def _cosine(schedule: SchedulePlan, num_tokens: float, budget: float, warmup: float) -> float:
    end = schedule.decay_share * budget
    progress = 1.0 if num_tokens >= end else (num_tokens - warmup) / (end - warmup)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return schedule.final_ratio + (1 - schedule.final_ratio) * cosine


def _wsd(schedule: SchedulePlan, num_tokens: float, budget: float, warmup: float) -> float:
    start = max((1 - schedule.decay_share) * budget, warmup)
    progress = (num_tokens - start) / (budget - start) if num_tokens > start else 0.0
    return 1 - (1 - schedule.final_ratio) * min(progress, 1.0)


def _constant(schedule: SchedulePlan, num_tokens: float, budget: float, warmup: float) -> float:
    return 1.0


_SHAPES = {"cosine": _cosine, "wsd": _wsd, "constant": _constant}
