"""GPT-2's split of text into pieces, by the class of each code point (Radford et al. 2019):

    's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+

The classes are asked from the pre-tokenizer, since Python's Unicode tables are of another version.
Its pieces never mix classes, apart from a leading space and a contraction, which are ASCII. So one
character tells the class of a whole piece of consecutive code points, and it joins "a", "0" or "!"
into one piece when it is of their class:

    "aé" -> ["aé"]: letter      "0½" -> ["0½"]: number      "!\\u0301" -> ["!\\u0301"]: other

The last three functions are compiled where they are used, in `bpe_kernel.py`.
"""

from __future__ import annotations

import numpy as np
from tokenizers.pre_tokenizers import PreTokenizer

LETTER, NUMBER, OTHER, SPACE = 0, 1, 2, 3
_FRIENDS = ((LETTER, "a"), (NUMBER, "0"), (OTHER, "!"))

SPLIT_PROBES = [
    *("", " ", "\n", "'", "don't I'll we've they're I'm he'd it's 'tis 'S 'LL 'Re ''s 's't"),
    *("x's 1's  's\t's\n's", "e\u0301a\u0308 \u0301x n\u0303o", "漢字 かな交じり文。한국어 漢1字2"),
    "👩‍👩‍👧‍👦 🏳️‍🌈👍🏽 a👍b\u200dc",
    "a\u00a0b \u00a0\u00a0c\u00a0 d\u0085e\u2028f\u2029 g\u1680h\u3000i \u3000\u3000j",
    "a\x1cb\x1d \x1e\x1fc \x1c\x1c d\x00e\x0bf\x0cg\x7f",
    "a\u200bb\u200c \u200bc\ufeffd\u2060 \u00ade\u180e f",
    "١٢٣ ۴۵ १२ x² ½ Ⅷ ⅷ ㊿ 1½2² 〇",
    " \n\t \r\n  x\n\n\n  y \t\tz  \n",
    *("    if x:\n\t\treturn  1   ", "\ufffd\U0010ffff\ue000\U0001d400\U000e0001\U00020000"),
    *("<|endoftext|> a<|endoftext|>", "a" * 3000, " " * 3000 + "b", "ab" * 800 + "\n" * 900),
    *("-" * 1000 + "漢" * 700, "http://a.b/c?d=e&f=%20#g_h __init__ 3.14e-10 -1,000", "\r\n" * 40),
]
"""Texts on which two tokenizers with almost the same split or merges differ."""


def character_classes(pre_tokenizer: PreTokenizer) -> np.ndarray:
    """uint8[0x110000], indexed by code point; takes GPT-2's split only. Surrogates are OTHER."""
    classes = np.full(0x110000, OTHER, dtype=np.uint8)
    for code in range(128):
        classes[code] = _ask(pre_tokenizer, chr(code))
    for first, stop in ((0x80, 0xD800), (0xE000, 0x110000)):
        for page in range(first, stop, 4096):
            text = "".join(map(chr, range(page, min(page + 4096, stop))))
            for _, (start, end) in pre_tokenizer.pre_tokenize_str(text):
                classes[page + start : page + end] = _ask(pre_tokenizer, text[start])
    return classes


def _ask(pre_tokenizer: PreTokenizer, character: str) -> int:
    for kind, friend in _FRIENDS:
        if len(pre_tokenizer.pre_tokenize_str(friend + character)) == 1:
            return kind
    return SPACE


def split_pieces(data, ends, classes, pieces):
    """Fill `pieces` with where each ends in the UTF-8 `data`; texts end at `ends`, and so do they.

    "I'll go  on" -> 1, 4, 7, 8, 11
    """
    start = num_pieces = 0
    for stop in ends:
        while start < stop:
            start = piece_end(data, start, stop, classes)
            pieces[num_pieces] = start
            num_pieces += 1


def piece_end(data, start, stop, classes):
    """Where the piece that starts at `start` ends; a text ends at `stop`."""
    kind, end = class_at(data, start, classes)
    if data[start] == 39 and end < stop:  # '
        first, second = data[end], data[end + 1] if end + 1 < stop else 0
        if first == 115 or first == 116 or first == 109 or first == 100:  # s t m d
            return end + 1
        if (first == 114 or first == 118) and second == 101:  # re ve
            return end + 2
        if first == 108 and second == 108:  # ll
            return end + 2
    if data[start] == 32 and end < stop:
        next_kind, next_end = class_at(data, end, classes)
        if next_kind != SPACE:
            kind, end = next_kind, next_end
    last = start
    while end < stop:
        next_kind, next_end = class_at(data, end, classes)
        if next_kind != kind:
            # \s+(?!\S) leaves the last of several spaces to what follows
            return last if kind == SPACE and last > start else end
        last, end = end, next_end
    return end


def class_at(data, at, classes):
    """Class of the character that starts at byte `at`, and where it ends."""
    first = np.int64(data[at])
    if first < 0x80:
        return classes[first], at + 1
    if first < 0xE0:
        return classes[(first & 31) << 6 | (data[at + 1] & 63)], at + 2
    tail = np.int64(data[at + 1] & 63) << 6 | (data[at + 2] & 63)
    if first < 0xF0:
        return classes[(first & 15) << 12 | tail], at + 3
    return classes[(first & 7) << 18 | tail << 6 | (data[at + 3] & 63)], at + 4
