"""Keys and values of what has been read, so that each new token costs one position's work.

2 x layers x num_kv_heads x head_dim elements per token: what grouped-query attention saves.
"""

# B batch, S time, D model, G key/value heads, K head dim

from __future__ import annotations

import torch

from labkit.model.config import ModelConfig


class LayerCache:
    """Space for one layer, filled from the left; made at the first keys, as wide as they are."""

    def __init__(self, context_length: int):
        self.context_length = context_length
        self.length = 0

    def append(
        self, k_BGSK: torch.Tensor, v_BGSK: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values so far, the new ones last."""
        if not self.length:
            batch, groups, _, head_dim = k_BGSK.shape
            shape = (batch, groups, self.context_length, head_dim)
            self.keys_BGSK, self.values_BGSK = k_BGSK.new_zeros(shape), v_BGSK.new_zeros(shape)
        end = self.length + k_BGSK.shape[2]
        self.keys_BGSK[:, :, self.length : end] = k_BGSK
        self.values_BGSK[:, :, self.length : end] = v_BGSK
        self.length = end
        return self.keys_BGSK[:, :, :end], self.values_BGSK[:, :, :end]


class Cache:
    """One `LayerCache` per layer, and the last embedding where a model mixes neighbours.

    `segments_BS` says which of the tokens belong together where rows are not one text each.
    """

    def __init__(self, config: ModelConfig, capacity: int | None = None):
        """`capacity`: the most tokens that it will hold; by default the context."""
        size = capacity or config.context_length
        self.layers = [LayerCache(size) for _ in range(config.num_layers)]
        self.last_B1D: torch.Tensor | None = None
        self.segments_BS: torch.Tensor | None = None
        self.prefix_B: torch.Tensor | None = None

    def add_segments(
        self, segments_BT: torch.Tensor | None, ids_BT: torch.Tensor
    ) -> torch.Tensor | None:
        """Segments of all tokens so far, these among them; a row goes on with its last one."""
        if self.length == 0:
            self.segments_BS = segments_BT
        elif self.segments_BS is not None:
            if segments_BT is None:
                segments_BT = self.segments_BS[:, -1:].expand_as(ids_BT)
            self.segments_BS = torch.cat((self.segments_BS, segments_BT), dim=1)
        elif segments_BT is not None:
            raise ValueError("this cache was begun without segments; give them from its start")
        return self.segments_BS

    def keep_rows(self, rows: list[int]) -> None:
        """Go on with the rows of these numbers alone."""
        for layer in self.layers:
            layer.keys_BGSK, layer.values_BGSK = layer.keys_BGSK[rows], layer.values_BGSK[rows]
        for name in ("last_B1D", "segments_BS", "prefix_B"):
            if (held := getattr(self, name)) is not None:
                setattr(self, name, held[rows])

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
