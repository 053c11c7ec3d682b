"""Configs with every kind of field, a preset group, and text that would act if it were markup."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from labkit.core.config import Config, field

HOSTILE = '<img src=x onerror="window.__fired=1">'


class Net(Config):
    preset_field: ClassVar[str | None] = "preset"

    preset: str = field("small", "where it started", choices=lambda: ("small", "large"))
    width: int = field(8, "columns", ge=1, le=4096, unit="features")
    heads: int = field(2, "parts", ge=1, le=64)
    use_bias: bool = field(True, "biases")

    @classmethod
    def from_preset(cls, name: str) -> Self:
        return cls(preset=name, **{"small": {}, "large": {"width": 512, "heads": 8}}[name])

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads={self.heads} must divide width={self.width}")
        return self


class Extras(Config):
    note: str | None = field(None, HOSTILE)
    flag: bool | None = field(None, "yes, no or undecided")
    steps: int | None = field(None, "steps", gt=0, le=10**6, scale="log")


class Toy(Config):
    """Every kind of field."""

    net: Net = field(Net(), "a group with presets")
    rate: float = field(3e-4, "step size", unit="1/step", gt=0, le=1, scale="log")
    share: float = field(0.1, "a share", ge=0, le=1, step=0.01)
    free: float = field(-1.5, "a number without ends")
    num_tokens: int = field(2 * 10**12, "tokens", ge=1, le=10**15, scale="log")
    layers: int = field(4, f"blocks {HOSTILE}", ge=1, le=64, unit=HOSTILE)
    mode: Literal["a", "b"] = field("a", "a choice")
    name: str = field("run", "a text")
    price: float | None = field(None, "empty: the table's", gt=0, le=100)
    weights: dict[str, float | int | str | bool] = field({"x": 0.5}, "a mapping")
    extras: Extras = field(Extras(), "a group without presets")
