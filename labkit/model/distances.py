"""Positions as distances that queries are multiplied by, in each block: Shaw and Transformer-XL.

shaw             q (k + a_d)^T, a learned key a_d for each distance d back (Shaw 2018, eq. 4).
                 Its values by distance are left out: it finds that they add nothing (table 3)
transformer_xl   (q + u) k^T + (q + v) (W r_d)^T, r_d sines and cosines of the distance, u and v
                 learned for each head (Dai et al. 2019; Gopher, arXiv:2112.11446)

The term that depends on the distance is handed to the kernel as a bias of the scores.
"""

# B batch, T time (queries), S time (keys), D model, H heads, K head dim, N distances

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from labkit.model.config import ModelConfig
from labkit.model.reading import Sight
from labkit.model.waves import waves


class ShawDistances(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(config.max_distance + 1, config.head_dim))
        self.scale = scale_of(config)

    def forward(
        self, q_BHTK: torch.Tensor, sight: Sight, num_keys: int
    ) -> tuple[torch.Tensor, Sight]:
        by_distance_BHTN = q_BHTK * self.scale @ self.weight.to(q_BHTK.dtype).T
        return q_BHTK, _with_distances(sight, by_distance_BHTN, num_keys)


class TransformerXLDistances(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        width = config.attention_width
        self.weight = nn.Parameter(torch.randn(width, config.d_model))
        self.content_bias = nn.Parameter(torch.zeros(width))
        self.distance_bias = nn.Parameter(torch.zeros(width))
        self.num_heads, self.d_model = config.num_heads, config.d_model
        self.scale = scale_of(config)

    def forward(
        self, q_BHTK: torch.Tensor, sight: Sight, num_keys: int
    ) -> tuple[torch.Tensor, Sight]:
        u_H1K, v_H1K = (
            bias.view(self.num_heads, 1, -1).to(q_BHTK.dtype)
            for bias in (self.content_bias, self.distance_bias)
        )
        waves_ND = waves(torch.arange(num_keys, device=q_BHTK.device), self.d_model)
        r_NHK = nn.functional.linear(waves_ND.to(q_BHTK.dtype), self.weight.to(q_BHTK.dtype))
        r_HKN = r_NHK.unflatten(-1, (self.num_heads, -1)).permute(1, 2, 0)
        by_distance_BHTN = (q_BHTK + v_H1K) * self.scale @ r_HKN
        return q_BHTK + u_H1K, _with_distances(sight, by_distance_BHTN, num_keys)


DISTANCES: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "shaw": ShawDistances,
    "transformer_xl": TransformerXLDistances,
}


def scale_of(config: ModelConfig) -> float:
    return config.attention_scale or 1 / math.sqrt(config.head_dim)


def _with_distances(sight: Sight, by_distance_BHTN: torch.Tensor, num_keys: int) -> Sight:
    """The bias of each pair; what is farther than the last distance is as far as that."""
    num_queries, num_distances = by_distance_BHTN.shape[-2:]
    queries_BT, keys_BS = sight.queries_BT, sight.keys_BS
    if queries_BT is None or keys_BS is None:
        keys_BS = torch.arange(num_keys, device=by_distance_BHTN.device)[None]
        queries_BT = keys_BS[:, num_keys - num_queries :]
    back_BTS = queries_BT[:, :, None] - keys_BS[:, None]
    index_BTS = back_BTS.clamp(0, num_distances - 1)
    index_BHTS = index_BTS[:, None].expand(*by_distance_BHTN.shape[:3], num_keys)
    seen_BTS = back_BTS >= 0 if sight.is_causal else sight.seen_BTS
    return Sight(False, seen_BTS, by_distance_BHTN.gather(-1, index_BHTS))
