"""Questions with exact chance made from held-out text, which a model of a million parameters can
answer better than by guessing; published ones are too hard for it.

continuation  the real next characters against three stretches from elsewhere in the corpus
last_word     the real last word of a stretch against three that end others, about as frequent
word_order    the real next words against the same words shuffled

Stretches begin and end at spaces. Items of one document are one group.
"""

from __future__ import annotations

import bisect
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from labkit.core.config import Config, field
from labkit.core.errors import LabError
from labkit.evaluation.item import Item, ItemSet, accepted

NUM_CHOICES = 4


class OwnTaskConfig(Config):
    """How many questions, and of which size: short ones for models of short context."""

    num_items: int = field(200, "questions of each task", unit="items", ge=2, le=100_000)
    stem_characters: int = field(
        100, "text before the choices", unit="characters", ge=8, le=10_000, scale="log"
    )
    choice_characters: int = field(
        40, "text of a choice", unit="characters", ge=8, le=1_000, scale="log"
    )
    seed: int = field(0, "of places and wrong choices", ge=0, le=2**31 - 1)


class Passage(NamedTuple):
    """A stretch of a document: what stands before, and what follows."""

    document: int
    start: int
    before: str
    after: str


def make_task(name: str, texts: Sequence[str], config: OwnTaskConfig, source: str = "") -> ItemSet:
    """The questions of one of `OWN_TASKS` on held-out texts.

    Raises:
        LabError: an unknown task, or texts too short to ask anything.
    """
    if name not in OWN_TASKS:
        raise LabError(f"no task {name!r}; known: {', '.join(OWN_TASKS)}")
    rng = random.Random(f"{config.seed} {name}")
    items = list(OWN_TASKS[name](_passages(texts, config, rng), rng))
    if len(items) < 2:
        raise LabError(
            f"{name}: the held-out text gives {len(items)} questions; give more text, or shorter "
            "stem_characters and choice_characters"
        )
    return accepted(name, items[: config.num_items], source)


def _continuation(passages: Sequence[Passage], rng: random.Random) -> Iterator[Item]:
    if len(passages) < NUM_CHOICES:
        return
    for number, one in enumerate(passages):
        places = rng.sample(range(1, len(passages)), NUM_CHOICES - 1)  # ahead, around the end
        others = [passages[(number + place) % len(passages)].after for place in places]
        yield _item(one, [one.after, *others], rng)


def _last_word(passages: Sequence[Passage], rng: random.Random) -> Iterator[Item]:
    """Wrong words are neighbours of the right one in order of how often they end a stretch."""
    ends = [one.after.rsplit(" ", 1) for one in passages]
    counts = Counter(parts[-1] for parts in ends if len(parts) == 2 and parts[-1].isalpha())
    ranked = sorted(counts, key=lambda word: (counts[word], word))
    keys = [(counts[word], word) for word in ranked]
    for one, parts in zip(passages, ends, strict=True):
        word = parts[-1]
        if len(parts) < 2 or word not in counts or len(ranked) < NUM_CHOICES:
            continue
        place = bisect.bisect_left(keys, (counts[word], word))
        near = [other for other in ranked[max(place - 20, 0) : place + 21] if other != word]
        if len(near) < NUM_CHOICES - 1:
            continue
        whole = one._replace(before=f"{one.before}{parts[0]}")
        wrong = rng.sample(near, NUM_CHOICES - 1)
        yield _item(whole, [f" {other}" for other in (word, *wrong)], rng)


def _word_order(passages: Sequence[Passage], rng: random.Random) -> Iterator[Item]:
    for one in passages:
        words = one.after.split()
        shuffled = rng.sample(words, len(words))
        if len(words) > 2 and shuffled != words:
            yield _item(one, [" " + " ".join(words), " " + " ".join(shuffled)], rng)


OwnTask = Callable[[Sequence[Passage], random.Random], Iterator[Item]]
OWN_TASKS: dict[str, OwnTask] = {
    "continuation": _continuation,
    "last_word": _last_word,
    "word_order": _word_order,
}


def _passages(texts: Sequence[str], config: OwnTaskConfig, rng: random.Random) -> list[Passage]:
    """Stretches at random that don't overlap, more than are asked for: some tasks use a part."""
    size = config.stem_characters + config.choice_characters
    slots = [
        (number, start)
        for number, text in enumerate(texts)
        for start in range(0, len(text) - size - 1, size)
    ]
    rng.shuffle(slots)
    found = []
    for document, start in slots[: 4 * config.num_items]:
        text = texts[document]
        middle = text.rfind(" ", start, start + config.stem_characters)
        end = text.rfind(" ", middle + 1, middle + 1 + config.choice_characters)
        begin = text.find(" ", start, middle)
        if 0 <= begin < middle < end:
            passage = Passage(document, start, text[begin + 1 : middle], text[middle:end])
            if passage.before.strip() and passage.after.strip():
                found.append(passage)
    return found


def _item(passage: Passage, choices: Sequence[str], rng: random.Random) -> Item:
    """The first choice is the right one; its place is drawn."""
    order = rng.sample(range(len(choices)), len(choices))
    return Item(
        name=f"document {passage.document}, character {passage.start:,}",
        stem=passage.before,
        choices=tuple(choices[place] for place in order),
        gold=order.index(0),
        group=f"document {passage.document}",
    )
