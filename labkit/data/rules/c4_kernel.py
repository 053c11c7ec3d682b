"""C4's decisions on the lines of each text, and what is left of it, over UTF-8 bytes.

A line is first copied to where it would stand in the result, without its citations, and judged
there: what is refused is written over by the next. The result is never longer than the text.
Compiled by `c4.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from labkit.data.kernel.characters import BOUNDARY, SPACE, TERMINATOR

KEPT, LOREM_IPSUM, CURLY_BRACKET, TOO_FEW_SENTENCES = 0, 1, 2, 3
HAS_LOREM_IPSUM, HAS_JAVASCRIPT, HAS_BRACKET, HAS_POLICY = 1, 2, 4, 8
VERDICT, LINES, SENTENCES, KEPT_LINE = 0, 1, 2, 3
LONG_WORD, NO_TERMINATOR, FEW_WORDS, JAVASCRIPT, POLICY = 4, 5, 6, 7, 8
"""Columns of `found`; from `KEPT_LINE` on, how many lines came to that end."""
NUM_COLUMNS = 9

_EDIT = np.frombuffer(b"edit]", dtype=np.uint8)
_CITATION_NEEDED = np.frombuffer(b"citation needed]", dtype=np.uint8)
_OPEN, _CLOSE, _DOT, _NEWLINE, _RETURN = 91, 93, 46, 10, 13


class Tables(NamedTuple):
    flags: np.ndarray
    """uint16[code point], of `labkit.data.kernel.characters`."""
    zeros: np.ndarray
    """int32: the code points of digit zero; each is followed by the other nine."""
    classes: np.ndarray
    next_states: np.ndarray
    marks: np.ndarray
    """uint8[state]: which of `HAS_...` a state of the automaton has found."""


class Limits(NamedTuple):
    alone: int
    """Characters with any of these flags are words by themselves."""
    max_word: int
    min_words: int
    min_sentences: int
    removes_citations: bool
    needs_terminator: bool
    splits_sentences: bool


def rewrite(data, offsets, tables, limits, out, out_offsets, found):
    """Fill `out` with what is kept, text after text, and a row of `found` for each."""
    to = 0
    for row in range(len(offsets) - 1):
        start, at, counts = to, offsets[row], found[row]
        while at < offsets[row + 1] and counts[VERDICT] == KEPT:
            first, last, words, longest, at = read_line(
                data, at, offsets[row + 1], tables.flags, limits.alone
            )
            counts[LINES] += 1
            if longest > limits.max_word:
                counts[LONG_WORD] += 1
                continue
            line = to
            if counts[KEPT_LINE] > 0:
                out[to] = _NEWLINE
                line += 1
            end = copy_line(data, first, last, tables.zeros, limits.removes_citations, out, line)
            fate = judge_line(out, line, end, words, tables, limits, counts)
            counts[fate] += 1
            if fate == KEPT_LINE:
                if limits.splits_sentences:
                    counts[SENTENCES] += count_sentences(out, line, end, tables.flags)
                else:
                    counts[SENTENCES] += 1
                to = end
        if counts[VERDICT] == KEPT and counts[SENTENCES] < limits.min_sentences:
            counts[VERDICT] = TOO_FEW_SENTENCES
        to = strip(out, start, to, tables.flags) if counts[VERDICT] == KEPT else start
        out_offsets[row + 1] = to


def read_line(data, at, stop, flags, alone):
    """(first and last byte of the stripped line, words, characters of the longest, next line)."""
    first = last = at
    words = longest = length = 0
    while at < stop:
        code, end = character_at(data, at)
        kind = np.int64(flags[code])
        if kind & BOUNDARY:
            if code == _RETURN and end < stop and data[end] == _NEWLINE:
                end += 1
            return first, last, words, longest, end
        if kind & SPACE:
            length = 0
        else:
            if words == 0:
                first = at
            is_alone = (kind & alone) != 0
            if length == 0 or is_alone:
                words += 1
                length = 0
            length += 1
            longest = max(longest, length)
            if is_alone:
                length = 0
            last = end
        at = end
    return first, last, words, longest, stop


def character_at(data, at):
    """Code point at byte `at`, and where it ends."""
    first = np.int64(data[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xE0:
        return (first & 31) << 6 | np.int64(data[at + 1] & 63), at + 2
    tail = np.int64(data[at + 1] & 63) << 6 | np.int64(data[at + 2] & 63)
    if first < 0xF0:
        return (first & 15) << 12 | tail, at + 3
    return (first & 7) << 18 | tail << 6 | np.int64(data[at + 3] & 63), at + 4


def copy_line(data, first, last, zeros, removes_citations, out, to):
    """Copy without [12], [edit], [citation needed]; where the copy ends."""
    at = first
    while at < last:
        if data[at] == _OPEN and removes_citations:
            end = citation_end(data, at, last, zeros)
            if end > at:
                at = end
                continue
        out[to] = data[at]
        to += 1
        at += 1
    return to


def citation_end(data, start, last, zeros):
    """Where the citation that opens at `start` ends; `start` if it is none."""
    at = start + 1
    while at < last:
        code, end = character_at(data, at)
        nearest = np.searchsorted(zeros, code, side="right") - 1
        if nearest < 0 or code > zeros[nearest] + 9:
            break
        at = end
    if at < last and data[at] == _CLOSE:
        return at + 1
    for word in (_EDIT, _CITATION_NEEDED):
        end = start + 1 + len(word)
        if end <= last and np.all(data[start + 1 : end] == word):
            return end
    return start


def judge_line(out, line, end, words, tables, limits, counts):
    """What becomes of the line; in a kept one a phrase may have settled the text's verdict."""
    if limits.needs_terminator and not is_terminated(out, line, end, tables.flags):
        return NO_TERMINATOR
    if words < limits.min_words:
        return FEW_WORDS
    marks = find_marks(out, line, end, tables)
    if marks & HAS_LOREM_IPSUM:
        counts[VERDICT] = LOREM_IPSUM
        return KEPT_LINE
    if marks & HAS_JAVASCRIPT:
        return JAVASCRIPT
    if marks & HAS_BRACKET:
        counts[VERDICT] = CURLY_BRACKET
        return KEPT_LINE
    return POLICY if marks & HAS_POLICY else KEPT_LINE


