"""Clusters of near-duplicate documents: MinHash finds candidates, exact Jaccard decides.

Documents are sets of 5-grams. 128 minima in 32 bands of 4 rows make a pair of Jaccard J a
candidate with probability 1 - (1 - J^4)^32: 0.9999999 at 0.8, 0.87 at 0.5. Every candidate is
verified on the sets themselves, so that precision is 1. Buckets with more than 200 documents are
compared as a star and a chain. Clusters are the connected components.

Holds 8 bytes per word of the corpus. Broder 1997; Leskovec, Rajaraman and Ullman, chapter 3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from labkit.data.ngrams import ngram_hashes

SHINGLE_UNITS, NUM_BANDS, NUM_ROWS, LARGE_BUCKET = 5, 32, 4, 200
_CHUNK = 4096


def shingles(text: str) -> np.ndarray:
    """Sorted distinct 5-gram hashes."""
    return np.unique(ngram_hashes(text, SHINGLE_UNITS))


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Size of the intersection over size of the union, 0..1; two empty sets give 0."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - common
    return common / union if union else 0.0


def near_duplicate_clusters(texts: Iterable[str], threshold: float) -> list[int]:
    """A cluster number per document: the position of the cluster's first document."""
    sets = [shingles(text) for text in texts]
    parent = list(range(len(sets)))
    for one, other in sorted(_candidates(sets)):
        if find(parent, one) != find(parent, other) and (
            jaccard(sets[one], sets[other]) >= threshold
        ):
            join(parent, one, other)
    return [find(parent, number) for number in range(len(sets))]


def find(parent: list[int], number: int) -> int:
    """The root of a number in a union-find forest."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number


def join(parent: list[int], one: int, other: int) -> None:
    """Join two trees; the smaller root stays the root, so that order doesn't matter."""
    low, high = sorted((find(parent, one), find(parent, other)))
    parent[high] = low


def _candidates(sets: Sequence[np.ndarray]) -> set[tuple[int, int]]:
    buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for number, hashes in enumerate(sets):
        if len(hashes):
            bands = _minima(hashes).reshape(NUM_BANDS, NUM_ROWS)
            for band, rows in enumerate(bands):
                buckets[band, rows.tobytes()].append(number)
    return {pair for bucket in buckets.values() for pair in _pairs(bucket)}


def _pairs(bucket: list[int]) -> Iterator[tuple[int, int]]:
    if len(bucket) <= LARGE_BUCKET:
        for position, one in enumerate(bucket):
            for other in bucket[position + 1 :]:
                yield one, other
        return
    for before, number in pairwise(bucket):
        yield bucket[0], number
        yield before, number


def _minima(hashes: np.ndarray) -> np.ndarray:
    """128 minima of multiply-add permutations modulo 2^64, in pieces that stay in cache."""
    rng = np.random.default_rng(0x5EED)
    factors = rng.integers(0, 2**63, NUM_BANDS * NUM_ROWS, dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    shifts = rng.integers(0, 2**63, NUM_BANDS * NUM_ROWS, dtype=np.uint64)
    minima = np.full(NUM_BANDS * NUM_ROWS, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(hashes), _CHUNK):
        piece = hashes[start : start + _CHUNK]
        np.minimum(minima, (piece[:, None] * factors + shifts).min(axis=0), out=minima)
    return minima
