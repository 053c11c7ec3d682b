r"""Blocks of bytes to whole lines in pieces, without a look at the single line.

A piece ends at the first line end at or past `piece_bytes`, or with the block in which it reaches
`piece_lines`. A line longer than `piece_bytes` is a piece by itself, one longer than `max_bytes` a
fault; no more than the sum of both is held.
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
    held = _Held(piece_bytes, piece_lines, as_ranges)
    num_lost = 0
    try:
        for block in blocks:
            if num_lost:
                end = block.find(b"\n") + 1
                num_lost += end or len(block)
                if not end:
                    continue
                yield held.lose(num_lost, num_lost - 1, max_bytes)
                num_lost, block = 0, block[end:]
            yield from held.add(block)
            if len(held.bytes) > max_bytes + piece_bytes:
                yield from held.take_whole_lines()
                if len(held.bytes) > max_bytes:
                    num_lost = len(held.bytes)
                    held.bytes.clear()  # no line ends in them
    except Fault as fault:
        yield from held.take_whole_lines()
        fault.number = held.number if held.number > 1 else None
        raise
    if num_lost:
        yield held.lose(num_lost, num_lost, max_bytes)
    yield from held.take(len(held.bytes))


class _Held:
    """Bytes that are not handed out yet, and where in the stream they begin."""

    def __init__(self, piece_bytes: int, piece_lines: int, as_ranges: bool):
        self._piece_bytes, self._piece_lines = piece_bytes, piece_lines
        self._as_ranges = as_ranges
        self.bytes = bytearray()
        self._num_lines = 0
        self.number, self._place = 1, 0

    def add(self, block: bytes) -> Iterator[LinePiece]:
        seen = len(self.bytes)
        self.bytes += block
        self._num_lines += count_lines(block)
        while end := self.bytes.find(b"\n", max(seen, self._piece_bytes - 1)) + 1:
            yield from self.take(end)
            seen = max(seen - end, 0)
        if self._num_lines >= self._piece_lines:
            yield from self.take_whole_lines()

    def take_whole_lines(self) -> Iterator[LinePiece]:
        return self.take(self.bytes.rfind(b"\n") + 1)

    def take(self, end: int) -> Iterator[LinePiece]:
        """What lies before `end`; apart from its last line, where that is long."""
        begin = self.bytes.rfind(b"\n", 0, max(end - 1, 0)) + 1
        is_long = end - begin > self._piece_bytes
        for size in filter(None, [begin, end - begin] if is_long else [end]):
            yield self._take(size)

    def _take(self, size: int) -> LinePiece:
        num_bytes = size - (self.bytes[size - 1] == ord("\n"))
        if self._as_ranges:
            content = range(self._place, self._place + num_bytes)
        else:
            with memoryview(self.bytes) as held:
                content = bytes(held[:num_bytes])
        piece = LinePiece(self.number, content)
        del self.bytes[:size]
        num_left = count_lines(self.bytes)
        self.number += self._num_lines - num_left
        self._num_lines, self._place = num_left, self._place + size
        return piece

    def lose(self, num_bytes: int, line_bytes: int, max_bytes: int) -> LinePiece:
        """A line of which nothing is held any more."""
        reason = too_long(line_bytes, max_bytes)
        fault = Fault("read_record_bytes", reason, self.number)
        piece = LinePiece(self.number, fault)
        self.number += 1
        self._place += num_bytes
        return piece


def count_lines(block: bytes | bytearray) -> int:
    """`block.count`, which goes byte by byte."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))


def too_long(num_bytes: int, max_bytes: int) -> str:
    return f"{num_bytes:,} bytes; a record has at most {max_bytes:,} (max_record_bytes)"
