"""One layer of the residual stream: attention and feed-forward, each added to what came in.

sequential, pre       h = x + Attn(norm x);  y = h + FFN(norm h)       (GPT-2, Llama)
sequential, post      h = norm(x + Attn x);  y = norm(h + FFN h)       (Vaswani 2017, GPT-1)
sequential, deep      h = norm(a x + Attn x);  y = norm(a h + FFN h)   (DeepNorm, Wang 2022)
                      a = (2 layers)^(1/4); deep_glm: (2 layers)^(1/2) (GLM-130B, Zeng 2022)
sequential, after     h = x + norm(Attn x);  y = h + norm(FFN h)       (OLMo 2, arXiv:2501.00656)
sequential, sandwich  h = x + norm(Attn(norm x));  y = h + norm(FFN(norm h))   (Gemma 2)
parallel              y = x + Attn(norm x) + FFN(norm x)               (GPT-J, PaLM, Falcon-7B)
parallel_two_norms    y = x + Attn(norm x) + FFN(norm' x)              (GPT-NeoX, Falcon-40B)
"""

# B batch, T time, D model

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from labkit.model.attention import Attention
from labkit.model.cache import LayerCache
from labkit.model.config import ModelConfig
from labkit.model.experts import Experts
from labkit.model.feed_forward import make_feed_forward
from labkit.model.norms import make_norm
from labkit.model.reading import Sight
from labkit.model.rope import Rotations

View = tuple[Sight, Rotations | None]
"""What the block may see, and how it tells positions."""


class Block(nn.Module):
    """The parts that every arrangement has."""

    def __init__(self, config: ModelConfig, kernel: str):
        super().__init__()
        self.attention = Attention(config, kernel)
        experts = config.num_experts is not None
        self.feed_forward = Experts(config) if experts else make_feed_forward(config)
        self.attention_norm = make_norm(config)
        self.feed_forward_norm = None if config.block == "parallel" else make_norm(config)
        self.attention_output_norm = self.feed_forward_output_norm = None
        if config.norm_placement == "sandwich":
            self.attention_output_norm = make_norm(config)
            self.feed_forward_output_norm = make_norm(config)
        self.stream_scale = STREAM_SCALES.get(config.norm_placement, _one)(config.num_layers)
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


def _deep(block: Block, x_BTD: torch.Tensor, view: View, cache: LayerCache | None) -> torch.Tensor:
    scale = block.stream_scale
    h_BTD = block.attention_norm(scale * x_BTD + block.attend(x_BTD, view, cache))
    return cast(nn.Module, block.feed_forward_norm)(scale * h_BTD + block.feed(h_BTD))


def _after(block: Block, x_BTD: torch.Tensor, view: View, cache: LayerCache | None) -> torch.Tensor:
    h_BTD = x_BTD + block.attention_norm(block.attend(x_BTD, view, cache))
    return h_BTD + cast(nn.Module, block.feed_forward_norm)(block.feed(h_BTD))


def _sandwich(
    block: Block, x_BTD: torch.Tensor, view: View, cache: LayerCache | None
) -> torch.Tensor:
    norms = (block.feed_forward_norm, block.attention_output_norm, block.feed_forward_output_norm)
    before, after_attention, after = cast(tuple[nn.Module, nn.Module, nn.Module], norms)
    attended_BTD = block.attend(block.attention_norm(x_BTD), view, cache)
    h_BTD = x_BTD + after_attention(attended_BTD)
    return h_BTD + after(block.feed(before(h_BTD)))


def _parallel(
    block: Block, x_BTD: torch.Tensor, view: View, cache: LayerCache | None
) -> torch.Tensor:
    normed_BTD = block.attention_norm(x_BTD)
    return x_BTD + block.attend(normed_BTD, view, cache) + block.feed(normed_BTD)


def _parallel_two_norms(
    block: Block, x_BTD: torch.Tensor, view: View, cache: LayerCache | None
) -> torch.Tensor:
    attended_BTD = block.attend(block.attention_norm(x_BTD), view, cache)
    return x_BTD + attended_BTD + block.feed(cast(nn.Module, block.feed_forward_norm)(x_BTD))


def _one(num_layers: int) -> float:
    return 1.0


STREAM_SCALES = {
    "deep": lambda num_layers: (2 * num_layers) ** 0.25,
    "deep_glm": lambda num_layers: (2 * num_layers) ** 0.5,
}
ARRANGEMENTS = {
    ("sequential", "pre"): _pre,
    ("sequential", "post"): _post,
    ("sequential", "deep"): _deep,
    ("sequential", "deep_glm"): _deep,
    ("sequential", "after"): _after,
    ("sequential", "sandwich"): _sandwich,
    ("parallel", "pre"): _parallel,
    ("parallel_two_norms", "pre"): _parallel_two_norms,
}
