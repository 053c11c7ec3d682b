"""Prompts made of items: worked examples before a question, and control experiments.

A control changes what a question says and nothing else: with stems exchanged between items a model
that reads them falls to chance; with options in another order one that reads them stays.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from labkit.core.errors import LabError
from labkit.evaluation.item import Item

BETWEEN_EXAMPLES = "\n\n"
LETTERS = "ABCDEFGHIJ"


def as_letters(item: Item) -> Item:
    """The choices listed in the stem; what is chosen among is their letters.

    >>> as_letters(Item("", "2 + 2?", (" 4", " 5"), 0)).stem.split("\\n")
    ['2 + 2?', 'A. 4', 'B. 5', 'Answer:']

    Raises:
        LabError: more choices than letters.
    """
    if len(item.choices) > len(LETTERS):
        raise LabError(f"{item.name}: {len(item.choices)} choices for {len(LETTERS)} letters")
    used = LETTERS[: len(item.choices)]
    listed = [f"{one}. {choice.strip()}" for one, choice in zip(used, item.choices, strict=True)]
    stem = "\n".join([item.stem, *listed, "Answer:"])
    return replace(item, stem=stem, choices=tuple(f" {one}" for one in used))


def with_examples(items: Sequence[Item], num_examples: int, seed: int = 0) -> list[Item]:
    """Each item after so many others with their right answers, drawn for it by the seed.

    Raises:
        LabError: fewer other items than examples.
    """
    if num_examples >= len(items) and num_examples:
        raise LabError(f"{num_examples} examples from {len(items)} items; give at most one less")
    found = []
    for number, item in enumerate(items):
        rng = random.Random(f"{seed} {number}")
        places = rng.sample(range(len(items) - 1), num_examples)
        others = [items[place + (place >= number)] for place in places]
        shown = [f"{one.stem}{one.choices[one.gold]}{BETWEEN_EXAMPLES}" for one in others]
        found.append(replace(item, stem="".join(shown) + item.stem))
    return found


def with_stems_exchanged(items: Sequence[Item], seed: int = 0) -> list[Item]:
    """Each item with the stem of another one, of another group where there are several.

    Raises:
        LabError: a single item.
    """
    if len(items) < 2:
        raise LabError("stems are exchanged between items; give two or more")
    order = sorted(range(len(items)), key=lambda one: (items[one].group, one))
    half = max(len(items) // 2, 1)  # far enough to leave most groups
    shift = half + random.Random(seed).randrange(max(len(items) - half, 1))
    shift = shift % len(items) or 1
    stems = {
        one: items[order[(place + shift) % len(items)]].stem for place, one in enumerate(order)
    }
    return [replace(item, stem=stems[number]) for number, item in enumerate(items)]


def with_options_rotated(items: Sequence[Item], by: int = 1) -> list[Item]:
    """Each item with its choices moved on by so many places, the right one among them."""
    found = []
    for item in items:
        size = len(item.choices)
        choices = tuple(item.choices[(place - by) % size] for place in range(size))
        found.append(replace(item, choices=choices, gold=(item.gold + by) % size))
    return found
