"""Exact parameter counts by component, as sums over the model's list of weights.

For a block of width d with H query and K key/value heads of dimension h:
attention d(Hh + 2Kh) + Hh d; feed-forward 2 d f, or 3 d f with a gate; plus biases and norms.
A tied head is the embedding and counts once. GPT-2's 12 layers of 768 give 124,439,808.
"""

from __future__ import annotations

from typing import get_args

from labkit.model.config import ModelConfig
from labkit.model.weights import Component, block_weights, root_weights


def count_by_component(model: ModelConfig) -> dict[str, int]:
    """Component -> number of parameters, over all layers; the values sum to the total."""
    counts: dict[str, int] = dict.fromkeys(get_args(Component), 0)
    for weight in root_weights(model):
        counts[weight.component] += weight.size
    for weight in block_weights(model):
        counts[weight.component] += model.num_layers * weight.size
    return counts


def count_parameters(model: ModelConfig) -> int:
    """All parameters, a tied matrix once."""
    return sum(count_by_component(model).values())


def count_active_parameters(model: ModelConfig) -> int:
    """Those that one token uses: all but the experts that it doesn't go to."""
    idle = sum(weight.size - weight.active_size(model) for weight in block_weights(model))
    return count_parameters(model) - model.num_layers * idle
