"""What is counted, and what the words of that sentence mean for a language.

Every column is a count, an exact integer; a ratio is made of two of them later, by a rule. All
characters are Unicode code points; white space, letters and the line boundaries of `splitlines`
are those of Python's `str`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from labkit.core.config import Config, field

ENGLISH_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Of these at least two, case-sensitively: Rae et al. 2021, appendix A1.1."""

MAX_STOP_WORDS, MAX_STOP_WORD_BYTES = 62, 60

CHARACTERS = {
    "num_characters": "characters",
    "num_spaces": "characters of white space",
    "num_letters": "letters",
    "num_alphanumerics": "letters and numbers",
    "num_digits": "digits",
    "num_uppercase": "upper-case letters",
    "num_ideographs": "Han characters and kana",
    "num_hashes": "number signs #",
    "num_newlines": "newline characters",
    "num_line_characters": "characters other than newlines",
}
WORDS = {
    "num_words": "words",
    "num_letter_words": "words with a letter",
    "num_plain_words": "words with a character that is no punctuation",
    "num_plain_word_characters": "characters of words that are not punctuation alone",
    "num_stop_words": "different stop words that occur",
}
LINES = {
    "num_lines": "lines, as splitlines makes them",
    "num_bullet_lines": "lines that begin with a bullet, • or -",
    "num_ellipsis_lines": "lines that end with an ellipsis",
    "num_ellipses": "ellipses, ... or …",
}
FILLED_LINES = {
    "num_filled_lines": "lines between newlines that are not blank",
    "num_terminated_lines": "filled lines that end with a terminator",
    "num_short_lines": "filled lines of few characters",
    "max_line_characters": "characters of the longest line between newlines",
}
DUPLICATE_LINES = {
    "num_line_pieces": "pieces between runs of newlines; the ends of the text may be empty ones",
    "num_duplicate_lines": "line pieces that occurred before",
    "num_duplicate_line_characters": "characters of line pieces that occurred before",
    "num_duplicate_filled_line_characters": "characters of filled lines that occurred before",
}
DUPLICATE_PARAGRAPHS = {
    "num_paragraphs": "paragraphs, between two newlines and more, of the stripped text",
    "num_duplicate_paragraphs": "paragraphs that occurred before",
    "num_duplicate_paragraph_characters": "characters of paragraphs that occurred before",
}
MAX_GRAM_WORDS = 1_000_000
GRAMS = {
    f"num_top_{n}_gram_characters": f"characters of the most frequent {n}-gram, times how often "
    f"it occurs, in the first {MAX_GRAM_WORDS:,} words"
    for n in (2, 3, 4)
} | {
    f"num_duplicate_{n}_gram_characters": f"characters of {n}-grams that occurred before, none "
    f"counted twice, in the first {MAX_GRAM_WORDS:,} words"
    for n in range(5, 11)
}
GRAMS["num_bytes_beyond_grams"] = f"bytes of text after its first {MAX_GRAM_WORDS:,} words"
GROUPS = (
    CHARACTERS,
    WORDS,
    LINES,
    GRAMS,  # the most memory: before there is a table of lines
    FILLED_LINES,
    DUPLICATE_LINES,
    DUPLICATE_PARAGRAPHS,
)
"""Columns that one pass makes, in its order."""
COLUMNS = {column: meaning for group in GROUPS for column, meaning in group.items()}
"""Column -> what it counts; all int64."""


class Definitions(Config):
    """The words, stop words and ends of a language."""

    words: Literal["whitespace", "characters"] = field(
        "whitespace",
        "whitespace: maximal runs without white space; characters: the same, but every Han "
        "character or kana is a word of its own, and n-grams are joined without spaces",
    )
    stop_words: tuple[str, ...] = field(
        ENGLISH_STOP_WORDS, "Frequent words of which prose has some; case-sensitive"
    )
    terminators: str = field(
        "", "Characters that end a sentence at the end of a line; none: every script's"
    )
    short_line_characters: int = field(
        30, "A line of at most so many characters is short", unit="characters", ge=0
    )

    @field_validator("stop_words")
    @classmethod
    def _are_words(cls, stop_words: tuple[str, ...]) -> tuple[str, ...]:
        if len(stop_words) > MAX_STOP_WORDS:
            raise ValueError(f"{len(stop_words)} stop words; give at most {MAX_STOP_WORDS}")
        for word in stop_words:
            if not word or word.split() != [word] or len(word.encode()) > MAX_STOP_WORD_BYTES:
                raise ValueError(
                    f"{word[:60]!r}: a stop word has no white space and 1 to "
                    f"{MAX_STOP_WORD_BYTES} bytes"
                )
        return tuple(dict.fromkeys(stop_words))
