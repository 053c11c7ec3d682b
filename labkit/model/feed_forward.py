"""Feed-forwards by name: what each position computes by itself.

gelu           W_out gelu(W_in x), the tanh form of GPT-2
relu_squared   W_out max(W_in x, 0)^2 (Primer, So et al. 2021)
swiglu         W_out (silu(W_gate x) * W_in x) (Shazeer 2020)
"""

# B batch, T time, D model, F feed-forward

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from labkit.model.config import ModelConfig


class FeedForward(nn.Module):
    """Two matrices around an activation."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.activation = ACTIVATIONS[config.feed_forward]
        self.up = nn.Linear(config.d_model, config.d_ff, bias=config.feed_forward_bias)
        self.down = nn.Linear(config.d_ff, config.d_model, bias=config.feed_forward_bias)

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        return self.down(self.activation(self.up(x_BTD)))


class SwiGLU(nn.Module):
    """Three matrices: one of two parallel ones gates the other."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.gate = nn.Linear(config.d_model, config.d_ff, bias=config.feed_forward_bias)
        self.up = nn.Linear(config.d_model, config.d_ff, bias=config.feed_forward_bias)
        self.down = nn.Linear(config.d_ff, config.d_model, bias=config.feed_forward_bias)

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        return self.down(functional.silu(self.gate(x_BTD)) * self.up(x_BTD))


def _gelu(x_BTF: torch.Tensor) -> torch.Tensor:
    return functional.gelu(x_BTF, approximate="tanh")


def _relu_squared(x_BTF: torch.Tensor) -> torch.Tensor:
    return functional.relu(x_BTF).square()


ACTIVATIONS = {"gelu": _gelu, "relu_squared": _relu_squared}

FEED_FORWARDS: dict[str, type[nn.Module]] = {
    "gelu": FeedForward,
    "relu_squared": FeedForward,
    "swiglu": SwiGLU,
}
