"""Gopher's rules of quality: is this prose of a natural language? (Rae et al. 2021, A1.1)

Identifiers, order and decisions are those of datatrove 0.10.1, given the same words. It takes
symbols by all words, the mean length over words that are not punctuation alone, lines as
`splitlines` makes them, stop words case-sensitively and each once. Left out: a threshold of 0
switches a rule off there; here it is a threshold like any other.
"""

from __future__ import annotations

from labkit.data.rules.rule import Rule

SOURCE = "Rae et al. 2021, appendix A1.1; as in datatrove 0.10.1"


def gopher_quality_rules() -> tuple[Rule, ...]:
    """With the thresholds of the paper."""
    symbols, alpha = "num_hashes / num_words", "num_letter_words / num_words"
    mean_length = "num_plain_word_characters / num_plain_words"
    return (
        _rule("gopher_short_doc", "num_plain_words", "below", 50, 1000, "words"),
        _rule("gopher_long_doc", "num_plain_words", "above", 100_000, 1_000_000, "words"),
        _rule("gopher_below_avg_threshold", mean_length, "below", 3, 20, "characters"),
        _rule("gopher_above_avg_threshold", mean_length, "above", 10, 40, "characters"),
        _rule("gopher_too_many_hashes", symbols, "above", 0.1, unit="per word"),
        _rule(
            "gopher_too_many_ellipsis", "num_ellipses / num_words", "above", 0.1, unit="per word"
        ),
        _rule("gopher_too_many_bullets", "num_bullet_lines / num_lines", "above", 0.9),
        _rule("gopher_too_many_end_ellipsis", "num_ellipsis_lines / num_lines", "above", 0.3),
        _rule("gopher_below_alpha_threshold", alpha, "below", 0.8),
        _rule("gopher_enough_stop_words", "num_stop_words", "below", 2, 8, "stop words"),
    )


def _rule(
    name: str, value: str, refuse: str, threshold: float, highest: float = 1.0, unit: str = ""
) -> Rule:
    return Rule.model_validate(
        {
            "id": name,
            "value": value,
            "refuse": refuse,
            "threshold": threshold,
            "highest": highest,
            "unit": unit,
            "source": SOURCE,
        }
    )
