"""Attention of H query heads over K/V heads that groups of them share.

num_kv_heads = num_heads is multi-head (Vaswani et al. 2017), 1 is multi-query (Shazeer 2019),
between is grouped-query attention (Ainslie et al. 2023). Who sees whom is a `Sight`, which
the model makes of its masks and positions. Which kernel computes it changes speed and memory, not
the result: which is faster depends on shape, type and processor, and is measured
(`labkit.training.settle`).
"""

# B batch, T time (queries), S time (keys), D model, H heads, G key/value heads, K head dim

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from labkit.model.cache import LayerCache
from labkit.model.config import ModelConfig
from labkit.model.distances import DISTANCES
from labkit.model.norms import make_head_norm
from labkit.model.reading import Sight
from labkit.model.rope import LAYOUTS, Rotations


class Scoring(NamedTuple):
    """Scores are q k^T x `scale` (None: 1 / sqrt(K)); capped, they are c tanh(scores / c)."""

    scale: float | None = None
    soft_cap: float | None = None


PLAIN = Scoring()
Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Sight, float, Scoring], torch.Tensor]


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, kernel: str):
        super().__init__()
        d, width, kv_width = config.d_model, config.attention_width, config.kv_width
        self.query = nn.Linear(d, width, bias=config.qkv_bias)
        self.key = nn.Linear(d, kv_width, bias=config.qkv_bias)
        self.value = nn.Linear(d, kv_width, bias=config.qkv_bias)
        self.output = nn.Linear(width, d, bias=config.attention_output_bias)
        self.query_norm = self.key_norm = None
        self.norms_width = config.qk_norm_span == "width"
        if config.qk_norm:
            spans = (width, kv_width) if self.norms_width else (config.head_dim,) * 2
            self.query_norm, self.key_norm = (make_head_norm(config, span) for span in spans)
        make_distances = DISTANCES.get(config.positions)
        self.distances = None if make_distances is None else make_distances(config)
        self.head_dim = config.head_dim
        self.num_heads = config.num_heads
        self.dropout = config.dropout
        self.rotate = LAYOUTS[config.rope_layout]
        self.scoring = Scoring(config.attention_scale, config.attention_soft_cap)
        # fused kernels don't cap scores
        self.kernel = KERNELS["written_out" if config.attention_soft_cap else kernel]

    def forward(
        self,
        x_BTD: torch.Tensor,
        source_BSD: torch.Tensor,
        sight: Sight,
        rotations: Rotations | None,
        cache: LayerCache | None,
    ) -> torch.Tensor:
        """Queries of `x_BTD` over keys and values of the source: itself in self-attention."""
        q_BHTK = self._heads(self.query(x_BTD), self.query_norm)
        k_BGSK = self._heads(self.key(source_BSD), self.key_norm)
        v_BGSK = self._heads(self.value(source_BSD), None)
        if rotations is not None:
            q_BHTK, k_BGSK = self.rotate(q_BHTK, *rotations), self.rotate(k_BGSK, *rotations)
        if cache is not None:
            k_BGSK, v_BGSK = cache.append(k_BGSK, v_BGSK)
        dropout = self.dropout if self.training else 0.0
        if self.distances is not None:
            q_BHTK, sight = self.distances(q_BHTK, sight, k_BGSK.shape[2])
        mixed_BHTK = self.kernel(q_BHTK, k_BGSK, v_BGSK, sight, dropout, self.scoring)
        return self.output(mixed_BHTK.transpose(1, 2).flatten(2))

    def _heads(self, x_BTW: torch.Tensor, norm: nn.Module | None) -> torch.Tensor:
        if norm is not None and self.norms_width:
            x_BTW = norm(x_BTW.to(_dtype_of(norm)))
        x_BTHK = x_BTW.unflatten(-1, (-1, self.head_dim))
        if norm is not None and not self.norms_width:
            x_BTHK = norm(x_BTHK.to(_dtype_of(norm)))
        return x_BTHK.transpose(1, 2)


def _dtype_of(norm: nn.Module) -> torch.dtype:
    """Of its weight, which is fp32 under autocast."""
    return next(norm.parameters()).dtype


def fused(
    q_BHTK: torch.Tensor,
    k_BGSK: torch.Tensor,
    v_BGSK: torch.Tensor,
    sight: Sight,
    dropout: float,
    scoring: Scoring = PLAIN,
) -> torch.Tensor:
    """torch's scaled_dot_product_attention: never stores the scores where a fused kernel exists."""
    return functional.scaled_dot_product_attention(
        q_BHTK,
        k_BGSK,
        v_BGSK,
        attn_mask=_added_or_seen(sight, q_BHTK.dtype),
        dropout_p=dropout,
        is_causal=sight.is_causal,
        scale=scoring.scale,
        enable_gqa=q_BHTK.shape[1] != k_BGSK.shape[1],
    )


def written_out(
    q_BHTK: torch.Tensor,
    k_BGSK: torch.Tensor,
    v_BGSK: torch.Tensor,
    sight: Sight,
    dropout: float,
    scoring: Scoring = PLAIN,
) -> torch.Tensor:
    """softmax(q k^T / sqrt(K) + bias) v with the T x S scores in memory."""
    groups = q_BHTK.shape[1] // k_BGSK.shape[1]
    if groups > 1:
        k_BGSK, v_BGSK = (x.repeat_interleave(groups, dim=1) for x in (k_BGSK, v_BGSK))
    scale = scoring.scale
    q_BHTK = q_BHTK / math.sqrt(q_BHTK.shape[-1]) if scale is None else q_BHTK * scale
    scores_BHTS = q_BHTK @ k_BGSK.transpose(-1, -2)
    if (cap := scoring.soft_cap) is not None:
        scores_BHTS = cap * torch.tanh(scores_BHTS / cap)
    if sight.bias_BHTS is not None:
        scores_BHTS = scores_BHTS + sight.bias_BHTS
    unseen = _unseen(sight, scores_BHTS)
    if unseen is not None:
        scores_BHTS = scores_BHTS.masked_fill(unseen, -math.inf)
    weights_BHTS = scores_BHTS.softmax(dim=-1)
    if dropout:
        weights_BHTS = functional.dropout(weights_BHTS, dropout)
    return weights_BHTS.to(v_BGSK.dtype) @ v_BGSK


KERNELS: dict[str, Kernel] = {"fused": fused, "written_out": written_out}


def _added_or_seen(sight: Sight, dtype: torch.dtype) -> torch.Tensor | None:
    """torch takes one mask: booleans, or what is added, -inf where a key is not seen."""
    seen_BTS, bias_BHTS = sight.seen_BTS, sight.bias_BHTS
    if bias_BHTS is None:
        return None if seen_BTS is None else seen_BTS[:, None]
    if seen_BTS is not None:
        bias_BHTS = bias_BHTS.masked_fill(~seen_BTS[:, None], -math.inf)
    return bias_BHTS.to(dtype)


def _unseen(sight: Sight, scores_BHTS: torch.Tensor) -> torch.Tensor | None:
    if sight.seen_BTS is not None:
        return ~sight.seen_BTS[:, None]
    if not sight.is_causal:
        return None
    size = scores_BHTS.shape[-2:]
    return ~torch.ones(size, dtype=torch.bool, device=scores_BHTS.device).tril()
