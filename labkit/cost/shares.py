"""Parameters that one of t tensor-parallel GPUs holds of a block and of the root, before FSDP.

Sums over the model's list of weights, which says how each is cut. With t = 1 blocks and root are
the model.
"""

from __future__ import annotations

from labkit.model.config import ModelConfig
from labkit.model.weights import block_weights, head_weight, root_weights


def block_parameters(model: ModelConfig, tensor_parallel: int = 1) -> float:
    return sum(weight.share(tensor_parallel) for weight in block_weights(model))


def block_matrices(model: ModelConfig, tensor_parallel: int = 1) -> float:
    """Of a block's parameters, those that multiply activations."""
    return sum(w.share(tensor_parallel) for w in block_weights(model) if w.multiplies)


def head_parameters(model: ModelConfig, tensor_parallel: int = 1) -> float:
    return head_weight(model).share(tensor_parallel)


def root_parameters(model: ModelConfig, tensor_parallel: int = 1) -> float:
    """Embedding, positions, token shift, final norm, head: a tied one is the embedding."""
    return sum(weight.share(tensor_parallel) for weight in root_weights(model))
