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
    CONTINUATION_BIT,
    DIGIT,
    DOT,
    ELLIPSIS,
    HASH,
    IDEOGRAPH,
    LETTER,
    NEWLINE,
    PUNCTUATION,
    SPACE,
    UPPERCASE,
)


def classify(data, flags, kinds):
    """Fill kinds[byte] for the UTF-8 `data`."""
    at = 0
    while at < len(data):
        byte = np.int64(data[np.uint64(at)])
        if byte < 0x80:
            kinds[np.uint64(at)] = flags[np.uint64(byte)]
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
        characters = spaces = letters = alphanumerics = digits = np.int32(0)
        uppercase = ideographs = hashes = newlines = np.int32(0)
        own = kinds[start : ends[row]]
        for at in range(len(own)):  # in vectors: no branch, narrow numbers
            kind = np.int32(own[at])
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


def count_words(data, kinds, ends, alone, stop_bytes, stop_ends, by_start, by_length, counts):
    """Characters of a kind in `alone` are words by themselves."""
    start, ends_word = 0, SPACE | alone
    for row in range(len(ends)):
        words = letter_words = plain_words = plain_characters = found = 0
        at, stop = start, ends[row]
        while at < stop:
            kind = np.int64(kinds[np.uint64(at)])  # unsigned: no look for a negative index
            if kind & (SPACE | CONTINUATION):
                at += 1
                continue
            first, characters, some, all_, is_alone = at, 1, kind, kind, kind & alone
            at += 1
            while at < stop:
                kind = np.int64(kinds[np.uint64(at)])
                if kind & ends_word or (is_alone and not kind & CONTINUATION):
                    break
                characters += 1 - (kind >> CONTINUATION_BIT)
                some, all_ = some | kind, all_ & (kind | -(kind >> CONTINUATION_BIT))
                at += 1
            words += 1
            letter_words += (some & LETTER) != 0
            is_plain = (all_ & PUNCTUATION) == 0
            plain_words += is_plain
            plain_characters += characters * is_plain
            if at - first < len(by_length):
                maybe = by_start[data[first]] & by_length[at - first] & ~found
                if maybe:
                    found |= stop_word(data, first, at, stop_bytes, stop_ends, maybe)
        counts[row, 0], counts[row, 1], counts[row, 2] = words, letter_words, plain_words
        counts[row, 3], counts[row, 4] = plain_characters, 0
        while found:
            counts[row, 4] += found & 1
            found >>= 1
        start = stop


def stop_word(data, start, end, stop_bytes, stop_ends, maybe):
    """A bit for the stop word that stands there, 0 if none of those in `maybe` does."""
    number = 0
    while maybe >> number:
        if maybe >> number & 1:
            same, at = 0, stop_ends[number] - (end - start)
            while same < end - start and stop_bytes[at + same] == data[start + same]:
                same += 1
            if same == end - start:
                return 1 << number
        number += 1
    return 0


def count_lines(kinds, ends, counts):
    """Lines end where `splitlines` ends them; \\r\\n is one end."""
    start, blank, rare = 0, SPACE | CONTINUATION, BOUNDARY | DOT | ELLIPSIS
    for row in range(len(ends)):
        lines = bullet_lines = ellipsis_lines = ellipses = 0
        at, stop = start, ends[row]
        while at < stop:
            while at < stop and kinds[at] & blank and not kinds[at] & BOUNDARY:
                at += 1
            bullet_lines += at < stop and (kinds[at] & BULLET) != 0
            dots, after_dot, mark = 0, -1, -1
            while at < stop:
                if kinds[np.uint64(at)] & rare:
                    if kinds[at] & BOUNDARY:
                        break
                    dots = dots + 1 if after_dot == at else 1
                    after_dot = at + 1 if kinds[at] & DOT else -1
                    if kinds[at] & ELLIPSIS or dots % 3 == 0:  # seven dots have two
                        ellipses += 1
                    if kinds[at] & ELLIPSIS or dots >= 3:
                        mark = at + 1
                at += 1
            lines += 1
            while 0 <= mark < at and kinds[mark] & blank:
                mark += 1
            ellipsis_lines += mark == at
            is_return = at + 1 < stop and kinds[at] & CARRIAGE_RETURN
            at += 2 if is_return and kinds[at + 1] & NEWLINE else 1
            while at < stop and kinds[at] & CONTINUATION:
                at += 1
        counts[row, 0], counts[row, 1] = lines, bullet_lines
        counts[row, 2], counts[row, 3] = ellipsis_lines, ellipses
        start = stop
