"""Characters in repeated n-grams of words: Rae et al. 2021, table A1, as datatrove counts them.

- *Top*, n = 2 to 4: the most frequent n-gram, the first seen of equally frequent ones, though it
  occur once; its characters, spaces between its words included, times how often it occurs.
- *Duplicate*, n = 5 to 10: from left to right, an n-gram whose letters without spaces occurred
  before is counted and jumped over; any other is remembered and one word is passed.

A word and a gram are named by where they first stood. Names of words are exact, by a table and
their bytes; those of grams follow from the name of the shorter gram and of the last word. For 5 to
10 the words stand side by side without spaces, a prefix hash gives every slice's hash at once, and
the bytes decide. What cannot occur twice is not looked up: a gram of which a part occurs once.
Memory: 45 to 61 bytes a word and one per byte. Compiled by `text_columns.py`.
"""

from __future__ import annotations

import numpy as np

from labkit.data.kernel.characters import CONTINUATION, CONTINUATION_BIT, SPACE

_BASE, _MIX = np.uint64(0x100000001B3), np.uint64(0x9E3779B97F4A7C15)
_1, _4, _29, _32 = np.uint64(1), np.uint64(4), np.uint64(29), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ONE_STAMP, _STAMP, _PLACE = np.uint64(1 << 28), np.uint64(15 << 28), np.uint64((1 << 28) - 1)
"""A row of the table: 32 bits of hash, 4 of n, which makes rows of another n free, 28 of place."""
TAIL, _TAILS = 16, 11
"""Bytes up to the end of a word whose hash tells whether they occur again: each next one shifts it
by 4 of its 64 bits. In the table they have a number of their own for n."""
MAX_POWERS = 1024


