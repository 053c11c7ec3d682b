"""The shape of a decoder-only Transformer, as data. Nothing here computes or imports torch.

The fields are those on which parameters, FLOPs and memory depend; names follow the papers:
GPT-2 (Radford et al. 2019), Llama (Touvron et al. 2023), grouped-query attention (Ainslie et al.
2023).
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from labkit.core.config import Config, field


def _preset_names() -> tuple[str, ...]:
    from labkit.model.presets import PRESETS

    return tuple(PRESETS)


class ModelConfig(Config):
    """One decoder-only Transformer: `num_layers` blocks of attention and feed-forward."""

    preset_field: ClassVar[str | None] = "preset"

    preset: str = field("gpt2", "published model this shape started from", choices=_preset_names)
    vocab_size: int = field(
        50257, "rows of the embedding", unit="tokens", ge=2, le=1 << 20, scale="log"
    )
    context_length: int = field(
        1024, "longest sequence the model takes", unit="tokens", ge=8, le=1 << 21, scale="log"
    )
    d_model: int = field(
        768, "width of the residual stream", unit="features", ge=8, le=65536, scale="log"
    )
    num_layers: int = field(12, "number of blocks", ge=1, le=512)
    num_heads: int = field(12, "query heads per layer", ge=1, le=512)
    num_kv_heads: int = field(12, "key and value heads per layer (GQA; 1 is MQA)", ge=1, le=512)
    head_dim: int = field(64, "features per head", unit="features", ge=1, le=1024)
    d_ff: int = field(
        3072, "hidden width of the feed-forward", unit="features", ge=1, le=1 << 20, scale="log"
    )
    feed_forward: Literal["gelu", "swiglu"] = field(
        "gelu", "gelu: two matrices; swiglu: three, one of them a gate"
    )
    norm: Literal["layernorm", "rmsnorm"] = field(
        "layernorm", "layernorm: scale and shift; rmsnorm: scale only"
    )
    positions: Literal["learned", "rope"] = field(
        "learned", "learned: a table of context_length rows; rope: rotations, no parameters"
    )
    use_bias: bool = field(True, "biases in every linear layer of the blocks")
    tie_embeddings: bool = field(True, "output head shares the embedding's matrix")

    @classmethod
    def from_preset(cls, name: str) -> Self:
        from labkit.model.presets import PRESETS

        if name not in PRESETS:
            raise ValueError(f"unknown model {name!r}; known: {', '.join(PRESETS)}")
        return cls(preset=name, **PRESETS[name])

    @field_validator("preset")
    @classmethod
    def _is_published(cls, name: str) -> str:
        if name not in _preset_names():
            raise ValueError(f"unknown model {name!r}; known: {', '.join(_preset_names())}")
        return name

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.num_heads % self.num_kv_heads:
            below = max(k for k in range(1, self.num_kv_heads) if self.num_heads % k == 0)
            raise ValueError(
                f"num_kv_heads={self.num_kv_heads} must divide num_heads={self.num_heads}; "
                f"try num_kv_heads={below}"
            )
        return self

    @property
    def attention_width(self) -> int:
        """num_heads x head_dim: equal to d_model in GPT-2 and Llama, free in general."""
        return self.num_heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.num_kv_heads * self.head_dim
