"""Hashes of word n-grams in vectors: what overlap between documents is measured with.

Units are words (maximal runs of letters and digits, lower-cased) and single Han or kana
characters, so that Chinese, which has no spaces, gets n-grams too. A unit's hash is 8 bytes of
BLAKE2b; an n-gram's is a polynomial of its units' hashes modulo 2^64, mixed once.
"""

from __future__ import annotations

import functools
import hashlib
import re

import numpy as np

UNITS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def unit_hashes(text: str) -> np.ndarray:
    """uint64 array, one hash per unit in order.

    >>> len(unit_hashes("To be, 或不 2b"))
    5
    """
    return np.array([_unit_hash(unit) for unit in UNITS.findall(text.lower())], dtype=np.uint64)


def ngram_hashes(text: str, n: int) -> np.ndarray:
    """uint64 array of the text's n-grams in order; a shorter text is one gram of all its units."""
    units = unit_hashes(text)
    if len(units) == 0:
        return units
    n = min(n, len(units))
    hashes = np.zeros(len(units) - n + 1, dtype=np.uint64)
    for offset in range(n):
        hashes = hashes * _MULTIPLIER + units[offset : len(units) - n + 1 + offset]
    hashes ^= hashes >> np.uint64(29)
    return hashes * _MULTIPLIER


@functools.lru_cache(maxsize=1 << 20)
def _unit_hash(unit: str) -> int:
    return int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=8).digest(), "little")
