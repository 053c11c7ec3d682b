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


_NUM_MATRICES = {"gelu": 2, "relu_squared": 2, "swiglu": 3}


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
    feed_forward: Literal["gelu", "relu_squared", "swiglu"] = field(
        "gelu", "gelu (tanh form) and relu_squared: two matrices; swiglu: three, one a gate"
    )
    norm: Literal["layernorm", "rmsnorm"] = field(
        "layernorm", "layernorm: scale and shift; rmsnorm: scale only"
    )
    norm_placement: Literal["pre", "post"] = field(
        "pre", "pre: before each part and at the end; post: after each sum, as in GPT-1"
    )
    norm_epsilon: float = field(1e-5, "added to the variance", gt=0, le=1e-2, scale="log")
    block: Literal["sequential", "parallel"] = field(
        "sequential", "parallel: attention and feed-forward read the same norm, as in PaLM"
    )
    mask: Literal["causal", "prefix", "full"] = field(
        "causal",
        "what a token sees; causal: those before it; prefix: also all of the prompt; full: all",
    )
    window: int | None = field(
        None,
        "a token sees only those nearer than this; empty: the whole context",
        unit="tokens",
        ge=1,
        le=1 << 21,
    )
    whole_context_every: int | None = field(
        None, "the last of so many blocks has no window (2 in Gemma 2); empty: none", ge=2, le=64
    )
    positions: Literal["learned", "rope", "alibi", "none"] = field(
        "learned",
        "learned: a row for each of context_length; rope: rotations; alibi: far scores are lowered",
    )
    rope_theta: float = field(10_000.0, "base of RoPE's wavelengths", ge=100, le=1e9, scale="log")
    window_rope_theta: float | None = field(
        None, "the base in blocks with a window; empty: the same", ge=100, le=1e9, scale="log"
    )
    qk_norm: bool = field(False, "RMSNorm on each head's queries and keys, as in Qwen3")
    token_shift: bool = field(
        False, "each embedding takes a learned share of its predecessor's, as in RWKV"
    )
    qkv_bias: bool = field(True, "biases of the query, key and value projections")
    attention_output_bias: bool = field(True, "bias of attention's output projection")
    feed_forward_bias: bool = field(True, "biases of the feed-forward's matrices")
    norm_bias: bool = field(True, "shift of layernorm; rmsnorm has none")
    tie_embeddings: bool = field(True, "output head shares the embedding's matrix")
    initialization: Literal["gpt2", "zero_output"] = field(
        "gpt2", "zero_output: what writes to the residual stream, and an untied head, start at 0"
    )
    dropout: float = field(0.0, "of embeddings, scores and each part's output", ge=0, le=0.9)

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

    @model_validator(mode="after")
    def _choices_agree(self) -> Self:
        if self.block == "parallel" and self.norm_placement == "post":
            raise ValueError("a parallel block has its norm before; use norm_placement=pre")
        if self.positions == "rope" and self.head_dim % 2:
            raise ValueError(
                f"rope rotates pairs of features; head_dim={self.head_dim} is odd; "
                f"try head_dim={self.head_dim + 1}"
            )
        return self

    @model_validator(mode="after")
    def _windows_agree(self) -> Self:
        needs_window = ("whole_context_every", "window_rope_theta")
        if self.window is None and (given := [n for n in needs_window if getattr(self, n)]):
            raise ValueError(f"{given[0]} says how blocks with a window differ; give window too")
        return self

    @property
    def attention_width(self) -> int:
        """num_heads x head_dim: equal to d_model in GPT-2 and Llama, free in general."""
        return self.num_heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.num_kv_heads * self.head_dim

    @property
    def num_feed_forward_matrices(self) -> int:
        return _NUM_MATRICES[self.feed_forward]


def matched_d_ff(d_ff: int, before: str, after: str) -> int:
    """Width at which feed-forward `after` has as many weights as `before` has at `d_ff`.

    A multiple of 8, hence within 4 / d_ff of equal.

    >>> matched_d_ff(3072, "gelu", "swiglu")
    2048
    """
    return max(8 * round(d_ff * _NUM_MATRICES[before] / _NUM_MATRICES[after] / 8), 8)
