"""Exact Jaccard of candidate pairs, from texts read again, a bounded part of them at a time.

Shingles are distinct n-grams of units, as 64-bit hashes. A pair whose documents hang together
already is not compared. Memory: a block of texts and up to five times that in hashes, or one pair
if it is larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from labkit.data.compiled import compiled
from labkit.data.duplicates.components import find, join, roots
from labkit.data.ngrams import batch_ngrams

BLOCK_BYTES = 16_000_000
"""Text that is read at once."""
COPIES_PER_BLOCK = 6


class Similarity(Protocol):
    def __call__(self, one: np.ndarray, other: np.ndarray) -> float: ...


def shingles(text: str, num_units: int = 5) -> np.ndarray:
    """Sorted distinct hashes of the text's n-grams; a shorter text is one gram."""
    return shingle_sets([text], num_units)[0]


def shingle_sets(texts: Sequence[str], num_units: int) -> list[np.ndarray]:
    grams, ends = batch_ngrams(pa.array(texts, pa.large_string()), num_units)
    return [_distinct(part) for part in np.split(grams, ends[:-1])]


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Size of the intersection over size of the union, 0..1; two empty sets give 0.

    >>> jaccard(np.array([1, 2, 3]), np.array([2, 3, 4]))
    0.5
    """
    common = _num_common(one, other)
    union = len(one) + len(other) - common
    return common / union if union else 0.0


def connect(
    pairs: Iterable[np.ndarray],
    num_bytes: np.ndarray,
    read: Callable[[np.ndarray], Sequence[np.ndarray]],
    similarity: Similarity,
    threshold: float,
) -> np.ndarray:
    """The component of each document (its smallest member), joined by pairs that are similar.

    `read` gives what `similarity` compares, for documents by their positions.
    """
    parent = np.arange(len(num_bytes))
    for block in pairs:
        for part in _parts(block[np.lexsort((block[:, 1], block[:, 0]))], num_bytes):
            todo = [(a, b) for a, b in part.tolist() if find(parent, a) != find(parent, b)]
            if not todo:
                continue
            wanted = np.unique(todo)
            found = dict(zip(wanted.tolist(), read(wanted), strict=True))
            for one, other in todo:
                if find(parent, one) != find(parent, other) and (
                    similarity(found[one], found[other]) >= threshold
                ):
                    join(parent, one, other)
    return roots(parent)


def _parts(pairs: np.ndarray, num_bytes: np.ndarray) -> Iterator[np.ndarray]:
    """Runs of pairs whose distinct documents together have at most BLOCK_BYTES, or one pair."""
    start, size, seen = 0, 0, set[int]()
    for at, pair in enumerate(pairs.tolist()):
        new = sum(int(num_bytes[number]) for number in pair if number not in seen)
        if at > start and size + new > BLOCK_BYTES:
            yield pairs[start:at]
            start, size, seen = at, 0, set()
            new = int(num_bytes[pair].sum())
        size += new
        seen.update(pair)
    if start < len(pairs):
        yield pairs[start:]


def _distinct(hashes: np.ndarray) -> np.ndarray:
    ordered = np.sort(hashes)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)]]


@compiled
def _num_common(one, other):
    """Of two ascending arrays without repetition."""
    at = place = num_common = 0
    while at < len(one) and place < len(other):
        if one[at] == other[place]:
            num_common += 1
            at += 1
            place += 1
        elif one[at] < other[place]:
            at += 1
        else:
            place += 1
    return num_common
