"""C4's decisions on the lines of each text, and what is left of it, over UTF-8 bytes.

A line is copied to where it would stand in the result, without its citations, and judged there:
what is refused is written over by the next. The result is never longer than the text. What a
decision doesn't need is not looked at: words and phrases of lines without a terminator, sentences
once there are enough. Compiled by `c4.py`.
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
_OPEN, _CLOSE, _DOT, _SPACE, _NEWLINE, _RETURN = 91, 93, 46, 32, 10, 13
_K, ALL = np.uint8(107), 1 << 62


class Tables(NamedTuple):
    flags: np.ndarray
    """uint16[code point], of `labkit.data.kernel.characters`."""
    zeros: np.ndarray
    """int32: the code points of digit zero; each is followed by the other nine."""
    classes: np.ndarray
    """uint8[256], of `automaton.py`."""
    steps: np.ndarray
    """uint32[state + class]: the next state; a state is where its row begins, which saves the
    multiplication between one look-up and the next."""
    marks: np.ndarray
    """uint8[state]: which of `HAS_...` has been found."""


class Limits(NamedTuple):
    alone: int
    """Characters with any of these flags are words by themselves."""
    max_word: int
    min_words: int
    min_sentences: int
    enough_sentences: int
    """From here on a line counts as one."""
    removes_citations: bool
    needs_terminator: bool
    splits_sentences: bool


def rewrite(data, offsets, tables, limits, out, out_offsets, found):
    """Fill `out` with what is kept, text after text, and a row of `found` for each."""
    # Taken out once: each look into a tuple counts references, which costs more than a line.
    flags, zeros, classes, steps, marks = tables
    to = 0
    for row in range(len(offsets) - 1):
        start, at, counts = to, offsets[row], found[row]
        while at < offsets[row + 1] and counts[VERDICT] == KEPT:
            first, last, at = next_line(data, at, offsets[row + 1], flags)
            line = to
            if counts[KEPT_LINE] > 0:
                out[to] = _NEWLINE
                line += 1
            fate, end = judge_line(
                data, first, last, flags, zeros, classes, steps, marks, limits, out, line, counts
            )
            counts[LINES] += 1
            counts[fate] += 1
            if fate == KEPT_LINE:
                if limits.splits_sentences and counts[SENTENCES] < limits.enough_sentences:
                    counts[SENTENCES] += count_sentences(out, line, end, flags)
                else:
                    counts[SENTENCES] += 1
                to = end
        if counts[VERDICT] == KEPT and counts[SENTENCES] < limits.min_sentences:
            counts[VERDICT] = TOO_FEW_SENTENCES
        if counts[VERDICT] == KEPT:
            first, last = strip(out, start, to, flags)
            to = start + last - first
            for place in range(start, to if first > start else start):
                out[place] = out[place + first - start]
        else:
            to = start
        out_offsets[row + 1] = to


def next_line(data, at, stop, flags):
    """(first, end) of the line at `at`, stripped, and where the next one begins."""
    start = at
    while at < stop:
        byte = data[np.uint64(at)]  # unsigned: no look for a negative index
        if byte >= _SPACE and byte != 0xC2 and byte != 0xE2:  # as U+0085, U+2028, U+2029 begin
            at += 1
            continue
        code, after = character_at(data, at)
        if flags[code] & BOUNDARY:
            first, last = strip(data, start, at, flags)
            if code == _RETURN and after < stop and data[after] == _NEWLINE:
                after += 1
            return first, last, after
        at = after
    first, last = strip(data, start, stop, flags)
    return first, last, stop


def strip(data, first, last, flags):
    """The same range without white space at its ends."""
    while last > first and not _SPACE < data[last - 1] < 0x7F:
        start = before(data, last)
        if not flags[character_at(data, start)[0]] & SPACE:
            break
        last = start
    while first < last and not _SPACE < data[first] < 0x7F:
        if data[first] == _SPACE:
            first += 1
            continue
        code, after = character_at(data, first)
        if not flags[code] & SPACE:
            break
        first = after
    return first, last


def judge_line(data, first, last, flags, zeros, classes, steps, marks, limits, out, line, counts):
    """(column of `found`, end of the copy that begins at `line`); a phrase may settle the text."""
    if last - first > limits.max_word:
        _, longest = count_words(data, first, last, flags, limits.alone, ALL)
        if longest > limits.max_word:
            return LONG_WORD, line
    is_cited = last > first and data[last - 1] == _CLOSE
    if limits.needs_terminator and not is_cited and not is_terminated(data, first, last, flags):
        return NO_TERMINATOR, line
    end, has = copy_line(
        data, first, last, zeros, classes, steps, marks, limits.removes_citations, out, line
    )
    if limits.needs_terminator and not is_terminated(out, line, end, flags):
        return NO_TERMINATOR, line
    enough = limits.min_words
    if count_words(data, first, last, flags, limits.alone, enough)[0] < enough:
        return FEW_WORDS, line
    if has & HAS_LOREM_IPSUM:
        counts[VERDICT] = LOREM_IPSUM
    elif has & HAS_JAVASCRIPT:
        return JAVASCRIPT, line
    elif has & HAS_BRACKET:
        counts[VERDICT] = CURLY_BRACKET
    elif has & HAS_POLICY:
        return POLICY, line
    return KEPT_LINE, end


def count_words(data, first, last, flags, alone, enough):
    """(words, characters of the longest), until there are enough words."""
    words = longest = length = 0
    at = first
    while at < last and words < enough:
        code, at = character_at(data, at)
        kind = np.int64(flags[code])
        is_alone = (kind & alone) != 0
        if kind & SPACE:
            length = 0
            continue
        if length == 0 or is_alone:
            words += 1
            length = 0
        length += 1
        longest = max(longest, length)
        if is_alone:
            length = 0
    return words, longest


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


def copy_line(data, first, last, zeros, classes, steps, marks, removes_citations, out, to):
    """Copy without [12], [edit], [citation needed]; (end of the copy, `HAS_...` found in it).

    Phrases are found in lower case as `str.lower` makes it: beyond ASCII one character becomes a
    letter of ASCII, the sign of kelvin.
    """
    state, has, at = np.uint64(0), np.uint8(0), first
    while at < last:
        byte = data[np.uint64(at)]  # unsigned: no look for a negative index
        if byte == _OPEN and removes_citations:
            end = citation_end(data, at, last, zeros)
            if end > at:
                at = end
                continue
        out[np.uint64(to)] = byte
        if byte == 0xE2 and data[at + 1] == 0x84 and data[at + 2] == 0xAA:
            out[to + 1], out[to + 2] = data[at + 1], data[at + 2]
            to, at, byte = to + 2, at + 2, _K
        state = np.uint64(steps[state + np.uint64(classes[byte])])
        has |= marks[state]
        to += 1
        at += 1
    return to, has


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
        end, same = start + 1 + len(word), 0
        while same < len(word) and end <= last and data[start + 1 + same] == word[same]:
            same += 1
        if same == len(word):
            return end
    return start


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


FUNCTIONS = (
    *(character_at, before, strip, next_line, count_words, is_terminated, citation_end, copy_line),
    *(judge_line, is_closing, count_sentences, rewrite),
)
"""In an order in which each comes after those that it calls."""
