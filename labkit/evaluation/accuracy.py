"""The share of items answered rightly, with its interval, beside what guessing comes to.

A score above chance by its interval is said to be above; one whose interval holds chance is not
shown to be. Three ways to guess stand beside it, since each has been taken for skill: any choice,
always the place that is right most often, always the longest text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from scipy.stats import binomtest

from labkit.evaluation.item import Item
from labkit.evaluation.rules import is_right
from labkit.evaluation.scoring import ItemScore
from labkit.statistics.bootstrap import Interval
from labkit.statistics.paired import group_mean, paired_bootstrap
from labkit.statistics.proportion import wilson_interval

Word = Literal["above chance", "not shown", "below chance", "too few items"]
FEWEST_ITEMS = 30
ALPHA = 0.05


class Accuracy(NamedTuple):
    """`p_chance`: two-sided, that the true accuracy is that of any choice, before correction."""

    rule: str
    accuracy: Interval
    num_items: int
    num_unscored: int
    chance: float
    majority: float
    longest: float
    p_chance: float
    word: Word


def measure_accuracy(scores: Sequence[ItemScore], rule: str, seed: int = 0) -> Accuracy | None:
    """Of the items that have a score by the rule; None where fewer than two have.

    Independent items have Wilson's interval and the exact binomial test; items of groups a
    bootstrap of groups and a t test over groups.
    """
    answers = [(one.item, is_right(one, rule)) for one in scores]
    known = [(item, float(right)) for item, right in answers if right is not None]
    if len(known) < 2:
        return None
    items, right = [item for item, _ in known], [value for _, value in known]
    chances = [1 / len(item.choices) for item in items]
    interval, p_chance = _interval(right, chances, groups_of(items), seed)
    return Accuracy(
        rule=rule,
        accuracy=interval,
        num_items=len(items),
        num_unscored=len(scores) - len(items),
        chance=sum(chances) / len(chances),
        majority=Counter(item.gold for item in items).most_common(1)[0][1] / len(items),
        longest=sum(map(_is_longest, items)) / len(items),
        p_chance=p_chance,
        word=word_of(interval.estimate, sum(chances) / len(chances), p_chance, len(items)),
    )


def word_of(accuracy: float, chance: float, p_chance: float, num_items: int) -> Word:
    if num_items < FEWEST_ITEMS:
        return "too few items"
    if p_chance > ALPHA:
        return "not shown"
    return "above chance" if accuracy > chance else "below chance"


def groups_of(items: Sequence[Item]) -> list[str] | None:
    """Each item's group, an item without one being its own; None where no two share one."""
    groups = [item.group or f"item {number}" for number, item in enumerate(items)]
    return groups if len(set(groups)) < len(groups) else None


def _interval(
    right: list[float], chances: list[float], groups: list[str] | None, seed: int
) -> tuple[Interval, float]:
    above = [value - chance for value, chance in zip(right, chances, strict=True)]
    if groups is not None and len(set(groups)) > 1:
        interval = paired_bootstrap(right, [0.0] * len(right), groups, seed)
        return _within_0_1(interval), group_mean(above, groups).p_of_none()
    interval = wilson_interval(round(sum(right)), len(right))
    if len(set(chances)) == 1:
        return interval, float(binomtest(round(sum(right)), len(right), chances[0]).pvalue)
    return interval, group_mean(above).p_of_none()


def _within_0_1(interval: Interval) -> Interval:
    return Interval(interval.estimate, max(interval.low, 0.0), min(interval.high, 1.0))


def _is_longest(item: Item) -> bool:
    """Whether the right choice is the longest one; of several longest the first is guessed."""
    sizes = [len(choice.strip().encode()) for choice in item.choices]
    return sizes.index(max(sizes)) == item.gold
