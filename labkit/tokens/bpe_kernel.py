"""Byte-level BPE with GPT-2's split, compiled: the ids of Hugging Face's `tokenizers`, faster.

Three steps over the UTF-8 bytes, each one function:

1. `split_pieces` of `unicode_classes.py` splits as GPT-2 does, without a regex.
2. `_recall` finds a short piece's ids in a cache, by its exact bytes.
3. `_merge` makes them otherwise: the pair of lowest rank, leftmost first, becomes one symbol,
   until no pair has a rank (Sennrich et al. 2016). A heap keeps this n log n for n bytes.

Left out: special tokens, which text never makes here, and every other kind of tokenizer.
Memory: 64 MiB of cache, 18 bytes per byte of a chunk, 36 per byte of the longest piece.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tokenizers

from labkit.core.errors import LabError
from labkit.tokens import unicode_classes
from labkit.tokens.tokenizer import byte_alphabet

CHUNK_BYTES = 1 << 22
CACHE_ROWS_LOG2 = 19
KEY_BYTES, ROW_IDS = 31, 23
"""A row of the cache is 128 bytes: up to 31 of the piece and its length, a count, up to 23 ids."""

# Numba makes a float of uint64 with int64, so every constant near a key is a uint64.
_LOW, _NONE = np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFFFFFFFFFF)
_1, _8, _29, _32, _56, _63 = (np.uint64(n) for n in (1, 8, 29, 32, 56, 63))
_MIX, _MIX_1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_MIX_2, _MIX_3 = np.uint64(0x165667B19E3779F9), np.uint64(0xD6E8FEB86659FD93)
_ROW_SHIFT = np.uint64(64 - CACHE_ROWS_LOG2)


class BpeKernel:
    """Made by `from_tokenizer`; threads may share it and take turns."""

    def __init__(self, merges: np.ndarray, byte_ids: np.ndarray, classes: np.ndarray):
        """`merges`: uint64[rank, 3] of left, right and new id. `byte_ids`: uint32[256]."""
        _compile()
        self._lock = threading.Lock()
        self._classes, self._tables = classes, (byte_ids, _pair_table(merges))
        room = np.zeros((1 << CACHE_ROWS_LOG2 + 4) + 8, dtype=np.uint64)
        aligned = room[-room.ctypes.data % 64 // 8 :][: 1 << CACHE_ROWS_LOG2 + 4]
        self._cache = aligned.reshape(-1, 16), aligned.view(np.uint32).reshape(-1, 32)

    @classmethod
    def from_tokenizer(cls, tokenizer: tokenizers.Tokenizer) -> BpeKernel | None:
        """None when the tokenizer is not byte-level BPE with GPT-2's split and nothing else.

        Raises:
            RuntimeError: `tokenizers` gives other ids for one of `SPLIT_PROBES`.
        """
        description = json.loads(tokenizer.to_str())
        if not _is_plain(description):
            return None
        model, vocab = description["model"], description["model"]["vocab"]
        byte_ids = np.empty(256, dtype=np.uint32)
        for character, byte in byte_alphabet().items():
            byte_ids[byte] = vocab[character]
        ranked = [
            (vocab[left], vocab[right], vocab[left + right]) for left, right in model["merges"]
        ]
        merges = np.array(ranked, dtype=np.uint64).reshape(-1, 3)
        kernel = cls(merges, byte_ids, unicode_classes.character_classes(tokenizer.pre_tokenizer))
        _compare(kernel, tokenizer)
        return kernel

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """One uint32 array of ids a text.

        Raises:
            ValueError: a lone surrogate; which text and which character.
        """
        encoded: list[np.ndarray] = []
        for chunk in _chunks(texts):
            ends = np.cumsum([len(text) for text in chunk], dtype=np.int64)
            buffer = b"".join([*chunk, bytes(48 - ends[-1] % 8)])  # whole words may be read
            data, words = np.frombuffer(buffer, dtype=np.uint8), np.frombuffer(buffer, dtype="<u8")
            ids, id_ends = np.empty(ends[-1], dtype=np.uint32), np.empty_like(ends)
            pieces = np.empty(ends[-1], dtype=np.int64)
            unicode_classes.split_pieces(data, ends, self._classes, pieces)
            with self._lock:
                _encode(data, words, ends, pieces, *self._tables, *self._cache, ids, id_ends)
            starts = [0, *id_ends[:-1].tolist()]
            encoded += [ids[a:b].copy() for a, b in zip(starts, id_ends.tolist(), strict=True)]
        return encoded


def _chunks(texts: Sequence[str]) -> Iterator[list[bytes]]:
    chunk, size = [], 0
    for position, text in enumerate(texts):
        try:
            chunk.append(text.encode())
        except UnicodeEncodeError as error:
            raise LabError(
                f"text {position} holds a lone surrogate at character {error.start}; remove it"
            ) from error
        size += len(chunk[-1])
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _is_plain(description: dict[str, Any]) -> bool:
    model, split = description["model"], description["pre_tokenizer"] or {}
    changes = ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix")
    changes += ("fuse_unk", "byte_fallback", "ignore_merges")
    return (
        model["type"] == "BPE"
        and not any(model.get(name) for name in changes)
        and split.get("type") == "ByteLevel"
        and not split["add_prefix_space"]
        and split.get("use_regex", True)
        and (description["post_processor"] or {"type": "ByteLevel"})["type"] == "ByteLevel"
        and not any(description[name] for name in ("normalizer", "truncation", "padding"))
        and all(token["special"] for token in description["added_tokens"])
        and byte_alphabet().keys() <= model["vocab"].keys()
        and len(set(model["vocab"].values())) == len(model["vocab"])
    )


def _compare(kernel: BpeKernel, tokenizer: tokenizers.Tokenizer) -> None:
    probes, before = unicode_classes.SPLIT_PROBES, tokenizer.encode_special_tokens
    tokenizer.encode_special_tokens = True
    try:
        expected = tokenizer.encode_batch_fast(probes, add_special_tokens=False)
    finally:
        tokenizer.encode_special_tokens = before
    for text, ours, theirs in zip(probes, kernel.encode_batch(probes), expected, strict=True):
        if ours.tolist() != theirs.ids:
            raise RuntimeError(
                f"tokenizers {tokenizers.__version__} splits or merges {text[:60]!r} differently: "
                f"{theirs.ids[:20]} where the kernel has {ours[:20].tolist()}; encode without it"
            )


def _pair_table(merges: np.ndarray) -> np.ndarray:
    """Rows of (left id, right id) and (rank, new id), 32 bits each, where `_pair_row` looks."""
    size = 1 << max(4, (2 * len(merges)).bit_length())
    pairs = np.full((size, 2), _NONE, dtype=np.uint64)
    for rank, (left, right, new) in enumerate(merges):
        key = (left << _32) | right
        pairs[_pair_row(pairs, key)] = key, (np.uint64(rank) << _32) | new
    return pairs


@functools.cache
def _compile() -> None:
    """Numba is slow to import: functions are plain until now, and find each other as globals."""
    import numba

    split = (getattr(unicode_classes, name) for name in ("class_at", "piece_end", "split_pieces"))
    merge = (_pair_row, _rank, _pop, _merge, _word, _key, _recall, _remember, _encode)
    for function in (*split, *merge):
        # Compiled code is cached by its file: no function here calls one of the other file.
        function.__globals__[function.__name__] = numba.njit(cache=True, nogil=True)(function)


def _encode(data, words, ends, pieces, byte_ids, pairs, cache, cached, ids, id_ends):
    """Fills ids and id_ends. `words` is `data` as uint64, `cached` is `cache` as uint32."""
    start = num_pieces = num_ids = 0
    for document in range(len(ends)):
        while start < ends[document]:
            end, num_pieces = pieces[num_pieces], num_pieces + 1
            row, count = _recall(words, start, end, cache, cached)
            for place in range(count):
                ids[num_ids + place] = cached[row, 9 + place]
            if count == 0:
                count = _merge(data, start, end, byte_ids, pairs, ids, num_ids)
                if row >= 0 and count <= ROW_IDS:
                    _remember(words, start, end, cache, cached, row, ids, num_ids, count)
            num_ids += count
            start = end
        id_ends[document] = num_ids


def _word(words, at, start):
    """The 8 bytes from `start` + 8 `at` on, across two aligned words."""
    shift, at = _8 * np.uint64(start & 7), at + (start >> 3)
    return words[at] >> shift | words[at + 1] << _1 << (_63 - shift)


def _key(words, start, end):
    """A piece of at most 31 bytes and its length as four words: equal only for equal pieces."""
    length, zero = np.uint64(end - start), np.uint64(0)
    last = _NONE >> (_63 - (_8 * length - _1 & _63))  # the piece's bits of its last word
    first, fourth = _word(words, 0, start), length << _56
    if end - start <= 8:
        return first & last, zero, zero, fourth
    second = _word(words, 1, start)
    if end - start <= 16:
        return first, second & last, zero, fourth
    third = _word(words, 2, start)
    if end - start <= 24:
        return first, second, third & last, fourth
    return first, second, third, fourth | (_word(words, 3, start) & last)


def _recall(words, start, end, cache, cached):
    """(row, number of ids). 0 ids: not there, and `row` is where it may go, -1 for nowhere."""
    if end - start > KEY_BYTES:
        return -1, 0
    first, second, third, fourth = _key(words, start, end)
    mixed = first ^ second * _MIX_1 ^ third * _MIX_2 ^ fourth * _MIX_3
    home = np.int64(((mixed ^ mixed >> _29) * _MIX) >> _ROW_SHIFT)
    for way in range(4):
        row = home ^ way
        if cache[row, 3] == fourth and cache[row, 0] == first:
            if cache[row, 1] == second and cache[row, 2] == third:
                return row, np.int64(cached[row, 8])
        elif cache[row, 3] == 0:
            return row, 0
    return home ^ (start & 3), 0  # all four taken: one at random makes room


def _remember(words, start, end, cache, cached, row, ids, num_ids, count):
    cache[row, 0], cache[row, 1], cache[row, 2], cache[row, 3] = _key(words, start, end)
    cached[row, 8] = count
    for place in range(count):
        cached[row, 9 + place] = ids[num_ids + place]


def _merge(data, start, end, byte_ids, pairs, ids, num_ids):
    """Write the piece's ids from `num_ids` on; returns how many."""
    length, size = end - start, 0
    piece = ids[num_ids : num_ids + length]  # one symbol a byte; a merged one leaves a gap
    before, after = np.empty(length, dtype=np.int32), np.empty(length, dtype=np.int32)
    ranks, heap = np.empty(length, dtype=np.uint64), np.empty(2 * length, dtype=np.uint64)
    for at in range(length):
        piece[at], before[at], after[at] = byte_ids[data[start + at]], at - 1, at + 1
    ranks[length - 1] = _NONE
    for at in range(length - 1):
        size = _rank(pairs, piece, at, at + 1, ranks, heap, size)
    while size > 0:
        best = heap[0]
        size = _pop(heap, size)
        left = np.int64(best & _LOW)
        if ranks[left] >> _32 != best >> _32:  # this pair has gone into another
            continue
        gap = after[left]
        piece[left] = np.uint32(ranks[left] & _LOW)
        after[left], ranks[left], ranks[gap] = after[gap], _NONE, _NONE
        if before[left] >= 0:
            size = _rank(pairs, piece, before[left], left, ranks, heap, size)
        if after[left] < length:
            before[after[left]] = left
            size = _rank(pairs, piece, left, after[left], ranks, heap, size)
    at = count = 0
    while at < length:
        piece[count] = piece[at]
        count += 1
        at = after[at]
    return count


def _rank(pairs, piece, left, right, ranks, heap, size):
    """Note rank and new id of the pair at `left` and queue it if it has one; new size of heap."""
    key = np.uint64(piece[left]) << _32 | np.uint64(piece[right])
    ranks[left] = pairs[_pair_row(pairs, key), 1]
    if ranks[left] == _NONE:
        return size
    item, child = (ranks[left] & ~_LOW) | np.uint64(left), size
    while child > 0 and heap[(child - 1) >> 1] > item:
        heap[child] = heap[(child - 1) >> 1]
        child = (child - 1) >> 1
    heap[child] = item
    return size + 1


def _pair_row(pairs, key):
    row = np.int64((key ^ key >> _29) * _MIX >> _32) & (len(pairs) - 1)
    while pairs[row, 0] != key and pairs[row, 0] != _NONE:
        row = (row + 1) & (len(pairs) - 1)
    return row


def _pop(heap, size):
    """Remove the smallest of the heap; its new size."""
    size -= 1
    item, hole, child = heap[size], 0, 1
    while child < size:
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= item:
            break
        heap[hole] = heap[child]
        hole, child = child, 2 * child + 1
    heap[hole] = item
    return size
