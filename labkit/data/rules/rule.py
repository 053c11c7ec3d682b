"""A rule refuses a document whose value is beyond a threshold; a rule set is a step of them.

A value is a column of `labkit.data.kernel.definitions.COLUMNS`, or one column by another:

    shouting = Rule(id="shouting", value="num_uppercase / num_letters", refuse="above",
                    threshold=0.3)
    rules = english().with_rules(shouting)

Columns are counted once, from text; values follow from columns and verdicts from values, in
vectors, so that a threshold can be moved without reading any text again. A document is dropped by
the first rule, in the order of the set, that refuses it. A ratio over nothing is 0.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import field_validator

from labkit.core.config import Config, ConfigError, field, validate
from labkit.data.kernel.definitions import COLUMNS, GRAMS, Definitions
from labkit.data.kernel.text_columns import count_columns
from labkit.data.pipeline.step import Outcome, Verdicts, split_by


class Rule(Config):
    """Refuses values strictly below, or strictly above, its threshold."""

    id: str = field(..., "Name of the rule in funnels and on dropped documents")
    value: str = field(..., "A column, or two as 'column / column'")
    refuse: Literal["below", "above"] = field(..., "Which side of the threshold is refused")
    threshold: float = field(..., "The last value that is kept")
    highest: float = field(1.0, "Upper end of the threshold's control", gt=0)
    unit: str = field("", "Unit of value and threshold; none for a ratio")
    source: str = field("", "Where value and threshold are from")

    @field_validator("id")
    @classmethod
    def _has_a_name(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("a rule needs a name, for example 'shouting'")
        return name

    @field_validator("value")
    @classmethod
    def _is_of_columns(cls, value: str) -> str:
        columns = value.split(" / ")
        unknown = [name for name in columns if name not in COLUMNS]
        if unknown or len(columns) > 2:
            near = difflib.get_close_matches(unknown[0] if unknown else "", COLUMNS, n=3)
            known = f"did you mean {', '.join(near)}?" if near else f"columns: {', '.join(COLUMNS)}"
            raise ValueError(f"give one column, or two as 'column / column'; {known}")
        return value

    def fault_of(self, threshold: float) -> str:
        """Why it can be no threshold, or nothing: no value is negative, none without unit over 1.

        >>> rule = Rule(id="r", value="num_spaces / num_characters", refuse="above", threshold=0)
        >>> rule.fault_of(30)
        'should be a ratio, from 0 to 1'
        """
        if threshold < 0:
            return "should be 0 or more"
        if not self.unit and threshold > self.highest:
            return f"should be a ratio, from 0 to {self.highest:g}"
        return ""

    @property
    def operands(self) -> list[str]:
        return self.value.split(" / ")

    def values(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """float64[document].

        >>> rule = Rule(id="r", value="num_hashes / num_words", refuse="above", threshold=0.1)
        >>> rule.values({"num_hashes": np.array([1, 0]), "num_words": np.array([4, 0])}).tolist()
        [0.25, 0.0]
        """
        numerator, *by = (columns[name].astype(np.float64) for name in self.operands)
        if not by:
            return numerator
        return np.divide(numerator, by[0], out=np.zeros_like(numerator), where=by[0] != 0)


class RuleSet(Config):
    """A `Step`: rules in their order, on words, stop words and terminators as defined."""

    name: str = field(..., "Name of the step")
    rules: tuple[Rule, ...] = field(..., "In the order in which a document meets them")
    definitions: Definitions = field(Definitions(), "What words and lines are")

    @field_validator("rules")
    @classmethod
    def _have_different_ids(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        ids = [rule.id for rule in rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice or not rules:
            raise ValueError(f"rules of one set have different ids and are one or more: {twice}")
        return rules

    @property
    def ids(self) -> list[str]:
        return [rule.id for rule in self.rules]

    @property
    def thresholds(self) -> np.ndarray:
        """float64[rule]."""
        return np.array([rule.threshold for rule in self.rules], dtype=np.float64)

    def columns(self, texts: pa.Array) -> dict[str, np.ndarray]:
        """The counts that these rules need: name -> int64[document]."""
        wanted = dict.fromkeys(name for rule in self.rules for name in rule.operands)
        return count_columns(texts, self.definitions, list(wanted))

    def values(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """float64[rule, document]."""
        return np.stack([rule.values(columns) for rule in self.rules])

    def first_refusing(
        self, values: np.ndarray, thresholds: np.ndarray | None = None
    ) -> np.ndarray:
        """int16[document]: position of the first rule that refuses it, -1 where it is kept.

        `values` is [rule, document], `thresholds` [rule], the set's own if none are given.
        """
        if thresholds is None:
            thresholds = self.thresholds
        assert values.shape[0] == len(self.rules) == len(thresholds), values.shape
        first = np.full(values.shape[1], -1, dtype=np.int16)
        for position in range(len(self.rules) - 1, -1, -1):
            is_below = self.rules[position].refuse == "below"
            compare = np.less if is_below else np.greater
            first[compare(values[position], thresholds[position])] = position
        return first

    def verdicts(self, values: np.ndarray, thresholds: np.ndarray | None = None) -> Verdicts:
        """Rule, its value and its threshold, null where a document is kept."""
        if thresholds is None:
            thresholds = self.thresholds
        first = self.first_refusing(values, thresholds)
        is_kept = first < 0
        ids = pa.DictionaryArray.from_arrays(
            pa.array(first, mask=is_kept), pa.array(self.ids, type=pa.string())
        )
        refused_value = values[first, np.arange(len(first))]
        return Verdicts(
            rule=ids.dictionary_decode(),
            value=pa.array(refused_value, mask=is_kept),
            threshold=pa.array(np.asarray(thresholds, dtype=np.float64)[first], mask=is_kept),
        )

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        return split_by(batch, self.decide(batch.column("text")))

    def decide(self, texts: pa.Array) -> Verdicts:
        """The verdicts; n-grams are counted only where no rule before those on them refuses."""
        is_costly = [not GRAMS.keys().isdisjoint(rule.operands) for rule in self.rules]
        num_cheap = is_costly.index(True) if any(is_costly) else len(self.rules)
        values = np.repeat(self.thresholds[:, None], len(texts), axis=1)  # a threshold is kept
        left = np.arange(len(texts))
        for rules in (slice(0, num_cheap), slice(num_cheap, None)):
            if self.rules[rules]:
                part = self.model_copy(update={"rules": self.rules[rules]})
                some = texts if len(left) == len(texts) else texts.take(pa.array(left))
                values[rules, left] = part.values(part.columns(some))
            left = np.flatnonzero(self.first_refusing(values) < 0)
        return self.verdicts(values)

    def with_rules(self, *rules: Rule) -> RuleSet:
        """A copy with more rules at its end."""
        return self._with((*self.rules, *rules))

    def with_thresholds(self, thresholds: Mapping[str, float]) -> RuleSet:
        """A copy with thresholds by rule id.

        Raises:
            ConfigError: an id that no rule has, or a threshold that is no number.
        """
        unknown = [name for name in thresholds if name not in self.ids]
        if unknown:
            near = difflib.get_close_matches(unknown[0], self.ids, n=3) or self.ids
            raise ConfigError({unknown[0]: f"no rule {unknown[0]!r}; rules: {', '.join(near)}"})
        rules = [
            rule.with_overrides({"threshold": thresholds[rule.id]})
            if rule.id in thresholds
            else rule
            for rule in self.rules
        ]
        return self._with(tuple(rules))

    def _with(self, rules: tuple[Rule, ...]) -> RuleSet:
        fields = {"name": self.name, "definitions": self.definitions, "rules": rules}
        return validate(RuleSet, fields)
