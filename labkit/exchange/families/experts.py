"""Mixtures of experts with Llama's attention: Mixtral, Qwen3-MoE. A file has each expert apart."""

from __future__ import annotations

import dataclasses
from typing import Any

from labkit.exchange.families.family import Family, Json, Names, allow, always
from labkit.exchange.families.llama import (
    ATTENTION,
    LLAMAS,
    NORMS,
    read_mistral,
    read_qwen3,
    write_mistral,
    write_qwen3,
)
from labkit.model.config import ModelConfig


def _read_mixtral(theirs: Json) -> dict[str, Any]:
    """Two of eight experts, whose weights sum to 1."""
    allow(theirs, {"router_jitter_noise": (0.0,)})
    return read_mistral({"sliding_window": None, "rms_norm_eps": 1e-5, **theirs}) | {
        "preset": "mixtral-8x7b",
        "num_experts": theirs.get("num_local_experts", 8),
        "experts_per_token": theirs.get("num_experts_per_tok", 2),
        "balance_loss": theirs.get("router_aux_loss_coef", 0.001),
    }


def _write_mixtral(config: ModelConfig) -> dict[str, Any]:
    return write_mistral(config) | {
        "num_local_experts": config.num_experts,
        "num_experts_per_tok": config.experts_per_token,
        "router_aux_loss_coef": config.balance_loss,
    }


def _read_qwen3_moe(theirs: Json) -> dict[str, Any]:
    """Experts in every block, of a width of their own."""
    allow(theirs, {"decoder_sparse_step": (1,)})
    allow(
        {"mlp_only_layers": tuple(theirs.get("mlp_only_layers") or ())}, {"mlp_only_layers": ((),)}
    )
    return read_qwen3(theirs) | {
        "preset": "qwen3-30b-a3b",
        "d_ff": theirs.get("moe_intermediate_size", 768),
        "num_experts": theirs.get("num_experts") or theirs.get("num_local_experts") or 128,
        "experts_per_token": theirs.get("num_experts_per_tok", 8),
        "normalize_expert_weights": theirs.get("norm_topk_prob", False),
        "balance_loss": theirs.get("router_aux_loss_coef", 0.001),
    }


def _write_qwen3_moe(config: ModelConfig) -> dict[str, Any]:
    return write_qwen3(config) | {
        "moe_intermediate_size": config.d_ff,
        "num_experts": config.num_experts,
        "num_experts_per_tok": config.experts_per_token,
        "norm_topk_prob": config.normalize_expert_weights,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "router_aux_loss_coef": config.balance_loss,
    }


def _mixture(architecture: str, read: Any, write: Any, router: str, experts: Names) -> Family:
    names = {**NORMS, **ATTENTION, router: ("feed_forward.router",)}
    return dataclasses.replace(
        LLAMAS["llama"],
        architecture=architecture,
        read=read,
        write=write,
        layer=always(names),
        experts=experts,
    )


MIXTURES: dict[str, Family] = {
    "mixtral": _mixture(
        "MixtralForCausalLM",
        _read_mixtral,
        _write_mixtral,
        "block_sparse_moe.gate",
        {
            "block_sparse_moe.experts.{}.w1": ("feed_forward.gate",),
            "block_sparse_moe.experts.{}.w3": ("feed_forward.up",),
            "block_sparse_moe.experts.{}.w2": ("feed_forward.down",),
        },
    ),
    "qwen3_moe": _mixture(
        "Qwen3MoeForCausalLM",
        _read_qwen3_moe,
        _write_qwen3_moe,
        "mlp.gate",
        {
            "mlp.experts.{}.gate_proj": ("feed_forward.gate",),
            "mlp.experts.{}.up_proj": ("feed_forward.up",),
            "mlp.experts.{}.down_proj": ("feed_forward.down",),
        },
    ),
}
