"""Columns of counts from a column of text: compiled passes over its bytes, no Python strings.

Texts are taken in chunks that stay in the processor's cache. Each group of columns is one pass,
made only when a column of it is wanted; its first call compiles it, or finds it compiled on disk.
A text is read as it is however long, but n-grams end after the first million words.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator

import numpy as np
import pyarrow as pa

from labkit.data.compiled import compile_together
from labkit.data.kernel import characters, counts, grams, lines
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
_BORROWING = {
    counts: ("classify", "count_characters", "stop_word", "count_words", "count_lines"),
    lines: ("read_line", "cut_lines", "count_filled_lines", "is_repeated", "strip"),
    grams: (
        *("join_words", "long_power", "add_hashes", "is_equal", "is_same", "name_words"),
        *("top_gram", "duplicate_grams"),
    ),
}
_ALLOCATING = {
    lines: ("empty_table", "count_duplicate_lines", "count_duplicate_paragraphs"),
    grams: ("repeated_pairs", "repeated_tails", "count_grams"),
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
    passes = [_pass(group, definitions) for group in groups]
    flags = characters.flag_table(definitions.terminators)
    data, bounds = utf8_bytes(texts)
    found = [np.zeros((len(texts), len(group)), dtype=np.int64) for group in groups]
    for first, last in _ranges(bounds):
        part, ends = data[bounds[first] : bounds[last]], bounds[first + 1 : last + 1]
        chunk = _Chunk(part, ends - bounds[first], flags)
        for count, table in zip(passes, found, strict=True):
            count(chunk, table[first:last])
    tables = dict[str, np.ndarray]()
    for group, table in zip(groups, found, strict=True):
        tables |= {name: table[:, column].copy() for column, name in enumerate(group)}
    return {name: tables[name] for name in wanted}


class _Chunk:
    """Some texts side by side; `ends` is where each ends."""

    def __init__(self, data: np.ndarray, ends: np.ndarray, flags: np.ndarray):
        self.data, self.ends = data, ends
        self.kinds = np.empty(len(data), dtype=np.uint16)
        counts.classify(data, flags, self.kinds)

    @functools.cached_property
    def lines(self) -> lines.Lines:
        """Made only when a pass is on lines."""
        table = lines.empty_lines(self.data, len(self.ends))
        lines.cut_lines(self.data, self.kinds, self.ends, *table)
        return table


def _ranges(bounds: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of texts, each of `CHUNK_BYTES` or of a single longer text."""
    first, num_texts = 0, len(bounds) - 1
    while first < num_texts:
        last = int(np.searchsorted(bounds, bounds[first] + CHUNK_BYTES, side="right")) - 1
        last = min(max(last, first + 1), num_texts)
        yield first, last
        first = last


def _pass(group: dict[str, str], definitions: Definitions) -> Callable[[_Chunk, np.ndarray], None]:
    """The group's pass over a chunk, which fills the group's table."""
    is_alone = definitions.words == "characters"
    alone, separator = (characters.IDEOGRAPH, 0) if is_alone else (0, 1)
    stop_words = _stop_words(definitions.stop_words)
    short = definitions.short_line_characters
    passes: list[tuple[dict[str, str], Callable[[_Chunk, np.ndarray], None]]] = [
        (CHARACTERS, lambda c, to: counts.count_characters(c.kinds, c.ends, to)),
        (WORDS, lambda c, to: counts.count_words(c.data, c.kinds, c.ends, alone, *stop_words, to)),
        (LINES, lambda c, to: counts.count_lines(c.kinds, c.ends, to)),
        (
            FILLED_LINES,
            lambda c, to: lines.count_filled_lines(
                c.lines.characters, c.lines.marks, c.lines.ends, short, to
            ),
        ),
        (DUPLICATE_LINES, lambda c, to: lines.count_duplicate_lines(c.data, *c.lines, to)),
        (
            DUPLICATE_PARAGRAPHS,
            lambda c, to: lines.count_duplicate_paragraphs(c.data, c.kinds, *c.lines, to),
        ),
        (
            GRAMS,
            lambda c, to: grams.count_grams(
                c.data, c.kinds, c.ends, alone, separator, MAX_GRAM_WORDS, to
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
    for module, names in _BORROWING.items():
        compile_together(module, names, constants=characters, borrowing=True)
    for module, names in _ALLOCATING.items():
        compile_together(module, names, constants=characters)
