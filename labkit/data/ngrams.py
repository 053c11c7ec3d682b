"""Hashes of word n-grams in vectors: what overlap between documents is measured with.

Units are words (maximal runs of letters and digits, each lower-cased by itself) and single Han or
kana characters, so that Chinese, which has no spaces, gets n-grams too. A unit's hash mixes its
code points; an n-gram's is a polynomial of its units' hashes modulo 2^64, rolled along the text
(Karp and Rabin 1987) and mixed once. Computed from the UTF-8 bytes of an Arrow array, without
Python strings; tables come from Python's own Unicode data.

Memory: 4 bytes per byte of the texts given at once, less where units are longer than one letter.
"""

from __future__ import annotations

import functools
import re
import sys

import numpy as np
import pyarrow as pa

from labkit.data.compiled import compiled
from labkit.data.utf8 import utf8_bytes

UNITS = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
    r"|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)
_SINGLE = np.uint32(1 << 31)
_MULTIPLIER, _LETTER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_29, _32 = np.uint64(29), np.uint64(32)


def unit_hashes(text: str) -> np.ndarray:
    """uint64 array, one hash per unit in order.

    >>> len(unit_hashes("To be, 或不 2b"))
    5
    """
    return batch_units(_array_of(text))[0]


def batch_units(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the units of all texts (uint64) and where each text's end (int64)."""
    data, offsets = utf8_bytes(texts)
    room = np.empty((len(data) + len(texts)) // 2 + len(texts) + 1, dtype=np.uint64)
    ends = np.empty(len(texts), dtype=np.int64)
    num_units = _hash_units(data, offsets, _unit_table(), room, ends)
    return room[:num_units], ends


def batch_ngrams(texts: pa.Array, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the n-grams of all texts (uint64) and where each text's end (int64)."""
    units, ends = batch_units(texts)
    return roll(units, ends, n)


def roll(units: np.ndarray, ends: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n-gram hashes of texts given as hashes of their units, and where each text's end.

    Of three units and n = 2: u0 M + u1 and u1 M + u2, mixed, with M odd.
    """
    grams, gram_ends = np.empty(len(units), dtype=np.uint64), np.empty_like(ends)
    num_grams = _roll(units, ends, n, grams, gram_ends)
    return grams[:num_grams], gram_ends


def _array_of(text: str) -> pa.Array:
    raw = text.encode("utf-8", "replace")  # a lone surrogate is no letter, and neither is "?"
    return pa.array([raw], pa.binary()).cast(pa.large_string())


@functools.cache
def _unit_table() -> np.ndarray:
    """Code point -> 0 outside units, else its lower case, with the top bit where it stands alone.

    A case that has two characters gives its first; final sigma is sigma.
    """
    table = np.zeros(sys.maxunicode + 1, dtype=np.uint32)
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if character.isalnum():
            table[code] = ord(character.lower()[0])
    table[ord("ς")] = ord("σ")
    for first, last in ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF)):
        table[first : last + 1] = np.arange(first, last + 1, dtype=np.uint32) | _SINGLE
    return table


@compiled
def _hash_units(data, offsets, table, hashes, ends):
    """Fills hashes and ends; returns the number of units."""
    num_units = 0
    for text in range(len(ends)):
        at, stop = offsets[text], offsets[text + 1]
        word, inside = np.uint64(0), False
        while at < stop:
            code = np.int64(data[np.uint64(at)])  # unsigned: no look for a negative index
            if code < 128:
                at += 1
            elif code < 224:
                code = (code & 31) << 6 | (data[at + 1] & 63)
                at += 2
            elif code < 240:
                code = (code & 15) << 12 | np.int64(data[at + 1] & 63) << 6 | (data[at + 2] & 63)
                at += 3
            else:
                code = (code & 7) << 18 | np.int64(data[at + 1] & 63) << 12
                code |= np.int64(data[at + 2] & 63) << 6 | (data[at + 3] & 63)
                at += 4
            kind = table[np.uint64(code)]
            if kind != 0 and kind < _SINGLE:
                word = (word ^ np.uint64(kind)) * _LETTER
                word ^= word >> _32
                inside = True
                continue
            if inside:
                hashes[num_units] = word
                num_units += 1
                word, inside = np.uint64(0), False
            if kind != 0:
                single = np.uint64(kind) * _LETTER
                hashes[num_units] = single ^ single >> _32
                num_units += 1
        if inside:
            hashes[num_units] = word
            num_units += 1
        ends[text] = num_units
    return num_units


@compiled
def _roll(units, ends, n, grams, gram_ends):
    """Fills grams and gram_ends; returns the number of grams."""
    start = num_grams = 0
    for text in range(len(ends)):
        length = min(n, ends[text] - start)
        power, value = np.uint64(1), np.uint64(0)
        for offset in range(length):
            value = value * _MULTIPLIER + units[start + offset]
            if offset:
                power *= _MULTIPLIER
        for last in range(start + length, ends[text] + 1):
            if length == 0:
                break
            mixed = (value ^ value >> _29) * _MULTIPLIER
            grams[num_grams] = mixed ^ mixed >> _32
            num_grams += 1
            if last < ends[text]:
                value = (value - units[last - length] * power) * _MULTIPLIER + units[last]
        gram_ends[text] = num_grams
        start = ends[text]
    return num_grams
