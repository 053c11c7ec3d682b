"""Tiny models whose every parameter is random, so that none is without effect."""

from __future__ import annotations

import itertools
import random
from typing import TypeVar

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


def name_of(config: ModelConfig) -> str:
    return f"{config.feed_forward}-{config.norm}-{config.norm_placement}-{config.block}-" + (
        f"{config.positions}-kv{config.num_kv_heads}"
    )


def random_model(config: ModelConfig, *, kernel: str = "fused", seed: int = 0) -> Transformer:
    return randomize(Transformer(config, kernel=kernel), seed)


def randomize(model: M, seed: int = 0) -> M:
    """Matrices keep the scale of what they read; vectors stay around 1 (norms) or 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in name or "ln_" in name
            centre = float(parameter.ndim == 1 and is_norm and name.endswith("weight"))
            scale = 0.3 if parameter.ndim == 1 else parameter.shape[1] ** -0.5
            parameter.copy_(centre + scale * noise)
    return model.eval()


def random_ids(config: ModelConfig, batch: int, length: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(config.vocab_size, (batch, length), generator=generator)
