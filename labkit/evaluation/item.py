"""One multiple-choice question, and a set of them with what was refused.

A question is a stem and the texts that may follow it, so that a model answers by the likelihoods
of the texts. What cannot be scored fairly is refused with its reason and counted, never cut.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Form = Literal["continuation", "letters"]
"""How a question is asked: each choice as a text that follows the stem, or the choices listed with
letters and a letter as the text that follows."""


@dataclass(frozen=True)
class Item:
    """`stem + choices[gold]` is the right text; a choice begins with its own space, if any.

    Items of one `group`, such as those of one document or subject, are not independent.
    """

    name: str
    stem: str
    choices: tuple[str, ...]
    gold: int
    group: str = ""


@dataclass(frozen=True)
class ItemSet:
    """A task: its items, where they come from, and how many were refused for which reason."""

    name: str
    items: tuple[Item, ...]
    source: str = ""
    licence: str = "unknown"
    form: Form = "continuation"
    refused: Mapping[str, int] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Of all items in their order."""
        rows = [[one.stem, *one.choices, one.gold] for one in self.items]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def accepted(
    name: str,
    items: Iterable[Item],
    source: str = "",
    licence: str = "unknown",
    form: Form = "continuation",
) -> ItemSet:
    """The items that can be scored, and the number of the others by reason."""
    kept, refused = [], Counter[str]()
    for item in items:
        reason = fault_of(item)
        if reason:
            refused[reason] += 1
        else:
            kept.append(item)
    return ItemSet(name, tuple(kept), source, licence, form, dict(refused))


def fault_of(item: Item) -> str:
    """Why an item cannot be scored fairly; empty where it can."""
    if len(item.choices) < 2:
        return "fewer than two choices"
    if not 0 <= item.gold < len(item.choices):
        return "the right answer is not among the choices"
    if any(not choice.strip() for choice in item.choices):
        return "an empty choice"
    if len(set(item.choices)) < len(item.choices):
        return "two choices are equal"
    return ""
