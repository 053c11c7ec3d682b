"""Rule sets by name: as published, and for English, Chinese and code.

What needs no n-grams comes first, since a document is dropped by its first rule. Thresholds that
would refuse good prose are moved by the protocol of `benchmarks/filter_thresholds.py`, which was
fixed before its one scoring: two of English, none of Chinese, where characters are words, stop
words and terminators are its own, and no mean word length is asked. Code has rules of its own and
none on prose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labkit.data.kernel.definitions import Definitions
from labkit.data.rules.fineweb import fineweb_rules
from labkit.data.rules.gopher_quality import gopher_quality_rules
from labkit.data.rules.gopher_repetition import gopher_repetition_rules
from labkit.data.rules.rule import Rule, RuleSet

MOVED = "; threshold moved by benchmarks/filter_thresholds.py"
CHINESE_STOP_WORDS = tuple("的了是在和不有人之這这我他也")
"""The commonest characters of today's prose and of the vernacular before it."""
CHINESE_TERMINATORS = "。！？；…”』」.!?"
STACK = "Lozhkov et al. 2024 (StarCoder 2), section 2.1: basic filters of The Stack v2"

ENGLISH_THRESHOLDS: Mapping[str, float] = {"line_punct_ratio": 0.0, "char_dup_ratio": 0.091}


def published() -> RuleSet:
    """Gopher's and FineWeb's rules with the papers' thresholds, words between white space."""
    rules = (*gopher_quality_rules(), *fineweb_rules(), *gopher_repetition_rules())
    return RuleSet(name="published", rules=_empty_first(rules))


def english() -> RuleSet:
    """As published but for two thresholds; that of 0 refuses nothing."""
    rules = [
        rule.model_copy(update={"source": rule.source + MOVED})
        if rule.id in ENGLISH_THRESHOLDS
        else rule
        for rule in published().rules
    ]
    return RuleSet(name="english", rules=tuple(rules)).with_thresholds(ENGLISH_THRESHOLDS)


def chinese() -> RuleSet:
    """Characters are words: no mean word length, and a rule on the share of Han and kana."""
    kept = [rule for rule in published().rules if "avg_threshold" not in rule.id]
    share = Rule(
        id="too_few_ideographs",
        value="num_ideographs / num_characters",
        refuse="below",
        threshold=0.3,
        source="Chen et al. 2023 (ChineseWebText), as in its preprocess.py",
    )
    definitions = Definitions(
        words="characters",
        stop_words=CHINESE_STOP_WORDS,
        terminators=CHINESE_TERMINATORS,
        short_line_characters=10,
    )
    return RuleSet(name="chinese", rules=(kept[0], share, *kept[1:]), definitions=definitions)


def code() -> RuleSet:
    """Long lines, long files and little text: data or generated code.

    Left out: the paper lets HTML, JSON, Markdown, TeX, text and XML have lines of up to 100,000
    characters; its rules for generated and encoded files, and those of single languages.
    """
    mean_length = "num_line_characters / num_lines"
    return RuleSet(
        name="code",
        rules=(
            _code_rule("empty", "num_characters", "below", 1, 1000, "characters"),
            _code_rule("too_many_lines", "num_lines", "above", 100_000, 1e6, "lines"),
            _code_rule("long_lines", mean_length, "above", 100, 1000, "characters"),
            _code_rule("longest_line", "max_line_characters", "above", 1000, 10_000, "characters"),
            _code_rule("too_few_letters", "num_letters / num_characters", "below", 0.25),
        ),
    )


PRESETS: Mapping[str, Callable[[], RuleSet]] = {
    "published": published,
    "english": english,
    "chinese": chinese,
    "code": code,
}


def _empty_first(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    return tuple(sorted(rules, key=lambda rule: rule.id != "empty"))


def _code_rule(
    name: str, value: str, refuse: str, threshold: float, highest: float = 1.0, unit: str = ""
) -> Rule:
    fields = {"id": name, "value": value, "refuse": refuse, "threshold": threshold}
    return Rule.model_validate(fields | {"highest": highest, "unit": unit, "source": STACK})
