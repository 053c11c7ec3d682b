"""A character n-gram language model with interpolated Kneser-Ney smoothing, one per language.

    p_k(w | h) = max(c_k(hw) - D_k, 0) / c_k(h.) + D_k N_k(h.) / c_k(h.) p_{k-1}(w | h')

with c_n the counts of n-grams and, below the highest order, c_k(hw) the number of different
characters before hw; N_k(h.) the number of different characters after h; h' without its oldest
character; an unseen h leaves p_{k-1}. p_0 is uniform over the vocabulary, so that the probabilities
of all characters after any history sum to one. One discount per order, D = n1 / (n1 + 2 n2) from
the numbers of grams counted once and twice. Kneser and Ney 1995; Ney, Essen and Kneser 1994;
interpolated as in Chen and Goodman 1999.

The vocabulary is the characters seen twice and <unk>, which pays log2 of the number of code points
on top. Documents start from n - 1 marks and have no end. Grams are known by 64-bit hashes: of N
grams two collide with probability N^2 / 2^65. Left out: modified Kneser-Ney, pruning, words.

Memory: 55 bytes per training character and at most 40 more per order while training (90 in all
measured at order 5); 32 to 64 per gram and context kept.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from labkit.core.config import Config, field
from labkit.core.errors import LabError
from labkit.data.compiled import compiled
from labkit.data.utf8 import utf8_bytes

UNKNOWN, START = 0, 1  # character numbers; the others follow in code point order
UNKNOWN_BITS = float(np.log2(sys.maxunicode + 1))
_CONTEXT, _GRAM = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_FOLD = np.uint64(29)


class NgramConfig(Config):
    """How the model is counted."""

    order: int = field(
        5,
        "characters of a gram; 5 for alphabets, 3 for Chinese is usual; own choice",
        unit="characters",
        ge=1,
        le=12,
    )
    max_characters: int = field(
        2_000_000,
        "first characters trained on, which bounds memory",
        unit="characters",
        ge=100,
        le=10**9,
        scale="log",
    )


@dataclass(frozen=True, eq=False)
class NgramModel:
    """Tables of one language, open addressing by hash; 0 marks an empty place."""

    order: int
    characters: np.ndarray
    """Sorted code points of the vocabulary; number i + 2 is characters[i]."""
    gram_keys: np.ndarray
    gram_bits: np.ndarray
    """-log2 p of each seen gram, all orders, lower orders already mixed in."""
    context_keys: np.ndarray
    context_bits: np.ndarray
    """-log2 of the share that each seen context leaves to the next lower order."""

    @property
    def num_outcomes(self) -> int:
        """Size of the vocabulary, with <unk>."""
        return len(self.characters) + 1

    def bits(self, texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """(bits, characters) of each text: -log2 of its probability, float64, and its length."""
        numbers, ends = number_characters(texts, self.characters)
        bits = np.zeros(len(texts))
        _text_bits(
            *(numbers, ends, self.order, self.gram_keys, self.gram_bits, self.context_keys),
            *(self.context_bits, float(np.log2(self.num_outcomes)), UNKNOWN_BITS, bits),
        )
        return bits, np.diff(ends, prepend=0)

    def perplexity(self, texts: pa.Array) -> np.ndarray:
        """2 ^ (bits per character) of each text; infinite for an empty one, which says nothing."""
        bits, lengths = self.bits(texts)
        return np.where(lengths > 0, 2 ** (bits / np.maximum(lengths, 1)), np.inf)

    def bits_per_byte(self, texts: pa.Array) -> np.ndarray:
        """Bits per byte of UTF-8 of each text; NaN for an empty one."""
        sizes = np.diff(utf8_bytes(texts)[1])
        return np.where(sizes > 0, self.bits(texts)[0] / np.maximum(sizes, 1), np.nan)


def train_ngram_model(
    texts: pa.Array, config: NgramConfig, discounts: list[float] | None = None
) -> NgramModel:
    """The model of the texts' first `max_characters`; discounts per order are estimated unless
    given.

    Raises:
        LabError: no text.
    """
    characters = _vocabulary(texts)
    numbers, ends = number_characters(texts, characters)
    ends = np.minimum(ends, config.max_characters)
    numbers = numbers[: ends[-1]] if len(ends) else numbers
    if not len(numbers):
        raise LabError("no characters to count; give texts of the language")
    contexts = context_hashes(numbers, ends, config.order)
    positions = np.arange(len(numbers))
    counted: list[tuple[np.ndarray, np.ndarray]] = []  # highest order first
    for order in range(config.order, 0, -1):
        keys = gram_hashes(contexts[order - 1][positions], numbers[positions])
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        positions = positions[first]
        counted.append((positions, counts))
    return _smooth(numbers, characters, contexts, counted[::-1], discounts)


def _smooth(
    numbers: np.ndarray,
    characters: np.ndarray,
    contexts: list[np.ndarray],
    counted: list[tuple[np.ndarray, np.ndarray]],
    discounts: list[float] | None,
) -> NgramModel:
    """Probabilities from the lowest order up; `counted[k]` are places and counts of (k+1)-grams."""
    gram_keys, gram_bits, context_keys, context_bits = [], [], [], []
    below_keys = np.zeros(0, np.uint64)
    below = np.zeros(0)
    for level, (positions, counts) in enumerate(counted):
        seen, owner = np.unique(contexts[level][positions], return_inverse=True)
        totals = np.bincount(owner, counts)
        discount = discounts[level] if discounts else estimate_discount(counts)
        left = np.bincount(owner, np.minimum(counts, discount)) / totals
        if level:
            suffixes = gram_hashes(contexts[level - 1][positions], numbers[positions])
            lower = below[np.searchsorted(below_keys, suffixes)]
        else:
            lower = np.full(len(positions), 1 / (len(characters) + 1))
        shares = np.maximum(counts - discount, 0) / totals[owner] + left[owner] * lower
        keys = gram_hashes(contexts[level][positions], numbers[positions])
        order = np.argsort(keys)
        below_keys, below = keys[order], shares[order]
        gram_keys.append(keys)
        gram_bits.append(-np.log2(shares))
        context_keys.append(seen)
        context_bits.append(-np.log2(np.maximum(left, np.finfo(float).tiny)))
    tables = (
        *hash_table(np.concatenate(gram_keys), np.concatenate(gram_bits)),
        *hash_table(np.concatenate(context_keys), np.concatenate(context_bits)),
    )
    return NgramModel(len(counted), characters, *tables)


def estimate_discount(counts: np.ndarray) -> float:
    """n1 / (n1 + 2 n2), and 0.5 where no gram was counted once or twice (Ney et al. 1994)."""
    once, twice = int(np.sum(counts == 1)), int(np.sum(counts == 2))
    return once / (once + 2 * twice) if once and twice else 0.5


def number_characters(texts: pa.Array, characters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of all texts' characters (int32) and where each text's end (int64)."""
    codes, ends = _code_points(texts)
    places = np.searchsorted(characters, codes)
    is_known = characters[np.minimum(places, len(characters) - 1)] == codes
    return np.where(is_known, places + 2, UNKNOWN).astype(np.int32), ends


