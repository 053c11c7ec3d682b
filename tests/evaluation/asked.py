"""A tiny model with the tokenizer of bytes, and questions."""

from __future__ import annotations

from labkit.evaluation.item import Item
from labkit.exchange.trained_model import TrainedModel
from labkit.tokens.kinds import make_bytes
from tests.model.models import random_model, tiny


def tiny_model(context_length: int = 64, **changes) -> TrainedModel:
    model = random_model(tiny(vocab_size=257, context_length=context_length, **changes))
    return TrainedModel("tiny", model, make_bytes(), 256)


def items(count: int, num_choices: int = 4, group: str = "") -> list[Item]:
    return [
        Item(
            f"item {number}",
            f"stem {number} of them",
            tuple(
                f" {word}{number}" for word in "one three seven eleven two".split()[:num_choices]
            ),
            number % num_choices,
            f"{group}{number // 5}" if group else "",
        )
        for number in range(count)
    ]
