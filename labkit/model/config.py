"""The shape of a decoder-only Transformer, as data. Nothing here computes or imports torch.

The fields are those on which parameters, FLOPs, memory and logits depend; names follow the papers.
Each field is one choice, whose values are rows of a table beside the code that uses it. Fields
that came after the first plans are `added_later`: at their default they are not written.
`config_rules.py` says which choices go together.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from labkit.core.config import Config, field


def _preset_names() -> tuple[str, ...]:
    from labkit.model.presets.published import PRESETS

    return tuple(PRESETS)


_GATED = ("glu", "geglu", "swiglu")


def later(default: Any, description: str, **rest: Any) -> Any:
    """A field that plans from before do not have."""
    return field(default, description, added_later=True, **rest)


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
    feed_forward: Literal[
        "gelu",
        "gelu_exact",
        "gelu_quick",
        "relu",
        "relu_squared",
        "silu",
        "glu",
        "geglu",
        "swiglu",
    ] = field(
        "gelu",
        "two matrices around gelu (its tanh form), relu or silu; three with a gate: glu, geglu, "
        "swiglu",
    )
    num_experts: int | None = later(
        None,
        "experts in place of each feed-forward, each as wide as d_ff; empty: none",
        ge=2,
        le=1024,
    )
    experts_per_token: int = later(2, "experts that a token goes to", ge=1, le=1024)
    shared_d_ff: int | None = later(
        None,
        "hidden width of one more expert, to which every token goes; empty: none",
        unit="features",
        ge=1,
        le=1 << 20,
        scale="log",
    )
    normalize_expert_weights: bool = later(
        True, "the weights of a token's experts sum to 1, as in Mixtral"
    )
    balance_loss: float = later(
        0.0, "how much of the loss asks for experts that are used alike", ge=0, le=10
    )
    router_z_loss: float = later(
        0.0, "how much of the loss asks for small logits of the router", ge=0, le=10
    )
    norm: Literal["layernorm", "rmsnorm", "rmsnorm_plus_one"] = field(
        "layernorm",
        "layernorm: scale and shift; rmsnorm: scale only; rmsnorm_plus_one: scaled by 1 + weight",
    )
    norm_placement: Literal["pre", "post", "sandwich", "after", "deep", "deep_glm"] = field(
        "pre",
        "pre: before each part; post: after each sum; sandwich: before and after each part; "
        "after: on each part's result; deep, deep_glm: post with a multiplied stream (DeepNorm)",
    )
    norm_epsilon: float = field(1e-5, "added to the variance", gt=0, le=1e-2, scale="log")
    block: Literal["sequential", "parallel", "parallel_two_norms"] = field(
        "sequential",
        "parallel: attention and feed-forward read one norm of the stream, as in PaLM; "
        "parallel_two_norms: each a norm of its own, as in GPT-NeoX",
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
    whole_context_first: bool = later(
        False, "with whole_context_every: the first of so many is whole, as in GPT-Neo"
    )
    window_pattern: Literal["sliding", "banded"] = later(
        "sliding", "banded: also each window-th key before the window, as in Sparse Transformers"
    )
    positions: Literal[
        "learned", "sinusoidal", "rope", "alibi", "t5", "shaw", "transformer_xl", "none"
    ] = field(
        "learned",
        "learned, sinusoidal: a row added for each place; rope: rotations; alibi: far scores are "
        "lowered; t5: a learned bias by distance; shaw, transformer_xl: keys by distance",
    )
    position_offset: int = later(
        0, "rows of learned positions before the first one (2 in OPT)", ge=0, le=1024
    )
    max_distance: int = later(
        128, "shaw and t5: farther keys are as far as this", unit="tokens", ge=17, le=1 << 20
    )
    rope_theta: float = field(10_000.0, "base of RoPE's wavelengths", ge=100, le=1e9, scale="log")
    window_rope_theta: float | None = field(
        None, "the base in blocks with a window; empty: the same", ge=100, le=1e9, scale="log"
    )
    rope_ratio: float = later(1.0, "share of a head's features that are turned", gt=0, le=1)
    rope_layout: Literal["halves", "interleaved"] = later(
        "halves", "which features are turned as a pair: i and i + K/2, or 2i and 2i + 1 as in GPT-J"
    )
    rope_scaling: Literal["none", "linear", "ntk", "yarn", "llama3"] = later(
        "none", "how wavelengths are stretched for a longer context"
    )
    rope_factor: float = later(1.0, "how far rope_scaling stretches them", ge=1, le=1024)
    rope_original_context: int | None = later(
        None,
        "context before it was stretched, which yarn and llama3 ask for",
        unit="tokens",
        ge=8,
        le=1 << 21,
    )
    qk_norm: bool = field(False, "RMSNorm on each head's queries and keys, as in Qwen3")
    qk_norm_span: Literal["head", "width"] = later(
        "head", "what qk_norm takes the mean over: each head, or all of them as in OLMo 2"
    )
    attention_scale: float | None = later(
        None, "scores are multiplied by it; empty: 1 / sqrt(head_dim)", gt=0, le=100
    )
    attention_soft_cap: float | None = later(
        None, "scores are c tanh(s / c), as in Gemma 2; empty: uncapped", gt=0, le=1e6
    )
    logit_soft_cap: float | None = later(
        None, "logits are c tanh(x / c); empty: uncapped", gt=0, le=1e6
    )
    embedding_norm: bool = later(False, "a norm of the embeddings, as in BLOOM")
    scale_embedding: bool = later(False, "embeddings are multiplied by sqrt(d_model), as in Gemma")
    embedding_width: int | None = later(
        None,
        "width of embedding and head, with projections to and from d_model (OPT-350M); empty: "
        "d_model",
        unit="features",
        ge=1,
        le=65536,
        scale="log",
    )
    token_shift: bool = field(
        False, "each embedding takes a learned share of its predecessor's, as in RWKV"
    )
    qkv_bias: bool = field(True, "biases of the query, key and value projections")
    attention_output_bias: bool = field(True, "bias of attention's output projection")
    feed_forward_bias: bool = field(True, "biases of the feed-forward's matrices")
    norm_bias: bool = field(True, "shift of layernorm; rmsnorm has none")
    head_bias: bool = later(False, "bias of the output head, as in GPT-J")
    tie_embeddings: bool = field(True, "output head shares the embedding's matrix")
    initialization: Literal["gpt2", "zero_output"] = field(
        "gpt2", "zero_output: what writes to the residual stream, and an untied head, start at 0"
    )
    dropout: float = field(0.0, "of embeddings, scores and each part's output", ge=0, le=0.9)

    @classmethod
    def from_preset(cls, name: str) -> Self:
        from labkit.model.presets.published import PRESETS

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
    def _choices_agree(self) -> Self:
        from labkit.model.config_rules import RULES

        for refuse in RULES:
            refuse(self)
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
        return _num_matrices(self.feed_forward)

    @property
    def is_gated(self) -> bool:
        """Whether one of the feed-forward's matrices gates another."""
        return self.feed_forward in _GATED

    @property
    def rope_dim(self) -> int:
        """Features of a head that RoPE turns."""
        return int(self.head_dim * self.rope_ratio)

    @property
    def token_width(self) -> int:
        """Width of embedding and head."""
        return self.embedding_width or self.d_model


def matched_d_ff(d_ff: int, before: str, after: str) -> int:
    """Width at which feed-forward `after` has as many weights as `before` has at `d_ff`.

    A multiple of 8, hence within 4 / d_ff of equal.

    >>> matched_d_ff(3072, "gelu", "swiglu")
    2048
    """
    return max(8 * round(d_ff * _num_matrices(before) / _num_matrices(after) / 8), 8)


def _num_matrices(feed_forward: str) -> int:
    return 3 if feed_forward in _GATED else 2
