"""Sines and cosines of wavelengths from 2 pi to 10,000 x 2 pi (Vaswani et al. 2017, section 3.5).

waves(t)[2i] = sin(t / 10,000^(2i / width)), waves(t)[2i + 1] = cos of the same.
"""

from __future__ import annotations

import math

import torch


def waves(positions: torch.Tensor, width: int) -> torch.Tensor:
    """(..., width) in fp32."""
    even = torch.arange(0, width, 2, dtype=torch.float32, device=positions.device)
    angles = positions[..., None] * torch.exp(-math.log(10_000.0) / width * even)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)[..., :width]
