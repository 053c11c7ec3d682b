"""Rotary positions (RoPE, Su et al. 2021): a score depends on the distance of its two positions.

Features i and i + K/2 of a head are a pair, turned at position t by the angle t theta^(-2i/K).
This is the halves layout of Llama's released weights in `transformers`, not the interleaved one
of the paper; they differ by a permutation of the features.
"""

# B batch, T time, H heads, K head dim

from __future__ import annotations

import torch


def rope_tables(
    num_positions: int, head_dim: int, theta: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(cos, sin), each (num_positions, head_dim / 2), in Llama's own fp32 steps, bit for bit."""
    frequencies = 1.0 / (theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim))
    angles = torch.outer(torch.arange(num_positions, dtype=torch.float32), frequencies)
    return angles.cos(), angles.sin()


def rotate(x_BHTK: torch.Tensor, cos_TK: torch.Tensor, sin_TK: torch.Tensor) -> torch.Tensor:
    """Turn each pair of features; tables hold one row for each of the T positions."""
    first, second = x_BHTK.chunk(2, dim=-1)
    cos_TK, sin_TK = cos_TK.to(x_BHTK.dtype), sin_TK.to(x_BHTK.dtype)
    return torch.cat((first * cos_TK - second * sin_TK, second * cos_TK + first * sin_TK), dim=-1)
