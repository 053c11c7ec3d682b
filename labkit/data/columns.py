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

import numpy as np
import pyarrow as pa

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
    """The batch with its statistics columns; one pass over each text."""
    rows = [_statistics(text) for text in batch.column("text").to_pylist()]
    for name in rows[0]:
        batch = batch.append_column(name, pa.array([row[name] for row in rows]))
    return batch


def code_points(text: str) -> np.ndarray:
    """uint32 array of the text's characters."""
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def count_classes(text: str) -> np.ndarray:
    """Characters per class, in the order of `CLASSES`."""
    return np.bincount(class_table()[code_points(text)], minlength=len(CLASSES))


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


def _statistics(text: str) -> dict[str, int | float | str]:
    raw = text.encode()
    counts = count_classes(text)
    letters = counts[: len(SCRIPTS)]
    num_words = len(text.split())
    num_spaces = int(counts[CLASSES.index("space")])
    return {
        "content_hash": hashlib.sha256(raw).hexdigest(),
        "num_bytes": len(raw),
        "num_characters": len(text),
        "num_words": num_words,
        "num_lines": len(text.splitlines()),
        "mean_word_length": (len(text) - num_spaces) / num_words if num_words else 0.0,
        "script": SCRIPTS[int(letters.argmax())] if letters.any() else "none",
        **{
            f"num_{name.replace(' ', '_')}": int(n) for name, n in zip(CLASSES, counts, strict=True)
        },
    }
