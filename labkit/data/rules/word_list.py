"""Drops documents that contain a word or phrase of the user's own list; no list comes with labkit.

C4 drops a page that contains any listed word (Raffel et al. 2020, section 2.2); mC4 keeps a share
of such pages, here by a hash of text and seed. Case is ignored. A word ends where no letter, digit
or underscore follows: so C4, but scripts without spaces have no such places:

    c4         "art" is neither in "party" nor in 很art的, nor 艺术 in 现代艺术馆: all are letters
    by_script  "art" is not in "party", but in 很art的, and 艺术 is in 现代艺术馆
    none       anywhere; C4's way for Japanese, Thai and Chinese

One automaton looks for all words at once, in time linear in the text. Left out: inflection,
spelling with other characters, and any judgement of what a listed word means where it stands.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from labkit.core.config import Config, field, validate
from labkit.core.errors import LabError
from labkit.data.compiled import compile_together
from labkit.data.pipeline.step import Outcome, Verdicts, split_by
from labkit.data.rules import automaton
from labkit.data.utf8 import utf8_bytes

UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x30FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)),
)
"""Thai and Lao, Burmese, Khmer, kana, Han: code points of scripts written without spaces."""
MAX_WORD_BYTES = 1000


class WordList(Config):
    """A `Step`; rule `listed_word`, its value how often listed words occur."""

    words: tuple[str, ...] = field(..., "Words and phrases; white space in them as in the text")
    boundaries: Literal["by_script", "c4", "none"] = field(
        "by_script",
        "where a word may begin and end. c4: not beside a letter, digit or underscore; by_script: "
        "the same, but characters of scripts without spaces have no boundaries; none: anywhere",
    )
    max_occurrences: int = field(0, "of listed words in a kept document", unit="words", ge=0)
    keep_ratio: float = field(0.0, "share of the documents with more that stay", ge=0, le=1)
    seed: int = field(0, "which ones stay", ge=0)

    @field_validator("words")
    @classmethod
    def _are_words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if not words:
            raise ValueError("an empty list drops nothing; give one word or more")
        for word in words:
            if not word.strip() or word != word.strip() or len(word.encode()) > MAX_WORD_BYTES:
                raise ValueError(
                    f"{word[:40]!r}: a word has 1 to {MAX_WORD_BYTES} bytes and no white space at "
                    "its ends"
                )
        return tuple(dict.fromkeys(words))

    @classmethod
    def from_file(cls, path: str | Path, **options: Any) -> Self:
        """The words of a UTF-8 file, one a line; blank lines and those that begin with # are none.

        Raises:
            LabError: file, line and reason.
        """
        return validate(cls, {"words": _read_words(Path(path)), **options})

    @property
    def name(self) -> str:
        return "word_list"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        counts, _ = self.count(batch.column("text"))
        is_dropped = counts > self.max_occurrences
        if self.keep_ratio:
            for row in np.flatnonzero(is_dropped):
                is_dropped[row] = (
                    self._draw(batch.column("text")[int(row)].as_py()) >= self.keep_ratio
                )
        rules = pa.array(["listed_word"] * len(counts), pa.string(), mask=~is_dropped)
        limits = np.full(len(counts), float(self.max_occurrences))
        return split_by(
            batch,
            Verdicts(
                rules,
                pa.array(counts.astype(np.float64), mask=~is_dropped),
                pa.array(limits, mask=~is_dropped),
            ),
        )

    def count(self, texts: pa.Array) -> tuple[np.ndarray, list[str | None]]:
        """(int64 occurrences of listed words, the one that ends first) of each text.

        >>> texts = pa.array(["To be, or not to be", "或"])
        >>> counts, first = WordList(words=("to be",)).count(texts)
        >>> counts.tolist(), first
        ([2, 0], ['to be', None])
        """
        _compile()
        data, bounds = utf8_bytes(_fold(texts))
        counts = np.zeros(len(texts), dtype=np.int64)
        first = np.full(len(texts), -1, dtype=np.int64)
        found, lengths = _automaton(self.words)
        _count(data, bounds, found, lengths, _kinds(self.boundaries), counts, first)
        return counts, [None if word < 0 else self.words[word] for word in first]

    def _draw(self, text: str) -> float:
        """Uniform in 0..1, the same for the same text and seed."""
        key = hashlib.blake2b(f"{self.seed}\0{text}".encode(), digest_size=7).digest()
        return int.from_bytes(key, "big") / 2**56


def _read_words(path: Path) -> tuple[str, ...]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path}: cannot be read ({error.strerror})") from error
    words = []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            word = line.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise LabError(
                f"{path}:{number}: not UTF-8 at byte {error.start} (0x{line[error.start]:02x}); "
                "convert it, for example with iconv -f latin1 -t utf8"
            ) from error
        if len(word.encode()) > MAX_WORD_BYTES:
            raise LabError(
                f"{path}:{number}: {len(word.encode()):,} bytes; a word or phrase has at most "
                f"{MAX_WORD_BYTES}, one a line"
            )
        if word and not word.startswith("#"):
            words.append(word)
    if not words:
        raise LabError(f"{path}: no words; give one word or phrase a line, in UTF-8")
    return tuple(words)


@functools.lru_cache(maxsize=8)
def _automaton(words: tuple[str, ...]) -> tuple[automaton.Automaton, np.ndarray]:
    """The automaton and the bytes of each word, folded as texts are."""
    folded = [word.encode() for word in _fold(pa.array(words)).to_pylist()]
    return automaton.build_automaton(folded), np.array([len(word) for word in folded])


def _fold(texts: pa.Array) -> pa.Array:
    """Each character in lower case by itself, so that a word is folded as it is in any text."""
    return pc.call_function("utf8_lower", [texts])


SEPARATOR, SPACED, ALONE = 0, 1, 2


@functools.lru_cache(maxsize=3)
def _kinds(boundaries: str) -> np.ndarray:
    """uint8[code point]: a SPACED one beside a word, unless that ends ALONE, belongs to it."""
    kinds = np.zeros(sys.maxunicode + 1, dtype=np.uint8)
    if boundaries == "none":
        return kinds
    for run in re.finditer(r"\w+", "".join(map(chr, range(sys.maxunicode + 1)))):
        kinds[run.start() : run.end()] = SPACED
    if boundaries == "by_script":
        for first, last in UNSPACED:
            kinds[first : last + 1] = ALONE
    return kinds


def _count(data, bounds, found, lengths, kinds, counts, first):
    """Fill how many words each text has and the number of the one that ends first."""
    classes, next_states, phrase, link = found
    for row in range(len(counts)):
        state = 0
        for at in range(bounds[row], bounds[row + 1]):
            state = next_states[state, classes[data[at]]]
            end = state if phrase[state] >= 0 else link[state]
            while end:
                start = at + 1 - lengths[phrase[end]]
                if _is_word(data, start, at + 1, bounds[row], bounds[row + 1], kinds):
                    counts[row] += 1
                    if first[row] < 0:
                        first[row] = phrase[end]
                end = link[end]


def _is_word(data, start, stop, first, last, kinds):
    """No spaced character stands before or after, but where the word's own end is alone."""
    is_bound = start > first and kinds[_code(data, _before(data, start))] == SPACED
    if is_bound and kinds[_code(data, start)] != ALONE:
        return False
    if stop < last and kinds[_code(data, stop)] == SPACED:
        return kinds[_code(data, _before(data, stop))] == ALONE
    return True


def _before(data, end):
    end -= 1
    while data[end] & 0xC0 == 0x80:
        end -= 1
    return end


def _code(data, at):
    """Code point of the character at byte `at`."""
    lead = np.int64(data[at])
    if lead < 0x80:
        return lead
    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    code = lead & (0x7F >> size)
    for place in range(at + 1, at + size):
        code = code << 6 | np.int64(data[place] & 63)
    return code


@functools.cache
def _compile() -> None:
    compile_together(sys.modules[__name__], ("_code", "_before", "_is_word", "_count"))
