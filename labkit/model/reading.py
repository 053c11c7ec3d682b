"""One pass over some tokens: where each stands, and what each kind of block lets it see.

Rows that read one text each, from the same start, need no tables: their positions are a range,
and a causal mask is the kernel's own. Packed documents, padding and texts of unequal length are
rows of segments: a token's position is its index in its segment, and it sees its segment alone.
"""

# B batch, T tokens of this pass (queries), S all tokens so far (keys), H heads

from __future__ import annotations

from typing import NamedTuple

import torch

from labkit.model.cache import Cache
from labkit.model.masks import MASKS, WINDOWS, Mask, Prefix, Segments, seen_by_all
from labkit.model.stack import BlockKind


class Sight(NamedTuple):
    """What attention needs to know of a pass.

    `is_causal`: a query sees the keys up to its own, as many as there are queries; else it sees
    those of `seen_BTS`, or all where that is None. `bias_BHTS` is added to the scores. Positions of
    queries and keys are None where they are the range that ends with the last key.
    """

    is_causal: bool = False
    seen_BTS: torch.Tensor | None = None
    bias_BHTS: torch.Tensor | None = None
    queries_BT: torch.Tensor | None = None
    keys_BS: torch.Tensor | None = None


class Reading(NamedTuple):
    """Tokens `start` to `end` - 1 of each row; the tables are None where rows are a range."""

    start: int
    end: int
    device: torch.device
    positions_BS: torch.Tensor | None = None
    segments_BS: torch.Tensor | None = None
    prefix_B: torch.Tensor | None = None

    @property
    def queries_BT(self) -> torch.Tensor:
        """Positions of the tokens of this pass; one row where rows are alike."""
        return self.keys_BS[:, self.start :]

    @property
    def keys_BS(self) -> torch.Tensor:
        if self.positions_BS is not None:
            return self.positions_BS
        return torch.arange(self.end, device=self.device)[None]

    @property
    def is_first_BT1(self) -> torch.Tensor | None:
        """Tokens without a predecessor in their segment; None where rows are a range."""
        return None if self.positions_BS is None else (self.queries_BT == 0)[:, :, None]

    def sight(self, kind: BlockKind, bias_BHTS: torch.Tensor | None) -> Sight:
        num_queries = self.end - self.start
        masks: list[Mask] = [MASKS[kind.mask]()]
        if kind.mask == "prefix" and self.prefix_B is not None:
            masks = [Prefix(self.prefix_B)]
        if kind.window is not None and kind.window < self.end:
            masks.append(WINDOWS[kind.pattern](kind.window))
        if self.segments_BS is not None:
            masks.append(Segments(self.segments_BS[:, self.start :], self.segments_BS))
        is_plain = len(masks) == 1 and not isinstance(masks[0], Prefix)
        sees_all = is_plain and (kind.mask == "full" or num_queries == 1)
        if sees_all:
            return Sight(bias_BHTS=bias_BHTS)
        if is_plain and num_queries == self.end and bias_BHTS is None:
            return Sight(is_causal=True)
        seen_BTS = seen_by_all(masks, self.queries_BT, self.keys_BS)
        if self.positions_BS is None:
            return Sight(False, seen_BTS, bias_BHTS)
        return Sight(False, seen_BTS, bias_BHTS, self.queries_BT, self.keys_BS)


def reading_of(
    ids_BT: torch.Tensor,
    cache: Cache | None,
    segments_BT: torch.Tensor | None,
    prefix_B: torch.Tensor | None,
) -> Reading:
    """The pass that goes on where the cache ends; a row's last segment goes on unless told."""
    start = cache.length if cache else 0
    end = start + ids_BT.shape[1]
    segments_BS = segments_BT
    if cache is not None:
        segments_BS = cache.add_segments(segments_BT, ids_BT)
        prefix_B = cache.prefix_B = cache.prefix_B if prefix_B is None else prefix_B
    if segments_BS is None:
        return Reading(start, end, ids_BT.device, prefix_B=prefix_B)
    positions_BS, runs_BS = positions_and_runs(segments_BS)
    return Reading(start, end, ids_BT.device, positions_BS, runs_BS, prefix_B)


def positions_and_runs(segments_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Index of each token in its run of equal numbers, and the run's own number.

    >>> positions, runs = positions_and_runs(torch.tensor([[7, 7, 2, 2, 7]]))
    >>> positions.tolist(), runs.tolist()
    ([[0, 1, 0, 1, 0]], [[1, 1, 2, 2, 3]])
    """
    index_S = torch.arange(segments_BS.shape[1], device=segments_BS.device)
    begins_BS = torch.ones_like(segments_BS, dtype=torch.bool)
    begins_BS[:, 1:] = segments_BS[:, 1:] != segments_BS[:, :-1]
    start_BS = torch.where(begins_BS, index_S, 0).cummax(dim=1).values
    return index_S - start_BS, begins_BS.cumsum(dim=1)
