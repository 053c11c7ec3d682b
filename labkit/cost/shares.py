"""Parameters that one of t tensor-parallel GPUs holds of a block and of the root, before FSDP.

Cut by t: every matrix of the blocks with the biases of its columns, and the vocabulary of embedding
and head. Whole: norms, positions, biases of output and down, keys and values of a single head.
With t = 1 blocks and root are the model.
"""

from __future__ import annotations

from labkit.cost.parameters import norm_parameters
from labkit.model.config import ModelConfig


def block_parameters(model: ModelConfig, tensor_parallel: int = 1) -> float:
    d, num_matrices = model.d_model, model.num_feed_forward_matrices
    width, d_ff = model.attention_width / tensor_parallel, model.d_ff / tensor_parallel
    kv = model.kv_width / (tensor_parallel if model.num_kv_heads > 1 else 1)
    biases = model.qkv_bias * (width + 2 * kv) + model.attention_output_bias * d
    biases += model.feed_forward_bias * ((num_matrices - 1) * d_ff + d)
    norms = {"sequential": 2, "parallel": 1}[model.block] * norm_parameters(model)
    norms += model.qk_norm * 2 * model.head_dim
    return block_matrices(model, tensor_parallel) + biases + norms


def block_matrices(model: ModelConfig, tensor_parallel: int = 1) -> float:
    kv = model.kv_width / (tensor_parallel if model.num_kv_heads > 1 else 1)
    width, d_ff = model.attention_width / tensor_parallel, model.d_ff / tensor_parallel
    return model.d_model * (2 * width + 2 * kv + model.num_feed_forward_matrices * d_ff)


def head_parameters(model: ModelConfig, tensor_parallel: int = 1) -> float:
    return model.vocab_size * model.d_model / tensor_parallel


def root_parameters(model: ModelConfig, tensor_parallel: int = 1) -> float:
    """Embedding, positions, token shift, final norm, head: a tied one is the embedding."""
    matrices = head_parameters(model, tensor_parallel) * (1 if model.tie_embeddings else 2)
    has_final = model.norm_placement == "pre"
    has_table = model.positions == "learned"
    rows = has_table * model.context_length + model.token_shift
    return matrices + rows * model.d_model + has_final * norm_parameters(model)
