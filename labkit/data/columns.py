"""Simple statistics of each document, one column each; thresholds come later, as expressions.

Characters are Unicode code points. Each has one class, from its general category and, for
letters, the first word of its Unicode name: LATIN, HAN (CJK ideographs), CYRILLIC, ...; the class
of a text is one table look-up per character. A word is a maximal run without white space, so that
for Chinese it is a clause: count characters there.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa

from labkit.data.compiled import compiled
from labkit.data.utf8 import utf8_bytes

CLASSES = (
    "latin",
    "han",
    "kana",
    "hangul",
    "cyrillic",
    "greek",
    "arabic",
    "other letters",
    "digits",
    "space",
    "punctuation",
    "symbols",
    "control",
)
SCRIPTS = CLASSES[:8]
SPACE = CLASSES.index("space")
LINE_BOUNDARIES = "\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
_BOUNDARY = 16
_FIRST_WORDS = {
    "LATIN": "latin",
    "CJK": "han",
    "HIRAGANA": "kana",
    "KATAKANA": "kana",
    "HANGUL": "hangul",
    "CYRILLIC": "cyrillic",
    "GREEK": "greek",
    "ARABIC": "arabic",
}
_CATEGORIES = {"N": "digits", "Z": "space", "P": "punctuation", "S": "symbols", "C": "control"}


def add_statistics(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its statistics columns; one compiled pass over the bytes of the texts."""
    data, offsets = utf8_bytes(batch.column("text"))
    counts = np.zeros((batch.num_rows, len(CLASSES)), dtype=np.int64)
    words, lines = (np.zeros(batch.num_rows, dtype=np.int64) for _ in range(2))
    _count(data, offsets, _flag_table(), counts, words, lines)
    characters = counts.sum(axis=1)
    letters = counts[:, : len(SCRIPTS)]
    named = np.where(letters.any(axis=1), letters.argmax(axis=1), len(SCRIPTS))
    columns = {
        "content_hash": [
            hashlib.sha256(data.data[start:stop]).hexdigest()
            for start, stop in pairwise(offsets.tolist())
        ],
        "num_bytes": np.diff(offsets),
        "num_characters": characters,
        "num_words": words,
        "num_lines": lines,
        "mean_word_length": (characters - counts[:, SPACE]) / np.maximum(words, 1),
        "script": [(*SCRIPTS, "none")[number] for number in named.tolist()],
    }
    for number, name in enumerate(CLASSES):
        columns[f"num_{name.replace(' ', '_')}"] = counts[:, number]
    for name, column in columns.items():
        batch = batch.append_column(name, pa.array(column))
    return batch


def code_points(text: str) -> np.ndarray:
    """uint32 array of the text's characters."""
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


@functools.cache
def class_table() -> np.ndarray:
    """Code point -> number of its class; made once per process from Python's own Unicode data."""
    number = {name: index for index, name in enumerate(CLASSES)}
    table = np.full(sys.maxunicode + 1, number["control"], dtype=np.uint8)
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category == "Cn" or category == "Co":
            continue
        table[code] = number[_class_name(chr(code), category)]
    return table


def _class_name(character: str, category: str) -> str:
    if character.isspace():
        return "space"
    if category[0] in "LM":
        first = unicodedata.name(character, "").partition(" ")[0]
        return _FIRST_WORDS.get(first, "other letters")
    return _CATEGORIES[category[0]]


@functools.cache
def _flag_table() -> np.ndarray:
    """`class_table` with `_BOUNDARY` where `str.splitlines` ends a line."""
    table = class_table().copy()
    table[[ord(character) for character in LINE_BOUNDARIES]] |= _BOUNDARY
    return table


@compiled
def _count(data, offsets, table, counts, words, lines):
    for text in range(len(words)):
        at, stop, row = offsets[text], offsets[text + 1], counts[text]
        num_words = num_lines = 0
        was_space, is_open, after_return = True, False, False
        while at < stop:
            code = np.int64(data[np.uint64(at)])  # unsigned: no look for a negative index
            if code < 128:
                at += 1
            elif code < 224:
                code = (code & 31) << 6 | (data[at + 1] & 63)
                at += 2
            elif code < 240:
                code = (code & 15) << 12 | np.int64(data[at + 1] & 63) << 6 | (data[at + 2] & 63)
                at += 3
            else:
                code = (code & 7) << 18 | np.int64(data[at + 1] & 63) << 12
                code |= np.int64(data[at + 2] & 63) << 6 | (data[at + 3] & 63)
                at += 4
            flags = table[np.uint64(code)]
            kind = flags & (_BOUNDARY - 1)
            row[np.uint64(kind)] += 1
            num_words += was_space & (kind != SPACE)
            was_space = kind == SPACE
            if flags >= _BOUNDARY:
                num_lines += not (after_return and code == 10)
                is_open, after_return = False, code == 13
            else:
                is_open, after_return = True, False
        words[text], lines[text] = num_words, num_lines + is_open
