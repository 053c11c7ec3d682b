"""How a model tells where a token stands, by name: added to the stream, turned, or scored.

learned  a row for each position, added to the embedding (GPT-2)
rope     queries and keys are turned, so that a score depends on their distance (Su et al. 2021)
alibi    a head's score falls with the distance, each head at a slope of its own (Press et al. 2022)
none     the causal mask alone

RoPE: features i and i + K/2 of a head are a pair, turned at position t by t theta^(-2i/K). This is
the halves layout of Llama's released weights in `transformers`, not the interleaved one of the
paper; they differ by a permutation of the features.
"""

# B batch, T queries, S keys, D model, H heads, K head dim

from __future__ import annotations

import torch
from torch import nn

from labkit.model.config import ModelConfig
from labkit.model.reading import Reading

Rotations = tuple[torch.Tensor, torch.Tensor]
"""(cos, sin), each (T, K/2), or (B, 1, T, K/2) where rows stand at positions of their own."""


class Positions(nn.Module):
    """No positions. The other kinds change one of the three ways in which they could be told."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config

    def add(self, x_BTD: torch.Tensor, reading: Reading) -> torch.Tensor:
        return x_BTD

    def rotations(self, reading: Reading, theta: float) -> Rotations | None:
        return None

    def bias(self, reading: Reading) -> torch.Tensor | None:
        """(B, H, T, S), added to the scores."""
        return None


class LearnedPositions(Positions):
    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.weight = nn.Parameter(torch.randn(config.context_length, config.d_model))

    def add(self, x_BTD: torch.Tensor, reading: Reading) -> torch.Tensor:
        if reading.positions_BS is None:
            return x_BTD + self.weight[reading.start : reading.end]
        return x_BTD + nn.functional.embedding(reading.queries_BT, self.weight)


class RotaryPositions(Positions):
    """Tables of each base are made at the first pass, on its device."""

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self._tables: dict[tuple[float, torch.device], Rotations] = {}

    def rotations(self, reading: Reading, theta: float) -> Rotations:
        cos_TK, sin_TK = self._table(theta, reading.device)
        if reading.positions_BS is None:
            return cos_TK[reading.start : reading.end], sin_TK[reading.start : reading.end]
        positions_BT = reading.queries_BT
        return cos_TK[positions_BT][:, None], sin_TK[positions_BT][:, None]

    def _table(self, theta: float, device: torch.device) -> Rotations:
        if (theta, device) not in self._tables:
            with torch.inference_mode(False):  # they outlive the call, and training saves them
                cos_TK, sin_TK = rope_tables(
                    self.config.context_length, self.config.head_dim, theta
                )
                self._tables[theta, device] = cos_TK.to(device), sin_TK.to(device)
        return self._tables[theta, device]


class LinearBiases(Positions):
    def bias(self, reading: Reading) -> torch.Tensor:
        distance_BTS = reading.queries_BT[:, :, None] - reading.keys_BS[:, None, :]
        slopes_H = torch.tensor(alibi_slopes(self.config.num_heads), device=reading.device)
        return -slopes_H[:, None, None] * distance_BTS.abs()[:, None]


POSITIONS: dict[str, type[Positions]] = {
    "learned": LearnedPositions,
    "rope": RotaryPositions,
    "alibi": LinearBiases,
    "none": Positions,
}


def rope_tables(num_positions: int, head_dim: int, theta: float) -> Rotations:
    """(cos, sin), each (num_positions, head_dim / 2), in Llama's own fp32 steps, bit for bit."""
    frequencies = 1.0 / (theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim))
    angles = torch.outer(torch.arange(num_positions, dtype=torch.float32), frequencies)
    return angles.cos(), angles.sin()


def rotate(x_BHTK: torch.Tensor, cos_TK: torch.Tensor, sin_TK: torch.Tensor) -> torch.Tensor:
    """Turn each pair of features; tables hold one row for each of the T positions."""
    first, second = x_BHTK.chunk(2, dim=-1)
    cos_TK, sin_TK = cos_TK.to(x_BHTK.dtype), sin_TK.to(x_BHTK.dtype)
    return torch.cat((first * cos_TK - second * sin_TK, second * cos_TK + first * sin_TK), dim=-1)


def alibi_slopes(num_heads: int) -> list[float]:
    """The slope of each head: 2^(-8 i / n) for i = 1 to n where n is a power of two.

    Of another number, the slopes of the next smaller power come first, and then every second one
    of the next larger power, as in BLOOM (112 heads).

    >>> alibi_slopes(4)
    [0.25, 0.0625, 0.015625, 0.00390625]
    """
    power = 1 << (num_heads.bit_length() - 1)
    slopes = [2 ** (-8 * n / power) for n in range(1, power + 1)]
    finer = [2 ** (-8 * n / (2 * power)) for n in range(1, 2 * power + 1, 2)]
    return slopes + finer[: num_heads - power]
