r"""Blocks of bytes to whole lines in pieces, without a look at the single line.

A piece ends at the first line end at or past `piece_bytes`, or with the block in which it reaches
`piece_lines`. A line longer than `piece_bytes` is a piece by itself, and a fault when it is longer
than `max_bytes`. No more than the sum of both is held, of ranges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from labkit.data.reading.record import Fault


class LinePiece(NamedTuple):
    number: int
    """Of its first line, from 1."""
    content: bytes | range | Fault
    """Without its last line end. A range is of the stream's bytes."""


def cut_lines(
    blocks: Iterable[bytes],
    max_bytes: int,
    piece_bytes: int,
    piece_lines: int,
    *,
    as_ranges: bool = False,
) -> Iterator[LinePiece]:
    r"""
    >>> list(map(tuple, cut_lines([b"a\nb", b"c\n\nde\nh"], 99, 3, 99)))
    [(1, b'a\nbc'), (3, b'\nde'), (5, b'h')]

    Raises:
        Fault: of the blocks, after the whole lines before it, with the number of the next.
    """
    cutter = _Cutter(max_bytes, piece_bytes, piece_lines, as_ranges)
    try:
        for block in blocks:
            yield from cutter.add(block)
    except Fault as fault:
        yield from cutter.cut_whole_lines()
        fault.number = cutter.number if cutter.number > 1 else None
        raise
    yield from cutter.cut_rest()


class _Cutter:
    """Places are counted in bytes of the stream."""

    def __init__(self, max_bytes: int, piece_bytes: int, piece_lines: int, as_ranges: bool):
        self._max_bytes, self._piece_bytes, self._piece_lines = max_bytes, piece_bytes, piece_lines
        self._as_ranges = as_ranges
        self.number = 1
        """Of the line at `_begin`, where the next piece begins."""
        self._begin = self._line_begin = self._end = 0
        self._num_lines = 0
        """Whole ones, from `_begin` to `_line_begin`, where the last one begins."""
        self._held: list[bytes] = []

    def add(self, block: bytes) -> Iterator[LinePiece]:
        place, self._end = self._end, self._end + len(block)
        if not self._as_ranges:
            self._held.append(block)
        seen = 0
        while (
            found := block.find(b"\n", max(seen, self._begin + self._piece_bytes - 1 - place))
        ) >= 0:
            self._count(block, seen, found, place)
            yield from self._cut_line(place + found + 1, ends=True)
            seen = found + 1
        self._count(block, seen, len(block), place)
        is_lost = self._end - self._line_begin > max(self._max_bytes, self._piece_bytes)
        if is_lost or self._num_lines >= self._piece_lines:
            yield from self.cut_whole_lines()
        if is_lost:
            self._held.clear()

    def cut_whole_lines(self) -> Iterator[LinePiece]:
        if self._num_lines:
            yield self._cut(self._line_begin, self._num_lines)

    def cut_rest(self) -> Iterator[LinePiece]:
        if self._line_begin < self._end:
            yield from self._cut_line(self._end, ends=False)
        else:
            yield from self.cut_whole_lines()

    def _count(self, block: bytes, start: int, stop: int, place: int) -> None:
        """The lines that end in this part of a block, which begins at `place`."""
        self._num_lines += _count_lines(memoryview(block)[start:stop])
        if (last := block.rfind(b"\n", start, stop)) >= 0:
            self._line_begin = place + last + 1

    def _cut_line(self, end: int, *, ends: bool) -> Iterator[LinePiece]:
        """What is there up to the end of the last line; it is apart where it is long."""
        line_bytes = end - self._line_begin
        if line_bytes <= self._piece_bytes:
            yield self._cut(end, self._num_lines + 1, ends=ends)
            return
        yield from self.cut_whole_lines()
        piece = self._cut(end, 1, ends=ends)
        if line_bytes - ends > self._max_bytes:
            reason = too_long(line_bytes - ends, self._max_bytes)
            piece = piece._replace(content=Fault("read_record_bytes", reason, piece.number))
        yield piece

    def _cut(self, end: int, num_lines: int, *, ends: bool = True) -> LinePiece:
        """Counted from the end: of a line that is lost the beginning is not held."""
        content: bytes | range = range(self._begin, end - ends)
        if not self._as_ranges:
            held = b"".join(self._held)
            size = len(held) - (self._end - end)
            content, self._held = held[: size - ends], [held[size:]]
        piece = LinePiece(self.number, content)
        self.number += num_lines
        self._begin, self._line_begin, self._num_lines = end, max(end, self._line_begin), 0
        return piece


def _count_lines(block: memoryview) -> int:
    """`bytes.count` goes byte by byte."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))


def too_long(num_bytes: int, max_bytes: int) -> str:
    return f"{num_bytes:,} bytes; a record has at most {max_bytes:,} (max_record_bytes)"
