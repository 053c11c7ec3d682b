"""Keys and values of what has been read, so that each new token costs one position's work.

2 x layers x num_kv_heads x head_dim elements per token: what grouped-query attention saves.
"""

# B batch, S time, D model, G key/value heads, K head dim

from __future__ import annotations

import torch

from labkit.model.config import ModelConfig


class LayerCache:
    """Space for one layer, filled from the left."""

    def __init__(self, space_BGSK: tuple[torch.Tensor, torch.Tensor]):
        self.keys_BGSK, self.values_BGSK = space_BGSK
        self.length = 0

    def append(
        self, k_BGSK: torch.Tensor, v_BGSK: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values so far, the new ones last."""
        end = self.length + k_BGSK.shape[2]
        self.keys_BGSK[:, :, self.length : end] = k_BGSK
        self.values_BGSK[:, :, self.length : end] = v_BGSK
        self.length = end
        return self.keys_BGSK[:, :, :end], self.values_BGSK[:, :, :end]


class Cache:
    """One `LayerCache` per layer, and the last embedding where a model mixes neighbours."""

    def __init__(self, config: ModelConfig, batch_size: int, like: torch.Tensor):
        shape = (batch_size, config.num_kv_heads, config.context_length, config.head_dim)
        self.layers = [
            LayerCache((like.new_zeros(shape), like.new_zeros(shape)))
            for _ in range(config.num_layers)
        ]
        self.last_B1D: torch.Tensor | None = None

    @property
    def length(self) -> int:
        return self.layers[0].length

    @property
    def num_bytes(self) -> int:
        """Of the tokens read so far."""
        return sum(
            2 * layer.keys_BGSK[:, :, : layer.length].numel() * layer.keys_BGSK.element_size()
            for layer in self.layers
        )
