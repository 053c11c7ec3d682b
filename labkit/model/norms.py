"""Norms of the last dimension, by name: LayerNorm (Ba et al. 2016), RMSNorm (Zhang, Sennrich 2019).

RMSNorm(x) = x / sqrt(mean(x^2) + epsilon) * weight: no centring, no shift. `rmsnorm_plus_one`
multiplies by 1 + weight, so that weight decay pulls towards no change (Gemma, arXiv:2403.08295).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from labkit.model.config import ModelConfig


class RMSNormPlusOne(nn.Module):
    def __init__(self, width: int, epsilon: float):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.epsilon = epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, self.weight.shape, 1.0 + self.weight, self.epsilon)


def make_norm(config: ModelConfig) -> nn.Module:
    """A norm of the residual stream."""
    return NORMS[config.norm](config)


def make_head_norm(config: ModelConfig, width: int) -> nn.Module:
    """A norm of queries or keys: without centring, whatever the stream has."""
    norm = RMSNormPlusOne if config.norm == "rmsnorm_plus_one" else nn.RMSNorm
    return norm(width, config.norm_epsilon)


NORMS = {
    "layernorm": lambda config: nn.LayerNorm(
        config.d_model, eps=config.norm_epsilon, bias=config.norm_bias
    ),
    "rmsnorm": lambda config: nn.RMSNorm(config.d_model, eps=config.norm_epsilon),
    "rmsnorm_plus_one": lambda config: RMSNormPlusOne(config.d_model, config.norm_epsilon),
}
