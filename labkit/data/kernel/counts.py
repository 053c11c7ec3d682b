"""Counts of characters, words and lines, for each text of a chunk.

`classify` writes the kind of each character where its first byte stands; what follows reads kinds
alone. A row of `counts` is one text, which ends before `ends[row]`; its columns are those of the
group of the same name in `definitions.py`. Compiled by `text_columns.py`.
"""

from __future__ import annotations

import numpy as np

from labkit.data.kernel.characters import (
    ALPHANUMERIC,
    BOUNDARY,
    BULLET,
    CARRIAGE_RETURN,
    CONTINUATION,
    DIGIT,
    DOT,
    ELLIPSIS,
    HASH,
    IDEOGRAPH,
    LETTER,
    NEWLINE,
    PUNCTUATION,
    SPACE,
    TERMINATOR,
    UPPERCASE,
)


def classify(data, flags, kinds):
    """Fill kinds[byte] for the UTF-8 `data`."""
    at = 0
    while at < len(data):
        byte = np.int64(data[at])
        if byte < 0x80:
            kinds[at] = flags[byte]
            at += 1
            continue
        size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        code = byte & (0x7F >> size)
        for place in range(at + 1, at + size):
            code = code << 6 | (np.int64(data[place]) & 0x3F)
            kinds[place] = CONTINUATION
        kinds[at] = flags[code]
        at += size


def count_characters(kinds, ends, counts):
    start = 0
    for row in range(len(ends)):
        characters = spaces = letters = alphanumerics = digits = 0
        uppercase = ideographs = hashes = newlines = 0
        for at in range(start, ends[row]):
            kind = np.int64(kinds[at])
            characters += (kind & CONTINUATION) == 0
            spaces += (kind & SPACE) != 0
            letters += (kind & LETTER) != 0
            alphanumerics += (kind & ALPHANUMERIC) != 0
            digits += (kind & DIGIT) != 0
            uppercase += (kind & UPPERCASE) != 0
            ideographs += (kind & IDEOGRAPH) != 0
            hashes += (kind & HASH) != 0
            newlines += (kind & NEWLINE) != 0
        counts[row, 0], counts[row, 1], counts[row, 2] = characters, spaces, letters
        counts[row, 3], counts[row, 4], counts[row, 5] = alphanumerics, digits, uppercase
        counts[row, 6], counts[row, 7], counts[row, 8] = ideographs, hashes, newlines
        counts[row, 9] = characters - newlines
        start = ends[row]


def count_words(data, kinds, ends, alone, stop_bytes, stop_ends, counts):
    """Characters of a kind in `alone` are words by themselves."""
    start = 0
    for row in range(len(ends)):
        words = letter_words = plain_words = plain_characters = found = 0
        at = start
        while at < ends[row]:
            kind = np.int64(kinds[at])
            if kind & SPACE:
                at += 1
                continue
            first, characters, some, all_ = at, 0, 0, -1
            while at < ends[row]:
                kind = np.int64(kinds[at])
                if kind & SPACE or (kind & alone and characters):
                    break
                if not kind & CONTINUATION:
                    if some & alone:
                        break
                    some, all_, characters = some | kind, all_ & kind, characters + 1
                at += 1
            words += 1
            letter_words += (some & LETTER) != 0
            if not all_ & PUNCTUATION:
                plain_words += 1
                plain_characters += characters
            found |= stop_word(data, first, at, stop_bytes, stop_ends)
        counts[row, 0], counts[row, 1], counts[row, 2] = words, letter_words, plain_words
        counts[row, 3], counts[row, 4] = plain_characters, 0
        while found:
            counts[row, 4] += found & 1
            found >>= 1
        start = ends[row]


def stop_word(data, start, end, stop_bytes, stop_ends):
    """A bit for the stop word that stands there, 0 if none does."""
    first = 0
    for number in range(len(stop_ends)):
        length = stop_ends[number] - first
        if length == end - start and stop_bytes[first] == data[start]:
            same = 1
            while same < length and stop_bytes[first + same] == data[start + same]:
                same += 1
            if same == length:
                return 1 << number
        first = stop_ends[number]
    return 0


def count_lines(kinds, ends, counts):
    """Lines end where `splitlines` ends them; \\r\\n is one end."""
    start = 0
    for row in range(len(ends)):
        lines = bullet_lines = ellipsis_lines = ellipses = dots = 0
        is_open = is_bullet = is_trailing = False
        is_blank = True
        for at in range(start, ends[row]):
            kind = np.int64(kinds[at])
            if kind & CONTINUATION:
                continue
            is_second = (
                (kind & NEWLINE) != 0 and at > start and (kinds[at - 1] & CARRIAGE_RETURN) != 0
            )
            if kind & BOUNDARY and not is_second:
                lines, bullet_lines = lines + 1, bullet_lines + is_bullet
                ellipsis_lines += is_trailing
                is_open = is_bullet = is_trailing = False
                is_blank = True
            elif not kind & BOUNDARY:
                is_open = True
            dots = dots + 1 if kind & DOT else 0
            ellipses += (kind & ELLIPSIS) != 0
            ellipses += dots > 0 and dots % 3 == 0  # seven dots have two
            if not kind & SPACE:
                is_bullet = is_bullet or (is_blank and (kind & BULLET) != 0)
                is_blank = False
                is_trailing = dots >= 3 or (kind & ELLIPSIS) != 0
        counts[row, 0], counts[row, 1] = lines + is_open, bullet_lines + is_bullet
        counts[row, 2], counts[row, 3] = ellipsis_lines + is_trailing, ellipses
        start = ends[row]


def count_filled_lines(kinds, ends, short_line_characters, counts):
    start = 0
    for row in range(len(ends)):
        filled = terminated = short = longest = characters = last = 0
        is_filled = False
        for at in range(start, ends[row] + 1):
            if at < ends[row] and not kinds[at] & NEWLINE:
                kind = np.int64(kinds[at])
                if not kind & CONTINUATION:
                    characters, last = characters + 1, kind
                    is_filled = is_filled or not kind & SPACE
                continue
            longest = max(longest, characters)
            if is_filled:
                filled, terminated = filled + 1, terminated + ((last & TERMINATOR) != 0)
                short += characters <= short_line_characters
            characters = last = 0
            is_filled = False
        counts[row, 0], counts[row, 1] = filled, terminated
        counts[row, 2], counts[row, 3] = short, longest
        start = ends[row]
