"""Which optimizer moves which parameter, and how far.

Matrices of the blocks may be Muon's (Jordan et al. 2024): their momentum is made orthogonal before
it is applied. AdamW (Loshchilov, Hutter 2019) moves everything else. Weight decay is decoupled and
reaches matrices only: no embedding, norm or bias.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from labkit.core.config import Config, field

PRESETS: dict[str, dict[str, object]] = {
    "adamw": {},
    "muon": {
        "matrices": "muon",
        "learning_rate": 0.03,
        "weight_decay": 0.0,
    },
}


class OptimizerPlan(Config):
    preset_field: ClassVar[str | None] = "preset"

    preset: str = field("adamw", "set of values to start from", choices=lambda: tuple(PRESETS))
    matrices: Literal["adamw", "muon"] = field("adamw", "what moves the matrices of the blocks")
    learning_rate: float = field(1e-3, "AdamW's peak rate", gt=0, le=1, scale="log")
    muon_learning_rate: float = field(0.04, "Muon's peak rate", gt=0, le=1, scale="log")
    muon_momentum: float = field(0.9, "Muon's momentum (Nesterov)", ge=0, le=0.999, step=0.01)
    beta1: float = field(0.9, "AdamW: memory of the gradient", ge=0, le=0.999, step=0.01)
    beta2: float = field(0.95, "AdamW: memory of its square", ge=0, le=0.9999, step=0.01)
    epsilon: float = field(1e-8, "AdamW: added to the root", gt=0, le=1e-3, scale="log")
    weight_decay: float = field(0.1, "decoupled, on matrices only", ge=0, le=1, step=0.01)
    clip_norm: float | None = field(
        1.0, "largest norm of the whole gradient; empty: not clipped", gt=0, le=1000
    )

    @classmethod
    def from_preset(cls, name: str) -> Self:
        if name not in PRESETS:
            raise ValueError(f"unknown optimizer {name!r}; known: {', '.join(PRESETS)}")
        return cls.model_validate({"preset": name, **PRESETS[name]})
