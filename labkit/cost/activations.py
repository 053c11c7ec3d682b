"""What the backward pass of one block reads, tensor by tensor, in bytes per token on one GPU.

For GPT-2's block with dropout, scores stored and everything in 16 bits that is s b h (34 + 5 a s/h)
bytes, the formula of Korthikanti et al. 2022 (arXiv:2205.05198, eq. 1). A kernel that does not
store its scores ("flash") saves the second term. Under autocast the stream is fp32 (4 bytes where
it is normalized) and each product that reads a norm casts it for itself. Tensor parallel cuts
heads and the feed-forward's width; the stream and its norms stay whole.

Selective recomputation keeps the block's input, attention's results and the first, third ...
product in order of execution (q, k, v, output, gate, up, down); full keeps the input alone.

Leaves out: statistics of norms.
"""

from __future__ import annotations

from labkit.cost.memory_config import MemoryConfig
from labkit.model.config import ModelConfig
from labkit.model.weights import Weight, block_weights

_HIDDEN = {
    "gelu": 2,
    "gelu_exact": 2,
    "gelu_quick": 3,
    "relu": 1,
    "relu_squared": 2,
    "silu": 2,
    "glu": 3,
    "geglu": 4,
    "swiglu": 4,
}
"""Tensors of the feed-forward's width that are kept: before and after the activation, where its
gradient follows from its result the result alone; of a gate also up, and their product."""
_HIDDEN_GRADIENTS = {
    "gelu": 1,
    "gelu_exact": 1,
    "gelu_quick": 3,
    "relu": 1,
    "relu_squared": 3,
    "silu": 1,
    "glu": 2,
    "geglu": 2,
    "swiglu": 2,
}
"""More of them at once in the backward pass than are freed by then."""
_NUM_BIASES = {"alibi": 1, "t5": 3, "shaw": 4, "transformer_xl": 4}
"""Tensors of the scores' size: the biases; learned ones with what their gradient needs."""
_NUM_NORMS = {"sequential": 2, "parallel": 1, "parallel_two_norms": 2}
_NUM_STREAMS = {"sequential": 2, "parallel": 1, "parallel_two_norms": 1}
"""What norms read: both of a parallel block read the same."""


def block_tensors(
    model: ModelConfig, memory: MemoryConfig, sequence_length: int
) -> dict[str, float]:
    """Tensor -> bytes per token, without recomputation."""
    d, width, kv = model.d_model, _width(model, memory), _kv_width(model, memory)
    e, s = memory.product_bytes, memory.stream_bytes
    is_stored = memory.attention_kernel == "materialized" or bool(model.attention_soft_cap)
    num_streams = _NUM_STREAMS[model.block] * (2 if model.norm_placement == "sandwich" else 1)
    # with stored scores keys and values are repeated for each query head
    tensors: dict[str, float] = {
        "stream": num_streams * d * s,
        "inputs of products": _num_inputs(model, memory) * d * e,
        "queries": width * e,
        "keys": (width if is_stored else kv) * e,
        "values": (width if is_stored else kv) * e,
        "attention": width * e,
        "hidden": _HIDDEN[model.feed_forward] * _d_ff(model, memory) * e,
    }
    if model.num_experts:  # a copy of the token for each of its experts, and what they give
        tensors["expert tokens"] = 2 * model.experts_per_token * d * e
    if model.qk_norm:
        tensors["head norms"] = (width + kv) * s
    if is_stored:
        per_score = _score_bytes(memory) + (memory.product_bytes if model.attention_soft_cap else 0)
        tensors["scores"] = sequence_length * _num_heads(model, memory) * per_score
    else:
        tensors["log-sum-exp"] = 4 * _num_heads(model, memory)
        if model.positions == "rope":  # lies in rotation's order, which the next product can't read
            tensors["attention, in order"] = width * e
    if model.positions in _NUM_BIASES:
        rows = (
            1 if model.positions in ("shaw", "transformer_xl") else memory.micro_batch
        )  # alike for all rows
        num_biases = _NUM_BIASES[model.positions] * sequence_length * _num_heads(model, memory)
        tensors["biases of scores"] = num_biases * e / rows
    if memory.use_dropout:
        tensors["masks"] = 2 * d
    return tensors


