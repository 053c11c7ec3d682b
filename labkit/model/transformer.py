"""A decoder-only Transformer: token ids in, logits of the next token out.

Everything that published models differ in is a field of `ModelConfig` and a row of a table beside
the class that it chooses. How the model is sharded is not its business.
"""

# B batch, T time, D model, V vocab, K head dim

from __future__ import annotations

import torch
from torch import nn

from labkit.core.errors import LabError
from labkit.model.block import Block
from labkit.model.cache import Cache
from labkit.model.config import ModelConfig
from labkit.model.norms import make_norm
from labkit.model.positions import rope_tables


class Transformer(nn.Module):
    """Weights are torch's defaults until `initialization.initialize` or a state sets them."""

    def __init__(self, config: ModelConfig, *, kernel: str = "fused"):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.positions = None
        if config.positions == "learned":
            self.positions = nn.Embedding(config.context_length, config.d_model)
        self.shift = TokenShift(config.d_model) if config.token_shift else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, kernel) for _ in range(config.num_layers))
        self.final_norm = make_norm(config) if config.norm_placement == "pre" else None
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.head.weight = self.embedding.weight
        self._rotations: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(
        self, ids_BT: torch.Tensor, cache: Cache | None = None, *, last_only: bool = False
    ) -> torch.Tensor:
        """Logits (B, T, V), or (B, 1, V) of the last position; with a cache, ids continue it.

        Raises:
            LabError: more positions than context_length.
        """
        x_BTD = self.hidden(ids_BT, cache)
        return self.head(x_BTD[:, -1:] if last_only else x_BTD)

    def hidden(self, ids_BT: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """What the head reads, (B, T, D)."""
        start = cache.length if cache else 0
        end = start + ids_BT.shape[1]
        if end > self.config.context_length:
            raise LabError(
                f"{end} positions, but the model's context_length is {self.config.context_length}"
            )
        x_BTD = self.embedding(ids_BT)
        if self.shift is not None:
            x_BTD = self.shift(x_BTD, cache)
        if self.positions is not None:
            x_BTD = x_BTD + self.positions.weight[start:end]
        x_BTD = self.dropout(x_BTD)
        rotations = self._rotations_of(start, end, x_BTD.device)
        for number, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, rotations, cache.layers[number] if cache else None)
        return x_BTD if self.final_norm is None else self.final_norm(x_BTD)

    def new_cache(self) -> Cache:
        return Cache(self.config)

    def _rotations_of(
        self, start: int, end: int, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        if self.config.positions != "rope":
            return None
        if self._rotations is None or self._rotations[0].device != device:
            with torch.inference_mode(False):  # they outlive the call, and training saves them
                cos_TK, sin_TK = rope_tables(
                    self.config.context_length, self.config.head_dim, self.config.rope_theta
                )
                self._rotations = cos_TK.to(device), sin_TK.to(device)
        cos_TK, sin_TK = self._rotations
        return cos_TK[start:end], sin_TK[start:end]


class TokenShift(nn.Module):
    """x_t + share * (x_(t-1) - x_t), a learned share per feature (RWKV, Peng et al. 2023)."""

    def __init__(self, d_model: int):
        super().__init__()
        self.share = nn.Parameter(torch.zeros(d_model))

    def forward(self, x_BTD: torch.Tensor, cache: Cache | None) -> torch.Tensor:
        before_B1D = torch.zeros_like(x_BTD[:, :1])
        if cache is not None:
            before_B1D = before_B1D if cache.last_B1D is None else cache.last_B1D
            cache.last_B1D = x_BTD[:, -1:]
        previous_BTD = torch.cat((before_B1D, x_BTD[:, :-1]), dim=1)
        return x_BTD + self.share * (previous_BTD - x_BTD)
