"""Exact parameter counts by component.

For a block of width d with H query and K key/value heads of dimension h:
attention d(Hh + 2Kh) + Hh d; feed-forward 2 d f, or 3 d f with a gate; plus biases and norms.
A tied head is the embedding and counts once. GPT-2's 12 layers of 768 give 124,439,808.
"""

from __future__ import annotations

from labkit.model.config import ModelConfig


def count_by_component(model: ModelConfig) -> dict[str, int]:
    """Component -> number of parameters, over all layers; the values sum to the total."""
    return {
        "embedding": model.vocab_size * model.d_model + model.token_shift * model.d_model,
        "positions": model.context_length * model.d_model if model.positions == "learned" else 0,
        "attention": model.num_layers * attention_parameters(model),
        "feed-forward": model.num_layers * feed_forward_parameters(model),
        "norms": model.num_norms * norm_parameters(model),
        "head": 0 if model.tie_embeddings else model.vocab_size * model.d_model,
    }


def count_parameters(model: ModelConfig) -> int:
    """All parameters, a tied matrix once."""
    return sum(count_by_component(model).values())


def count_matmul_parameters(model: ModelConfig) -> int:
    """Weights that multiply activations: no lookups, biases or norms; the head even when tied."""
    d = model.d_model
    attention = d * (2 * model.attention_width + 2 * model.kv_width)
    feed_forward = model.num_feed_forward_matrices * d * model.d_ff
    return model.num_layers * (attention + feed_forward) + model.vocab_size * d


def attention_parameters(model: ModelConfig) -> int:
    projected = model.attention_width + 2 * model.kv_width
    weights = model.d_model * (projected + model.attention_width)
    biases = model.qkv_bias * projected + model.attention_output_bias * model.d_model
    return weights + biases + model.qk_norm * 2 * model.head_dim


def feed_forward_parameters(model: ModelConfig) -> int:
    weights = model.num_feed_forward_matrices * model.d_model * model.d_ff
    biases = (model.num_feed_forward_matrices - 1) * model.d_ff + model.d_model
    return weights + model.feed_forward_bias * biases


def norm_parameters(model: ModelConfig) -> int:
    has_shift = model.norm == "layernorm" and model.norm_bias
    return model.d_model * (1 + has_shift)
