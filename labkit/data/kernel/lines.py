"""Lines between newlines, and those and paragraphs that occurred before in the same text.

`cut_lines` reads each byte once; what is counted of lines follows from its table, whose hashes also
make those of paragraphs. A piece is a duplicate when its bytes are those of an earlier one (Rae et
al. 2021, table A1): a hash finds the candidates, the bytes decide. As in datatrove, lines are cut
from the text as it is and a run of newlines is one cut, so that a newline at its beginning and one
at its end make two equal, empty pieces; paragraphs are cut from the stripped text. Compiled by
`text_columns.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from labkit.data.kernel.characters import CONTINUATION_BIT, NEWLINE, SPACE, TERMINATOR

_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX, _32 = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
_REST = 1 << CONTINUATION_BIT


class Lines(NamedTuple):
    """One entry per line of a chunk, and `last` per text."""

    starts: np.ndarray
    stops: np.ndarray
    """int32: its bytes are [start, stop), without the newline."""
    characters: np.ndarray
    """int32"""
    marks: np.ndarray
    """uint16: flags of its last character; `SPACE` only if all of it is."""
    codes: np.ndarray
    """uint32: hash of its bytes."""
    ends: np.ndarray
    """int64[text]: its lines end before this one."""


def empty_lines(data: np.ndarray, num_texts: int) -> Lines:
    room = int(np.count_nonzero(data == ord("\n"))) + num_texts
    return Lines(
        starts=np.empty(room, np.int32),
        stops=np.empty(room, np.int32),
        characters=np.empty(room, np.int32),
        marks=np.empty(room, np.uint16),
        codes=np.empty(room, np.uint32),
        ends=np.empty(num_texts, np.int64),
    )


def cut_lines(data, kinds, ends, starts, stops, characters, marks, codes, line_ends):
    line = start = 0
    for row in range(len(ends)):
        while start <= ends[row]:
            starts[line] = start
            stops[line], characters[line], marks[line], codes[line] = read_line(
                data, kinds, start, ends[row]
            )
            start = np.int64(stops[line]) + 1
            line += 1
        line_ends[row], start = line, ends[row]


def read_line(data, kinds, start, stop):
    """(end, characters, marks, hash) of the line at `start`."""
    at, characters, last, blank, code = start, 0, 0, SPACE, _OFFSET
    while at < stop:
        kind = np.int64(kinds[np.uint64(at)])  # unsigned: no look for a negative index
        if kind & NEWLINE:
            break
        is_rest = kind >> CONTINUATION_BIT  # of a character: as blank as its first byte
        characters += 1 - is_rest
        blank &= kind | is_rest
        last = last if is_rest else kind
        code = (code ^ np.uint64(data[np.uint64(at)])) * _PRIME
        at += 1
    return at, characters, last & ~SPACE | blank, np.uint32((code ^ code >> _32) * _MIX >> _32)


def count_filled_lines(characters, marks, line_ends, short_line_characters, counts):
    first = 0
    for row in range(len(line_ends)):
        filled = terminated = short = longest = 0
        for line in range(first, line_ends[row]):
            longest = max(longest, characters[line])
            if not marks[line] & SPACE:
                filled, terminated = filled + 1, terminated + ((marks[line] & TERMINATOR) != 0)
                short += characters[line] <= short_line_characters
        counts[row, 0], counts[row, 1] = filled, terminated
        counts[row, 2], counts[row, 3] = short, longest
        first = line_ends[row]


def count_duplicate_lines(data, starts, stops, characters, marks, codes, line_ends, counts):
    """Pieces, duplicates, their characters, and those of duplicates that are not blank."""
    first = 0
    for row in range(len(line_ends)):
        pieces = duplicates = found = filled = 0
        table, last = empty_table(line_ends[row] - first), line_ends[row] - 1
        for line in range(first, last + 1):
            if starts[line] == stops[line] and first < line < last:
                continue
            pieces += 1
            if is_repeated(line, data, starts, stops, codes, table):
                duplicates, found = duplicates + 1, found + characters[line]
                filled += 0 if marks[line] & SPACE else characters[line]
        counts[row, 0], counts[row, 1] = pieces, duplicates
        counts[row, 2], counts[row, 3] = found, filled
        first = last + 1


def count_duplicate_paragraphs(
    data, kinds, starts, stops, characters, marks, codes, line_ends, counts
):
    """Paragraphs are lines without an empty one between them; duplicates and their characters."""
    after = 0
    for row in range(len(line_ends)):
        first, last, after = after, line_ends[row] - 1, line_ends[row]
        while first < last and marks[first] & SPACE:
            first += 1
        while first < last and marks[last] & SPACE:
            last -= 1
        room = (last - first) // 2 + 1
        begins, ends = np.empty(room, np.int32), np.empty(room, np.int32)
        lengths, hashes = np.empty(room, np.int32), np.empty(room, np.uint32)
        paragraph, is_inside = -1, False
        for line in range(first, last + 1):
            start, stop = np.int64(starts[line]), np.int64(stops[line])
            length, code = np.int64(characters[line]), codes[line]
            if start == stop and first < last:
                is_inside = False
                continue
            if line in (first, last):
                start, stop = strip(kinds, start, stop, line == first, line == last)
                _, length, _, code = read_line(data, kinds, start, stop)
            if is_inside:
                lengths[paragraph] += 1 + length
                hashes[paragraph] = np.uint32(_PRIME * np.uint64(hashes[paragraph])) ^ code
            else:
                paragraph, is_inside = paragraph + 1, True
                begins[paragraph] = start
                lengths[paragraph], hashes[paragraph] = length, code
            ends[paragraph] = stop
        duplicates = found = 0
        table = empty_table(paragraph + 1)
        for piece in range(paragraph + 1):
            if is_repeated(piece, data, begins, ends, hashes, table):
                duplicates, found = duplicates + 1, found + lengths[piece]
        counts[row, 0], counts[row, 1], counts[row, 2] = paragraph + 1, duplicates, found


def strip(kinds, start, stop, at_start, at_end):
    while at_start and start < stop and kinds[start] & (SPACE | _REST):
        start += 1
    while at_end and start < stop and kinds[stop - 1] & (SPACE | _REST):
        last = stop - 1
        while kinds[last] & _REST:
            last -= 1
        if not kinds[last] & SPACE:
            break
        stop = last
    return start, stop


def empty_table(num_pieces):
    size = 4
    while size < 2 * num_pieces:
        size *= 2
    return np.full(size, -1, np.int32)


def is_repeated(piece, data, starts, stops, codes, table):
    """Whether one in the table has the same bytes; if none has, the piece is put there."""
    mask, start = len(table) - 1, np.int64(starts[piece])
    row, length = np.int64(codes[piece]) & mask, stops[piece] - start
    while table[row] >= 0:
        other = np.int64(table[row])
        if codes[other] == codes[piece] and stops[other] - starts[other] == length:
            same, place = 0, np.int64(starts[other])
            while same < length and data[start + same] == data[place + same]:
                same += 1
            if same == length:
                return True
        row = (row + 1) & mask
    table[row] = piece
    return False
