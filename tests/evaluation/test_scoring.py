"""Likelihoods of choices: against the whole text read anew, and what cannot be scored."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from labkit.evaluation.accuracy import measure_accuracy
from labkit.evaluation.item import Item, accepted
from labkit.evaluation.rules import RULES, picked
from labkit.evaluation.scoring import (
    NOT_FINITE,
    TOO_LONG,
    ChoiceScore,
    ItemScore,
    encode_pair,
    score_items,
)
from labkit.evaluation.two_models import compare_models
from tests.evaluation.asked import items, tiny_model


def whole_text(model, stem: str, choice: str) -> list[float]:
    """Log-likelihoods of the choice's tokens in a pass over everything, without a cache."""
    first, then = encode_pair(model, stem, choice)
    ids = [256, *first, *then]
    with torch.no_grad():
        logs_TV = model.model(torch.tensor([ids]))[0].log_softmax(-1)
    places = range(1 + len(first), len(ids))
    return [float(logs_TV[place - 1, ids[place]]) for place in places]


@pytest.mark.parametrize(
    "changes",
    [{}, {"positions": "rope", "window": 7}, {"token_shift": True}, {"positions": "alibi"}],
    ids=["learned", "rope", "token shift", "alibi"],
)
def test_a_stem_read_once_gives_what_the_whole_text_gives(changes):
    model = tiny_model(**changes)
    for one in score_items(model, [*items(5), Item("equal", "ab", ("abc", "abd"), 0)]):
        for choice, score in zip(one.item.choices, one.choices, strict=True):
            expected = whole_text(model, one.item.stem, choice)
            assert score.token_log_likelihoods == pytest.approx(expected, abs=2e-5)
            assert score.num_bytes == len(choice.strip().encode())


def test_spaces_at_the_end_of_a_stem_go_to_the_choice():
    model = tiny_model()
    [spaced] = score_items(model, [Item("", "stem ", ("one", "two"), 0)])
    [joined] = score_items(model, [Item("", "stem", (" one", " two"), 0)])
    assert spaced.choices == joined.choices


def test_rules_by_hand():
    long = ChoiceScore((1, 2, 3, 4), (-1.0,) * 4, 8, 8, -6.0, False)
    short = ChoiceScore((5,), (-3.0,), 3, 3, -3.0, True)
    score = ItemScore(items(1)[0], (long, short))
    found = {rule: picked(score, rule) for rule in RULES}
    assert found == {
        "sum": 1,
        "per byte": 0,
        "per character": 0,
        "per token": 0,
        "minus alone": 0,
    }
    unknown = ItemScore(score.item, (long._replace(alone=math.nan), short))
    assert picked(unknown, "minus alone") is None


def test_what_cannot_be_scored_is_named_and_counted():
    model = tiny_model(context_length=16)
    long, whole = replace(items(1)[0], stem="x" * 40), Item("", "ab", ("c", "d"), 0)
    found = score_items(model, [long, whole])
    assert [one.problem for one in found] == [TOO_LONG, ""]
    torch.nn.init.constant_(model.model.head.weight, math.nan)
    assert score_items(model, [whole])[0].problem == NOT_FINITE
    bad = [
        Item("", "s", ("a",), 0),
        Item("", "s", ("a", "b"), 2),
        Item("", "s", ("a", " "), 0),
        Item("", "s", ("a", "a"), 0),
        whole,
    ]
    task = accepted("t", bad)
    assert task.items == (whole,)
    assert sorted(task.refused.values()) == [1, 1, 1, 1]


def scored(right: list[bool], groups: list[str] | None = None) -> list[ItemScore]:
    """Items of two choices, answered as told by every rule."""
    good, bad = (ChoiceScore((1,), (value,), 1, 1, -1.0, False) for value in (-1.0, -2.0))
    names = groups or [""] * len(right)
    return [
        ItemScore(Item(str(n), "s", ("a", "b"), 0, group), (good, bad) if one else (bad, good))
        for n, (one, group) in enumerate(zip(right, names, strict=True))
    ]


def test_accuracy_stands_beside_chance():
    strong = measure_accuracy(scored([True] * 70 + [False] * 30), "sum")
    assert strong.word == "above chance"
    assert (strong.accuracy.estimate, strong.chance, strong.majority) == (0.7, 0.5, 1.0)
    assert measure_accuracy(scored([True, False] * 20), "sum").word == "not shown"
    assert measure_accuracy(scored([False] * 40), "sum").word == "below chance"
    assert measure_accuracy(scored([True] * 20), "sum").word == "too few items"
    in_groups = measure_accuracy(scored([True] * 70 + [False] * 30, ["a"] * 70 + ["b"] * 30), "sum")
    assert in_groups.word == "not shown"


def test_two_models_are_compared_on_the_items_they_share():
    one, other = [True] * 40 + [False] * 10, [True] * 20 + [False] * 30
    [found] = compare_models({"t": scored(one)}, {"t": scored(other)}, "sum")
    assert (found.word, found.is_robust) == ("better", True)
    assert found.paired.effect.estimate == pytest.approx(0.4)
    [equal] = compare_models({"t": scored(one)}, {"t": scored(one)}, "sum")
    assert (equal.word, equal.is_robust) == ("not shown", False)
    with pytest.raises(Exception, match="different items"):
        compare_models({"t": scored(one)}, {"t": scored(other)[1:]}, "sum")