def context_hashes(numbers: np.ndarray, ends: np.ndarray, order: int) -> list[np.ndarray]:
    """Hash of the k characters before each position, k = 0 .. order - 1; marks before a text."""
    starts = np.repeat(np.concatenate([[0], ends[:-1]]), np.diff(ends, prepend=0))
    positions = np.arange(len(numbers))
    hashes = [np.full(len(numbers), _GRAM)]
    for back in range(1, order):
        earlier = np.where(
            positions - back >= starts, numbers[np.maximum(positions - back, 0)], START
        )
        hashes.append((hashes[-1] + earlier.astype(np.uint64) + np.uint64(1)) * _CONTEXT)
        hashes[-1] ^= hashes[-1] >> _FOLD
    return hashes


def gram_hashes(contexts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    hashes = (contexts ^ (numbers.astype(np.uint64) + np.uint64(1))) * _GRAM
    return hashes ^ (hashes >> _FOLD)


def hash_table(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Open addressing with linear probing, at most half full."""
    size = 1 << max(int(2 * len(keys) - 1).bit_length(), 1)
    table_keys, table_values = np.zeros(size, np.uint64), np.zeros(size)
    _insert(keys, values, table_keys, table_values)
    return table_keys, table_values


def _vocabulary(texts: pa.Array) -> np.ndarray:
    codes, counts = np.unique(_code_points(texts)[0], return_counts=True)
    return codes[counts >= 2] if np.any(counts >= 2) else codes


def _code_points(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    data, bounds = utf8_bytes(texts)
    codes = np.frombuffer(data.tobytes().decode().encode("utf-32-le"), dtype=np.uint32)
    is_start = np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])
    return codes, is_start[bounds[1:]]


@compiled
def _insert(keys, values, table_keys, table_values):
    mask = np.uint64(len(table_keys) - 1)
    for number in range(len(keys)):
        place = keys[number] & mask
        while table_keys[place] != 0:
            place = (place + np.uint64(1)) & mask
        table_keys[place] = keys[number]
        table_values[place] = values[number]


@compiled
def _text_bits(
    numbers, ends, order, gram_keys, gram_bits, context_keys, context_bits, uniform, unknown, bits
):
    """Longest seen gram first; each seen context that lacks the character passes its share on."""
    gram_mask = np.uint64(len(gram_keys) - 1)
    context_mask = np.uint64(len(context_keys) - 1)
    contexts = np.zeros(order, np.uint64)
    start = 0
    for text in range(len(ends)):
        total = 0.0
        for position in range(start, ends[text]):
            contexts[0] = _GRAM
            for back in range(1, order):
                earlier = numbers[position - back] if position - back >= start else START
                mixed = (contexts[back - 1] + np.uint64(earlier) + np.uint64(1)) * _CONTEXT
                contexts[back] = mixed ^ (mixed >> _FOLD)
            character = np.uint64(numbers[position]) + np.uint64(1)
            is_found = False
            level = order - 1
            while level >= 0 and not is_found:
                key = (contexts[level] ^ character) * _GRAM
                key ^= key >> _FOLD
                place = key & gram_mask
                while gram_keys[place] != 0 and gram_keys[place] != key:
                    place = (place + np.uint64(1)) & gram_mask
                if gram_keys[place] == key:
                    total += gram_bits[place]
                    is_found = True
                else:
                    key = contexts[level]
                    place = key & context_mask
                    while context_keys[place] != 0 and context_keys[place] != key:
                        place = (place + np.uint64(1)) & context_mask
                    if context_keys[place] == key:
                        total += context_bits[place]
                level -= 1
            if not is_found:
                total += uniform
            if numbers[position] == UNKNOWN:
                total += unknown
        bits[text] = total
        start = ends[text]
