"""Which choices of a model go together; each rule names the field, the reason and what to give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.model.config import ModelConfig

Rule = Callable[["ModelConfig"], None]


def _heads_divide(config: ModelConfig) -> None:
    if config.num_heads % config.num_kv_heads:
        divisors = (k for k in range(1, config.num_kv_heads) if config.num_heads % k == 0)
        raise ValueError(
            f"num_kv_heads={config.num_kv_heads} must divide num_heads={config.num_heads}; "
            f"try num_kv_heads={max(divisors)}"
        )


def _parallel_blocks_are_pre_norm(config: ModelConfig) -> None:
    if config.block != "sequential" and config.norm_placement != "pre":
        raise ValueError("a parallel block has its norm before; use norm_placement=pre")


def _rope_turns_pairs(config: ModelConfig) -> None:
    if config.positions != "rope" or (config.rope_dim and config.rope_dim % 2 == 0):
        return
    if config.rope_ratio == 1:
        raise ValueError(
            f"rope rotates pairs of features; head_dim={config.head_dim} is odd; "
            f"try head_dim={config.head_dim + 1}"
        )
    nearest = max(2 * round(config.rope_dim / 2), 2)
    raise ValueError(
        f"rope rotates pairs of features; rope_ratio={config.rope_ratio:g} of "
        f"head_dim={config.head_dim} is {config.rope_dim}; try rope_ratio={nearest}/"
        f"{config.head_dim} = {nearest / config.head_dim:.6g}"
    )


def _rope_scaling_is_complete(config: ModelConfig) -> None:
    if config.rope_scaling == "none":
        if config.rope_factor != 1 or config.rope_original_context is not None:
            raise ValueError(
                "rope_factor and rope_original_context say how rope_scaling stretches; give "
                "rope_scaling too, such as rope_scaling=linear"
            )
    elif config.positions != "rope":
        raise ValueError(
            f"rope_scaling={config.rope_scaling} needs positions=rope, not {config.positions}"
        )
    elif config.rope_scaling in ("yarn", "llama3") and config.rope_original_context is None:
        raise ValueError(
            f"rope_scaling={config.rope_scaling} needs rope_original_context, the context that the "
            f"model was trained on before; try rope_original_context="
            f"{max(round(config.context_length / config.rope_factor), 8)}"
        )


def _windows_agree(config: ModelConfig) -> None:
    needs_window = ("whole_context_every", "window_rope_theta")
    if config.window is None and (given := [n for n in needs_window if getattr(config, n)]):
        raise ValueError(f"{given[0]} says how blocks with a window differ; give window too")
    if config.window is None and config.window_pattern != "sliding":
        raise ValueError(f"window_pattern={config.window_pattern} needs a window; give window too")
    if config.whole_context_first and config.whole_context_every is None:
        raise ValueError(
            "whole_context_first says which of whole_context_every blocks is whole; give that too"
        )


def _offsets_have_rows(config: ModelConfig) -> None:
    if config.position_offset and config.positions != "learned":
        raise ValueError(
            f"position_offset={config.position_offset} counts rows of learned positions; give "
            "positions=learned, or position_offset=0"
        )


def _distances_are_causal(config: ModelConfig) -> None:
    if config.positions in ("t5", "shaw", "transformer_xl") and config.mask != "causal":
        raise ValueError(
            f"positions={config.positions} counts distances back here; give mask=causal, not "
            f"{config.mask}"
        )


def _experts_agree(config: ModelConfig) -> None:
    if config.num_experts is None:
        needs = ("shared_d_ff", "balance_loss", "router_z_loss")
        if given := [name for name in needs if getattr(config, name)]:
            raise ValueError(f"{given[0]} is of a mixture of experts; give num_experts too")
        return
    if config.experts_per_token > config.num_experts:
        raise ValueError(
            f"experts_per_token={config.experts_per_token} exceeds "
            f"num_experts={config.num_experts}; try experts_per_token={config.num_experts}"
        )
    if config.feed_forward_bias:
        raise ValueError("experts have no biases here; give feed_forward_bias=false")


RULES: tuple[Rule, ...] = (
    _heads_divide,
    _parallel_blocks_are_pre_norm,
    _rope_turns_pairs,
    _rope_scaling_is_complete,
    _windows_agree,
    _offsets_have_rows,
    _distances_are_causal,
    _experts_agree,
)