def kept_tensors(
    model: ModelConfig, memory: MemoryConfig, sequence_length: int
) -> dict[str, float]:
    """Tensor -> bytes per token of what waits for the backward pass."""
    if memory.recompute == "none":
        return block_tensors(model, memory, sequence_length)
    kept: dict[str, float] = {"stream": model.d_model * memory.stream_bytes}
    if memory.recompute == "selective":
        e = memory.product_bytes
        products = _products(model, memory)
        kept |= {name: products[name] * e for name in [*products][::2]}
        if memory.attention_kernel == "flash":
            kept["attention"] = _width(model, memory) * e
            kept["log-sum-exp"] = 4 * _num_heads(model, memory)
    return kept


def kept_activation_bytes(
    model: ModelConfig, memory: MemoryConfig, num_tokens: int, sequence_length: int
) -> int:
    return round(num_tokens * sum(kept_tensors(model, memory, sequence_length).values()))


def stem_activation_bytes(model: ModelConfig, memory: MemoryConfig, num_tokens: int) -> int:
    """Before the first block: the mask of dropout, what a token's predecessor differs by, and what
    a norm of the embeddings reads."""
    num_tensors = model.token_shift + model.embedding_norm
    per_token = memory.use_dropout + num_tensors * memory.stream_bytes
    return num_tokens * model.d_model * per_token


def backward_workspace_bytes(
    model: ModelConfig, memory: MemoryConfig, num_tokens: int, sequence_length: int
) -> int:
    """At its height in the feed-forward: what is computed again, and gradients on their way."""
    e = memory.product_bytes
    gradients = model.d_model * memory.stream_bytes
    hidden = _HIDDEN_GRADIENTS[model.feed_forward] * _d_ff(model, memory) * e
    if model.num_experts:  # one after the other; the copies of tokens are all at once
        hidden = hidden / model.num_experts + 2 * model.experts_per_token * model.d_model * e
    gradients += hidden
    if memory.recompute == "none":
        return round(num_tokens * gradients)
    whole = block_tensors(model, memory, sequence_length)
    again = sum(whole.values()) - model.d_model * memory.stream_bytes
    if memory.recompute == "selective":
        again -= whole["values"] + whole.get("log-sum-exp", 0) + _d_ff(model, memory) * e
        again -= whole["attention"] if "log-sum-exp" in whole else 0
    return round(num_tokens * (again + gradients))


def _products(model: ModelConfig, memory: MemoryConfig) -> dict[str, float]:
    """In order of execution -> features that they give on one GPU."""
    return {
        weight.module: _num_results(weight, model, memory)
        for weight in block_weights(model)
        if weight.multiplies
    }


def _num_results(weight: Weight, model: ModelConfig, memory: MemoryConfig) -> float:
    if weight.role == "experts":
        return float(weight.shape[1] * model.experts_per_token)
    if weight.cut == "columns":
        return weight.share(memory.tensor_parallel) / weight.shape[1]
    return float(weight.shape[0])


def _num_inputs(model: ModelConfig, memory: MemoryConfig) -> int:
    """Normed streams that products read: one for both parts of a parallel block."""
    if memory.uses_autocast:
        return 3 + (2 if model.is_gated else 1)
    return _NUM_NORMS[model.block]


def _score_bytes(memory: MemoryConfig) -> int:
    """Weights; under autocast in fp32 and cast; dropped ones, and a mask of 1 byte."""
    weights = 6 if memory.uses_autocast else memory.product_bytes
    return weights + (memory.product_bytes + 1 if memory.use_dropout else 0)


def _num_heads(model: ModelConfig, memory: MemoryConfig) -> float:
    return model.num_heads / memory.tensor_parallel


def _width(model: ModelConfig, memory: MemoryConfig) -> float:
    return model.attention_width / memory.tensor_parallel


def _kv_width(model: ModelConfig, memory: MemoryConfig) -> float:
    """A single head's is whole on every GPU."""
    return model.kv_width / (memory.tensor_parallel if model.num_kv_heads > 1 else 1)


def _d_ff(model: ModelConfig, memory: MemoryConfig) -> float:
    """Of all experts that a token goes to."""
    if model.num_experts:
        return model.experts_per_token * model.d_ff + (model.shared_d_ff or 0)
    return model.d_ff / memory.tensor_parallel
