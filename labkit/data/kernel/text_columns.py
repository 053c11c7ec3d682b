"""Columns of counts from a column of text: compiled passes over its bytes, no Python strings.

Texts are taken in chunks that stay in the processor's cache. Each group of columns is one pass,
made only when a column of it is wanted; its first call compiles it, or finds it compiled on disk.
A text is read as it is however long, but n-grams end after the first million words.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from labkit.data.compiled import compile_together
from labkit.data.kernel import characters, counts, duplicates, grams
from labkit.data.kernel.definitions import (
    CHARACTERS,
    COLUMNS,
    DUPLICATE_LINES,
    DUPLICATE_PARAGRAPHS,
    FILLED_LINES,
    GRAMS,
    GROUPS,
    LINES,
    MAX_GRAM_WORDS,
    MAX_STOP_WORD_BYTES,
    WORDS,
    Definitions,
)
from labkit.data.utf8 import utf8_bytes

CHUNK_BYTES = 1 << 18
_COMPILED = {
    counts: (
        *("classify", "count_characters", "stop_word", "count_words", "count_lines"),
        "count_filled_lines",
    ),
    duplicates: ("is_equal", "count_pieces", "count_duplicates"),
    grams: (
        *("join_words", "long_power", "add_hashes", "is_equal", "is_same", "name_words"),
        *("top_gram", "duplicate_grams", "count_grams"),
    ),
}


def count_columns(
    texts: pa.Array, definitions: Definitions, wanted: Collection[str]
) -> dict[str, np.ndarray]:
    """One int64 array per wanted column of `COLUMNS`, one entry per text; a null is no text.

    >>> texts = pa.array(["To be, or not", "或不"])
    >>> count_columns(texts, Definitions(), ["num_words"])["num_words"].tolist()
    [4, 1]
    """
    unknown = [name for name in wanted if name not in COLUMNS]
    assert not unknown, unknown
    _compile()
    groups = [group for group in GROUPS if not group.keys().isdisjoint(wanted)]
    passes = [(group, _pass(group, definitions)) for group in groups]
    flags = characters.flag_table(definitions.terminators)
    data, bounds = utf8_bytes(texts)
    found = [np.zeros((len(texts), len(group)), dtype=np.int64) for group in groups]
    for first, last in _chunks(bounds):
        part, ends = data[bounds[first] : bounds[last]], bounds[first + 1 : last + 1]
        kinds = np.empty(len(part), dtype=np.uint16)
        counts.classify(part, flags, kinds)
        for (_, count), table in zip(passes, found, strict=True):
            count(part, kinds, ends - bounds[first], table[first:last])
    tables = dict[str, np.ndarray]()
    for group, table in zip(groups, found, strict=True):
        tables |= {name: table[:, column].copy() for column, name in enumerate(group)}
    return {name: tables[name] for name in wanted}


def _chunks(bounds: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of texts, each of `CHUNK_BYTES` or of a single longer text."""
    first, num_texts = 0, len(bounds) - 1
    while first < num_texts:
        last = int(np.searchsorted(bounds, bounds[first] + CHUNK_BYTES, side="right")) - 1
        last = min(max(last, first + 1), num_texts)
        yield first, last
        first = last


def _pass(group: dict[str, str], definitions: Definitions) -> Callable[..., None]:
    """The group's pass as a function of data, kinds, ends and the table to fill."""
    is_alone = definitions.words == "characters"
    alone, separator = (characters.IDEOGRAPH, 0) if is_alone else (0, 1)
    stop_words = _stop_words(definitions.stop_words)
    short = definitions.short_line_characters
    passes: list[tuple[dict[str, str], Callable[[Any, Any, Any, Any], None]]] = [
        (CHARACTERS, lambda _, kinds, ends, to: counts.count_characters(kinds, ends, to)),
        (
            WORDS,
            lambda data, kinds, ends, to: counts.count_words(
                data, kinds, ends, alone, *stop_words, to
            ),
        ),
        (LINES, lambda _, kinds, ends, to: counts.count_lines(kinds, ends, to)),
        (
            FILLED_LINES,
            lambda _, kinds, ends, to: counts.count_filled_lines(kinds, ends, short, to),
        ),
        (
            DUPLICATE_LINES,
            lambda data, kinds, ends, to: duplicates.count_duplicates(data, kinds, ends, False, to),
        ),
        (
            DUPLICATE_PARAGRAPHS,
            lambda data, kinds, ends, to: duplicates.count_duplicates(data, kinds, ends, True, to),
        ),
        (
            GRAMS,
            lambda data, kinds, ends, to: grams.count_grams(
                data, kinds, ends, alone, separator, MAX_GRAM_WORDS, to
            ),
        ),
    ]
    return next(count for columns, count in passes if columns is group)


def _stop_words(
    stop_words: tuple[str, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Their bytes and ends; and as bits, which begin with a byte and which have a length."""
    words = [word.encode() for word in stop_words]
    by_start = np.zeros(256, dtype=np.int64)
    by_length = np.zeros(MAX_STOP_WORD_BYTES + 1, dtype=np.int64)
    for number, word in enumerate(words):
        by_start[word[0]] |= 1 << number
        by_length[len(word)] |= 1 << number
    joined = np.frombuffer(b"".join(words) or b"\0", dtype=np.uint8)
    return joined, np.cumsum([len(word) for word in words], dtype=np.int64), by_start, by_length


@functools.cache
def _compile() -> None:
    """Numba is slow to import: functions are plain until now."""
    for module, names in _COMPILED.items():
        compile_together(module, names, constants=characters)
