"""Ways to choose among texts of unequal length by their likelihoods, all from one pass.

sum             log p(choice | stem): short choices win
per byte        the same over UTF-8 bytes: alike for every tokenizer
per character   the same over characters: `acc_norm` of lm-evaluation-harness
per token       the same over tokens: depends on the tokenizer
minus alone     log p(choice | stem) - log p(choice): what the stem adds (Brown et al. 2020)
"""

from __future__ import annotations

import math
from collections.abc import Callable

from labkit.evaluation.scoring import ChoiceScore, ItemScore

RULES: dict[str, Callable[[ChoiceScore], float]] = {
    "sum": lambda one: one.log_likelihood,
    "per byte": lambda one: one.log_likelihood / one.num_bytes,
    "per character": lambda one: one.log_likelihood / one.num_characters,
    "per token": lambda one: one.log_likelihood / max(len(one.tokens), 1),
    "minus alone": lambda one: one.log_likelihood - one.alone,
}
DEFAULT_RULE = "per byte"


def picked(score: ItemScore, rule: str) -> int | None:
    """The choice that a rule picks, the first of equals; None where the item has no score by it."""
    values = [RULES[rule](choice) for choice in score.choices]
    if not values or any(map(math.isnan, values)):
        return None
    return max(range(len(values)), key=values.__getitem__)


def is_right(score: ItemScore, rule: str) -> bool | None:
    """Whether the rule picks the right choice; None where the item has no score by it."""
    found = picked(score, rule)
    return None if found is None else found == score.item.gold
