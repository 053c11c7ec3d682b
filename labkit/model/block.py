"""One layer of the residual stream: attention and feed-forward, each added to what came in.

sequential, pre    h = x + Attn(norm x);  y = h + FFN(norm h)     (GPT-2, Llama)
sequential, post   h = norm(x + Attn x);  y = norm(h + FFN h)     (Vaswani et al. 2017, GPT-1)
parallel           y = x + Attn(norm x) + FFN(norm x)             (GPT-J, PaLM)
"""

# B batch, T time, D model

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from labkit.model.attention import Attention
from labkit.model.cache import LayerCache
from labkit.model.config import ModelConfig
from labkit.model.feed_forward import FEED_FORWARDS
from labkit.model.norms import make_norm
from labkit.model.positions import Rotations
from labkit.model.reading import Sight

View = tuple[Sight, Rotations | None]
"""What the block may see, and how it tells positions."""


class Block(nn.Module):
    """The parts that every arrangement has."""

    def __init__(self, config: ModelConfig, kernel: str):
        super().__init__()
        self.attention = Attention(config, kernel)
        self.feed_forward = FEED_FORWARDS[config.feed_forward](config)
        self.attention_norm = make_norm(config)
        self.feed_forward_norm = None if config.block == "parallel" else make_norm(config)
        self.dropout = nn.Dropout(config.dropout)
        self.arrange = ARRANGEMENTS[config.block, config.norm_placement]

    def forward(
        self, x_BTD: torch.Tensor, view: View, cache: LayerCache | None = None
    ) -> torch.Tensor:
        return self.arrange(self, x_BTD, view, cache)

    def attend(self, x_BTD: torch.Tensor, view: View, cache: LayerCache | None) -> torch.Tensor:
        return self.dropout(self.attention(x_BTD, x_BTD, *view, cache))

    def feed(self, x_BTD: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.feed_forward(x_BTD))


def _pre(block: Block, x_BTD: torch.Tensor, view: View, cache: LayerCache | None) -> torch.Tensor:
    h_BTD = x_BTD + block.attend(block.attention_norm(x_BTD), view, cache)
    return h_BTD + block.feed(cast(nn.Module, block.feed_forward_norm)(h_BTD))


def _post(block: Block, x_BTD: torch.Tensor, view: View, cache: LayerCache | None) -> torch.Tensor:
    h_BTD = block.attention_norm(x_BTD + block.attend(x_BTD, view, cache))
    return cast(nn.Module, block.feed_forward_norm)(h_BTD + block.feed(h_BTD))


def _parallel(
    block: Block, x_BTD: torch.Tensor, view: View, cache: LayerCache | None
) -> torch.Tensor:
    normed_BTD = block.attention_norm(x_BTD)
    return x_BTD + block.attend(normed_BTD, view, cache) + block.feed(normed_BTD)


ARRANGEMENTS = {
    ("sequential", "pre"): _pre,
    ("sequential", "post"): _post,
    ("parallel", "pre"): _parallel,
}
