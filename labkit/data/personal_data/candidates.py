"""Where an item can stand at all: windows of bytes, found in vectors over a whole batch.

A pattern is looked for in these windows alone, which most text has few of. Each function returns
(starts, ends) of windows that hold every match of its patterns with the context they look at; that
this is so is tested against the patterns run over whole documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_DIGIT, _SEPARATOR, _KEY, _CAPITAL, _WORD_ONLY, _OF_NAME = 1, 2, 4, 8, 16, 32
_CLASSES = bytes(
    (_DIGIT if chr(code) in "0123456789" else 0)
    | (_SEPARATOR if chr(code) in " .-()/" else 0)
    | (_KEY if (chr(code).isalnum() and code < 128) or chr(code) in "_-+/=" else 0)
    | (_CAPITAL if chr(code) in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" else 0)
    | (_WORD_ONLY if chr(code).lower() in "ghijklmnopqrstuvwxyz_" else 0)
    | (_OF_NAME if chr(code).isalnum() or code >= 128 or chr(code) in "._%+'-" else 0)
    for code in range(256)
)
_BLOCK = 8
_EACH = 0x0101010101010101  # times a class: that class in each byte of a block
_MIN_RUN = 16  # of the shortest key
_MIN_DIGITS = 9  # of the shortest number that is no address
_PEM = b"PRIVATE KEY"


class Windows(NamedTuple):
    starts: np.ndarray
    ends: np.ndarray


class Bytes(NamedTuple):
    """Documents end to end; document i is data[bounds[i]:bounds[i + 1]]."""

    data: bytes | bytearray
    bounds: np.ndarray
    classes: np.ndarray


def classify(data: bytes | bytearray, bounds: np.ndarray) -> Bytes:
    return Bytes(data, bounds, np.frombuffer(data.translate(_CLASSES), dtype=np.uint8))


def at_signs(text: Bytes) -> Windows:
    """A name of at most 64 characters before, a host of at most 246 after, two bytes each."""
    positions = _positions(text, b"@")
    follows_name = _at(text, positions - 1) & _OF_NAME > 0
    positions = positions[follows_name & (_at(text, positions + 1) & _OF_NAME > 0)]
    return Windows(positions - 140, positions + 530)


def private_keys(text: Bytes) -> Windows:
    starts, data, found = [], text.data, text.data.find(_PEM)
    while found >= 0:
        starts.append(found)
        found = data.find(_PEM, found + len(_PEM))
    positions = np.array(starts, dtype=np.int64)
    return Windows(positions - 64, positions + 20_800)


def numbers(text: Bytes) -> Windows:
    """Digits with at most two separators between any two: nine of them, or three single dots."""
    digits = np.flatnonzero((text.classes & _DIGIT).view(np.bool_))
    if len(digits) < 4:
        return Windows(digits[:0], digits[:0])
    gaps = np.diff(digits)
    after, second = text.classes[digits[:-1] + 1], text.classes[digits[1:] - 1]
    joined = (gaps == 1) | ((gaps <= 3) & (after & second & _SEPARATOR > 0))
    joined &= ~_cut_between(digits, text.bounds)
    raw = np.frombuffer(text.data, dtype=np.uint8)
    dotted = joined & (gaps == 2) & (raw[digits[:-1] + 1] == ord("."))
    first = np.flatnonzero(np.concatenate([[True], ~joined]))
    num_digits = np.diff(np.append(first, len(digits)))
    num_dots = np.add.reduceat(np.append(dotted, False), first, dtype=np.int64)
    is_enough = (num_digits >= _MIN_DIGITS) | (num_dots >= 3)
    last = first + num_digits - 1
    return Windows(digits[first[is_enough]] - 48, digits[last[is_enough]] + 48)


def colons(text: Bytes) -> Windows:
    """Two colons between what can be hexadecimal, or seven with at most four characters between."""
    positions = _positions(text, b":")
    gaps = np.diff(positions)
    pairs = positions[:-1][gaps == 1]
    before = np.where(np.isin(pairs, text.bounds), 0, _at(text, pairs - 1))
    after = np.where(np.isin(pairs + 2, text.bounds), 0, _at(text, pairs + 2))
    pairs = pairs[(before | after) & _WORD_ONLY == 0]
    near = np.concatenate([[0], np.cumsum(gaps <= 5)])
    sevens = positions[: max(len(positions) - 6, 0)][near[6:] - near[:-6] == 6]
    places = np.union1d(pairs, sevens)
    return Windows(places - 48, places + 48)


def long_runs(text: Bytes) -> Windows:
    """16 characters of keys in a row hold an aligned block of 8, and 8 more beside it.

    Every key has a digit, or 20 characters that are all capitals, of which 8 fill a block.
    """
    size = len(text.classes) // _BLOCK * _BLOCK
    blocks = text.classes[:size].view(np.uint64)
    is_full = blocks & (_KEY * _EACH) == _KEY * _EACH
    full = np.flatnonzero(is_full)
    if not len(full):
        return Windows(full, full)
    is_first = np.concatenate([[True], np.diff(full) > 1])
    first, last = full[is_first], full[np.append(is_first[1:], True)]
    around = np.clip(full[:, None] + np.array([-1, 0, 1]), 0, len(blocks) - 1)
    is_likely = (blocks[around] & _EACH).any(axis=1)
    is_likely |= full == len(blocks) - 1  # what follows is in no block
    is_likely |= blocks[full] & (_CAPITAL * _EACH) == _CAPITAL * _EACH
    is_likely = np.logical_or.reduceat(is_likely, np.flatnonzero(is_first))
    starts, ends = first[is_likely] * _BLOCK, (last[is_likely] + 1) * _BLOCK
    steps = np.arange(_BLOCK)
    before = (_at(text, starts[:, None] - 1 - steps) & _KEY > 0).cumprod(axis=1).sum(axis=1)
    after = (_at(text, ends[:, None] + steps) & _KEY > 0).cumprod(axis=1).sum(axis=1)
    is_long = before + (ends - starts) + after >= _MIN_RUN
    return Windows(starts[is_long] - 72, ends[is_long] + 24)


HINTS: dict[str, Callable[[Bytes], Windows]] = {
    "private_keys": private_keys,
    "long_runs": long_runs,
    "at_signs": at_signs,
    "numbers": numbers,
    "colons": colons,
}


def clip(windows: Windows, bounds: np.ndarray) -> list[tuple[int, int, int]]:
    """(document, start, end): windows joined where they touch, then cut at the ends of documents.

    Windows come in ascending order of their starts.
    """
    if not len(windows.starts):
        return []
    starts = np.clip(windows.starts, 0, bounds[-1])
    ends = np.maximum.accumulate(np.clip(windows.ends, 0, bounds[-1]))
    is_first = np.concatenate([[True], starts[1:] > ends[:-1]])
    starts, ends = starts[is_first], ends[np.append(is_first[1:], True)]
    first = np.searchsorted(bounds, starts, side="right") - 1
    last = np.searchsorted(bounds, ends, side="left") - 1
    pieces = []
    for start, end, one, other in zip(
        starts.tolist(), ends.tolist(), first.tolist(), last.tolist(), strict=True
    ):
        if one == other:
            pieces.append((one, start, end))
            continue
        for document in range(one, other + 1):
            low, high = max(start, int(bounds[document])), min(end, int(bounds[document + 1]))
            if low < high:
                pieces.append((document, low, high))
    return pieces


def _cut_between(positions: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """For each two neighbours, whether a document ends between them."""
    cuts = np.searchsorted(positions, bounds[1:-1]) - 1
    is_cut = np.zeros(len(positions) - 1, dtype=bool)
    is_cut[cuts[(cuts >= 0) & (cuts < len(is_cut))]] = True
    return is_cut


def _at(text: Bytes, positions: np.ndarray) -> np.ndarray:
    """Classes at positions, none outside."""
    inside = (positions >= 0) & (positions < len(text.classes))
    return np.where(inside, text.classes[np.where(inside, positions, 0)], 0)


def _positions(text: Bytes, byte: bytes) -> np.ndarray:
    raw = np.frombuffer(text.data, dtype=np.uint8)
    return np.flatnonzero(raw == byte[0])
