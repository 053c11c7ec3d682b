"""An index of the n-grams of some texts, past which others are streamed to see what they share.

A text shorter than n units is one gram of its own length, so every such length is looked for too.
Grams are compared by their 64-bit hashes, in an open-addressed table. Memory: 40 to 70 bytes per
n-gram of the indexed texts; those streamed are held a batch at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from labkit.data.compiled import compiled
from labkit.data.ngrams import batch_units, roll

_SHIFT = np.uint64(1)


class Hits(NamedTuple):
    """Distinct pairs of a streamed text and an indexed gram, ascending."""

    texts: np.ndarray
    """int64: position of the text in what was given."""
    grams: np.ndarray
    """int64: position in `GramIndex.grams`."""


@dataclass(frozen=True, eq=False)
class GramIndex:
    """Made by `index_grams`."""

    lengths: tuple[int, ...]
    grams: np.ndarray
    """uint64, distinct and ascending."""
    occurrences: np.ndarray
    """int64: the grams of all texts, one after the other, as positions in `grams`."""
    ends: np.ndarray
    """int64: where each text's occurrences end."""
    keys: np.ndarray
    places: np.ndarray
    """The table: hashes, and positions in `grams` or -1."""

    def find(self, texts: pa.Array) -> Hits:
        units, ends = batch_units(texts)
        found = [np.zeros(0, dtype=np.int64)]
        for length in self.lengths:
            grams, gram_ends = roll(units, ends, length)
            room = np.empty(len(grams), dtype=np.int64)
            num_found = _look_up(grams, gram_ends, self.keys, self.places, len(self.grams), room)
            found.append(room[:num_found])
        pairs = np.unique(np.concatenate(found))
        return Hits(*np.divmod(pairs, max(len(self.grams), 1)))

    def shares(self, is_seen: np.ndarray) -> np.ndarray:
        """Per indexed text, the share of its grams that were seen; NaN where it has none."""
        total = np.r_[0, np.cumsum(is_seen[self.occurrences])]
        sizes = np.diff(self.ends, prepend=0)
        seen = total[self.ends] - total[self.ends - sizes]
        return np.divide(seen, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)


def index_grams(texts: Sequence[str], num_units: int, min_units: int = 1) -> GramIndex:
    """Texts with fewer than `min_units` units have no grams."""
    units, ends = batch_units(pa.array(texts, pa.large_string()))
    sizes = np.diff(ends, prepend=0)
    is_long = sizes >= min_units
    units, ends = units[np.repeat(is_long, sizes)], np.cumsum(np.where(is_long, sizes, 0))
    everything, gram_ends = roll(units, ends, num_units)
    grams, occurrences = np.unique(everything, return_inverse=True)
    lengths = np.unique(np.minimum(sizes[is_long & (sizes > 0)], num_units))
    size = 1 << max(4, (4 * len(grams)).bit_length())
    keys, places = np.zeros(size, dtype=np.uint64), np.full(size, -1, dtype=np.int32)
    _fill(grams, keys, places)
    return GramIndex(tuple(lengths.tolist()), grams, occurrences, gram_ends, keys, places)


@compiled
def _fill(grams, keys, places):
    for place in range(len(grams)):
        row = np.int64(grams[place] >> _SHIFT) & (len(keys) - 1)
        while places[row] >= 0:
            row = (row + 1) & (len(keys) - 1)
        keys[row], places[row] = grams[place], place


@compiled
def _look_up(grams, ends, keys, places, num_grams, found):
    """Fills found with text * num_grams + gram; returns how many."""
    start = num_found = 0
    for text in range(len(ends)):
        for at in range(start, ends[text]):
            row = np.int64(grams[at] >> _SHIFT) & (len(keys) - 1)
            while places[row] >= 0:
                if keys[row] == grams[at]:
                    found[num_found] = text * num_grams + places[row]
                    num_found += 1
                    break
                row = (row + 1) & (len(keys) - 1)
        start = ends[text]
    return num_found
