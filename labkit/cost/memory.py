"""Training memory of one GPU by parts, in bytes.

Weights, gradients and AdamW's two moments take 16 bytes per parameter in fp32 and in bf16 mixed
precision alike (fp32 masters). Activations are what the backward pass reads, counted tensor by
tensor; for GPT-2's block with dropout and bf16 that is s b h (34 + 5 a s/h) bytes, the formula of
Korthikanti et al. 2022 (arXiv:2205.05198, eq. 1). An attention kernel that does not store its
scores ("flash") saves the second term, exactly 5 a s^2 b per layer. Full recomputation keeps one
input per block and one block's activations.

Leaves out: workspace and allocator slack (add about 10%), log-sum-exp of flash kernels, norm
statistics, and under full sharding the gathered weights of the block at work.
"""

from __future__ import annotations

from typing import Literal

from labkit.core.config import Config, field
from labkit.cost.parameters import count_parameters
from labkit.model.config import ModelConfig


class MemoryConfig(Config):
    """What decides memory beside the model."""

    micro_batch: int = field(
        1, "sequences per GPU in one forward pass", unit="sequences", ge=1, le=4096
    )
    precision: Literal["fp32", "16-mixed"] = field(
        "16-mixed", "16-mixed: fp32 weights and optimizer, 16-bit activations"
    )
    attention_kernel: Literal["flash", "materialized"] = field(
        "flash", "flash: scores are never stored; materialized: the T x T matrix is"
    )
    recompute: Literal["none", "full"] = field(
        "none", "full: keep only each block's input and run it again in the backward pass"
    )
    sharding: Literal["none", "full"] = field(
        "full", "full: weights, gradients and optimizer states split over all GPUs (ZeRO-3, FSDP)"
    )
    use_dropout: bool = field(False, "dropout after attention, on its scores, and after the MLP")


def training_memory(
    model: ModelConfig, memory: MemoryConfig, sequence_length: int, num_gpus: int
) -> dict[str, int]:
    """Part -> bytes on one GPU; the values sum to the whole."""
    num_tokens = memory.micro_batch * sequence_length
    shards = num_gpus if memory.sharding == "full" else 1
    states = -(-count_parameters(model) * 4 // shards)
    return {
        "weights": states,
        "gradients": states,
        "optimizer": 2 * states,
        "activations": _activations(model, memory, num_tokens, sequence_length),
        "logits": num_tokens * model.vocab_size * _logit_bytes(memory),
    }


def _activations(
    model: ModelConfig, memory: MemoryConfig, num_tokens: int, sequence_length: int
) -> int:
    block = block_activation_bytes(model, memory, num_tokens, sequence_length)
    if memory.recompute == "full":
        block_input = num_tokens * model.d_model * _element_bytes(memory)
        return model.num_layers * block_input + block
    return model.num_layers * block


def block_activation_bytes(
    model: ModelConfig, memory: MemoryConfig, num_tokens: int, sequence_length: int
) -> int:
    """What one block keeps for its backward pass: `num_tokens` in sequences of one length."""
    element = _element_bytes(memory)
    d, width, f = model.d_model, model.attention_width, model.d_ff
    norm_inputs = {"sequential": 2, "parallel": 1}[model.block] * d
    if model.qk_norm:
        norm_inputs += width + model.kv_width
    attention = d + width + 2 * model.kv_width + width  # its input, q, k and v, the mixed values
    feed_forward = {
        "gelu": d + f + f,  # its input, before and after the GELU
        "relu_squared": d + f + f,
        "swiglu": d + 4 * f,  # its input; gate before and after SiLU, up, their product
    }[model.feed_forward]
    total = num_tokens * element * (norm_inputs + attention + feed_forward)
    if memory.attention_kernel == "materialized":
        masks = (element + 1) if memory.use_dropout else 0  # dropped scores and a 1-byte mask
        total += num_tokens * sequence_length * model.num_heads * (element + masks)
    if memory.use_dropout:
        total += num_tokens * 2 * d  # 1-byte masks
    return total


def _element_bytes(memory: MemoryConfig) -> int:
    return {"fp32": 4, "16-mixed": 2}[memory.precision]


def _logit_bytes(memory: MemoryConfig) -> int:
    """Per logit: log-probabilities and their gradient in fp32, plus bf16 logits when mixed."""
    return {"fp32": 8, "16-mixed": 10}[memory.precision]
