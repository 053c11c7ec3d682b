"""C4's rules (Raffel et al. 2020, section 2.2): lines that are sentences stay, pages of code go.

In this order, of each line: refused if a word is too long; citations [1], [edit] removed; refused
without a terminator at its end, or with "..."; with too few words; the text is dropped for lorem
ipsum; refused for javascript; the text is dropped for a curly bracket; refused for a phrase about
policies. A text with too few sentences in its kept lines is dropped; others are those lines.

Verdicts, first reasons and texts are those of datatrove 0.10.1's `C4QualityFilter`, given the same
splitter: lorem ipsum and brackets in refused lines drop nothing, words are counted before citations
go, and 。 ends no line of the English preset. Left out: its mode of sentences instead of lines, and
duplicates of three sentences, which the paper removes across documents.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import field_validator, model_validator

from labkit.core.config import Config, field
from labkit.data.compiled import compile_together
from labkit.data.kernel import characters
from labkit.data.kernel.characters import IDEOGRAPH, flag_table
from labkit.data.pipeline.step import Outcome, Verdicts, split_by
from labkit.data.rules import c4_kernel
from labkit.data.rules.automaton import build_automaton
from labkit.data.utf8 import utf8_bytes

POLICY_PHRASES = (
    *("terms of use", "privacy policy", "cookie policy"),
    *("uses cookies", "use of cookies", "use cookies"),
)
REASONS = ("lorem_ipsum", "curly_bracket", "too_few_sentences")
COUNTS = {
    "num_lines": c4_kernel.LINES,
    "num_sentences": c4_kernel.SENTENCES,
    "num_kept_lines": c4_kernel.KEPT_LINE,
    "num_long_word_lines": c4_kernel.LONG_WORD,
    "num_unterminated_lines": c4_kernel.NO_TERMINATOR,
    "num_few_word_lines": c4_kernel.FEW_WORDS,
    "num_javascript_lines": c4_kernel.JAVASCRIPT,
    "num_policy_lines": c4_kernel.POLICY,
}
"""Count of a text -> its column; lines after the one that dropped a text are in none."""

CHINESE = {
    "terminators": ".?!\"'。！？；”’」』",
    "words": "characters",
    "min_words_per_line": 5,
}
"""Terminators: C4's and their Chinese counterparts, with the semicolon, which ends clauses that
stand as sentences. Five characters a line: github.com/shjwudp/c4-dataset-script, a C4 for Chinese,
which also keeps lines that end in : and ……, and refuses those above 500 characters."""
PRESETS: dict[str, dict[str, object]] = {"english": {}, "chinese": CHINESE}


class C4(Config):
    """A `Step` that rewrites text: what comes after it sees the kept lines alone.

    >>> text = "Contents\\nCall me Ishmael.[1] Some years ago I went to sea.\\nTo be continued..."
    >>> batch = pa.RecordBatch.from_pydict({"text": [text]})
    >>> C4(min_sentences=2).apply(batch).kept.to_pylist()
    [{'text': 'Call me Ishmael. Some years ago I went to sea.'}]
    """

    preset_field: ClassVar[str | None] = "preset"

    preset: str = field("english", "set of values to start from", choices=lambda: tuple(PRESETS))
    sentences: Literal["regex", "newline", "datatrove"] = field(
        "regex",
        "what is a sentence of a kept line. regex: up to .!? before white space or 。！？；, with "
        "closing quotes; newline: the line; datatrove: its own splitter, spaCy's rules for "
        "English, asked only where there are fewer kept lines than sentences wanted",
    )
    terminators: str = field(".?!\"'", "characters that may end a line")
    requires_terminator: bool = field(True, "refuse lines without one, and those that end in ...")
    words: Literal["whitespace", "characters"] = field(
        "whitespace",
        "whitespace: runs without white space; characters: the same, but each Han character or "
        "kana is a word",
    )
    min_words_per_line: int = field(3, "of a kept line; 0 keeps all", unit="words", ge=0, le=1000)
    max_word_characters: int = field(
        1000, "of a kept line's longest word", unit="characters", ge=1, scale="log"
    )
    min_sentences: int = field(5, "of a kept document; 0 keeps all", unit="sentences", ge=0)
    removes_citations: bool = field(True, "take out [1], [edit] and [citation needed]")
    drops_lorem_ipsum: bool = field(True, "drop documents with lorem ipsum")
    drops_curly_brackets: bool = field(True, "drop documents with {")
    refuses_javascript: bool = field(True, "refuse lines with javascript")
    policy_phrases: tuple[str, ...] = field(
        POLICY_PHRASES, "refuse lines with one of these, case of ASCII letters ignored; may be none"
    )

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, data: Any) -> Any:
        start = PRESETS.get(data.get("preset", ""), {}) if isinstance(data, dict) else None
        return data if start is None else start | data

    @field_validator("preset")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in PRESETS:
            raise ValueError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
        return name

    @field_validator("terminators")
    @classmethod
    def _has_some(cls, terminators: str) -> str:
        if not terminators or any(map(str.isspace, terminators)):
            raise ValueError("give one character or more, none of them white space")
        return terminators

    @field_validator("policy_phrases")
    @classmethod
    def _are_lower_case(cls, phrases: tuple[str, ...]) -> tuple[str, ...]:
        for phrase in phrases:
            if not phrase.strip() or phrase != phrase.lower() or len(phrase.splitlines()) != 1:
                raise ValueError(f"{phrase[:60]!r}: a phrase is one line in lower case")
        return phrases

    @classmethod
    def from_preset(cls, name: str) -> Self:
        return cls.model_validate({"preset": name})

    @property
    def name(self) -> str:
        return "c4"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        texts, found = _rewrite(batch.column("text"), self)
        return split_by(batch, self._verdicts(found), texts)

    def counts(self, texts: pa.Array) -> dict[str, np.ndarray]:
        """What became of the lines of each text: `COUNTS` -> int64[text]."""
        _, found = _rewrite(texts, self, counts_all=True)
        return {name: found[:, column] for name, column in COUNTS.items()}

    def _verdicts(self, found: np.ndarray) -> Verdicts:
        first = found[:, c4_kernel.VERDICT]
        is_kept = first == c4_kernel.KEPT
        is_short = first == c4_kernel.TOO_FEW_SENTENCES
        rules = pa.array(REASONS).take(pa.array(first - 1, mask=is_kept))
        value = np.where(is_short, found[:, c4_kernel.SENTENCES], 1).astype(np.float64)
        threshold = np.where(is_short, self.min_sentences, 0).astype(np.float64)
        return Verdicts(rules, pa.array(value, mask=is_kept), pa.array(threshold, mask=is_kept))


def _rewrite(texts: pa.Array, config: C4, counts_all: bool = False) -> tuple[pa.Array, np.ndarray]:
    """The rewritten texts, of any dropped one nothing, and `found` of the kernel."""
    kernel = _compile()
    data, offsets = utf8_bytes(texts)
    out = np.empty(offsets[-1] - offsets[0], dtype=np.uint8)
    out_offsets = np.zeros(len(offsets), dtype=np.int64)
    found = np.zeros((len(texts), c4_kernel.NUM_COLUMNS), dtype=np.int64)
    tables = _tables(config.terminators, tuple(_marks(config).items()))
    kernel(data, offsets, tables, _limits(config, counts_all), out, out_offsets, found)
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    buffers = [None, pa.py_buffer(out_offsets.astype(kind)), pa.py_buffer(out)]
    rewritten = pa.Array.from_buffers(texts.type, len(texts), buffers)
    if config.sentences == "datatrove":
        enough = c4_kernel.ALL if counts_all else config.min_sentences
        _count_as_datatrove(rewritten, found, config.min_sentences, enough)
    return rewritten, found


def _count_as_datatrove(
    rewritten: pa.Array, found: np.ndarray, min_sentences: int, enough: int
) -> None:
    """Counts anew until there are enough: a kept line has one sentence at least."""
    from datatrove.utils.text import split_into_sentences

    verdicts, num_lines = found[:, c4_kernel.VERDICT], found[:, c4_kernel.KEPT_LINE]
    for row in np.flatnonzero((verdicts == c4_kernel.KEPT) & (num_lines < enough)):
        sentences, text = int(num_lines[row]), rewritten[int(row)].as_py()
        for line in text.split("\n") if text else []:
            if sentences >= enough:
                break
            sentences += len(split_into_sentences(line)) - 1
        found[row, c4_kernel.SENTENCES] = sentences
        if sentences < min_sentences:
            found[row, c4_kernel.VERDICT] = c4_kernel.TOO_FEW_SENTENCES


def _limits(config: C4, counts_all: bool) -> c4_kernel.Limits:
    is_late = config.sentences == "datatrove"
    return c4_kernel.Limits(
        alone=IDEOGRAPH if config.words == "characters" else 0,
        max_word=config.max_word_characters,
        min_words=config.min_words_per_line,
        min_sentences=0 if is_late else config.min_sentences,
        enough_sentences=c4_kernel.ALL if counts_all else config.min_sentences,
        removes_citations=config.removes_citations,
        needs_terminator=config.requires_terminator,
        splits_sentences=config.sentences == "regex",
    )


def _marks(config: C4) -> dict[str, int]:
    """What is looked for in a line, and what finding it means."""
    return {
        "lorem ipsum": c4_kernel.HAS_LOREM_IPSUM * config.drops_lorem_ipsum,
        "javascript": c4_kernel.HAS_JAVASCRIPT * config.refuses_javascript,
        "{": c4_kernel.HAS_BRACKET * config.drops_curly_brackets,
        **dict.fromkeys(config.policy_phrases, c4_kernel.HAS_POLICY),
    }


@functools.lru_cache(maxsize=8)
def _tables(terminators: str, marks: tuple[tuple[str, int], ...]) -> c4_kernel.Tables:
    automaton = build_automaton([phrase.encode() for phrase, _ in marks], ignore_ascii_case=True)
    own = np.array([*(mark for _, mark in marks), 0], dtype=np.uint8)[
        automaton.phrase
    ]  # -1: the last
    found, link = own.copy(), automaton.link
    while link.any():
        found |= own[link]
        link = automaton.link[link]
    num_classes = automaton.next_states.shape[1]
    return c4_kernel.Tables(
        flag_table(terminators),
        _zeros(),
        automaton.classes,
        (automaton.next_states * num_classes).astype(np.uint32).ravel(),
        np.repeat(found, num_classes),
    )


@functools.cache
def _zeros() -> np.ndarray:
    """int32: every code point of digit zero, ascending."""
    codes = range(sys.maxunicode + 1)
    return np.array([c for c in codes if unicodedata.decimal(chr(c), -1) == 0], dtype=np.int32)


@functools.cache
def _compile():
    names = [function.__name__ for function in c4_kernel.FUNCTIONS]
    compile_together(c4_kernel, names, constants=characters, borrowing=True)
    return c4_kernel.rewrite
