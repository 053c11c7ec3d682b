"""Texts cut into lines or sentences, and those into hashed spans, over the UTF-8 bytes.

The pieces of a text are its bytes, in order: a line with its newline, or a sentence with the white
space after it. A sentence ends at a newline, at 。！？, and at . ! ? before ASCII white space. A
span is some consecutive pieces that aren't blank; its hash ignores ASCII white space at the ends of
its pieces. A text with fewer pieces is one span.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from labkit.data.compiled import compiled
from labkit.data.ngrams import roll
from labkit.data.utf8 import utf8_bytes

Split = Literal["lines", "sentences"]
_LETTER, _32 = np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(32)


class Pieces(NamedTuple):
    data: np.ndarray
    """uint8: the bytes of all texts."""
    offsets: np.ndarray
    """int64[texts + 1]: where each text starts in them."""
    ends: np.ndarray
    """int64: where each piece ends in them."""
    hashes: np.ndarray
    """uint64: of each piece."""
    sizes: np.ndarray
    """int64: bytes of each piece without white space at its ends; 0 for a blank one."""
    text_ends: np.ndarray
    """int64: where each text's pieces end."""


class Spans(NamedTuple):
    hashes: np.ndarray
    texts: np.ndarray
    """int64: the text each is in."""
    pieces: np.ndarray
    """int64[spans, length]: the pieces it is made of, the last repeated in a shorter text."""
    sizes: np.ndarray
    """int64: bytes of those, white space aside."""


def cut(texts: pa.Array, split: Split) -> Pieces:
    data, offsets = utf8_bytes(texts)
    rooms = [np.empty(len(data), dtype=kind) for kind in (np.int64, np.uint64, np.int64)]
    text_ends = np.empty(len(texts), dtype=np.int64)
    num = _cut(data, offsets, split == "sentences", *rooms, text_ends)
    # Copies, so that room for a piece at every byte is given back.
    ends, hashes, sizes = (room[:num].copy() for room in rooms)
    return Pieces(data, offsets, ends, hashes, sizes, text_ends)


def join_spans(pieces: Pieces, length: int) -> Spans:
    full = np.flatnonzero(pieces.sizes)
    ends = np.searchsorted(full, pieces.text_ends)
    hashes, span_ends = roll(pieces.hashes[full], ends, length)
    num_spans = np.diff(span_ends, prepend=0)
    texts = np.repeat(np.arange(len(ends)), num_spans)
    starts = np.r_[0, ends[:-1]][: len(ends)]
    first = np.arange(len(hashes)) - np.repeat(span_ends - num_spans - starts, num_spans)
    members = np.minimum(first[:, None] + np.arange(length), ends[texts][:, None] - 1)
    is_new = np.ones_like(members, dtype=bool)
    is_new[:, 1:] = members[:, 1:] != members[:, :-1]
    members = full[members]
    return Spans(hashes, texts, members, (pieces.sizes[members] * is_new).sum(axis=1))


def remove(pieces: Pieces, is_removed: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    """The texts without some pieces, and the bytes removed from each."""
    left, ends = np.empty_like(pieces.data), np.empty(len(pieces.text_ends) + 1, dtype=np.int64)
    size = _copy(pieces.data, pieces.ends, is_removed, pieces.text_ends, left, ends)
    texts = pa.LargeStringArray.from_buffers(
        len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(left[:size])
    )
    return texts, np.diff(pieces.offsets) - np.diff(ends)


@compiled
def _cut(data, offsets, by_sentence, ends, hashes, sizes, text_ends):
    num = 0
    for text in range(len(text_ends)):
        stop = offsets[text + 1]
        at = start = offsets[text]
        while at < stop:
            byte = data[at]
            at += 1
            is_end = byte == 10 or at == stop
            if by_sentence and not is_end:
                if byte == 46 or byte == 33 or byte == 63:  # . ! ?
                    is_end = data[at] == 32 or 9 <= data[at] <= 13
                elif at - start >= 3:  # 。！？
                    before, first = data[at - 2], data[at - 3]
                    is_end = (first == 0xE3 and before == 0x80 and byte == 0x82) or (
                        first == 0xEF and before == 0xBC and (byte == 0x81 or byte == 0x9F)
                    )
                if is_end:
                    while at < stop and data[at - 1] != 10:
                        if not (data[at] == 32 or 9 <= data[at] <= 13):
                            break
                        at += 1
            if is_end:
                left, right = start, at
                while left < right and (data[left] == 32 or 9 <= data[left] <= 13):
                    left += 1
                while right > left and (data[right - 1] == 32 or 9 <= data[right - 1] <= 13):
                    right -= 1
                value = np.uint64(0)
                for place in range(left, right):
                    value = (value ^ np.uint64(data[place])) * _LETTER
                    value ^= value >> _32
                ends[num], hashes[num], sizes[num] = at, value, right - left
                num += 1
                start = at
        text_ends[text] = num
    return num


@compiled
def _copy(data, ends, is_removed, text_ends, left, left_ends):
    size = at = piece = 0
    left_ends[0] = 0
    for text in range(len(text_ends)):
        while piece < text_ends[text]:
            if is_removed[piece]:
                at = ends[piece]
            while at < ends[piece]:
                left[size] = data[at]
                size += 1
                at += 1
            piece += 1
        left_ends[text + 1] = size
    return size
