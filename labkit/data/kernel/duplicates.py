"""Lines and paragraphs that occurred before in the same text: Rae et al. 2021, table A1.

A piece is a duplicate when its bytes are those of an earlier one: a table finds the candidates by
hash, the bytes decide. As in datatrove, lines are cut from the text as it is, so that a newline at
its beginning and one at its end make two equal, empty pieces; paragraphs are cut from the stripped
text. Compiled by `text_columns.py`.
"""

from __future__ import annotations

import numpy as np

from labkit.data.kernel.characters import CONTINUATION, CONTINUATION_BIT, NEWLINE, SPACE

_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX, _32 = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


def count_duplicates(data, kinds, ends, is_by_paragraph, counts):
    """Pieces, duplicates, their characters; of lines also those of duplicates not blank."""
    start = 0
    for row in range(len(ends)):
        first, stop, least = start, ends[row], 1
        start = ends[row]
        if is_by_paragraph:
            least = 2
            while first < stop and kinds[first] & (SPACE | CONTINUATION):
                first += 1
            while first < stop and kinds[stop - 1] & (SPACE | CONTINUATION):
                last = stop - 1
                while kinds[last] & CONTINUATION:
                    last -= 1
                if not kinds[last] & SPACE:
                    break
                stop = last
        found = count_pieces(data, kinds, first, stop, least)
        counts[row, 0], counts[row, 1], counts[row, 2] = found[0], found[1], found[2]
        if not is_by_paragraph:
            counts[row, 3] = found[3]


def count_pieces(data, kinds, first, stop, least):
    """Pieces of [first, stop) between runs of at least `least` newlines."""
    room = 2
    for at in range(first, stop):
        room += (kinds[at] & NEWLINE) != 0
    size = 4
    while size < 2 * room:
        size *= 2
    table = np.full(size, -1, dtype=np.int32)
    starts, stops = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
    pieces = duplicates = characters = filled_characters = 0
    begin = first
    while begin <= stop:
        code, length, is_filled, end, after = _OFFSET, 0, False, begin, stop + 1
        while end < stop:
            kind = np.int64(kinds[end])
            if kind & NEWLINE:
                after = end + 1
                while after < stop and kinds[after] & NEWLINE:
                    after += 1
                if after - end >= least:
                    break
                after = stop + 1
            code = (code ^ np.uint64(data[end])) * _PRIME
            length += 1 - (kind >> CONTINUATION_BIT)
            is_filled = is_filled or (kind & (SPACE | CONTINUATION)) == 0
            end += 1
        row = np.int64((code ^ code >> _32) * _MIX >> _32) & (size - 1)
        while table[row] >= 0:
            start = first + starts[table[row]]
            if first + stops[table[row]] - start == end - begin and is_equal(
                data, start, begin, end - begin
            ):
                break
            row = (row + 1) & (size - 1)
        if table[row] >= 0:
            duplicates, characters = duplicates + 1, characters + length
            filled_characters += length * is_filled
        else:
            table[row] = pieces
        starts[pieces], stops[pieces] = begin - first, end - first
        pieces += 1
        begin = after
    return pieces, duplicates, characters, filled_characters


def is_equal(data, one, other, length):
    same = 0
    while same < length and data[one + same] == data[other + same]:
        same += 1
    return same == length
