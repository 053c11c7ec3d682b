"""Who may see whom: masks that answer for any positions of queries and keys.

A position counts from the start of its own text, so that a mask says the same of a text alone, of
one in a packed row, and of one that is read in pieces through a cache. Masks are narrowed by one
another: a pair sees each other where all of them allow it.

causal   keys up to the query                             (Vaswani et al. 2017)
prefix   and all keys of the row's prefix                 (Raffel et al. 2020)
full     all keys                                         (Devlin et al. 2019)
window   keys nearer than `size`                          (Beltagy et al. 2020)
banded   and every `size`-th key before those             (Child et al. 2019, strided; GPT-3)
segments keys of the query's own document of a packed row; padding is a document of its own
"""

# B batch, or 1 where rows are alike; T queries, S keys

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch


class Mask(Protocol):
    def sees(self, query_BT1: torch.Tensor, key_B1S: torch.Tensor) -> torch.Tensor:
        """(B, T, S) booleans from positions: whether the query may see the key."""
        ...


@dataclass(frozen=True)
class Causal:
    def sees(self, query_BT1: torch.Tensor, key_B1S: torch.Tensor) -> torch.Tensor:
        return key_B1S <= query_BT1


@dataclass(frozen=True)
class Full:
    def sees(self, query_BT1: torch.Tensor, key_B1S: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(query_BT1 == key_B1S)


@dataclass(frozen=True)
class Prefix:
    """Causal, but the first `lengths_B` tokens of a row are seen by all of the row."""

    lengths_B: torch.Tensor

    def sees(self, query_BT1: torch.Tensor, key_B1S: torch.Tensor) -> torch.Tensor:
        return (key_B1S <= query_BT1) | (key_B1S < self.lengths_B[:, None, None])


@dataclass(frozen=True)
class Window:
    size: int

    def sees(self, query_BT1: torch.Tensor, key_B1S: torch.Tensor) -> torch.Tensor:
        return (query_BT1 - key_B1S).abs() < self.size


@dataclass(frozen=True)
class Banded:
    """Both of Sparse Transformers' strided heads in one: the band, and each `size`-th key."""

    size: int

    def sees(self, query_BT1: torch.Tensor, key_B1S: torch.Tensor) -> torch.Tensor:
        distance_BTS = (query_BT1 - key_B1S).abs()
        return (distance_BTS < self.size) | (distance_BTS % self.size == 0)


@dataclass(frozen=True)
class Segments:
    """Equal numbers belong together; positions don't matter."""

    query_BT: torch.Tensor
    key_BS: torch.Tensor

    def sees(self, query_BT1: torch.Tensor, key_B1S: torch.Tensor) -> torch.Tensor:
        return self.query_BT[:, :, None] == self.key_BS[:, None, :]


MASKS: dict[str, type[Causal] | type[Full]] = {"causal": Causal, "prefix": Causal, "full": Full}
"""By the name in a config; a prefix, whose length is known when a text is read, is added then."""

WINDOWS: dict[str, type[Window] | type[Banded]] = {"sliding": Window, "banded": Banded}


def seen_by_all(
    masks: Sequence[Mask], query_BT: torch.Tensor, key_BS: torch.Tensor
) -> torch.Tensor:
    """(B, T, S): what every mask allows."""
    query_BT1, key_B1S = query_BT[:, :, None], key_BS[:, None, :]
    seen_BTS = masks[0].sees(query_BT1, key_B1S)
    for mask in masks[1:]:
        seen_BTS = seen_BTS & mask.sees(query_BT1, key_B1S)
    return seen_BTS