def is_terminated(out, line, end, flags):
    """Ends with a terminator, and not with three dots."""
    if end == line:
        return False
    if end - line >= 3 and out[end - 1] == _DOT and out[end - 2] == _DOT and out[end - 3] == _DOT:
        return False
    code, _ = character_at(out, before(out, end))
    return (flags[code] & TERMINATOR) != 0


def before(data, end):
    """First byte of the character that ends at `end`."""
    end -= 1
    while data[end] & 0xC0 == 0x80:
        end -= 1
    return end


def find_marks(out, line, end, tables):
    """Which phrases the line has, in lower case as `str.lower` makes it: K, the sign of kelvin,
    is the one character beyond ASCII that becomes a letter of ASCII."""
    state = marks = 0
    at = line
    while at < end:
        byte = out[at]
        if byte == 0xE2 and out[at + 1] == 0x84 and out[at + 2] == 0xAA:
            byte = np.uint8(107)
            at += 2
        state = tables.next_states[state, tables.classes[byte]]
        marks |= np.int64(tables.marks[state])
        at += 1
    return marks


def count_sentences(out, line, end, flags):
    """One, and one more at each `.!?` before white space, each `。！？；` before anything; closing
    quotes and brackets belong to the sentence before."""
    sentences, state, at = 1, 0, line  # 0 within, 1 after .!? and 2 its space, 3 after 。 and 4
    while at < end:
        code, at = character_at(out, at)
        if flags[code] & SPACE:
            state = state + 1 if state == 1 or state == 3 else state
            continue
        is_weak = code == 46 or code == 33 or code == 63
        is_strong = code == 0x3002 or code == 0xFF01 or code == 0xFF1F or code == 0xFF1B
        if (state == 1 or state == 3) and is_closing(code):
            continue
        if state == 2 or (state > 2 and not is_weak and not is_strong):
            sentences += 1
        state = 1 if is_weak else 3 if is_strong else 0
    return sentences


def is_closing(code):
    """One of \" ' ) ] ’ ” 」 』 ）."""
    if code < 128:
        return code == 34 or code == 39 or code == 41 or code == 93
    return code == 0x2019 or code == 0x201D or code == 0x300D or code == 0x300F or code == 0xFF09


def strip(out, start, end, flags):
    """Move the text to where it begins without its white space; where it then ends."""
    while end > start:
        last = before(out, end)
        if not flags[character_at(out, last)[0]] & SPACE:
            break
        end = last
    first = start
    while first < end:
        code, after = character_at(out, first)
        if not flags[code] & SPACE:
            break
        first = after
    if first > start:
        for at in range(first, end):
            out[start + at - first] = out[at]
    return start + end - first


FUNCTIONS = (
    *(character_at, before, is_closing, citation_end, copy_line, read_line, find_marks),
    *(is_terminated, judge_line, count_sentences, strip, rewrite),
)
"""In an order in which each comes after those that it calls."""
