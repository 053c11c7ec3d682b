"""Feed-forwards by name: what each position computes by itself.

Two matrices around an activation a, W_out a(W_in x):
gelu           x Phi(x) in the tanh form of GPT-2 (Hendrycks, Gimpel 2016); gelu_exact without it,
               gelu_quick x sigmoid(1.702 x)
relu           max(x, 0) (OPT); relu_squared its square (Primer, So et al. 2021)
silu           x sigmoid(x) (Ramachandran et al. 2017)
Three, one of them a gate, W_out (a(W_gate x) * W_in x) (Shazeer 2020):
glu            a is the sigmoid; geglu: gelu in its tanh form; swiglu: silu
"""

# B batch, T time, D model, F feed-forward

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from labkit.model.config import ModelConfig

Activation = Callable[[torch.Tensor], torch.Tensor]


class FeedForward(nn.Module):
    """Two matrices around an activation."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.activation = ACTIVATIONS[config.feed_forward]
        self.up = nn.Linear(config.d_model, config.d_ff, bias=config.feed_forward_bias)
        self.down = nn.Linear(config.d_ff, config.d_model, bias=config.feed_forward_bias)

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        return self.down(self.activation(self.up(x_BTD)))


class GatedFeedForward(nn.Module):
    """Three matrices: one of two parallel ones gates the other."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.activation = GATES[config.feed_forward]
        self.gate = nn.Linear(config.d_model, config.d_ff, bias=config.feed_forward_bias)
        self.up = nn.Linear(config.d_model, config.d_ff, bias=config.feed_forward_bias)
        self.down = nn.Linear(config.d_ff, config.d_model, bias=config.feed_forward_bias)

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        return self.down(self.activation(self.gate(x_BTD)) * self.up(x_BTD))


def _gelu(x_BTF: torch.Tensor) -> torch.Tensor:
    return functional.gelu(x_BTF, approximate="tanh")


def _gelu_quick(x_BTF: torch.Tensor) -> torch.Tensor:
    return x_BTF * torch.sigmoid(1.702 * x_BTF)


def _relu_squared(x_BTF: torch.Tensor) -> torch.Tensor:
    return functional.relu(x_BTF).square()


ACTIVATIONS: dict[str, Activation] = {
    "gelu": _gelu,
    "gelu_exact": functional.gelu,
    "gelu_quick": _gelu_quick,
    "relu": functional.relu,
    "relu_squared": _relu_squared,
    "silu": functional.silu,
}
GATES: dict[str, Activation] = {
    "glu": torch.sigmoid,
    "geglu": _gelu,
    "swiglu": functional.silu,
}


def make_feed_forward(config: ModelConfig) -> nn.Module:
    return (GatedFeedForward if config.is_gated else FeedForward)(config)
