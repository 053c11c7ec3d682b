"""Pairs of documents that share a band of their signatures: few of all pairs, almost all near ones.

Band by band, documents with equal minima are a bucket. Buckets of up to `LARGE_BUCKET` documents
give all their pairs; larger ones a star and a chain, after sorting by the next band, so that near
documents stand side by side and the closure of the found pairs joins them. A pair is given in the
first band it shares and never again, without being remembered; nor is one whose estimated Jaccard
lies five standard deviations below the threshold. A block of pairs is held, never all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from labkit.data.compiled import compiled
from labkit.data.duplicates.bands import Bands
from labkit.data.duplicates.signatures import NOTHING

LARGE_BUCKET = 200
BLOCK_PAIRS = 1 << 18
_STANDARD_DEVIATIONS = 5
_MIX = np.uint64(0x9E3779B97F4A7C15)
_1, _29 = np.uint64(1), np.uint64(29)


def candidate_pairs(signatures: np.ndarray, bands: Bands, threshold: float) -> Iterator[np.ndarray]:
    """Blocks of int64[pairs, 2], the lower number first; only large buckets may repeat a pair.

    A document without shingles has none.
    """
    minimum = fewest_equal(signatures.shape[1], threshold)
    has_shingles = np.flatnonzero(signatures.min(axis=1, initial=NOTHING) != NOTHING)
    if not len(has_shingles):
        return
    was_large = np.zeros(len(signatures), dtype=np.uint64)
    for band in range(bands.num_bands):
        keys = _band_keys(signatures, bands, band)[has_shingles]
        order = np.argsort(keys, kind="stable")
        keys, order = keys[order], has_shingles[order]
        edges = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1], True])
        is_shared = np.diff(edges) > 1
        starts, stops = edges[:-1][is_shared], edges[1:][is_shared]
        for start, stop in zip(starts, stops, strict=True):
            if stop - start > LARGE_BUCKET:
                _sort_by_next_band(order[start:stop], signatures, bands, band)
                was_large[order[start:stop]] |= _1 << np.uint64(band)
        yield from _blocks(order, starts, stops, signatures, bands, band, was_large, minimum)


def fewest_equal(num_permutations: int, threshold: float) -> int:
    """Equal minima below which a pair is certainly under the threshold.

    >>> fewest_equal(128, 0.8)
    80
    """
    deviation = math.sqrt(threshold * (1 - threshold) / num_permutations)
    return max(1, math.ceil(num_permutations * (threshold - _STANDARD_DEVIATIONS * deviation)))


def _band_keys(signatures: np.ndarray, bands: Bands, band: int) -> np.ndarray:
    keys = np.zeros(len(signatures), dtype=np.uint64)
    for row in range(band * bands.num_rows, (band + 1) * bands.num_rows):
        keys ^= signatures[:, row]
        keys *= _MIX
        keys ^= keys >> _29
    return keys


def _sort_by_next_band(
    members: np.ndarray, signatures: np.ndarray, bands: Bands, band: int
) -> None:
    following = (band + 1) % bands.num_bands * bands.num_rows
    rows = signatures[members, following : following + bands.num_rows]
    members[:] = members[np.lexsort((members, *rows.T))]


def _blocks(
    order: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    signatures: np.ndarray,
    bands: Bands,
    band: int,
    was_large: np.ndarray,
    minimum: int,
) -> Iterator[np.ndarray]:
    """Buckets in turn, as many as fill a block; a very large one takes a block of its size."""
    sizes = stops - starts
    most = np.where(sizes > LARGE_BUCKET, 2 * sizes, sizes * (sizes - 1) // 2)
    filled = np.cumsum(most)
    first = 0
    while first < len(starts):
        before = filled[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(filled, before + BLOCK_PAIRS, "right")))
        pairs = np.empty((filled[last - 1] - before, 2), dtype=np.int64)
        num_pairs = _pairs(
            *(order, starts[first:last], stops[first:last], signatures),
            *(band, bands.num_rows, was_large, minimum, LARGE_BUCKET, pairs),
        )
        if num_pairs:
            yield pairs[:num_pairs]
        first = last


@compiled
def _pairs(
    order, starts, stops, signatures, band, num_rows, was_large, minimum, large_bucket, pairs
):
    num_pairs = 0
    for bucket in range(len(starts)):
        start, stop = starts[bucket], stops[bucket]
        is_large = stop - start > large_bucket
        for left in range(start, stop - 1):
            last = stop if not is_large or left == start else left + 2
            for right in range(left + 1, last):
                one, other = min(order[left], order[right]), max(order[left], order[right])
                was_given = False
                for earlier in range(band):
                    if was_large[one] >> np.uint64(earlier) & np.uint64(1):
                        continue
                    is_equal = True
                    for row in range(earlier * num_rows, (earlier + 1) * num_rows):
                        if signatures[one, row] != signatures[other, row]:
                            is_equal = False
                            break
                    if is_equal:
                        was_given = True
                        break
                if was_given:
                    continue
                num_equal = 0
                for row in range(signatures.shape[1]):
                    num_equal += signatures[one, row] == signatures[other, row]
                if num_equal >= minimum:
                    pairs[num_pairs, 0], pairs[num_pairs, 1] = one, other
                    num_pairs += 1
    return num_pairs
