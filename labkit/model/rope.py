"""RoPE: pairs of features are turned, so that a score depends on distance (Su et al. 2021).

At position t the i-th of n pairs is turned by t f_i, f_i = theta^(-i/n). Two layouts, equal but for
a permutation of the features: `halves` pairs i with i + n (Llama's released weights in
`transformers`), `interleaved` 2i with 2i + 1 (the paper, GPT-J). Features behind the first 2 n are
left as they are (`rope_ratio`: GPT-NeoX, arXiv:2204.06745).

A longer context than was trained stretches the wavelengths 2 pi / f_i by a factor s:
linear   all of them                                             (Chen et al., arXiv:2306.15595)
ntk      theta times s^(n/(n-1)): the shortest not, the longest by s   (bloc97 2023)
yarn     those that turn less than once in the old context, none of those that turn 32 times,
         between them by degrees; scores grow with (0.1 ln s + 1)^2    (Peng, arXiv:2309.00071)
llama3   as yarn, between 1 and 4 turns, linear in the turns; scores stay  (arXiv:2407.21783)
"""

# B batch, T time, H heads, K head dim

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from labkit.model.config import ModelConfig

Rotations = tuple[torch.Tensor, torch.Tensor]
"""(cos, sin), each (T, n), or (B, 1, T, n) where rows stand at positions of their own."""


class Frequencies(NamedTuple):
    """Radians per position of each pair, and what cos and sin are multiplied by."""

    turns_N: torch.Tensor
    scale: float = 1.0


def rope_tables(config: ModelConfig, num_positions: int, theta: float) -> Rotations:
    """(cos, sin), each (num_positions, n), in the fp32 steps of `transformers`, bit for bit."""
    turns_N, scale = SCALINGS[config.rope_scaling](config, theta)
    angles_TN = torch.outer(torch.arange(num_positions, dtype=torch.float32), turns_N)
    cos_TN, sin_TN = angles_TN.cos(), angles_TN.sin()
    return (cos_TN, sin_TN) if scale == 1 else (cos_TN * scale, sin_TN * scale)


def rotate(x_BHTK: torch.Tensor, cos_TN: torch.Tensor, sin_TN: torch.Tensor) -> torch.Tensor:
    """Turn pairs of the halves; tables hold one row for each of the T positions."""
    cos_TN, sin_TN = cos_TN.to(x_BHTK.dtype), sin_TN.to(x_BHTK.dtype)
    num_pairs = cos_TN.shape[-1]
    first, second = x_BHTK[..., :num_pairs], x_BHTK[..., num_pairs : 2 * num_pairs]
    parts = [first * cos_TN - second * sin_TN, second * cos_TN + first * sin_TN]
    if 2 * num_pairs < x_BHTK.shape[-1]:
        parts.append(x_BHTK[..., 2 * num_pairs :])
    return torch.cat(parts, dim=-1)


def rotate_interleaved(
    x_BHTK: torch.Tensor, cos_TN: torch.Tensor, sin_TN: torch.Tensor
) -> torch.Tensor:
    """Turn pairs of neighbours."""
    cos_TN, sin_TN = cos_TN.to(x_BHTK.dtype), sin_TN.to(x_BHTK.dtype)
    width = 2 * cos_TN.shape[-1]
    even, odd = x_BHTK[..., :width:2], x_BHTK[..., 1:width:2]
    pairs = torch.stack((even * cos_TN - odd * sin_TN, odd * cos_TN + even * sin_TN), dim=-1)
    return torch.cat((pairs.flatten(-2), x_BHTK[..., width:]), dim=-1)


Rotate = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
LAYOUTS: dict[str, Rotate] = {"halves": rotate, "interleaved": rotate_interleaved}


def _plain(config: ModelConfig, theta: float) -> Frequencies:
    width = config.rope_dim
    return Frequencies(1.0 / (theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width)))


def _linear(config: ModelConfig, theta: float) -> Frequencies:
    return Frequencies(_plain(config, theta).turns_N / config.rope_factor)


def ntk_theta(config: ModelConfig, theta: float) -> float:
    """The base that stretches the longest wavelength by the factor, and the shortest not."""
    width = config.rope_dim
    return theta * config.rope_factor ** (width / max(width - 2, 1))


def _ntk(config: ModelConfig, theta: float) -> Frequencies:
    return _plain(config, ntk_theta(config, theta))


YARN_FAST, YARN_SLOW = 32, 1
"""Turns in the old context from which on nothing, and up to which all is stretched."""
LLAMA_FAST, LLAMA_SLOW = 4.0, 1.0


def _yarn(config: ModelConfig, theta: float) -> Frequencies:
    turns_N, width, factor = _plain(config, theta).turns_N, config.rope_dim, config.rope_factor
    old_context = config.rope_original_context
    assert old_context is not None

    def pair_with(num_turns: int) -> float:
        """Index of the pair that turns so often in the old context, a fraction."""
        wavelength = old_context / (num_turns * 2 * math.pi)
        return width * math.log(wavelength) / (2 * math.log(theta))

    low = max(math.floor(pair_with(YARN_FAST)), 0)
    high = min(math.ceil(pair_with(YARN_SLOW)), width - 1)
    ramp_N = (torch.arange(width // 2, dtype=torch.float32) - low) / (max(high - low, 0.001))
    kept_N = 1 - ramp_N.clamp(0, 1)
    stretched_N = turns_N / factor * (1 - kept_N) + turns_N * kept_N
    return Frequencies(stretched_N, 0.1 * math.log(factor) + 1.0)


def _llama3(config: ModelConfig, theta: float) -> Frequencies:
    turns_N, factor = _plain(config, theta).turns_N, config.rope_factor
    assert config.rope_original_context is not None
    wavelengths_N = 2 * math.pi / turns_N
    num_turns_N = config.rope_original_context / wavelengths_N
    kept_N = ((num_turns_N - LLAMA_SLOW) / (LLAMA_FAST - LLAMA_SLOW)).clamp(0, 1)
    return Frequencies((1 - kept_N) * turns_N / factor + kept_N * turns_N)


SCALINGS: dict[str, Callable[[ModelConfig, float], Frequencies]] = {
    "none": _plain,
    "linear": _linear,
    "ntk": _ntk,
    "yarn": _yarn,
    "llama3": _llama3,
}
