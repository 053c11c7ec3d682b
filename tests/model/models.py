"""Tiny models whose every parameter is random, so that none is without effect."""

from __future__ import annotations

import itertools
import random
from typing import TypeVar, get_args

import torch

from labkit.model.config import ModelConfig
from labkit.model.transformer import Transformer

M = TypeVar("M", bound=torch.nn.Module)


def tiny(**changes) -> ModelConfig:
    shape = {
        "vocab_size": 61,
        "context_length": 16,
        "d_model": 24,
        "num_layers": 2,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 10,
        "d_ff": 40,
    }
    return ModelConfig.model_validate(shape | changes)


def _of(field: str):
    return ModelConfig.model_fields[field].annotation


def every_choice() -> list[ModelConfig]:
    """Each combination of the choices that a table holds; the others drawn for each."""
    rng = random.Random(0)
    arrangements = [("sequential", "pre"), ("sequential", "post"), ("parallel", "pre")]
    flags = "qk_norm token_shift qkv_bias attention_output_bias feed_forward_bias norm_bias".split()
    return [
        tiny(
            feed_forward=feed_forward,
            norm=norm,
            block=block,
            norm_placement=placement,
            positions=positions,
            num_kv_heads=rng.choice([1, 2, 4]),
            window=rng.choice([None, 5]),
            tie_embeddings=rng.random() < 0.5,
            **{flag: rng.random() < 0.5 for flag in flags},
        )
        for feed_forward, norm, (block, placement), positions in itertools.product(
            ["gelu", "relu_squared", "swiglu"],
            ["layernorm", "rmsnorm"],
            arrangements,
            ["learned", "rope", "alibi", "none"],
        )
    ]


_EXPERTS = {
    "num_experts": 5,
    "feed_forward": "swiglu",
    "feed_forward_bias": False,
    "balance_loss": 0.01,
}
SINGLE_CHOICES: dict[str, dict] = {
    **{f"feed_forward={name}": {"feed_forward": name} for name in get_args(_of("feed_forward"))},
    **{f"norm={name}": {"norm": name} for name in get_args(_of("norm"))},
    **{f"norms={name}": {"norm_placement": name} for name in get_args(_of("norm_placement"))},
    **{f"block={name}": {"block": name} for name in get_args(_of("block"))},
    **{f"positions={name}": {"positions": name} for name in get_args(_of("positions"))},
    "few distances": {"positions": "shaw", "max_distance": 17},
    "offset": {"position_offset": 2},
    "part of rope": {"positions": "rope", "head_dim": 8, "rope_ratio": 0.5},
    "interleaved": {"positions": "rope", "rope_layout": "interleaved"},
    "interleaved part": {
        "positions": "rope",
        "rope_layout": "interleaved",
        "head_dim": 8,
        "rope_ratio": 0.5,
    },
    **{
        f"scaling={name}": {"positions": "rope", "rope_scaling": name, "rope_factor": 4.0}
        for name in ("linear", "ntk")
    },
    **{
        f"scaling={name}": {
            "positions": "rope",
            "rope_scaling": name,
            "rope_factor": 4.0,
            "rope_original_context": 8,
        }
        for name in ("yarn", "llama3")
    },
    "window": {"window": 5},
    "banded": {"window": 3, "window_pattern": "banded"},
    "window last": {"window": 5, "whole_context_every": 2},
    "window first": {"window": 5, "whole_context_every": 2, "whole_context_first": True},
    "norm of heads": {"qk_norm": True},
    "norm of the width": {"qk_norm": True, "qk_norm_span": "width"},
    "experts": _EXPERTS,
    "experts without a gate": _EXPERTS | {"feed_forward": "relu", "experts_per_token": 1},
    "a shared expert": _EXPERTS | {"shared_d_ff": 12, "normalize_expert_weights": False},
    "attention scale": {"attention_scale": 1.0},
    "soft caps": {"attention_soft_cap": 2.0, "logit_soft_cap": 3.0},
    "embedding norm": {"embedding_norm": True},
    "scaled embedding": {"scale_embedding": True},
    "narrow embedding": {"embedding_width": 12},
    "narrow untied embedding": {"embedding_width": 12, "tie_embeddings": False},
    "token shift": {"token_shift": True},
    "head bias": {"head_bias": True},
    "no biases": {"qkv_bias": False, "attention_output_bias": False, "feed_forward_bias": False},
    "no norm bias": {"norm_bias": False},
    "all heads": {"num_kv_heads": 4},
    "one head": {"num_kv_heads": 1},
}
"""Each value of each choice, as a change of the tiny model."""


def name_of(config: ModelConfig) -> str:
    return f"{config.feed_forward}-{config.norm}-{config.norm_placement}-{config.block}-" + (
        f"{config.positions}-kv{config.num_kv_heads}"
    )


def random_model(config: ModelConfig, *, kernel: str = "fused", seed: int = 0) -> Transformer:
    return randomize(Transformer(config, kernel=kernel), seed)


def randomize(model: M, seed: int = 0) -> M:
    """Matrices keep the scale of what they read; vectors stay around where they start: 1 or 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                is_scale = bool((parameter == 1).all())
                parameter.copy_(float(is_scale) + 0.3 * noise)
            else:
                parameter.copy_(parameter.shape[-1] ** -0.5 * noise)
    return model.eval()


def random_ids(config: ModelConfig, batch: int, length: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(config.vocab_size, (batch, length), generator=generator)
