"""Norms of the last dimension, by name: LayerNorm (Ba et al. 2016), RMSNorm (Zhang, Sennrich 2019).

RMSNorm(x) = x / sqrt(mean(x^2) + epsilon) * weight: no centring, no shift.
"""

from __future__ import annotations

from torch import nn

from labkit.model.config import ModelConfig


def make_norm(config: ModelConfig) -> nn.Module:
    return NORMS[config.norm](config)


NORMS = {
    "layernorm": lambda config: nn.LayerNorm(
        config.d_model, eps=config.norm_epsilon, bias=config.norm_bias
    ),
    "rmsnorm": lambda config: nn.RMSNorm(config.d_model, eps=config.norm_epsilon),
}
