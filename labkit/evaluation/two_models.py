"""Two models on the same items: the difference in accuracy, paired, by every rule.

A difference counts as robust where its sign is the same under every rule: which of two models is
better must not depend on how their texts' lengths are made up for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from labkit.core.errors import LabError
from labkit.evaluation.accuracy import ALPHA, FEWEST_ITEMS, groups_of
from labkit.evaluation.rules import RULES, is_right
from labkit.evaluation.scoring import ItemScore
from labkit.statistics.holm import holm
from labkit.statistics.paired import Paired, compare_paired

Word = Literal["better", "worse", "not shown", "too few items"]


class Comparison(NamedTuple):
    """Of a model against another on one task by one rule; `p_holm` is over the tasks compared."""

    task: str
    rule: str
    paired: Paired
    p_holm: float
    word: Word
    is_robust: bool
    """Whether every rule gives the difference the same sign."""


def compare_models(
    first: Mapping[str, Sequence[ItemScore]],
    second: Mapping[str, Sequence[ItemScore]],
    rule: str,
    seed: int = 0,
) -> list[Comparison]:
    """The first model against the second on each task; tasks without two common items are left out.

    Raises:
        LabError: the models were asked other tasks or other items.
    """
    if list(first) != list(second):
        raise LabError(f"tasks {', '.join(first)} against {', '.join(second)}: give both the same")
    found = {}
    for task in first:
        if [one.item for one in first[task]] != [one.item for one in second[task]]:
            raise LabError(f"{task}: the two models were asked different items")
        one = _paired(first[task], second[task], rule, seed)
        if one is not None:
            found[task] = one
    adjusted = holm([one.p_value for one in found.values()])
    return [
        Comparison(
            task,
            rule,
            paired,
            p.p_value,
            _word(paired, p.p_value),
            _is_robust(first[task], second[task], seed),
        )
        for (task, paired), p in zip(found.items(), adjusted, strict=True)
    ]


def _paired(
    first: Sequence[ItemScore], second: Sequence[ItemScore], rule: str, seed: int
) -> Paired | None:
    answers = [
        (a.item, is_right(a, rule), is_right(b, rule)) for a, b in zip(first, second, strict=True)
    ]
    both = [(item, a, b) for item, a, b in answers if a is not None and b is not None]
    if len(both) < 2:
        return None
    groups = groups_of([item for item, _, _ in both])
    return compare_paired([a for _, a, _ in both], [b for _, _, b in both], groups, seed=seed)


def _word(paired: Paired, p_holm: float) -> Word:
    if paired.num_items < FEWEST_ITEMS:
        return "too few items"
    if p_holm > ALPHA:
        return "not shown"
    return "better" if paired.effect.estimate > 0 else "worse"


def _is_robust(first: Sequence[ItemScore], second: Sequence[ItemScore], seed: int) -> bool:
    found = [_paired(first, second, rule, seed) for rule in RULES]
    signs = {(one.effect.estimate > 0) - (one.effect.estimate < 0) for one in found if one}
    return len(signs) == 1 and signs != {0}
