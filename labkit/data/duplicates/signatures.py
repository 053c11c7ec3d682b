"""MinHash signatures: for each permutation the smallest value among a document's shingles.

Two documents agree in one minimum with probability J, their Jaccard, so the share of equal minima
estimates it with standard deviation sqrt(J (1 - J) / permutations). A permutation is a x + b modulo
2^32 of the upper half of a shingle's hash, a odd. Broder 1997.

Left out: one-permutation hashing, b-bit minima.
"""

from __future__ import annotations

import hashlib

import numpy as np

from labkit.data.compiled import compiled

NOTHING = np.uint32(0xFFFFFFFF)
_32 = np.uint64(32)


def permutations(num_permutations: int, seed: int) -> np.ndarray:
    """uint32[2, P] of odd factors and shifts, from BLAKE2b of the seed."""
    digest = hashlib.shake_128(f"minhash {seed}".encode()).digest(8 * num_permutations)
    numbers = np.frombuffer(digest, dtype="<u4").astype(np.uint32).reshape(2, num_permutations)
    return np.stack([numbers[0] | np.uint32(1), numbers[1]])


def sign(shingles: np.ndarray, ends: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """uint32[documents, P] of hashes of shingles and where each document's end.

    A document without shingles has `NOTHING` everywhere.
    """
    signatures = np.full((len(ends), permutation.shape[1]), NOTHING, dtype=np.uint32)
    _minima(shingles, ends, permutation[0], permutation[1], signatures)
    return signatures


def estimate_jaccard(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share of equal minima along the last axis, 0..1."""
    return (one == other).mean(axis=-1)


@compiled
def _minima(shingles, ends, factors, shifts, signatures):
    start, num = 0, len(factors)
    for document in range(len(ends)):
        least = signatures[document]
        at, stop = start, ends[document]
        while at + 4 <= stop:  # four at a time: each minimum is loaded and stored once for them
            first = np.uint32(shingles[at] >> _32)
            second = np.uint32(shingles[at + 1] >> _32)
            third = np.uint32(shingles[at + 2] >> _32)
            fourth = np.uint32(shingles[at + 3] >> _32)
            for row in range(num):
                factor, shift = factors[row], shifts[row]
                a = min(np.uint32(first * factor + shift), np.uint32(second * factor + shift))
                b = min(np.uint32(third * factor + shift), np.uint32(fourth * factor + shift))
                least[row] = min(least[row], min(a, b))
            at += 4
        while at < stop:
            first = np.uint32(shingles[at] >> _32)
            for row in range(num):
                least[row] = min(least[row], np.uint32(first * factors[row] + shifts[row]))
            at += 1
        start = stop
