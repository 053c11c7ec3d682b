"""How a model tells where a token stands, by name: added to the stream, turned, or scored.

learned     a row for each position, added to the embedding (GPT-2)
sinusoidal  sines and cosines of wavelengths 2 pi to 10,000 x 2 pi, added (Vaswani et al. 2017)
rope        queries and keys are turned, so that a score depends on their distance (`rope.py`)
alibi       a head's score falls with the distance, each head at a slope of its own (Press et al.
            2022)
t5          a learned bias for each head and bucket of distances, alike in all blocks (Raffel 2020)
shaw, transformer_xl  distances that queries are multiplied by, in each block (`distances.py`)
none        the causal mask alone
"""

# B batch, T queries, S keys, D model, H heads, K head dim

from __future__ import annotations

import math

import torch
from torch import nn

from labkit.model.config import ModelConfig
from labkit.model.reading import Reading
from labkit.model.rope import Rotations, rope_tables
from labkit.model.waves import waves
from labkit.model.weights import T5_BUCKETS


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
        num_rows = config.position_offset + config.context_length
        self.weight = nn.Parameter(torch.randn(num_rows, config.d_model))

    def add(self, x_BTD: torch.Tensor, reading: Reading) -> torch.Tensor:
        offset = self.config.position_offset
        if reading.positions_BS is None:
            return x_BTD + self.weight[offset + reading.start : offset + reading.end]
        return x_BTD + nn.functional.embedding(reading.queries_BT + offset, self.weight)


class SinusoidalPositions(Positions):
    def add(self, x_BTD: torch.Tensor, reading: Reading) -> torch.Tensor:
        return x_BTD + waves(reading.queries_BT, self.config.d_model).to(x_BTD.dtype)


class RotaryPositions(Positions):
    """Tables of each base are made at the first pass, on its device."""

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self._tables: dict[tuple[float, torch.device], Rotations] = {}

    def rotations(self, reading: Reading, theta: float) -> Rotations:
        cos_TN, sin_TN = self._table(theta, reading.device)
        if reading.positions_BS is None:
            return cos_TN[reading.start : reading.end], sin_TN[reading.start : reading.end]
        positions_BT = reading.queries_BT
        return cos_TN[positions_BT][:, None], sin_TN[positions_BT][:, None]

    def _table(self, theta: float, device: torch.device) -> Rotations:
        if (theta, device) not in self._tables:
            with torch.inference_mode(False):  # they outlive the call, and training saves them
                cos_TN, sin_TN = rope_tables(self.config, self.config.context_length, theta)
                self._tables[theta, device] = cos_TN.to(device), sin_TN.to(device)
        return self._tables[theta, device]


class LinearBiases(Positions):
    def bias(self, reading: Reading) -> torch.Tensor:
        distance_BTS = reading.queries_BT[:, :, None] - reading.keys_BS[:, None, :]
        slopes_H = torch.tensor(alibi_slopes(self.config.num_heads), device=reading.device)
        return -slopes_H[:, None, None] * distance_BTS.abs()[:, None]


class BucketBiases(Positions):
    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.weight = nn.Parameter(torch.randn(T5_BUCKETS, config.num_heads))

    def bias(self, reading: Reading) -> torch.Tensor:
        distance_BTS = reading.queries_BT[:, :, None] - reading.keys_BS[:, None, :]
        buckets_BTS = t5_buckets(distance_BTS.clamp(min=0), self.config.max_distance)
        return nn.functional.embedding(buckets_BTS, self.weight).permute(0, 3, 1, 2)


POSITIONS: dict[str, type[Positions]] = {
    "learned": LearnedPositions,
    "sinusoidal": SinusoidalPositions,
    "rope": RotaryPositions,
    "alibi": LinearBiases,
    "t5": BucketBiases,
    "shaw": Positions,
    "transformer_xl": Positions,
    "none": Positions,
}


def t5_buckets(distance_BTS: torch.Tensor, max_distance: int) -> torch.Tensor:
    """The bucket of each distance back: near ones have their own, far ones share, by logarithm.

    >>> t5_buckets(torch.tensor([0, 15, 16, 127, 500]), 128).tolist()
    [0, 15, 16, 31, 31]
    """
    num_exact = T5_BUCKETS // 2
    ratio_BTS = torch.log(distance_BTS.float().clamp(min=1) / num_exact)
    far_BTS = ratio_BTS / math.log(max_distance / num_exact) * (T5_BUCKETS - num_exact)
    far_BTS = (num_exact + far_BTS.to(torch.long)).clamp(max=T5_BUCKETS - 1)
    return torch.where(distance_BTS < num_exact, distance_BTS, far_BTS)


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