def count_grams(data, kinds, ends, alone, separator, max_words, counts):
    """Top 2- to 4-grams, duplicate 5- to 10-grams, bytes beyond; `separator` between words."""
    powers = np.empty(MAX_POWERS, dtype=np.uint64)
    powers[0] = _1
    for length in range(1, MAX_POWERS):
        powers[length] = powers[length - 1] * _BASE
    start = 0
    for row in range(len(ends)):
        room = min((ends[row] - start) // 2 + 1, max_words)  # of each two bytes one ends a word
        letters = np.empty(ends[row] - start, np.uint8)
        bounds, characters = np.empty(room + 1, np.int32), np.empty(room + 1, np.int32)
        hashes, tails = np.empty(room + 1, np.uint64), np.empty(room + 1, np.uint32)
        num_words, end = join_words(
            data, kinds, start, ends[row], alone, letters, bounds, characters, hashes, tails
        )
        bounds, characters = bounds[: num_words + 1], characters[: num_words + 1]
        counts[row, 9] = ends[row] - end
        bits = 2
        while 1 << bits < 2 * num_words:
            bits += 1
        table, shift = np.zeros(1 << bits, np.uint64), np.uint64(64 - bits)
        words, times = np.empty(num_words, np.int32), np.zeros(num_words, np.int32)
        name_words(letters, bounds, hashes, table, shift, words, times)
        add_hashes(bounds, powers, hashes)
        stops = repeated_tails(bounds, tails, table, shift)
        for n in range(5, 11):
            counts[row, n - 2] = duplicate_grams(
                n, stops, words, letters, bounds, characters, hashes, powers, table, shift
            )
        # what is done with holds what comes
        before, names = hashes.view(np.int32)[:num_words], hashes.view(np.int32)[num_words:]
        places = tails.view(np.int32)[:num_words]
        for at in range(num_words):
            before[at], places[at] = words[at], at
        for n in range(2, 5):
            places = repeated_pairs(places, before, times)
            counts[row, n - 2] = top_gram(
                n, places, words, before, characters, separator, table, shift, names, times
            )
            before, names = names, before
        start = ends[row]


def join_words(data, kinds, start, stop, alone, letters, bounds, characters, hashes, tails):
    """The words side by side; where each ends, in bytes and in characters; polynomials of each,
    and hashes of the `TAIL` bytes up to its end.

    Returns how many, and where in the text the last one ends.
    """
    word = num_bytes = num_characters = 0
    bounds[0] = characters[0] = 0
    at, ends_word, tail = start, SPACE | alone, np.uint64(0)
    while at < stop and word + 1 < len(bounds):
        kind = np.int64(kinds[np.uint64(at)])  # unsigned: no look for a negative index
        if kind & (SPACE | CONTINUATION):
            at += 1
            continue
        is_alone, code = kind & alone, np.uint64(0)
        while True:
            letter = data[np.uint64(at)]
            letters[np.uint64(num_bytes)] = letter
            code = code * _BASE + (np.uint64(letter) + _1)
            tail = (tail << _4) + np.uint64(letter) * _MIX
            num_bytes += 1
            num_characters += 1 - (kind >> CONTINUATION_BIT)
            at += 1
            if at == stop:
                break
            kind = np.int64(kinds[np.uint64(at)])
            if kind & ends_word or (is_alone and not kind & CONTINUATION):
                break
        word += 1
        bounds[word], characters[word] = num_bytes, num_characters
        hashes[word], tails[word] = code, np.uint32(tail * _MIX >> _32)
    return word, at


def add_hashes(bounds, powers, hashes):
    """From the polynomial of each word to that of all words up to it, modulo 2^64."""
    hashes[0] = total = np.uint64(0)
    for word in range(len(bounds) - 1):
        length = np.int64(bounds[word + 1]) - np.int64(bounds[word])
        power = powers[length] if length < MAX_POWERS else long_power(length)
        total = total * power + hashes[word + 1]
        hashes[word + 1] = total


def long_power(length):
    power, square = _1, _BASE
    while length > 0:
        if length & 1:
            power = power * square
        square = square * square
        length >>= 1
    return power


def is_same(one, other, n, words, letters, bounds):
    """Whether n words from `one` on and from `other` on have the same letters.

    The same names do; others may, too: "ab c" and "a bc".
    """
    same = 0
    while same < n and words[one + same] == words[other + same]:
        same += 1
    if same == n:
        return True
    return is_equal(one, other, n, letters, bounds)


def is_equal(one, other, n, letters, bounds):
    at, place = np.int64(bounds[one]), np.int64(bounds[other])
    if bounds[one + n] - at != bounds[other + n] - place:
        return False
    for _ in range(bounds[one + n] - at):
        if letters[at] != letters[place]:
            return False
        at, place = at + 1, place + 1
    return True


def name_words(letters, bounds, hashes, table, shift, words, times):
    mask, stamp = np.uint64(len(table) - 1), _ONE_STAMP
    for word in range(len(words)):
        mixed = (hashes[word + 1] ^ hashes[word + 1] >> _29) * _MIX
        entry, row = mixed << _32 | stamp | np.uint64(word + 1), mixed >> shift
        start, length = np.int64(bounds[word]), bounds[word + 1] - bounds[word]
        while table[row] & _STAMP == stamp:
            name = np.int64(table[row] & _PLACE) - 1
            if (table[row] ^ entry) <= _LOW and bounds[name + 1] - bounds[name] == length:
                place, same = np.int64(bounds[name]), 0
                while same < length and letters[place + same] == letters[start + same]:
                    same += 1
                if same == length:
                    break
            row = (row + _1) & mask
        if table[row] & _STAMP != stamp:
            table[row] = entry
        words[word] = np.int64(table[row] & _PLACE) - 1
        times[words[word]] += 1


def repeated_pairs(places, names, times):
    """Those of the places where a gram and the next one occur again: no other begins a longer one
    that does."""
    count, before, was_repeated = 0, -1, False
    for at in places:
        is_repeated = times[names[at]] > 1
        places[count] = before
        count += was_repeated & is_repeated & (at == before + 1)
        before, was_repeated = at, is_repeated
    return places[:count]


def top_gram(n, places, words, before, characters, separator, table, shift, names, times):
    """Fill the names of n-grams from those of (n-1)-grams; 0 where the text has fewer words.

    Those not in `places` occur once, and of grams that do the first is at 0.
    """
    mask, last, stamp = np.uint64(len(table) - 1), n - 1, _ONE_STAMP * np.uint64(n)
    best, best_times = 0, 1
    if len(words) < n:
        return 0
    for at in places:
        code = np.uint64(before[at]) << _32 | np.uint64(words[at + last])
        code = (code ^ code >> _29) * _MIX
        mixed = (code ^ code >> _32) * _MIX
        entry, row = mixed << _32 | stamp | np.uint64(at + 1), mixed >> shift
        name = np.int64(at)
        while table[row] & _STAMP == stamp:
            name = np.int64(table[row] & _PLACE) - 1
            if (
                (table[row] ^ entry) <= _LOW
                and before[name] == before[at]
                and words[name + last] == words[at + last]
            ):
                break
            row = (row + _1) & mask
            name = np.int64(at)
        if name == at:
            table[row], times[at] = entry, 0
        names[at] = name
        times[name] += 1
        if times[name] > best_times or (times[name] == best_times and name < best):
            best, best_times = name, times[name]
    length = np.int64(characters[best + n]) - np.int64(characters[best]) + last * separator
    return length * best_times


def repeated_tails(bounds, tails, table, shift):
    """Ends of words at which a gram of five and more may end that occurs again, ascending.

    Such a gram has its last `TAIL` bytes again, or is shorter; then its last five words are, too.
    """
    mask, stamp = np.uint64(len(table) - 1), _ONE_STAMP * np.uint64(_TAILS)
    is_lone = np.ones(len(bounds), np.bool_)
    for word in range(1, len(bounds)):
        tail = np.uint64(tails[word])
        entry, row = tail << _32 | stamp | np.uint64(word), tail * _MIX >> shift
        while table[row] & _STAMP == stamp:
            if (table[row] ^ entry) <= _LOW:
                is_lone[table[row] & _PLACE] = is_lone[word] = False
                break
            row = (row + _1) & mask
        if table[row] & _STAMP != stamp:
            table[row] = entry
    count, found = 0, tails.view(np.int32)
    for word in range(5, len(bounds)):
        if not is_lone[word] or bounds[word] - bounds[word - 5] < TAIL:
            found[count] = word
            count += 1
    return found[:count]


def duplicate_grams(n, stops, words, letters, bounds, characters, hashes, powers, table, shift):
    mask, stamp = np.uint64(len(table) - 1), _ONE_STAMP * np.uint64(n)
    found = after = 0
    for stop in stops:
        at = np.int64(stop) - n
        if at < after:
            continue
        length = np.int64(bounds[stop]) - np.int64(bounds[at])
        power = powers[length] if length < MAX_POWERS else long_power(length)
        code = hashes[stop] - hashes[at] * power
        mixed = (code ^ code >> _29) * _MIX
        entry, row = mixed << _32 | stamp | np.uint64(at + 1), mixed >> shift
        while table[row] & _STAMP == stamp:
            name = np.int64(table[row] & _PLACE) - 1
            if (table[row] ^ entry) <= _LOW and is_same(name, at, n, words, letters, bounds):
                found += np.int64(characters[stop]) - np.int64(characters[at])
                after = stop
                break
            row = (row + _1) & mask
        if after <= at:
            table[row] = entry
    return found
