"""What it costs to spell a word that a vocabulary doesn't have.

A byte bigram model with an end marker, counted on the spellings that training text left unknown
and smoothed by adding 1/257: P(b | a) = (n_ab + 1/257) / (n_a + 1). Each spelling ends in the
marker, so that probabilities of all strings sum to at most 1: a code that a decoder could read.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

END = 256
_NUM_SYMBOLS = 257


class SpellingModel:
    """Bits to write a string of bytes and its end."""

    def __init__(self, counts_AB: np.ndarray):
        """counts_AB: 257 x 257, how often symbol B follows A; row 256 is the start."""
        totals_A1 = counts_AB.sum(axis=1, keepdims=True)
        self._bits_AB = -np.log2((counts_AB + 1 / _NUM_SYMBOLS) / (totals_A1 + 1))

    @classmethod
    def fit(cls, spellings: Iterable[bytes]) -> SpellingModel:
        counts_AB = np.zeros((_NUM_SYMBOLS, _NUM_SYMBOLS))
        for spelling in spellings:
            before, after = _transitions(spelling)
            np.add.at(counts_AB, (before, after), 1)
        return cls(counts_AB)

    def bits(self, spelling: bytes) -> float:
        """Code length of the bytes and the end marker.

        >>> round(SpellingModel.fit([]).bits(b"ab"), 3) == round(3 * np.log2(257), 3)
        True
        """
        before, after = _transitions(spelling)
        return float(self._bits_AB[before, after].sum())


def _transitions(spelling: bytes) -> tuple[np.ndarray, np.ndarray]:
    symbols = np.frombuffer(spelling, dtype=np.uint8).astype(np.int64)
    return np.concatenate([[END], symbols]), np.concatenate([symbols, [END]])
