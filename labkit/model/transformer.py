"""A decoder-only Transformer: token ids in, logits of the next token out.

What a token sees and how it knows its place is decided once for a pass, for each kind of block.

Everything that published models differ in is a field of `ModelConfig` and a row of a table beside
the class that it chooses. How the model is sharded is not its business.
"""

# B batch, T time, D model, V vocab, K head dim

from __future__ import annotations

import math

import torch
from torch import nn

from labkit.core.errors import LabError
from labkit.model.block import Block, View
from labkit.model.cache import Cache
from labkit.model.config import ModelConfig
from labkit.model.norms import make_norm
from labkit.model.positions import POSITIONS
from labkit.model.reading import Reading, reading_of
from labkit.model.stack import BlockKind, decoder_stack
from labkit.model.weights import FINAL_NORM


class Transformer(nn.Module):
    """Weights are torch's defaults until `initialization.initialize` or a state sets them."""

    def __init__(self, config: ModelConfig, *, kernel: str = "fused"):
        super().__init__()
        self.config = config
        self.kinds = decoder_stack(config).kinds
        d, width = config.d_model, config.token_width
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.embedding_projection = self.head_projection = None
        if config.embedding_width:
            self.embedding_projection = nn.Linear(width, d, bias=False)
        self.positions = POSITIONS[config.positions](config)
        self.embedding_norm = make_norm(config) if config.embedding_norm else None
        self.shift = TokenShift(config.d_model) if config.token_shift else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, kernel) for _ in range(config.num_layers))
        self.final_norm = make_norm(config) if config.norm_placement in FINAL_NORM else None
        if config.embedding_width:
            self.head_projection = nn.Linear(d, width, bias=False)
        self.head = nn.Linear(width, config.vocab_size, bias=config.head_bias)
        if config.tie_embeddings:
            self.head.weight = self.embedding.weight

    def forward(
        self,
        ids_BT: torch.Tensor,
        cache: Cache | None = None,
        *,
        segments_BT: torch.Tensor | None = None,
        prefix_B: torch.Tensor | None = None,
        last_only: bool = False,
    ) -> torch.Tensor:
        """Logits (B, T, V), or (B, 1, V) of the last position; with a cache, ids continue it.

        Args:
            segments_BT: runs of equal numbers are texts of their own, as packed documents are, and
                padding: each has its own positions and sees nothing of the others.
            prefix_B: tokens at the start of each row that all of it sees, under mask="prefix".

        Raises:
            LabError: more positions than context_length.
        """
        x_BTD = self.hidden(ids_BT, cache, segments_BT=segments_BT, prefix_B=prefix_B)
        logits_BTV = self.head(x_BTD[:, -1:] if last_only else x_BTD)
        if (cap := self.config.logit_soft_cap) is not None:
            logits_BTV = cap * torch.tanh(logits_BTV / cap)
        return logits_BTV

    def hidden(
        self,
        ids_BT: torch.Tensor,
        cache: Cache | None = None,
        *,
        segments_BT: torch.Tensor | None = None,
        prefix_B: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What the head reads, (B, T, D), or as wide as the embedding."""
        reading = reading_of(ids_BT, cache, segments_BT, prefix_B)
        if reading.end > self.config.context_length:
            raise LabError(
                f"{reading.end} positions, but the model's context_length is "
                f"{self.config.context_length}"
            )
        x_BTD = self._embedded(ids_BT)
        if self.shift is not None:
            x_BTD = self.shift(x_BTD, cache, reading.is_first_BT1)
        x_BTD = self.positions.add(x_BTD, reading)
        if self.embedding_norm is not None:
            x_BTD = self.embedding_norm(x_BTD)
        x_BTD = self.dropout(x_BTD)
        views = self._views(reading)
        for number, (block, kind) in enumerate(zip(self.blocks, self.kinds, strict=True)):
            x_BTD = block(x_BTD, views[kind], cache.layers[number] if cache else None)
        if self.final_norm is not None:
            x_BTD = self.final_norm(x_BTD)
        return x_BTD if self.head_projection is None else self.head_projection(x_BTD)

    def new_cache(self, capacity: int | None = None) -> Cache:
        return Cache(self.config, capacity)

    def _embedded(self, ids_BT: torch.Tensor) -> torch.Tensor:
        x_BTD = self.embedding(ids_BT)
        if self.embedding_projection is not None:
            x_BTD = self.embedding_projection(x_BTD)
        return x_BTD * math.sqrt(self.config.d_model) if self.config.scale_embedding else x_BTD

    def _views(self, reading: Reading) -> dict[BlockKind, View]:
        """What each kind of block sees, made once for a pass."""
        bias_BHTS = self.positions.bias(reading)
        return {
            kind: (
                reading.sight(kind, bias_BHTS),
                self.positions.rotations(reading, kind.rope_theta),
            )
            for kind in dict.fromkeys(self.kinds)
        }


class TokenShift(nn.Module):
    """x_t + share * (x_(t-1) - x_t), a learned share per feature (RWKV, Peng et al. 2023)."""

    def __init__(self, d_model: int):
        super().__init__()
        self.share = nn.Parameter(torch.zeros(d_model))

    def forward(
        self, x_BTD: torch.Tensor, cache: Cache | None, is_first_BT1: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The first token of a text has zeros before it."""
        before_B1D = torch.zeros_like(x_BTD[:, :1])
        if cache is not None:
            before_B1D = before_B1D if cache.last_B1D is None else cache.last_B1D
            cache.last_B1D = x_BTD[:, -1:]
        previous_BTD = torch.cat((before_B1D, x_BTD[:, :-1]), dim=1)
        if is_first_BT1 is not None:
            previous_BTD = previous_BTD.masked_fill(is_first_BT1, 0.0)
        return x_BTD + self.share * (previous_BTD - x_BTD)
