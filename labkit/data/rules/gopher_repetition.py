"""Gopher's rules of repetition: does the text repeat itself? (Rae et al. 2021, table A1)

Identifiers, order and decisions are those of datatrove 0.10.1, given the same words: a newline at
each end of a text makes two equal empty lines, and the most frequent n-gram counts even when it
occurs once. Ours are two rules more: an empty text is refused by `empty`, and one of more than a
million words, beyond which n-grams aren't counted, by `too_long_for_grams`.
"""

from __future__ import annotations

from collections.abc import Iterable

from labkit.data.rules.rule import Rule

SOURCE = "Rae et al. 2021, table A1; as in datatrove 0.10.1"
_PARTS = (
    ("dup_para_frac", "num_duplicate_paragraphs / num_paragraphs", 0.3),
    ("dup_para_char_frac", "num_duplicate_paragraph_characters / num_characters", 0.2),
    ("dup_line_frac", "num_duplicate_lines / num_line_pieces", 0.3),
    ("dup_line_char_frac", "num_duplicate_line_characters / num_characters", 0.2),
)
_TOP = {2: 0.2, 3: 0.18, 4: 0.16}
_DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def gopher_repetition_rules() -> tuple[Rule, ...]:
    """With the thresholds of the paper."""
    tops = [
        (f"top_{n}_gram", f"num_top_{n}_gram_characters / num_characters", threshold)
        for n, threshold in _TOP.items()
    ]
    duplicates = [
        (f"duplicated_{n}_n_grams", f"num_duplicate_{n}_gram_characters / num_characters", limit)
        for n, limit in _DUPLICATE.items()
    ]
    return (
        Rule(
            id="empty",
            value="num_characters",
            refuse="below",
            threshold=1,
            highest=1000,
            unit="characters",
            source="datatrove 0.10.1",
        ),
        *_fractions(_PARTS),
        Rule(
            id="too_long_for_grams",
            value="num_bytes_beyond_grams",
            refuse="above",
            threshold=0,
            highest=1e8,
            unit="bytes",
            source="labkit: bounds the memory of one document",
        ),
        *_fractions(tops),
        *_fractions(duplicates),
    )


def _fractions(parts: Iterable[tuple[str, str, float]]) -> list[Rule]:
    return [
        Rule(id=name, value=value, refuse="above", threshold=threshold, source=SOURCE)
        for name, value, threshold in parts
    ]
