"""Characters in repeated n-grams of words: Rae et al. 2021, table A1, as datatrove counts them.

- *Top*, n = 2 to 4: the most frequent n-gram, the first seen of equally frequent ones, though it
  occur once; its characters, spaces between its words included, times how often it occurs.
- *Duplicate*, n = 5 to 10: from left to right, an n-gram whose letters without spaces occurred
  before is counted and jumped over; any other is remembered and one word is passed.

A word and a gram are named by where they first stood. Names of words are exact, by a table and
their bytes; those of grams follow from the name of the shorter gram and of the last word. For 5 to
10 the words stand side by side without spaces, a prefix hash gives every slice's hash at once, and
the bytes decide. Memory: 48 to 56 bytes a word and one per byte. Compiled by `text_columns.py`.
"""

from __future__ import annotations

import numpy as np

from labkit.data.kernel.characters import CONTINUATION, SPACE

_BASE, _MIX = np.uint64(0x100000001B3), np.uint64(0x9E3779B97F4A7C15)
_29, _32, _1 = np.uint64(29), np.uint64(32), np.uint64(1)
MAX_POWERS = 1024


def count_grams(data, kinds, ends, alone, separator, max_words, counts):
    """Top 2- to 4-grams, then duplicate 5- to 10-grams; `separator` characters between words."""
    powers = np.empty(MAX_POWERS, dtype=np.uint64)
    powers[0] = _1
    for length in range(1, MAX_POWERS):
        powers[length] = powers[length - 1] * _BASE
    start = 0
    for row in range(len(ends)):
        room = min(num_words(kinds, start, ends[row], alone), max_words)
        letters = np.empty(ends[row] - start, dtype=np.uint8)
        bounds, characters = np.zeros(room + 1, np.int32), np.zeros(room + 1, np.int32)
        join_words(data, kinds, start, ends[row], alone, room, letters, bounds, characters)
        size = 4
        while size < 2 * room:
            size *= 2
        table, prefixes = np.empty(size, np.int32), np.empty(room + 1, np.uint64)
        hash_prefixes(letters, bounds, prefixes)
        words = np.empty(room, np.int32)
        name_words(letters, bounds, prefixes, powers, table, words)
        before, names, times = words.copy(), np.empty(room, np.int32), np.empty(room, np.int32)
        for n in range(2, 5):
            counts[row, n - 2] = top_gram(
                n, words, before, characters, separator, table, names, times
            )
            before, names = names, before
        for n in range(5, 11):
            counts[row, n - 2] = duplicate_grams(
                n, letters, bounds, characters, prefixes, powers, table
            )
        start = ends[row]


def num_words(kinds, start, stop, alone):
    words, is_inside = 0, False
    for at in range(start, stop):
        kind = np.int64(kinds[at])
        if kind & CONTINUATION:
            continue
        is_word = not kind & SPACE
        if is_word and (not is_inside or kind & alone):
            words += 1
        is_inside = is_word and not kind & alone
    return words


def join_words(data, kinds, start, stop, alone, room, letters, bounds, characters):
    """The words without what is between them; where each ends, in bytes and in characters."""
    word = num_bytes = num_characters = 0
    at = start
    while at < stop and word < room:
        if kinds[at] & SPACE:
            at += 1
            continue
        begin, is_alone = at, False
        while at < stop:
            kind = np.int64(kinds[at])
            if not kind & CONTINUATION:
                if kind & SPACE or is_alone or (kind & alone and at > begin):
                    break
                is_alone = (kind & alone) != 0
                num_characters += 1
            letters[num_bytes] = data[at]
            num_bytes += 1
            at += 1
        word += 1
        bounds[word], characters[word] = num_bytes, num_characters


def hash_prefixes(letters, bounds, prefixes):
    """prefixes[word] is the polynomial of all bytes before the word, modulo 2^64."""
    code = np.uint64(0)
    prefixes[0] = code
    for word in range(len(bounds) - 1):
        for at in range(bounds[word], bounds[word + 1]):
            code = code * _BASE + np.uint64(letters[at]) + _1
        prefixes[word + 1] = code


def home(first, end, bounds, prefixes, powers, mask):
    """Where the table holds the slice of words [first, end), if nothing is in the way."""
    length = np.int64(bounds[end]) - np.int64(bounds[first])
    power = powers[length & (MAX_POWERS - 1)]
    if length >= MAX_POWERS:
        whole = powers[MAX_POWERS - 1] * _BASE
        for _ in range(length // MAX_POWERS):
            power = power * whole
    code = prefixes[end] - prefixes[first] * power
    return np.int64((code ^ code >> _29) * _MIX >> _32) & mask


def is_same(one, other, n, letters, bounds):
    """Whether n words from `one` on and from `other` on have the same bytes."""
    at, place = np.int64(bounds[one]), np.int64(bounds[other])
    if bounds[one + n] - at != bounds[other + n] - place:
        return False
    for _ in range(bounds[one + n] - at):
        if letters[at] != letters[place]:
            return False
        at, place = at + 1, place + 1
    return True


def name_words(letters, bounds, prefixes, powers, table, words):
    table[:] = -1
    mask = len(table) - 1
    for word in range(len(words)):
        row = home(word, word + 1, bounds, prefixes, powers, mask)
        while table[row] >= 0 and not is_same(np.int64(table[row]), word, 1, letters, bounds):
            row = (row + 1) & mask
        if table[row] < 0:
            table[row] = word
        words[word] = table[row]


def top_gram(n, words, before, characters, separator, table, names, times):
    """Fill the names of n-grams from those of (n-1)-grams; 0 where the text has fewer words."""
    table[:] = -1
    mask, last = len(table) - 1, n - 1
    best = best_times = 0
    for at in range(len(words) - n + 1):
        code = np.uint64(before[at]) << _32 | np.uint64(words[at + last])
        code = (code ^ code >> _29) * _MIX
        row = np.int64((code ^ code >> _32) * _MIX >> _32) & mask
        name = np.int64(table[row])
        while name >= 0 and not (
            before[name] == before[at] and words[name + last] == words[at + last]
        ):
            row = (row + 1) & mask
            name = np.int64(table[row])
        if name < 0:
            table[row] = name = at
            times[at] = 0
        names[at] = name
        times[name] += 1
        if times[name] > best_times or (times[name] == best_times and name < best):
            best, best_times = name, times[name]
    if best_times == 0:
        return 0
    length = np.int64(characters[best + n]) - np.int64(characters[best]) + last * separator
    return length * best_times


def duplicate_grams(n, letters, bounds, characters, prefixes, powers, table):
    table[:] = -1
    mask = len(table) - 1
    at = found = 0
    while at < len(bounds) - n:
        row = home(at, at + n, bounds, prefixes, powers, mask)
        while table[row] >= 0 and not is_same(np.int64(table[row]), at, n, letters, bounds):
            row = (row + 1) & mask
        if table[row] >= 0:
            found += np.int64(characters[at + n]) - np.int64(characters[at])
            at += n
        else:
            table[row] = at
            at += 1
    return found
