"""datatrove's filters with a rule set's words, definitions and thresholds: the oracle of parity."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.filters import (
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)

from labkit.data.kernel.definitions import Definitions
from labkit.data.rules.fineweb import fineweb_rules
from labkit.data.rules.gopher_quality import gopher_quality_rules
from labkit.data.rules.gopher_repetition import gopher_repetition_rules
from labkit.data.rules.rule import RuleSet

MODULES = (gopher_quality_filter, gopher_repetition_filter, fineweb_quality_filter)
IDEOGRAPH = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
WORDS: Mapping[str, Callable[[str], list[str]]] = {
    "whitespace": str.split,
    "characters": re.compile(
        # Python's \s is isspace
        f"[{IDEOGRAPH}]|[^\\s{IDEOGRAPH}]+"
    ).findall,
}
RULES = {
    "gopher_quality": gopher_quality_rules,
    "gopher_repetition": gopher_repetition_rules,
    "fineweb": fineweb_rules,
}
OURS_ALONE = {"no_filled_lines": "empty"}
Thresholds = Mapping[str, float]


def rule_set(family: str, definitions: Definitions | None = None) -> RuleSet:
    return RuleSet(name=family, rules=RULES[family](), definitions=definitions or Definitions())


def gopher_quality(limits: Thresholds, definitions: Definitions) -> Any:
    return gopher_quality_filter.GopherQualityFilter(
        min_doc_words=limits["gopher_short_doc"],
        max_doc_words=limits["gopher_long_doc"],
        min_avg_word_length=limits["gopher_below_avg_threshold"],
        max_avg_word_length=limits["gopher_above_avg_threshold"],
        max_symbol_word_ratio=limits["gopher_too_many_hashes"],
        max_bullet_lines_ratio=limits["gopher_too_many_bullets"],
        max_ellipsis_lines_ratio=limits["gopher_too_many_end_ellipsis"],
        max_non_alpha_words_ratio=limits["gopher_below_alpha_threshold"],
        min_stop_words=limits["gopher_enough_stop_words"],
        stop_words=list(definitions.stop_words),
    )


def gopher_repetition(limits: Thresholds, definitions: Definitions) -> Any:
    parts = ("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")
    return gopher_repetition_filter.GopherRepetitionFilter(
        **{name: limits[name] for name in parts},
        top_n_grams=tuple((n, limits[f"top_{n}_gram"]) for n in range(2, 5)),
        dup_n_grams=tuple((n, limits[f"duplicated_{n}_n_grams"]) for n in range(5, 11)),
    )


def fineweb(limits: Thresholds, definitions: Definitions) -> Any:
    return fineweb_quality_filter.FineWebQualityFilter(
        stop_chars=tuple(definitions.terminators) or None,
        line_punct_thr=limits["line_punct_ratio"],
        short_line_thr=limits["short_line_ratio"],
        short_line_length=definitions.short_line_characters,
        char_duplicates_ratio=limits["char_dup_ratio"],
        new_line_ratio=limits["list_ratio"],
    )


FILTERS = {
    "gopher_quality": gopher_quality,
    "gopher_repetition": gopher_repetition,
    "fineweb": fineweb,
}


class Gram(tuple):
    """Equal for equal words, as long as they are side by side."""

    def __len__(self) -> int:
        return sum(map(len, self))


def grams_of_characters(words: list[str], n: int) -> list[Gram]:
    return [Gram(words[at : at + n]) for at in range(len(words) - n + 1)]


@contextmanager
def words_as(definition: str) -> Iterator[None]:
    """datatrove splits so; n-grams of characters have no spaces between them."""
    split, get_n_grams = WORDS[definition], gopher_repetition_filter.get_n_grams
    if definition == "characters":
        get_n_grams = grams_of_characters
    with patch.object(gopher_repetition_filter, "get_n_grams", get_n_grams):
        before = [module.split_into_words for module in MODULES]
        for module in MODULES:
            module.split_into_words = lambda text, language: split(text)
        try:
            yield
        finally:
            for module, function in zip(MODULES, before, strict=True):
                module.split_into_words = function


def expected_reasons(family: str, rules: RuleSet, texts: Sequence[str]) -> list[str | None]:
    """datatrove's reason for each text, None where it keeps it."""
    limits = {rule.id: rule.threshold for rule in rules.rules}
    peer = FILTERS[family](limits, rules.definitions)
    with words_as(rules.definitions.words):
        results = [peer.filter(Document(text=text, id="")) for text in texts]
    return [None if result is True else result[1] for result in results]


def found_reasons(rules: RuleSet, texts: Sequence[str]) -> list[str | None]:
    reasons = rules.decide(pa.array(texts, pa.large_string())).rule.to_pylist()
    return [OURS_ALONE.get(reason, reason) for reason in reasons]


def random_thresholds(rules: RuleSet, rng: random.Random) -> RuleSet:
    """So that every rule is some short text's first; never 0, which is off in datatrove."""
    moved = {
        rule.id: max(rule.threshold * rng.choice([0.02, 0.1, 0.5, 1, 2, 4]), 1e-3)
        for rule in rules.rules
    }
    ours = {"empty": 1, "no_filled_lines": 1, "too_long_for_grams": 1_000_000}
    moved |= {name: value for name, value in ours.items() if name in moved}
    if "gopher_too_many_hashes" in moved:  # one number there
        moved["gopher_too_many_ellipsis"] = moved["gopher_too_many_hashes"]
        moved["gopher_short_doc"] = rng.choice([1, 2, 10])
    return rules.with_thresholds(moved)


SEEDS_OF_WORDS = (
    *("the", "and", "be", "That", "have", "a", "b", "ab", "ba", "aa", "naïve", "Straße", "x1"),
    *("了", "是", "人马", "。", "，", "…", "...", "....", "“", ".", "-", "•", "#", "##", "1", "٣"),
    *("½", "é", "e\u0301", "👍🏽", "a\u200bb", "\x00", "\x9f", "۔", "𑗍", "»", "end.", "end!\u201d"),
)
SPACES = (
    *(" ",) * 12,
    *("\n",) * 6,
    *("\n\n", "\n\n\n", "\r\n", "\r", "\t", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\xa0"),
    *("\u2028", "\u2029", "\u3000", "  ", " \n", "\n ", "", ""),
)


def random_text(rng: random.Random) -> str:
    """A few words of a small vocabulary and every white space there is, some of it repeated."""
    vocabulary = rng.sample(SEEDS_OF_WORDS, rng.randint(1, 12))
    spaces = rng.sample(SPACES, rng.randint(1, 6))
    parts = [
        rng.choice(vocabulary if at % 2 == 0 else spaces)
        for at in range(rng.choice([0, 1, 3, 10, 40, 150]))
    ]
    text = "".join(parts)
    if rng.random() < 0.5:
        text = rng.choice(spaces) + text + rng.choice(spaces) + text[: rng.randint(0, len(text))]
    return text
