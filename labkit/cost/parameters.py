"""Exact parameter counts by component.

For a block of width d with H query and K key/value heads of dimension h:
attention d(Hh + 2Kh) + Hh d; feed-forward 2 d f (GELU) or 3 d f (SwiGLU); plus biases and norms.
A tied head is the embedding and counts once. GPT-2's 12 layers of 768 give 124,439,808.
"""

from __future__ import annotations

from labkit.model.config import ModelConfig


def count_by_component(model: ModelConfig) -> dict[str, int]:
    """Component -> number of parameters, over all layers; the values sum to the total."""
    return {
        "embedding": model.vocab_size * model.d_model,
        "positions": model.context_length * model.d_model if model.positions == "learned" else 0,
        "attention": model.num_layers * attention_parameters(model),
        "feed-forward": model.num_layers * feed_forward_parameters(model),
        "norms": (2 * model.num_layers + 1) * norm_parameters(model),
        "head": 0 if model.tie_embeddings else model.vocab_size * model.d_model,
    }


def count_parameters(model: ModelConfig) -> int:
    """All parameters, a tied matrix once."""
    return sum(count_by_component(model).values())


def count_matmul_parameters(model: ModelConfig) -> int:
    """Weights that multiply activations: no lookups, biases or norms; the head even when tied."""
    d = model.d_model
    attention = d * (2 * model.attention_width + 2 * model.kv_width)
    feed_forward = _num_feed_forward_matrices(model) * d * model.d_ff
    return model.num_layers * (attention + feed_forward) + model.vocab_size * d


def attention_parameters(model: ModelConfig) -> int:
    weights = model.d_model * (2 * model.attention_width + 2 * model.kv_width)
    biases = model.attention_width + 2 * model.kv_width + model.d_model
    return weights + model.use_bias * biases


def feed_forward_parameters(model: ModelConfig) -> int:
    num_matrices = _num_feed_forward_matrices(model)
    weights = num_matrices * model.d_model * model.d_ff
    biases = (num_matrices - 1) * model.d_ff + model.d_model
    return weights + model.use_bias * biases


def norm_parameters(model: ModelConfig) -> int:
    return model.d_model * {"layernorm": 2, "rmsnorm": 1}[model.norm]


def _num_feed_forward_matrices(model: ModelConfig) -> int:
    return {"gelu": 2, "swiglu": 3}[model.feed_forward]
